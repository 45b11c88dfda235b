"""Command line: `sandbox-orch submit`, one job for a running service."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.debug_view import show_debug
from orchestrator.cli.exit_codes import exit_code_of_result
from orchestrator.cli.inputs import files_of, input_of, limits_asked, pairs_of, stdin_of
from orchestrator.cli.profiles import require_known_suffix, save_profile
from orchestrator.cli.remote import remote_of, remote_options, wait_for
from orchestrator.cli.render import show_result
from orchestrator.cli.sources import read_text
from orchestrator.config import Settings
from orchestrator.domain.debug import DebugOptions
from orchestrator.domain.errors import InternalError
from orchestrator.domain.job import MAX_CODE_BYTES, Mode
from orchestrator.domain.tenant import Priority
from orchestrator.wire import result_to_wire

if TYPE_CHECKING:
    from orchestrator.client import JobRequest
    from orchestrator.domain.runtime import Runtime

__all__ = ("submit",)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The options of `submit`, as typed."""

    file: str
    server: str
    key_file: str | None
    runtime: str | None
    input: str | None
    entrypoint: str | None
    program: bool
    stdin: str | None
    args: tuple[str, ...]
    files: tuple[str, ...]
    limits: tuple[str, ...]
    priority: str | None
    metadata: tuple[str, ...]
    idempotency_key: str | None
    debug: bool
    profile: str | None
    detach: bool
    as_json: bool


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("-r", "--runtime", metavar="NAME", help="node, python, …  [default: by the file's ending]")
@click.option("-i", "--input", metavar="FILE|JSON", help="The input: JSON, or a file that holds it.")
@click.option("-e", "--entrypoint", metavar="NAME", help="Call this function with the input.")
@click.option("-p", "--program", is_flag=True, help="Run as a script: stdin, args and files in.")
@click.option("--stdin", metavar="FILE|-|TEXT", help="With --program: a file, our own stdin, or the text.")
@click.option("-a", "--arg", "args", multiple=True, metavar="TEXT", help="With --program: one argument.")
@click.option("-f", "--file", "files", multiple=True, metavar="PATH", help="With --program: a file for it.")
@click.option("-l", "--limit", "limits", multiple=True, metavar="NAME=N", help="wall_time_ms=2000, …")
@click.option(
    "--priority", type=click.Choice([each.value for each in Priority]), help="How soon it is its turn."
)
@click.option("-m", "--metadata", multiple=True, metavar="NAME=TEXT", help="Kept with the job.")
@click.option("--idempotency-key", metavar="TEXT", help="The same key and job: the same job, run once.")
@click.option(
    "--debug", is_flag=True, help="Show console calls and stack traces; with --detach, keep a profile too."
)
@click.option(
    "--profile", metavar="FILE", help="Save where the time went: *.cpuprofile (node) or *.speedscope.json."
)
@click.option("-d", "--detach", is_flag=True, help="Print the job's id and do not wait for it.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@remote_options
@click.pass_obj
def submit(settings: Settings, /, **options: object) -> None:
    """Hand FILE (or - for standard input) to a running service, and wait for the result.

    \b
    sandbox-orch submit total.js --input '{"price": 2}'
    sandbox-orch submit report.py --detach --priority batch
    sandbox-orch submit total.js --debug --profile total.cpuprofile
    """  # noqa: D301 - click wants the character itself
    chosen = _Options(**options)  # type: ignore[arg-type]  # click gives exactly these
    _require_profile(chosen, settings)
    request = _request_of(chosen, settings)
    with remote_of(chosen.server, chosen.key_file).open() as client:
        job = client.submit(request, idempotency_key=chosen.idempotency_key)
        if chosen.detach:
            click.echo(json.dumps({"id": job.id}) if chosen.as_json else job.id)
            return
        try:
            result = wait_for(client, job.id).result
        except KeyboardInterrupt:
            click.echo(f"the job goes on: sandbox-orch jobs show {job.id}", err=True)
            raise
    if result is None:
        raise InternalError(f"the service says that job {job.id} has finished, and has no result of it")
    if chosen.as_json:
        click.echo(json.dumps(result_to_wire(result)))
    else:
        show_result(result)
        if result.debug is not None:
            show_debug(result.debug)
    if chosen.profile is not None:
        save_profile(result.debug, chosen.profile)
    sys.exit(exit_code_of_result(result))


def _runtimes(settings: Settings) -> dict[str, Runtime]:
    from orchestrator.bootstrap import runtimes_on_offer  # noqa: PLC0415 - slow to load, and not always needed

    return runtimes_on_offer(settings)


def _require_profile(options: _Options, settings: Settings) -> None:
    if options.profile is None:
        return
    if options.detach:
        raise click.UsageError(
            "--profile waits for the job; with --detach: sandbox-orch jobs show ID --profile FILE"
        )
    name = options.runtime or _runtime_of(options.file, settings)
    require_known_suffix(options.profile, _runtimes(settings).get(name))


def _request_of(options: _Options, settings: Settings) -> JobRequest:
    from orchestrator.client import JobRequest  # noqa: PLC0415  # other commands need no HTTP

    return JobRequest(
        runtime=options.runtime or _runtime_of(options.file, settings),
        code=read_text("FILE", options.file, MAX_CODE_BYTES),
        mode=Mode.PROGRAM if options.program else Mode.FUNCTION,
        input=json.loads(input_of(options.input)),
        entrypoint=options.entrypoint,
        stdin=stdin_of(options.stdin),
        args=options.args,
        files=files_of(options.files),
        limits=limits_asked(options.limits),
        priority=Priority(options.priority) if options.priority else None,
        metadata=pairs_of("--metadata", options.metadata),
        debug=_debug_of(options),
    )


def _debug_of(options: _Options) -> DebugOptions | None:
    # Whoever does not wait may ask for the profile later: it is recorded then, too.
    asked = DebugOptions(
        console=options.debug,
        stack_traces=options.debug,
        profile=options.profile is not None or (options.debug and options.detach),
    )
    return None if asked.asks_for_nothing else asked


def _runtime_of(file: str, settings: Settings) -> str:
    # The service may have runtimes that are not known here: those have to be named.
    for runtime in _runtimes(settings).values():
        if Path(file).suffix in runtime.source_suffixes:
            return runtime.name
    raise click.UsageError(f"cannot tell the language of {file!r} by its ending; say --runtime NAME")
