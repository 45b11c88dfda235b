"""Command line: `sandbox-orch run`, one job on this machine."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from orchestrator.bootstrap import default_limits, open_orchestrator, runtimes_on_offer
from orchestrator.cli.exit_codes import exit_code_of_result
from orchestrator.cli.inputs import files_of, input_of, limits_asked, stdin_of
from orchestrator.cli.render import show_findings, show_result
from orchestrator.cli.sources import read_text, runtime_of
from orchestrator.config import Settings
from orchestrator.domain.job import MAX_CODE_BYTES, MAX_SCHEMA_BYTES, JobSpec, Mode
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import JobResult
from orchestrator.service import require_possible
from orchestrator.wire import result_to_wire

__all__ = ("run",)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The options of `run`, as typed."""

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
    as_json: bool
    save_files: str | None


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("-r", "--runtime", metavar="NAME", help="node, python, …  [default: by the file's ending]")
@click.option("-i", "--input", metavar="FILE|JSON", help="The input: JSON, or a file that holds it.")
@click.option("--output-schema", metavar="FILE", help="A JSON Schema that the output must follow.")
@click.option("-e", "--entrypoint", metavar="NAME", help="Call this function with the input.")
@click.option(
    "-p", "--program", is_flag=True, help="Run as a script: stdin, args and files in; exit code out."
)
@click.option(
    "--stdin", metavar="FILE|-|TEXT", help="With --program: a file, - for our own stdin, or the text."
)
@click.option("-a", "--arg", "args", multiple=True, metavar="TEXT", help="With --program: one argument.")
@click.option(
    "-f", "--file", "files", multiple=True, metavar="PATH", help="With --program: a file to give it."
)
@click.option("--save-files", metavar="FOLDER", help="With --program: where to save the files it leaves.")
@click.option(
    "-l", "--limit", "limits", multiple=True, metavar="NAME=N", help="wall_time_ms=2000, memory_bytes=…"
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as one JSON object.")
@click.pass_obj
def run(settings: Settings, /, **options: object) -> None:
    """Run FILE (or - for standard input) once, on a fresh container of this machine.

    The code finds its input in the variable `input` and leaves its answer in `output`, both JSON values.

    \b
    sandbox-orch run total.js --input '{"price": 2, "count": 21}'
    sandbox-orch run check.py --entrypoint validate --input record.json
    sandbox-orch run script.py --program --stdin data.csv --arg --fast --limit wall_time_ms=5000
    """  # noqa: D301 - click wants the character itself
    chosen = _Options(**options)  # type: ignore[arg-type]  # click gives exactly these
    spec = _spec_of(chosen, settings)
    result = asyncio.run(_run_once(settings, spec))
    _save(result, chosen.save_files)
    if chosen.as_json:
        click.echo(json.dumps(result_to_wire(result), ensure_ascii=not sys.stdout.encoding.startswith("utf")))
    else:
        show_findings(result.findings, spec.code, name=chosen.file)
        show_result(result, files_folder=chosen.save_files)
    sys.exit(exit_code_of_result(result))


async def _run_once(settings: Settings, spec: JobSpec) -> JobResult:
    # One job needs one container: nothing is kept warm behind it.
    alone = settings.model_copy(update={"runtimes": (spec.runtime,), "warm_target": 0, "warm_maximum": 0})
    async with open_orchestrator(alone) as orchestrator:
        return await orchestrator.execute(spec)


def _spec_of(options: _Options, settings: Settings) -> JobSpec:
    runtime = runtime_of(options.file, options.runtime, runtimes_on_offer(settings))
    limits = Limits.from_wire(limits_asked(options.limits), defaults=default_limits(settings))
    require_possible(limits, runtime)
    return JobSpec(
        runtime=runtime.name,
        code=read_text("FILE", options.file, MAX_CODE_BYTES),
        mode=Mode.PROGRAM if options.program else Mode.FUNCTION,
        input_json=input_of(options.input),
        entrypoint=options.entrypoint,
        stdin=stdin_of(options.stdin),
        args=options.args,
        files=files_of(options.files),
        limits=limits,
        output_schema_json=_schema_of(options.output_schema),
    )


def _schema_of(path: str | None) -> str | None:
    return None if path is None else read_text("--output-schema", path, MAX_SCHEMA_BYTES)


def _save(result: JobResult, folder: str | None) -> None:
    if folder is None or not result.files:
        return
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, data in result.files.items():
        # The name comes from the container: only a plain one is used, and never through a link.
        if Path(name).name == name and name not in (".", ".."):
            place = target / name
            place.unlink(missing_ok=True)
            place.write_bytes(data)
