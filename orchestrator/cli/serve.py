"""Command line: `sandbox-orch serve`, the HTTP service for many tenants."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from orchestrator.config import Settings
from orchestrator.domain.errors import ConfigurationError

__all__ = ("serve",)


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: serve_host, 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Port, 0 for a free one.  [default: serve_port, 8080]"
)
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Folder of the store and first key."
)
@click.option(
    "--insecure-no-authentication",
    "insecure",
    is_flag=True,
    help="Ask nobody for a key, on whatever address.",
)
@click.pass_obj
def serve(
    settings: Settings, *, host: str | None, port: int | None, data: Path | None, insecure: bool
) -> None:
    """Serve the HTTP API until SIGTERM. The first start makes an administrator's key and says where it is.

    It refuses to start on a host where a control that jobs rely on cannot be applied, and to listen beyond
    loopback without authentication. One JSON line per job is written to standard error.
    """
    given: dict[str, Any] = {"serve_host": host, "serve_port": port, "data_folder": data}
    given = {name: value for name, value in given.items() if value is not None}
    if insecure:
        given["authentication"] = False
    _run(settings.model_copy(update=given), insecure=insecure)


def _run(settings: Settings, *, insecure: bool) -> None:
    try:
        from orchestrator.logs import open_json_logs  # noqa: PLC0415 - of an extra, and slow to load
        from orchestrator.serving import run_server  # noqa: PLC0415
    except ImportError as error:
        problem = (
            f"serve needs the extra `server` ({error.name} is missing): pip install 'sandbox-orch[server]'"
        )
        raise ConfigurationError(problem) from None
    open_json_logs(logging.INFO)
    run_server(settings, lambda text: click.echo(text, err=True), insecure=insecure)
