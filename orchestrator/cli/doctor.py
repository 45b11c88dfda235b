"""Command line: `sandbox-orch doctor`, whether this host is fit to run jobs."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from dataclasses import asdict

import click

from orchestrator.cli.exit_codes import ExitCode
from orchestrator.cli.progress import progress_line
from orchestrator.cli.render import harmless
from orchestrator.config import Settings
from orchestrator.doctor import examine_host
from orchestrator.policies.checkup import CheckLine, Checkup, Status

__all__ = ("doctor",)

_MARKS = {Status.OK: ("✓", "green"), Status.WARN: ("!", "yellow"), Status.FAIL: ("✗", "red")}


@click.command()
@click.option("--quick", is_flag=True, help="Make no container: look at the engine and its host only.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as one JSON object.")
@click.option("-v", "--verbose", is_flag=True, help="Say of good lines, too, why they matter.")
@click.pass_obj
def doctor(settings: Settings, *, quick: bool, as_json: bool, verbose: bool) -> None:
    """Look at this host, and at real containers made as jobs get them.

    Each line says what was found, why it matters and how to mend it. Exit code 1 where a required control
    does not hold, 3 where no engine answers.
    """
    # What goes wrong with a container is a line of this report, not of a log between its lines.
    logging.getLogger("orchestrator").setLevel(logging.CRITICAL)
    with progress_line() as tell:
        checkup = asyncio.run(examine_host(settings, tell, with_probes=not quick))
    if as_json:
        click.echo(json.dumps(_as_json(checkup), indent=2))
    else:
        _show(checkup, verbose=verbose)
    if checkup.failed:
        click.get_current_context().exit(ExitCode.JOB_FAILED)


def _as_json(checkup: Checkup) -> dict[str, object]:
    return {"ok": not checkup.failed, "checks": [asdict(line) for line in checkup.lines]}


def _show(checkup: Checkup, *, verbose: bool) -> None:
    width = max(len(line.name) for line in checkup.lines)
    for line in checkup.lines:
        _show_line(line, width, verbose=verbose)
    counts = Counter(line.status for line in checkup.lines)
    total = ", ".join(f"{counts[status]} {status}" for status in Status)
    verdict = "NOT fit to run jobs" if checkup.failed else "fit to run jobs"
    click.secho(f"{total}: this host is {verdict}", fg="red" if checkup.failed else "green", bold=True)


def _show_line(line: CheckLine, width: int, *, verbose: bool) -> None:
    mark, colour = _MARKS[line.status]
    click.secho(f"{mark} {line.name:{width}}", fg=colour, nl=False)
    click.echo(f"  {harmless(line.found)}")
    if line.status is not Status.OK or verbose:
        click.echo(f"  {'':{width}}  why:  {line.why}")
    if line.status is not Status.OK:
        click.echo(f"  {'':{width}}  mend: {line.mend}")
