"""Command line: `sandbox-orch check`, what the validator says of a file. Nothing is run, and no engine is needed."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from orchestrator.backends.images import known_runtimes
from orchestrator.bootstrap import load_policy, open_checks
from orchestrator.cli.exit_codes import ExitCode
from orchestrator.cli.render import show_findings
from orchestrator.cli.sources import read_bytes, runtime_of
from orchestrator.config import Settings
from orchestrator.domain.job import MAX_CODE_BYTES, Mode
from orchestrator.guard.policy import PRESETS, Policy, parse_policy
from orchestrator.guard.report import Report, Source
from orchestrator.guard.rules import LANGUAGES

__all__ = ("check",)


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("-r", "--runtime", metavar="NAME", help="node, python, …  [default: by the file's ending]")
@click.option("-p", "--program", is_flag=True, help="Check it as a script, not as a function.")
@click.option("--policy", metavar="PRESET|FILE", help=f"{', '.join(PRESETS)}, or a TOML file.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
@click.pass_obj
def check(
    settings: Settings, file: str, runtime: str | None, policy: str | None, *, program: bool, as_json: bool
) -> None:
    """Say what is wrong with FILE (or - for standard input) before it is ever run.

    Exit code 1 where it would be rejected; warnings alone are 0.

    \b
    sandbox-orch check total.js
    sandbox-orch check script.py --program --policy strict
    """  # noqa: D301 - click wants the character itself
    chosen = runtime_of(file, runtime, known_runtimes(settings.images_folder))
    if chosen.language not in LANGUAGES:
        raise click.UsageError(
            f"there are no rules for {chosen.language}; only {', '.join(LANGUAGES)} is checked"
        )
    data = read_bytes("FILE", file, MAX_CODE_BYTES)
    mode = Mode.PROGRAM if program else Mode.FUNCTION
    source = Source(data=data, language=chosen.language, mode=mode)
    report = asyncio.run(_report(source, _policy_of(settings, policy)))
    if as_json:
        click.echo(json.dumps(_wire(report)))
    else:
        show_findings(report.findings, data.decode("utf-8", "replace"), name=file)
        _conclude(report)
    sys.exit(ExitCode.JOB_FAILED if report.is_rejected else ExitCode.OK)


async def _report(source: Source, policy: Policy) -> Report:
    async with open_checks() as checker:
        return await checker.check(source, policy)


def _policy_of(settings: Settings, policy: str | None) -> Policy:
    if policy is None:
        return load_policy(settings)
    if policy in PRESETS or not Path(policy).is_file():
        return load_policy(settings.model_copy(update={"policy": policy, "policy_file": None}))
    data = read_bytes("--policy", policy, MAX_CODE_BYTES)
    return parse_policy(data.decode("utf-8", "replace"), where=policy, preset=settings.policy)


def _conclude(report: Report) -> None:
    for change in report.changes:
        click.secho(f"  before it runs: {change}", dim=True)
    if report.is_rejected:
        click.secho("✗ rejected", fg="red", bold=True)
    else:
        click.secho("✓ accepted", fg="green", bold=True)


def _wire(report: Report) -> dict[str, object]:
    findings = [asdict(finding) for finding in report.findings]
    return {"accepted": not report.is_rejected, "findings": findings, "changes": report.changes}
