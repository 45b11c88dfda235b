"""Command line: `sandbox-orch engine-proxy`, between the service and the engine's socket."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import click

from orchestrator.config import Settings

__all__ = ("engine_proxy",)

_USER = re.compile(r"([1-9][0-9]{0,9}):([1-9][0-9]{0,9})")


@click.command("engine-proxy")
@click.option(
    "--listen", "place", type=click.Path(path_type=Path, dir_okay=False), metavar="SOCKET", required=True,
    help="Unix socket to make; its group may use it.",
)  # fmt: skip
@click.option(
    "--scope",
    metavar="NAME",
    help="Whose containers these are.  [default: the Compose project, else the host]",
)
@click.option(
    "--user", metavar="UID:GID", default="10002:10001", show_default=True,
    help="Whom to become where it is started as root; the engine's group comes with it.",
)  # fmt: skip
@click.option(
    "--cgroups", "cgroup_root", type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where the host's cgroups are mounted: bound the parent cgroup there, and let nothing be made without it.",
)  # fmt: skip
@click.pass_obj
def engine_proxy(
    settings: Settings, *, place: Path, scope: str | None, user: str, cgroup_root: Path | None
) -> None:
    """Let the service do on the engine what it needs, and nothing else, until SIGTERM.

    It takes the same settings as the service: a container is let through only if it is, to the last field, what
    these settings make. At its start and at its end it removes the containers of its scope that were left.
    """
    match = _USER.fullmatch(user)
    if match is None:
        raise click.BadParameter("must be two numbers above 0, as in 10002:10001", param_hint="--user")
    from orchestrator.proxying import ProxyOptions, run_proxy  # noqa: PLC0415 - nobody else needs it

    logging.getLogger("orchestrator.engine_proxy").setLevel(logging.WARNING)
    options = ProxyOptions(
        place=place, scope=scope, uid=int(match[1]), gid=int(match[2]), cgroup_root=cgroup_root
    )
    run_proxy(settings, options, lambda text: click.echo(text, err=True))
