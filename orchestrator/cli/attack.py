"""Command line: `sandbox-orch attack`, the red-team self-test of this host's own containers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import click

from orchestrator.attack.corpus import THREATS, AttackProgram, load_corpus
from orchestrator.attack.driver import attack_this_host
from orchestrator.attack.expectations import Verdict
from orchestrator.attack.report import Attempt, Report, count_verdicts, report_to_junit, report_to_wire
from orchestrator.bootstrap import runtimes_on_offer
from orchestrator.cli.exit_codes import ExitCode
from orchestrator.cli.progress import progress_line
from orchestrator.cli.render import harmless
from orchestrator.config import Settings
from orchestrator.domain.debug import DebugOptions
from orchestrator.domain.job import Mode

__all__ = ("attack",)

BOTH = "both"
MARKS = {Verdict.HELD: ("✓", "green"), Verdict.FAILED: ("✗", "red"), Verdict.SKIPPED: ("-", "yellow")}
MOST_DETAIL = 90
EVERYTHING = DebugOptions(console=True, stack_traces=True, profile=True, steps=True)
WARM_TARGET = 3
"""Attacks need no more containers in waiting than run at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """The options of `attack`, as typed."""

    only: tuple[str, ...]
    threat: tuple[str, ...]
    mode: str
    runtime: tuple[str, ...]
    at_once: int
    debug: bool
    as_json: bool
    junit: Path | None
    list_only: bool


@click.command()
@click.option("-o", "--only", multiple=True, metavar="NUMBER|NAME", help="Only this program; repeatable.")
@click.option("-t", "--threat", multiple=True, metavar="TEXT", help="Only threats with TEXT in their name.")
@click.option(
    "-m",
    "--mode",
    default=BOTH,
    show_default=True,
    type=click.Choice([*(mode.value for mode in Mode), BOTH]),
    help="As functions, as scripts, or both.",
)
@click.option("-r", "--runtime", multiple=True, metavar="NAME", help="Only this runtime; repeatable.")
@click.option(
    "--at-once", default=4, show_default=True, type=click.IntRange(1, 64), help="Programs that run at a time."
)
@click.option("--debug", is_flag=True, help="Run every program in debug mode, with all of its parts.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML there, too.")
@click.option("--list", "list_only", is_flag=True, help="List the programs and what they claim; run nothing.")
@click.pass_obj
def attack(settings: Settings, /, **options: object) -> None:
    """Try to break out of this host's own containers, and look at the host after every try.

    Each program runs as an ordinary job, on containers made exactly as jobs get them, while another tenant's
    container has to keep answering. Exit code 1 if anything got out or is left; see docs/attacks.md.
    """
    chosen = _Options(**options)  # type: ignore[arg-type]  # click gives exactly these
    programs = _chosen_programs(chosen)
    if chosen.list_only:
        _list(programs, as_json=chosen.as_json)
        return
    report = asyncio.run(_attack(_settings_for(settings, chosen), programs, chosen))
    if chosen.junit is not None:
        chosen.junit.write_bytes(report_to_junit(report))
    _show(report, as_json=chosen.as_json)
    click.get_current_context().exit(ExitCode.OK if report.is_contained else ExitCode.JOB_FAILED)


async def _attack(settings: Settings, programs: tuple[AttackProgram, ...], options: _Options) -> Report:
    modes = tuple(Mode) if options.mode == BOTH else (Mode(options.mode),)
    debug = EVERYTHING if options.debug else None
    with progress_line() as tell:
        return await attack_this_host(
            settings, programs, modes=modes, at_once=options.at_once, progress=tell, debug=debug
        )


def _settings_for(settings: Settings, options: _Options) -> Settings:
    runtimes = options.runtime or settings.runtimes
    chosen = settings.model_copy(update={"runtimes": runtimes, "warm_target": WARM_TARGET})
    runtimes_on_offer(chosen)  # an unknown name is an error before anything else
    return chosen


def _chosen_programs(options: _Options) -> tuple[AttackProgram, ...]:
    """The programs that were asked for, with those that they follow."""
    corpus = load_corpus()
    if unknown := [text for text in options.only if not any(_is_named(text, program) for program in corpus)]:
        raise click.BadParameter(
            f"no program is called {unknown[0]!r}; --list shows them", param_hint="--only"
        )
    if unknown := [text for text in options.threat if not any(_is_in(text, threat) for threat in THREATS)]:
        raise click.BadParameter(f"{unknown[0]!r} is in none of {'; '.join(THREATS)}", param_hint="--threat")
    chosen = [program for program in corpus if _is_chosen(program, options)]
    led = {program.follows for program in chosen}
    return tuple(program for program in corpus if program in chosen or program.number in led)


def _is_chosen(program: AttackProgram, options: _Options) -> bool:
    named = not options.only or any(_is_named(text, program) for text in options.only)
    return named and (not options.threat or any(_is_in(text, program.threat) for text in options.threat))


def _is_named(text: str, program: AttackProgram) -> bool:
    number, _, name = program.name.partition("-")
    return text in (program.name, name) or (text.isdecimal() and int(text) == int(number))


def _is_in(text: str, threat: str) -> bool:
    return text.casefold() in threat.casefold()


# -- what a person sees ------------------------------------------------------------------------------


def _list(programs: tuple[AttackProgram, ...], *, as_json: bool) -> None:
    rows = [
        {
            "number": program.number,
            "name": program.name,
            "language": program.language,
            "threat": program.threat,
            "modes": sorted(program.modes),
            "expected": {
                mode: " | ".join(map(str, program.expected[mode])) for mode in sorted(program.modes)
            },
            "claim": program.claim,
        }
        for program in programs
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for threat in THREATS:
        if any(program.threat == threat for program in programs):
            click.secho(threat, bold=True)
        for program in programs:
            if program.threat == threat:
                click.echo(f"  {program.name:32} {program.language:11} {program.claim}")


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report_to_wire(report), indent=2))
        return
    for threat, attempts in report.by_threat().items():
        held = count_verdicts(attempts, Verdict.HELD)
        click.secho(f"{threat}: {held} of {len(attempts)} contained", bold=True)
        for attempt in attempts:
            _show_attempt(attempt)
    _show_host(report)
    _show_sum(report)


def _show_attempt(attempt: Attempt) -> None:
    mark, colour = MARKS[attempt.verdict]
    click.secho(f"  {mark} ", fg=colour, nl=False)
    click.echo(f"{attempt.program.name:30} {attempt.mode:8} {attempt.outcome:15} ", nl=False)
    click.echo(f"{attempt.wall_ms:7.0f} ms  ", nl=False)
    if attempt.verdict is not Verdict.HELD:
        click.secho(f"{harmless(attempt.reason)}  ", fg=colour, nl=False)
    click.secho(harmless(" ".join(attempt.detail.split()))[:MOST_DETAIL], dim=True)


def _show_host(report: Report) -> None:
    click.secho("The host afterwards", bold=True)
    for residue in report.host_residues:
        click.secho(f"  ✗ {harmless(residue)}", fg="red")
    if not report.host_residues:
        click.secho("  ✓ ", fg="green", nl=False)
        click.echo("no process, container, cgroup, file, listener or descriptor is left")


def _show_sum(report: Report) -> None:
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict)
    mark, colour, what = ("✓", "green", "contained") if report.is_contained else ("✗", "red", "NOT contained")
    click.secho(f"{mark} {what}", fg=colour, bold=True, nl=False)
    click.echo(f": {len(report.attempts)} attempts, {counts}, in {report.seconds:.0f} s")
