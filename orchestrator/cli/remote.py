"""Command line: which service a command talks to, as whom, and waiting for a job with a line that tells how it goes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orchestrator.cli.progress import progress_line
from orchestrator.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from orchestrator.client import Client, Job

__all__ = ("Remote", "remote_of", "remote_options", "wait_for")

DEFAULT_SERVER = "http://127.0.0.1:8080"
_LONGEST_KEY = 1024


_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Remote:
    """A service and the key for it, as the options and the environment name them."""

    server: str
    key_file: str | None
    key: str | None

    @contextmanager
    def open(self) -> Iterator[Client]:
        """A client for it. Raises ConfigurationError where URL or key cannot be right."""
        from orchestrator.client import Client  # noqa: PLC0415  # other commands need no HTTP

        with Client(self.server, key=self._read_key()) as client:
            yield client

    def _read_key(self) -> str | None:
        if self.key_file is None:
            return self.key or None
        try:
            with Path(self.key_file).open(encoding="ascii") as file:
                return file.read(_LONGEST_KEY).strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no key"
            raise ConfigurationError(f"--key-file: cannot read {self.key_file}: {reason}") from None


def remote_of(server: str, key_file: str | None) -> Remote:
    """The service of these options, with the key of the environment where no file is named."""
    return Remote(server, key_file, os.environ.get("SANDBOX_ORCH_KEY"))


def remote_options(command: _F) -> _F:
    """Options of every command that talks to a service; they come as `server` and `key_file`.

    The key itself is taken from SANDBOX_ORCH_KEY or a file, never from an option: everybody can see those.
    """
    for option in (
        click.option(
            "--server", envvar="SANDBOX_ORCH_SERVER", default=DEFAULT_SERVER, show_default=True, metavar="URL",
            help="The service.  [SANDBOX_ORCH_SERVER]",
        ),
        click.option(
            "--key-file", envvar="SANDBOX_ORCH_KEY_FILE", metavar="FILE",
            help="File with the API key.  [SANDBOX_ORCH_KEY_FILE; the key itself: SANDBOX_ORCH_KEY]",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def wait_for(client: Client, job_id: str) -> Job:
    """The job once it has finished; where somebody watches, a line tells its place and its time."""
    began = time.monotonic()
    # Each answer brings the line up to date; the end of the job is heard at once in any case.
    step = 1.0 if sys.stderr.isatty() else 20.0
    with progress_line() as tell:
        job = client.get(job_id)
        while not job.has_finished:
            tell(_how_it_goes(job, time.monotonic() - began))
            job = client.get(job_id, wait_seconds=step)
    return job


def _how_it_goes(job: Job, waited_seconds: float) -> str:
    parts = [f"{job.id[:12]} {job.state}"]
    if job.position is not None:
        parts.append(f"place {job.position}")
    if job.estimated_start_ms is not None:
        parts.append(f"starts in about {job.estimated_start_ms / 1000:.1f} s")
    return " · ".join([*parts, f"{waited_seconds:.0f} s"])
