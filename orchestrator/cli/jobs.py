"""Command line: `sandbox-orch jobs list|show|cancel|logs`, the jobs of a running service."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import click

from orchestrator.cli.debug_view import show_debug
from orchestrator.cli.exit_codes import exit_code_of_result
from orchestrator.cli.inputs import seconds_of
from orchestrator.cli.profiles import require_known_suffix, save_profile
from orchestrator.cli.remote import remote_of, remote_options, wait_for
from orchestrator.cli.render import harmless, show_result
from orchestrator.config import Settings
from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import JobResult, Outcome
from orchestrator.wire import result_to_wire

if TYPE_CHECKING:
    from orchestrator.client import Client, Event, Job

__all__ = ("jobs",)

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
MOST_PER_PAGE = 100
_STREAMS = ("stdout", "stderr")


@click.group()
def jobs() -> None:
    """List, show, cancel and watch jobs of a running service."""


@jobs.command("list")
@click.option(
    "--state", type=click.Choice([each.value for each in JobState]), help="Only jobs in this state."
)
@click.option(
    "--outcome", type=click.Choice([each.value for each in Outcome]), help="Only jobs that ended like this."
)
@click.option("--runtime", metavar="NAME", help="Only jobs of this runtime.")
@click.option("--within", callback=seconds_of, metavar="30d|12h|15m", help="Accepted within the last …")
@click.option(
    "-n", "--most", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many."
)
@_AS_JSON
@remote_options
def list_jobs(
    *, server: str, key_file: str | None, most: int, within: float | None, as_json: bool, **wanted: str | None
) -> None:
    """List jobs, newest first."""
    asked: dict[str, Any] = {**wanted, "since": None if within is None else time.time() - within}
    with remote_of(server, key_file).open() as client:
        found = _pages(client, most, asked)
        if as_json:
            click.echo(json.dumps([_wire(job) for job in found]))
            return
        for job in found:
            click.echo(harmless(_line(job)))


def _pages(client: Client, most: int, asked: dict[str, Any]) -> Iterator[Job]:
    cursor: str | None = None
    while most > 0:
        page = client.list(**asked, limit=min(most, MOST_PER_PAGE), cursor=cursor)
        yield from page.jobs
        most -= len(page.jobs)
        cursor = page.next_cursor
        if cursor is None:
            return


def _line(job: Job) -> str:
    took = ""
    if job.started_at is not None and job.finished_at is not None:
        took = f"{(job.finished_at - job.started_at) * 1000:.0f} ms"
    accepted = (
        ""
        if job.accepted_at is None
        else f"{datetime.fromtimestamp(job.accepted_at, UTC):%Y-%m-%d %H:%M:%SZ}"
    )
    return f"{job.id}  {accepted:20}  {job.runtime:10}  {job.outcome or job.state:16}  {took:>9}  {job.tenant}".rstrip()


@jobs.command()
@click.argument("job_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait until it has finished.")
@click.option("--profile", metavar="FILE", help="Save its profile, where it was recorded.")
@_AS_JSON
@remote_options
@click.pass_obj
def show(
    settings: Settings,
    /,
    *,
    server: str,
    key_file: str | None,
    job_id: str,
    wait: bool,
    profile: str | None,
    as_json: bool,
) -> None:
    """Show a job, and its result once it has one, with what debug mode recorded of it."""
    with remote_of(server, key_file).open() as client:
        job = wait_for(client, job_id) if wait else client.get(job_id)
    if profile is not None:
        from orchestrator.bootstrap import runtimes_on_offer  # noqa: PLC0415 - slow to load, seldom asked for

        require_known_suffix(profile, runtimes_on_offer(settings).get(job.runtime))
        save_profile(job.result.debug if job.result else None, profile)
    if as_json:
        click.echo(json.dumps(_wire(job)))
        return
    click.echo(harmless(_line(job)))
    if job.position is not None:
        click.echo(f"  place {job.position} in the queue")
    for name, text in job.metadata.items():
        click.echo(f"  {harmless(name)}: {harmless(text)}")
    if job.result is not None:
        show_result(job.result)
        if job.result.debug is not None:
            show_debug(job.result.debug)


@jobs.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each, as it is cancelled.")
@remote_options
def cancel(server: str, key_file: str | None, job_ids: tuple[str, ...], *, as_json: bool) -> None:
    """Cancel jobs, queued or running."""
    with remote_of(server, key_file).open() as client:
        for job_id in job_ids:
            job = client.cancel(job_id)
            click.echo(json.dumps(_wire(job)) if as_json else f"{job.id} {job.outcome or job.state}")


@jobs.command()
@click.argument("job_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Leave control characters as they are; not for terminals.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print each event as one line of JSON, the result last."
)
@remote_options
def logs(server: str, key_file: str | None, job_id: str, *, raw: bool, as_json: bool) -> None:
    """Print what a job prints, as it prints it, until it has finished.

    Its standard error goes to ours. The exit code is the job's, as that of `run` is.
    """
    printed: set[str] = set()
    with remote_of(server, key_file).open() as client:
        for event in client.events(job_id):
            if as_json:
                click.echo(json.dumps({"event": event.name, "data": event.data}))
                if event.name == "result":
                    _exit_as(event)
            elif event.name == "result":
                _end(event, printed, raw=raw)
            elif event.name in _STREAMS:
                printed.add(event.name)
                _print(event.name, event.data.get("text"), raw=raw)


def _print(stream: str, text: object, *, raw: bool) -> None:
    shown = str(text or "")
    click.echo(shown if raw else harmless(shown), nl=False, err=stream == "stderr", color=raw)


def _exit_as(event: Event) -> NoReturn:
    sys.exit(exit_code_of_result(_result_of(event)))


def _result_of(event: Event) -> JobResult:
    from orchestrator.client.values import result_from_wire  # noqa: PLC0415  # other commands need no HTTP

    return result_from_wire(event.data)


def _end(event: Event, printed: set[str], *, raw: bool) -> NoReturn:
    result = _result_of(event)
    for stream in _STREAMS:
        if stream not in printed:
            # It had finished before: what it printed is in its result only.
            _print(stream, getattr(result, stream).text, raw=raw)
    if not result.success:
        reason = f": {result.error.name}: {result.error.message}" if result.error else ""
        click.echo(harmless(f"{result.outcome}{reason}"), err=True)
    sys.exit(exit_code_of_result(result))


def _wire(job: Job) -> dict[str, Any]:
    fields = {
        **{name: getattr(job, name) for name in job.__dataclass_fields__},
        "metadata": dict(job.metadata),
    }
    return {**fields, "result": job.result and result_to_wire(job.result)}
