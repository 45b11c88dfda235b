"""Backends floor: makes the images of the runtimes and verifies them. It owns the recipe, never the engine.

An image is current as long as its label says the digest of the files it would be built from today.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from orchestrator import __version__
from orchestrator.backends import debian_base
from orchestrator.backends.image_audit import FileSystemAudit, audit_file_system
from orchestrator.backends.image_bill import bill_of_materials
from orchestrator.backends.image_contents import KnownBad
from orchestrator.backends.image_context import BuildEnvironment, Recipe, repository_context
from orchestrator.backends.runtime_files import (
    images_folder,
    known_runtimes,
    load_runtimes,
    seccomp_folder,
)
from orchestrator.domain.errors import BackendError, ImageMissing
from orchestrator.domain.runtime import Runtime

__all__ = (
    "BASE_IMAGE",
    "COMPOSE_IMAGES",
    "LABEL_RUNTIME",
    "LABEL_SOURCE_DIGEST",
    "BuildEnvironment",
    "ComposeImage",
    "ImageBuilder",
    "ImageEngine",
    "ImageReport",
    "ImageState",
    "KnownBad",
    "Progress",
    "images_folder",
    "known_runtimes",
    "load_runtimes",
    "seccomp_folder",
)

BASE_IMAGE = "sandbox-orch/debian:trixie"
LABEL_RUNTIME = "org.sandbox-orch.runtime"
LABEL_SOURCE_DIGEST = "org.sandbox-orch.source-digest"

_OFFICIAL_BASE = "debian:trixie-slim"
_PULL_SECONDS = 45.0

Progress = Callable[[str], None]
"""Takes one line of what is going on, for a person to see."""


class ImageEngine(Protocol):
    """What making images asks of an engine. Each call raises only BackendError and its kin."""

    async def image_inspect(self, reference: str) -> dict[str, Any] | None:
        """The engine's description of an image, None where it has none of that name."""
        ...

    async def image_pull(self, reference: str, timeout_seconds: float) -> bool:
        """Pull an image; False where no registry gives it in time."""
        ...

    async def image_import(self, tar_path: Path, reference: str) -> None:
        """Make an image of one layer from a tar of a root file system."""
        ...

    async def image_tag(self, source: str, reference: str) -> None:
        """Give an image a further name."""
        ...

    async def image_build(
        self,
        context: bytes,
        *,
        tag: str,
        build_args: dict[str, str],
        labels: dict[str, str],
        progress: Progress,
    ) -> None:
        """Build an image from a tar of its context. Raises ImageBuildFailed with the last lines."""
        ...

    async def image_remove(self, reference: str) -> None:
        """Remove an image; one that is not there is no error."""
        ...

    def image_export(self, reference: str) -> AsyncIterator[bytes]:
        """The tar of an image's root file system."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageState:
    """What the engine has of one runtime's image. `digest` is empty where it has none."""

    runtime: str
    image: str
    digest: str = ""
    created: str = ""
    size_bytes: int = 0
    is_current: bool = False
    """Whether it was built from the files that are there now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeImage:
    """One of the images that compose.yaml builds."""

    tag: str
    dockerfile: str
    """Its place in the repository, which is the context."""


COMPOSE_IMAGES = {
    "orchestrator": ComposeImage(
        tag=f"sandbox-orch/orchestrator:{__version__}", dockerfile="images/orchestrator/Dockerfile"
    ),
    "postgres": ComposeImage(tag="sandbox-orch/postgres:17", dockerfile="deploy/postgres/Dockerfile"),
    "prometheus": ComposeImage(
        tag="sandbox-orch/prometheus:trixie", dockerfile="deploy/prometheus/Dockerfile"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReport:
    """What verifying one image showed. `findings` is empty where it may serve tenants."""

    state: ImageState
    file_count: int
    findings: tuple[str, ...]
    ready: str | None
    """What its runner said in a real container; None where that was not tried or failed."""


class ImageBuilder:
    """Makes and verifies the images of the runtimes defined under one folder, and of those in `shared`.

    What recipes share and `folder` does not have comes from `shared` too.
    """

    def __init__(
        self, engine: ImageEngine, *, folder: Path, environment: BuildEnvironment, shared: Path | None = None
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._shared = shared or folder
        self._environment = environment

    @classmethod
    def for_this_host(cls, engine: ImageEngine, folder: Path | None = None) -> ImageBuilder:
        """A builder with this process's environment, of the recipes of this package and of those in `folder`."""
        environment = BuildEnvironment.from_host(os.environ)
        shared = images_folder()
        return cls(engine, folder=folder or shared, environment=environment, shared=shared)

    async def build(self, runtime: Runtime, progress: Progress, *, force: bool = False) -> bool:
        """Make the image of `runtime` unless it is current; answers whether it was made.

        `force` makes it all the same, of what the engine's build cache still holds. After a failure
        (ImageBuildFailed, with the last lines) the image is what it was before. The image that was
        replaced is removed, unless containers still run on it.
        """
        before = await self.state(runtime)
        if before.is_current and not force:
            return False
        await self.ensure_base(progress)
        recipe = self._recipe(runtime)
        await self._engine.image_build(
            recipe.context(self._environment.ca_bundle),
            tag=runtime.image,
            build_args={"BASE": BASE_IMAGE, **self._environment.build_args},
            labels={LABEL_RUNTIME: runtime.name, LABEL_SOURCE_DIGEST: recipe.digest},
            progress=progress,
        )
        after = await self.state(runtime)
        if before.digest not in ("", after.digest):
            with suppress(BackendError):
                await self._engine.image_remove(before.digest)
        return True

    async def build_for_compose(self, repository: Path, image: ComposeImage, progress: Progress) -> None:
        """Make an image of compose.yaml of the checkout at `repository`. Raises ImageBuildFailed."""
        context = repository_context(repository, image.dockerfile, self._environment.ca_bundle)
        before = await self._engine.image_inspect(image.tag)
        await self.ensure_base(progress)
        await self._engine.image_build(
            context,
            tag=image.tag,
            build_args={"BASE": BASE_IMAGE, **self._environment.build_args},
            labels={},
            progress=progress,
        )
        after = await self._engine.image_inspect(image.tag)
        if before and after and before["Id"] != after["Id"]:
            with suppress(BackendError):
                await self._engine.image_remove(str(before["Id"]))

    async def state(self, runtime: Runtime) -> ImageState:
        """What the engine has of this runtime's image."""
        facts = await self._engine.image_inspect(runtime.image)
        if facts is None:
            return ImageState(runtime=runtime.name, image=runtime.image)
        labels = (facts.get("Config") or {}).get("Labels") or {}
        return ImageState(
            runtime=runtime.name,
            image=runtime.image,
            digest=str(facts.get("Id", "")),
            created=str(facts.get("Created", "")),
            size_bytes=int(facts.get("Size", 0)),
            is_current=labels.get(LABEL_SOURCE_DIGEST) == self._recipe(runtime).digest,
        )

    def _recipe(self, runtime: Runtime) -> Recipe:
        return Recipe.read(
            self._folder_of(runtime),
            runtime.name,
            shared=self._shared,
            with_program_runner=runtime.program is not None,
        )

    def _folder_of(self, runtime: Runtime) -> Path:
        """Where it is defined: the operator's own folder before the package's."""
        is_own = (self._folder / runtime.name / "runtime.toml").is_file()
        return self._folder if is_own else self._shared

    async def is_current(self, runtime: Runtime) -> bool:
        """Whether the engine has the image, built from the files that are there now."""
        return (await self.state(runtime)).is_current

    async def verify(
        self,
        runtime: Runtime,
        *,
        probe: Callable[[], Awaitable[str]] | None = None,
        known_bad: KnownBad | None = None,
    ) -> ImageReport:
        """Look through the whole file system of an image, and start its runner where `probe` can.

        `known_bad` None means the list that comes with this package. Raises ImageMissing where there is no
        image; everything else that is wrong is a finding.
        """
        state, audit = await self._audit(runtime, known_bad)
        findings = list(audit.findings)
        if not state.is_current:
            findings.append(
                f"built from other files than those now in {self._folder_of(runtime) / runtime.name}"
            )
        ready = None
        if probe is not None:
            try:
                ready = await probe()
            except BackendError as error:
                findings.append(f"its runner did not become ready: {error}")
        return ImageReport(state=state, file_count=audit.file_count, findings=tuple(findings), ready=ready)

    async def bill_of_materials(self, runtime: Runtime) -> str:
        """Every package and file of an image, as CycloneDX JSON. Raises ImageMissing where there is none."""
        state, audit = await self._audit(runtime, None)
        return bill_of_materials(
            image=state.image,
            digest=state.digest,
            created=state.created,
            packages=audit.packages,
            files=audit.files,
        )

    async def _audit(
        self, runtime: Runtime, known_bad: KnownBad | None
    ) -> tuple[ImageState, FileSystemAudit]:
        state = await self.state(runtime)
        if not state.digest:
            raise ImageMissing(
                f"{runtime.image} is not there; `sandbox-orch images build {runtime.name}` makes it",
                step="verify",
            )
        return state, await audit_file_system(
            self._engine.image_export(state.digest), known_bad, allowed_programs=runtime.allowed_programs
        )

    async def ensure_base(self, progress: Progress, *, anew: bool = False) -> None:
        """Have the Debian image that all others are built on; `anew` fetches today's packages for it.

        From a registry where one answers, else from Debian's packages. Raises ImageBuildFailed.
        """
        if not anew and await self._engine.image_inspect(BASE_IMAGE) is not None:
            return
        progress(f"{BASE_IMAGE}: asking for {_OFFICIAL_BASE}")
        if not await self._pull_base():
            await self._bootstrap_base(progress)

    async def _pull_base(self) -> bool:
        if self._environment.debian_mirror:
            return False
        if not await self._engine.image_pull(_OFFICIAL_BASE, _PULL_SECONDS):
            return False
        if await self._engine.image_inspect(_OFFICIAL_BASE) is None:
            return False
        await self._engine.image_tag(_OFFICIAL_BASE, BASE_IMAGE)
        return True

    async def _bootstrap_base(self, progress: Progress) -> None:
        with tempfile.TemporaryDirectory(prefix="sandbox-orch-") as scratch:
            tar_path = Path(scratch) / "base.tar"
            await debian_base.bootstrap(tar_path, self._environment.debian_mirror, progress)
            progress(f"{BASE_IMAGE}: importing {tar_path.stat().st_size} bytes")
            await self._engine.image_import(tar_path, BASE_IMAGE)
