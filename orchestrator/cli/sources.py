"""Command line: files as the user names them, and the runtime that a file is for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from orchestrator.domain.errors import InvalidJob, UnknownRuntime
from orchestrator.domain.runtime import Runtime

__all__ = ("read_bytes", "read_text", "runtime_of")


def runtime_of(file: str, name: str | None, runtimes: Mapping[str, Runtime]) -> Runtime:
    """The runtime called `name`, or the one for a file with this ending. Raises UnknownRuntime or UsageError."""
    if name is not None:
        if name not in runtimes:
            raise UnknownRuntime(name, tuple(runtimes))
        return runtimes[name]
    suffix = Path(file).suffix
    for runtime in runtimes.values():
        if suffix in runtime.source_suffixes:
            return runtime
    raise click.UsageError(
        f"cannot tell the language of {file!r} by its ending; say --runtime {'|'.join(runtimes)}"
    )


def read_text(field: str, path: str, most_bytes: int) -> str:
    """The UTF-8 text of a file, or of standard input for `-`. Raises InvalidJob naming `field`."""
    data = read_bytes(field, path, most_bytes)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidJob(
            field, f"{path} is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}"
        ) from None


def read_bytes(field: str, path: str, most_bytes: int) -> bytes:
    """The bytes of a file, or of standard input for `-`. Raises InvalidJob naming `field`."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(most_bytes + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidJob(field, f"cannot read {path!r}: {reason}") from None
    if len(data) > most_bytes:
        raise InvalidJob(field, f"{path} is above the limit of {most_bytes} bytes")
    return data
