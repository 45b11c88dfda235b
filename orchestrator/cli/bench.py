"""Command line: `sandbox-orch bench`, this machine's own figures."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict

import click

from orchestrator.benchmark import (
    Figures,
    RuntimeReport,
    measure_deadlines,
    measure_throughput,
    measure_warm_path,
)
from orchestrator.benchmark_checks import CheckReport, measure_checks
from orchestrator.bootstrap import load_policy, open_checks, open_orchestrator
from orchestrator.cli.progress import progress_line
from orchestrator.config import Settings
from orchestrator.guard.rules import LANGUAGES

__all__ = ("bench",)


@click.group()
def bench() -> None:
    """Measure this machine."""


@bench.command()
@click.option(
    "-n", "--samples", default=40, show_default=True, type=click.IntRange(2, 10_000), help="Jobs to time."
)
@click.option(
    "--docker-samples",
    default=5,
    show_default=True,
    type=click.IntRange(0, 1000),
    help="Plain `docker run`s to time.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
@click.pass_obj
def warm(settings: Settings, samples: int, docker_samples: int, *, as_json: bool) -> None:
    """Time a trivial job on a never-used warm container, for each runtime.

    Next to it, measured in the same run: the same job straight on the stream, a bare round trip of that
    stream, and a plain `docker run` of the same image.
    """
    reports = asyncio.run(_measure(settings, samples, docker_samples))
    if as_json:
        click.echo(json.dumps([asdict(report) for report in reports]))
        return
    for report in reports:
        _show(report)


@bench.command()
@click.option(
    "-n", "--samples", default=50, show_default=True, type=click.IntRange(2, 10_000), help="Jobs to time."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
@click.pass_obj
def deadline(settings: Settings, samples: int, *, as_json: bool) -> None:
    """Time how late endless loops end: from the deadline to the result, the container verified dead."""
    figures = asyncio.run(_measure_deadlines(settings, samples))
    if as_json:
        click.echo(json.dumps({name: asdict(figure) for name, figure in figures.items()}))
        return
    click.echo(f"  {'ms after the deadline':32}{'p50':>9}{'p95':>9}{'p99':>9}{'n':>6}")
    for name, figure in figures.items():
        _row(name, figure)


@bench.command("check")
@click.option(
    "-n",
    "--samples",
    default=400,
    show_default=True,
    type=click.IntRange(2, 10_000),
    help="Sources to check.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
@click.pass_obj
def check_(settings: Settings, samples: int, *, as_json: bool) -> None:
    """Time the check of a source of 2 kB that was never seen before, and of larger ones. No engine is needed."""
    reports = asyncio.run(_measure_checks(settings, samples))
    if as_json:
        click.echo(json.dumps([asdict(report) for report in reports]))
        return
    for report in reports:
        click.secho(report.language, bold=True)
        click.echo(f"  {'ms':32}{'p50':>9}{'p95':>9}{'p99':>9}{'n':>6}")
        _row("a source of 2 kB", report.small)
        for kib, figures in report.by_kib.items():
            click.echo(f"  {f'{kib} KiB':32}{figures.p50:9.2f}  {figures.p50 / kib:.3f} ms per KiB")


async def _measure_checks(settings: Settings, samples: int) -> list[CheckReport]:
    async with open_checks() as checker:
        with progress_line() as tell:
            policy = load_policy(settings)
            return [
                await measure_checks(checker, policy, language, samples=samples, progress=tell)
                for language in LANGUAGES
            ]


@bench.command()
@click.option(
    "--seconds", default=20.0, show_default=True, type=click.FloatRange(0.5, 3600), help="For how long."
)
@click.option(
    "--callers", default=4, show_default=True, type=click.IntRange(1, 1000), help="How many ask at a time."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
@click.pass_obj
def throughput(settings: Settings, seconds: float, callers: int, *, as_json: bool) -> None:
    """Count trivial jobs per second of one tenant, with the policy of SANDBOX_ORCH_RECYCLE."""
    figures = asyncio.run(_measure_throughput(settings, seconds, callers))
    if as_json:
        click.echo(json.dumps(figures))
        return
    click.echo(f"  {f'jobs per second, recycle={settings.recycle}':32}{callers} callers, {seconds:g} s")
    for name, figure in figures.items():
        click.echo(f"  {name:32}{figure:9.1f}")


async def _measure_throughput(settings: Settings, seconds: float, callers: int) -> dict[str, float]:
    async with open_orchestrator(settings) as orchestrator:
        return {
            name: await measure_throughput(orchestrator, runtime, seconds=seconds, callers=callers)
            for name, runtime in orchestrator.runtimes.items()
        }


async def _measure_deadlines(settings: Settings, samples: int) -> dict[str, Figures]:
    async with open_orchestrator(settings) as orchestrator:
        with progress_line() as tell:
            return {
                name: await measure_deadlines(orchestrator, runtime, samples=samples, progress=tell)
                for name, runtime in orchestrator.runtimes.items()
            }


async def _measure(settings: Settings, samples: int, docker_samples: int) -> list[RuntimeReport]:
    async with open_orchestrator(settings) as orchestrator:
        with progress_line() as tell:
            return [
                await measure_warm_path(
                    orchestrator,
                    runtime,
                    samples=samples,
                    docker_samples=docker_samples,
                    progress=tell,
                )
                for runtime in orchestrator.runtimes.values()
            ]


def _show(report: RuntimeReport) -> None:
    click.secho(f"{report.runtime}", bold=True)
    click.echo(f"  {'ms':32}{'p50':>9}{'p95':>9}{'p99':>9}{'n':>6}")
    _row("execute, never-used container", report.execute)
    _row("same job straight on the stream", report.runner)
    _row("bare round trip of the stream", report.round_trip)
    if report.docker_run is not None:
        _row("docker run of the same image", report.docker_run)
    click.echo(f"  the orchestrator adds {report.added_by_us_ms:.2f} ms at p50", nl=False)
    faster = report.times_faster_than_docker_run
    click.echo(f"; docker run takes {faster:.0f} times as long" if faster else "")


def _row(name: str, figures: Figures) -> None:
    click.echo(f"  {name:32}{figures.p50:9.2f}{figures.p95:9.2f}{figures.p99:9.2f}{figures.samples:6d}")
