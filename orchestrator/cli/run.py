"""Command line: `sandbox-orch run`, one job on this machine."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import click

from orchestrator.backends.images import known_runtimes
from orchestrator.cli.debug_view import show_debug
from orchestrator.cli.exit_codes import exit_code_of_result
from orchestrator.cli.job_options import JobOptions, job_options, run_once, spec_of
from orchestrator.cli.profiles import require_suffix, save_profile
from orchestrator.cli.render import show_findings, show_result
from orchestrator.cli.sources import runtime_of
from orchestrator.config import Settings
from orchestrator.domain.debug import DebugOptions
from orchestrator.domain.outcome import JobResult
from orchestrator.wire import result_to_wire

__all__ = ("run",)


@click.command()
@job_options
@click.option("--save-files", metavar="FOLDER", help="With --program: where to save the files it leaves.")
@click.option("--debug", is_flag=True, help="Show every console call with its place, and stack traces.")
@click.option(
    "--profile", metavar="FILE", help="Save where the time went: *.cpuprofile (node) or *.speedscope.json."
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as one JSON object.")
@click.pass_obj
def run(
    settings: Settings,
    /,
    *,
    save_files: str | None,
    debug: bool,
    profile: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run FILE (or - for standard input) once, on a fresh container of this machine.

    The code finds its input in the variable `input` and leaves its answer in `output`, both JSON values.

    \b
    sandbox-orch run total.js --input '{"price": 2, "count": 21}'
    sandbox-orch run check.py --entrypoint validate --input record.json
    sandbox-orch run script.py --program --stdin data.csv --arg --fast --limit wall_time_ms=5000
    sandbox-orch run total.js --debug --profile total.cpuprofile
    """  # noqa: D301 - click wants the character itself
    chosen = JobOptions(**options)
    if profile is not None:
        require_suffix(
            profile, runtime_of(chosen.file, chosen.runtime, known_runtimes(settings.images_folder))
        )
    asked = DebugOptions(console=debug, stack_traces=debug, profile=profile is not None)
    spec = spec_of(chosen, settings, None if asked.asks_for_nothing else asked)
    result = asyncio.run(run_once(settings, spec))
    _save(result, save_files)
    if as_json:
        click.echo(json.dumps(result_to_wire(result), ensure_ascii=not sys.stdout.encoding.startswith("utf")))
    else:
        show_findings(result.findings, spec.code, name=chosen.file)
        show_result(result, files_folder=save_files)
        if result.debug is not None:
            show_debug(result.debug)
    if profile is not None:
        save_profile(result.debug, profile)
    sys.exit(exit_code_of_result(result))


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
