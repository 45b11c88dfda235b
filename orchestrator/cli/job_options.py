"""Command line: one job of a file, as `run` and `debug` take it: its options, its spec, its one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from orchestrator.backends.images import known_runtimes
from orchestrator.bootstrap import default_limits, open_orchestrator
from orchestrator.cli.inputs import files_of, input_of, limits_asked, stdin_of
from orchestrator.cli.sources import read_text, runtime_of
from orchestrator.config import Settings
from orchestrator.domain.debug import DebugOptions
from orchestrator.domain.job import MAX_CODE_BYTES, MAX_SCHEMA_BYTES, JobSpec, Mode
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import JobResult
from orchestrator.service import require_possible

__all__ = ("JobOptions", "job_options", "run_once", "spec_of")

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """The options of one job, as typed."""

    file: str
    runtime: str | None
    input: str | None
    output_schema: str | None
    entrypoint: str | None
    program: bool
    stdin: str | None
    args: tuple[str, ...]
    files: tuple[str, ...]
    limits: tuple[str, ...]


_OPTIONS = (
    click.argument("file", metavar="FILE|-"),
    click.option(
        "-r", "--runtime", metavar="NAME", help="node, python, lua, …  [default: by the file's ending]"
    ),
    click.option("-i", "--input", metavar="FILE|JSON", help="The input: JSON, or a file that holds it."),
    click.option("--output-schema", metavar="FILE", help="A JSON Schema that the output must follow."),
    click.option("-e", "--entrypoint", metavar="NAME", help="Call this function with the input."),
    click.option(
        "-p", "--program", is_flag=True, help="Run as a script: stdin, args and files in; exit code out."
    ),
    click.option(
        "--stdin", metavar="FILE|-|TEXT", help="With --program: a file, - for our own stdin, or the text."
    ),
    click.option("-a", "--arg", "args", multiple=True, metavar="TEXT", help="With --program: one argument."),
    click.option(
        "-f", "--file", "files", multiple=True, metavar="PATH", help="With --program: a file to give it."
    ),
    click.option(
        "-l", "--limit", "limits", multiple=True, metavar="NAME=N", help="wall_time_ms=2000, memory_bytes=…"
    ),
)


def job_options(command: _Command) -> _Command:
    """The options that every command has which runs one file."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def spec_of(options: JobOptions, settings: Settings, debug: DebugOptions | None = None) -> JobSpec:
    """The job that was asked for. Raises InvalidJob or UnknownRuntime naming what is wrong."""
    # One job on this machine keeps nothing warm: any runtime will do, on offer or not.
    runtime = runtime_of(options.file, options.runtime, known_runtimes(settings.images_folder))
    is_program = options.program or Mode.FUNCTION not in runtime.modes
    limits = Limits.from_wire(limits_asked(options.limits), defaults=default_limits(settings))
    require_possible(limits, runtime)
    return JobSpec(
        runtime=runtime.name,
        code=read_text("FILE", options.file, MAX_CODE_BYTES),
        mode=Mode.PROGRAM if is_program else Mode.FUNCTION,
        input_json=input_of(options.input),
        entrypoint=options.entrypoint,
        stdin=stdin_of(options.stdin),
        args=options.args,
        files=files_of(options.files),
        limits=limits,
        output_schema_json=_schema_of(options.output_schema),
        debug=debug,
    )


async def run_once(settings: Settings, spec: JobSpec) -> JobResult:
    """The job's result, from a fresh container of this machine."""
    # One job needs one container: nothing is kept warm behind it.
    alone = settings.model_copy(update={"runtimes": (spec.runtime,), "warm_target": 0, "warm_maximum": 0})
    async with open_orchestrator(alone) as orchestrator:
        return await orchestrator.execute(spec)


def _schema_of(path: str | None) -> str | None:
    return None if path is None else read_text("--output-schema", path, MAX_SCHEMA_BYTES)
