"""Command line: `sandbox-orch pool`, the containers of a running service as they come and go."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli.remote import remote_of, remote_options

__all__ = ("pool",)

MOST_SHOWN = 40
WIDE = 200


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print it once, as JSON.")
@click.option(
    "--every", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, help="Seconds between looks."
)
@remote_options
def pool(*, server: str, key_file: str | None, every: float, as_json: bool) -> None:
    """Show the containers of a running service: states, ages, targets and why, reasons of retirement.

    On a terminal the table is kept up to date until Ctrl-C; elsewhere it is printed once. It takes a key with the scope
    `admin`, since it counts everybody's jobs.
    """
    with remote_of(server, key_file).open() as client:
        seen = client.look_at("pool")
        if as_json:
            click.echo(json.dumps(seen))
            return
        # Elsewhere than on a terminal nothing is broken into lines: programs read it.
        plain = bool(os.environ.get("NO_COLOR"))
        width = None if sys.stdout.isatty() else WIDE
        console = Console(
            file=sys.stdout, highlight=False, width=width, color_system=None if plain else "auto"
        )
        if not console.is_terminal:
            console.print(_page(seen))
            return
        with Live(_page(seen), console=console, screen=False, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(_page(client.look_at("pool")), refresh=True)


def _page(seen: dict[str, Any]) -> Group:
    return Group(_runtimes(seen), _containers(seen["containers"]), Text(_sentence(seen)))


def _runtimes(seen: dict[str, Any]) -> Table:
    states = ("warm", "kept", "leased", "provisioning", "retiring")
    table = Table("runtime", "target", *states, "waiting", "why so many", box=None)
    for runtime, plan in seen["targets"].items():
        counts = Counter(seen["states"].get(runtime, {}))
        cells = [str(counts[state]) for state in states]
        table.add_row(
            runtime, str(plan["target"]), *cells, str(seen["waiting"].get(runtime, 0)), Text(plan["why"])
        )
    return table


def _containers(containers: list[dict[str, Any]]) -> Table:
    table = Table("container", "runtime", "state", "age", "generation", "kept for", "jobs", box=None)
    for each in containers[:MOST_SHOWN]:
        age = f"{each['age_seconds']:.1f} s"
        kept_for = Text(each["tenant"] or "-")
        table.add_row(
            each["id"] or "-", each["runtime"], each["state"], age, str(each["generation"]), kept_for,
            str(each["jobs_served"]),
        )  # fmt: skip
    if len(containers) > MOST_SHOWN:
        table.add_row(f"and {len(containers) - MOST_SHOWN} more", "", "", "", "", "", "")
    return table


def _sentence(seen: dict[str, Any]) -> str:
    retired = ", ".join(f"{count} {reason}" for reason, count in seen["retired_by_reason"].items()) or "none"
    queued = ", ".join(f"{count} {name}" for name, count in seen["queue_depth"].items())
    lines = [
        f"leases: {seen['leases_warm']} warm, {seen['leases_cold']} cold; {seen['created']} containers made",
        f"retired: {retired}",
        f"queue: {queued}; {seen['running']} running",
    ]
    if seen["failures_in_a_row"]:
        lines.append(
            f"making containers fails ({seen['failures_in_a_row']} in a row): {seen['last_failure']}"
        )
    return "\n".join(lines)
