"""CLI floor: `sandbox-orch images build|list|verify|sbom`. It shows what the image builder does.

Results go to stdout, what is going on to stderr.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import click

from orchestrator.backends.images import (
    COMPOSE_IMAGES,
    ComposeImage,
    ImageBuilder,
    ImageReport,
    ImageState,
    KnownBad,
    Progress,
    known_runtimes,
)
from orchestrator.bootstrap import open_engine, probe_runner
from orchestrator.cli.exit_codes import ExitCode
from orchestrator.cli.progress import progress_line
from orchestrator.config import Settings
from orchestrator.domain.errors import UnknownRuntime
from orchestrator.domain.runtime import Runtime

__all__ = ("images",)

_names = click.argument("names", nargs=-1, metavar="[RUNTIME]...")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.group()
def images() -> None:
    """Build, list, verify and itemise the images of the runtimes."""


@images.command()
@_names
@click.option("--force", is_flag=True, help="Build current images too, on a Debian fetched anew.")
@_as_json
@click.pass_obj
def build(settings: Settings, names: tuple[str, ...], *, force: bool, as_json: bool) -> None:
    """Build the images of these runtimes, by default of those on offer, unless they are current."""
    built = asyncio.run(_build(settings, _chosen(settings, names), force=force))
    if as_json:
        _print_json(asdict(item) for item in built)
        return
    for item in built:
        how = f"built in {item.seconds:.0f} s" if item.was_built else "is current"
        click.echo(f"{item.state.image} {how}, {_megabytes(item.state)}")


@images.command("compose")
@click.argument("names", nargs=-1, type=click.Choice(sorted(COMPOSE_IMAGES)))
@click.option(
    "--repository", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path(),
    help="Checkout with compose.yaml.  [default: this folder]",
)  # fmt: skip
@click.pass_obj
def for_compose(settings: Settings, names: tuple[str, ...], repository: Path) -> None:
    """Build what compose.yaml runs, by default the service's own image, also where no registry answers.

    Where one answers, `docker compose build` does the same.
    """
    for name in dict.fromkeys(names or ("orchestrator",)):
        asyncio.run(_build_for_compose(settings, repository, COMPOSE_IMAGES[name]))
        click.echo(COMPOSE_IMAGES[name].tag)


@images.command("list")
@_as_json
@click.pass_obj
def list_images(settings: Settings, *, as_json: bool) -> None:
    """List every runtime and what the engine has of its image."""
    states = asyncio.run(_states(settings, known_runtimes(settings.images_folder).values()))
    if as_json:
        _print_json(asdict(state) for state in states)
        return
    width = max(len(state.image) for state in states)
    for state in states:
        size = _megabytes(state) if state.digest else ""
        click.echo(f"{state.runtime:12} {state.image:{width}} {_condition(state):8} {size}".rstrip())


@images.command()
@click.argument("name", metavar="RUNTIME")
@click.option(
    "--output", "-o", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="Write it there."
)
@click.pass_obj
def sbom(settings: Settings, name: str, output: IO[str]) -> None:
    """Print the software bill of materials of an image: CycloneDX 1.6 as JSON, every package and file."""
    (runtime,) = _chosen(settings, (name,))
    output.write(asyncio.run(_bill(settings, runtime)) + "\n")


@images.command()
@_names
@click.option(
    "--known-bad", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Digests that no file may have, as `sha256sum` writes them; on top of those that are known here.",
)  # fmt: skip
@_as_json
@click.pass_obj
def verify(settings: Settings, names: tuple[str, ...], known_bad: Path | None, *, as_json: bool) -> None:
    """Look through images, by default of the runtimes on offer, for what has no place there.

    A shell, a compiler, a package manager, a setuid file, anything that jobs may write to, a secret, a file
    or package known to be bad, a library that nothing links to. Exit code 1 where anything was found.
    """
    known = KnownBad.load(known_bad)
    reports = asyncio.run(_verify(settings, _chosen(settings, names), known))
    if as_json:
        _print_json(asdict(report) for report in reports)
    else:
        _print_reports(reports)
    if any(report.findings for report in reports):
        click.get_current_context().exit(ExitCode.JOB_FAILED)


# -- what the commands do with the engine ------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    state: ImageState
    was_built: bool
    seconds: float


async def _build(settings: Settings, runtimes: Iterable[Runtime], *, force: bool) -> list[_Built]:
    built = []
    with _progress() as progress:
        async with _open_builder(settings) as builder:
            if force:
                await builder.ensure_base(progress, anew=True)
            for runtime in runtimes:
                began = time.monotonic()
                progress(f"{runtime.image}: building")
                was_built = await builder.build(runtime, progress, force=force)
                state = await builder.state(runtime)
                built.append(
                    _Built(state=state, was_built=was_built, seconds=round(time.monotonic() - began, 3))
                )
    return built


async def _build_for_compose(settings: Settings, repository: Path, image: ComposeImage) -> None:
    with _progress() as progress:
        async with _open_builder(settings) as builder:
            await builder.build_for_compose(repository, image, progress)


async def _states(settings: Settings, runtimes: Iterable[Runtime]) -> list[ImageState]:
    async with _open_builder(settings) as builder:
        return [await builder.state(runtime) for runtime in runtimes]


async def _bill(settings: Settings, runtime: Runtime) -> str:
    async with _open_builder(settings) as builder:
        return await builder.bill_of_materials(runtime)


async def _verify(settings: Settings, runtimes: Iterable[Runtime], known: KnownBad) -> list[ImageReport]:
    async with open_engine(settings) as engine:
        builder = ImageBuilder.for_this_host(engine, settings.images_folder)
        return [
            await builder.verify(
                runtime, probe=partial(probe_runner, engine, settings, runtime), known_bad=known
            )
            for runtime in runtimes
        ]


@asynccontextmanager
async def _open_builder(settings: Settings) -> AsyncIterator[ImageBuilder]:
    async with open_engine(settings) as engine:
        yield ImageBuilder.for_this_host(engine, settings.images_folder)


def _chosen(settings: Settings, names: tuple[str, ...]) -> tuple[Runtime, ...]:
    """The named runtimes, those on offer where none is named. Raises UnknownRuntime."""
    known = known_runtimes(settings.images_folder)
    chosen = names or settings.runtimes
    for name in chosen:
        if name not in known:
            raise UnknownRuntime(name, tuple(known))
    return tuple(known[name] for name in dict.fromkeys(chosen))


# -- what a person sees ------------------------------------------------------------------------------


@contextmanager
def _progress() -> Iterator[Progress]:
    """Lines of a build on stderr: each in place of the last on a terminal, else one after the other."""
    with progress_line() as tell:
        show = tell if sys.stderr.isatty() else partial(click.echo, err=True)

        def show_line(line: str) -> None:
            if text := _harmless(line):
                show(text)

        yield show_line


def _harmless(line: str) -> str:
    """Text that cannot move a terminal's cursor or change its colours."""
    return "".join(letter if letter.isprintable() else " " for letter in click.unstyle(line)).strip()


def _print_reports(reports: Iterable[ImageReport]) -> None:
    for report in reports:
        verdict = f"{len(report.findings)} findings" if report.findings else "nothing wrong"
        click.echo(
            f"{report.state.image}: {verdict} in {report.file_count} files, {_megabytes(report.state)}"
        )
        for finding in report.findings:
            click.echo(f"  {finding}")


def _print_json(items: Iterable[dict[str, Any]]) -> None:
    click.echo(json.dumps(list(items), indent=2))


def _megabytes(state: ImageState) -> str:
    return f"{state.size_bytes / 1e6:.1f} MB"


def _condition(state: ImageState) -> str:
    if not state.digest:
        return "missing"
    return "current" if state.is_current else "stale"
