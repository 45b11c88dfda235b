"""Backends floor: gathers what an image is built from: the recipe's files and what the host adds to them.

It reads files and the host's variables, and knows no engine.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.domain.errors import ImageBuildFailed

__all__ = ("BuildEnvironment", "Recipe", "repository_context")

_CA_BUNDLE_NAME = "ca-bundle.crt"
_PROGRAM_RUNNER = "program"
_NO_SOURCES = frozenset({"Dockerfile", "README.md", "runtime.toml", _CA_BUNDLE_NAME})
_FILES_OF_REPOSITORY = ("LICENSE", "README.md", "pyproject.toml", "requirements.lock")
_FOLDERS_OF_REPOSITORY = ("deploy", "images", "orchestrator", "seccomp")
_NO_FOLDERS = frozenset({"__pycache__", "node_modules"})

_CA_BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CA_BUNDLE_PLACE = Path("/etc/ssl/certs/ca-certificates.crt")
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_REGISTRY_VARIABLES = ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildEnvironment:
    """What this host adds to a build: the way to the outside and the authorities it trusts.

    None of it is part of an image, nor of the digest of its sources.
    """

    build_args: Mapping[str, str] = field(default_factory=dict)
    ca_bundle: bytes = b""
    debian_mirror: str = ""
    """Where Debian's packages come from; given, no registry is asked for a base. Empty: the usual place."""

    @classmethod
    def from_host(cls, variables: Mapping[str, str]) -> BuildEnvironment:
        """The build environment that the host's own `variables` describe."""
        names = (*_PROXY_VARIABLES, *_REGISTRY_VARIABLES)
        return cls(
            build_args={name: variables[name] for name in names if variables.get(name)},
            ca_bundle=_read_ca_bundle(variables),
            debian_mirror=variables.get("SANDBOX_ORCH_DEBIAN_MIRROR", ""),
        )


def _read_ca_bundle(variables: Mapping[str, str]) -> bytes:
    named = (Path(variables[name]) for name in _CA_BUNDLE_VARIABLES if variables.get(name))
    for place in (*named, _CA_BUNDLE_PLACE):
        with suppress(OSError):
            return place.read_bytes()
    return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every file that decides what is in an image, read once: what is built is what the digest says."""

    files: tuple[tuple[str, bytes], ...]
    """Name in the build context and content, sorted by name."""

    @classmethod
    def read(
        cls, folder: Path, runtime: str, *, shared: Path | None = None, with_program_runner: bool = False
    ) -> Recipe:
        """The recipe of one runtime under `folder`. Raises ImageBuildFailed where it is not whole.

        Of what all recipes share, the files that `folder` does not have come from `shared`.
        `with_program_runner` adds the sources of the shared runner, `program/`.
        """
        try:
            files = {} if shared in (None, folder) else _read_shared(shared, with_program_runner)
            files |= _read_shared(folder, with_program_runner)
            files |= _read_own(folder, runtime)
            return cls(files=tuple(sorted(files.items())))
        except OSError as error:
            raise ImageBuildFailed(f"the recipe cannot be read: {error}", step="build context") from None

    @property
    def digest(self) -> str:
        """One value for all names and contents."""
        digest = hashlib.sha256()
        for name, content in self.files:
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return f"sha256:{digest.hexdigest()}"

    def context(self, ca_bundle: bytes) -> bytes:
        """The tar that the image is built from: the same bytes for the same files, wherever it is made."""
        return _tar((*self.files, (_CA_BUNDLE_NAME, ca_bundle)))


def repository_context(repository: Path, dockerfile: str, ca_bundle: bytes) -> bytes:
    """The tar that an image of compose.yaml is built from, with its `dockerfile` where the engine looks for one.

    Raises ImageBuildFailed where `repository` is none.
    """
    try:
        names = sorted(_names_in(repository))
        files = [(name, (repository / name).read_bytes()) for name in names]
        files.append(("Dockerfile", (repository / dockerfile).read_bytes()))
    except OSError as error:
        problem = f"{repository} is no checkout of sandbox-orch: {error}"
        raise ImageBuildFailed(problem, step="build context") from None
    return _tar((*files, (f"images/{_CA_BUNDLE_NAME}", ca_bundle)))


def _names_in(repository: Path) -> Iterator[str]:
    """What `.dockerignore` leaves of a checkout."""
    yield from _FILES_OF_REPOSITORY
    for folder in _FOLDERS_OF_REPOSITORY:
        for place, folders, files in os.walk(repository / folder):
            folders[:] = [name for name in folders if name not in _NO_FOLDERS]
            for name in files:
                if name != _CA_BUNDLE_NAME:
                    yield str((Path(place) / name).relative_to(repository))


def _tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if name.endswith(".sh") else 0o644
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


def _read_own(folder: Path, runtime: str) -> dict[str, bytes]:
    own = {"Dockerfile": (folder / runtime / "Dockerfile").read_bytes()}
    return own | _read_sources(folder / runtime, f"{runtime}/")


def _read_shared(folder: Path, with_program_runner: bool) -> dict[str, bytes]:  # noqa: FBT001 - a file's own
    files = _read_sources(folder, "")
    if with_program_runner and (folder / _PROGRAM_RUNNER).is_dir():
        files |= _read_sources(folder / _PROGRAM_RUNNER, f"{_PROGRAM_RUNNER}/")
    return files


def _read_sources(place: Path, prefix: str) -> dict[str, bytes]:
    return {prefix + file.name: file.read_bytes() for file in place.iterdir() if _is_source(file)}


def _is_source(file: Path) -> bool:
    """Whether a file can end up in an image: not what documents, tests or describes it."""
    is_other = file.name in _NO_SOURCES or file.name.startswith((".", "test_", "test."))
    return file.is_file() and not is_other and not file.stem.endswith((".test", "_test"))
