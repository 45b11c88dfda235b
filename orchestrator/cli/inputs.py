"""Command line: what users name on it, read and checked: files, JSON, limits, durations."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from orchestrator.cli.sources import read_bytes, read_text
from orchestrator.domain.bounds import ForeignJsonError, parse_foreign_json
from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.job import MAX_INPUT_BYTES
from orchestrator.domain.tenant import DAY_SECONDS

__all__ = ("files_of", "input_of", "limits_asked", "pairs_of", "seconds_of", "stdin_of")

_UNITS = {"m": 60, "h": 3600, "d": DAY_SECONDS}


def input_of(text: str | None) -> str:
    """The JSON text of an input given as such, or as a file that holds it. Raises InvalidJob."""
    if text is None:
        return "null"
    where = "--input"
    if text == "-" or _is_file(text):
        where, text = f"--input {text}", read_text("--input", text, MAX_INPUT_BYTES)
    try:
        parse_foreign_json(text)
    except ForeignJsonError as error:
        hint = "" if where != "--input" else "; give JSON, or the path of a file that exists"
        raise InvalidJob(where, f"{error}{hint}") from None
    return text


def stdin_of(text: str | None) -> str:
    """Text given as such, or as a file. Raises InvalidJob."""
    if text is None:
        return ""
    return read_text("--stdin", text, MAX_INPUT_BYTES) if text == "-" or _is_file(text) else text


def files_of(paths: tuple[str, ...]) -> dict[str, bytes]:
    """Files by their names, without their folders. Raises InvalidJob."""
    files: dict[str, bytes] = {}
    for path in paths:
        if (name := Path(path).name) in files:
            raise InvalidJob("--file", f"two of the files are called {name!r}")
        files[name] = read_bytes("--file", path, MAX_INPUT_BYTES)
    return files


def limits_asked(pairs: tuple[str, ...]) -> dict[str, int]:
    """The limits of `NAME=N` pairs; whether there is such a limit is not asked here. Raises InvalidJob."""
    asked: dict[str, int] = {}
    for pair in pairs:
        name, equals, number = pair.partition("=")
        digits = number.replace("_", "")
        if not equals or not digits.removeprefix("-").isascii() or not digits.removeprefix("-").isdigit():
            raise InvalidJob("--limit", f"{pair[:60]!r} is not NAME=NUMBER, as in wall_time_ms=2000")
        asked[name] = int(digits) if len(digits) < len("9" * 19) else sys.maxsize
    if "wall_time_ms" in asked and "cpu_time_ms" not in asked:
        # A longer wall time alone is meant to let the code compute longer.
        asked["cpu_time_ms"] = asked["wall_time_ms"]
    return asked


def pairs_of(option: str, pairs: tuple[str, ...]) -> dict[str, str]:
    """`NAME=TEXT` pairs. Raises InvalidJob."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InvalidJob(option, f"{pair[:60]!r} is not NAME=TEXT")
        found[name] = text
    return found


def seconds_of(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """An option's `30d`, `12h` or `15m`, as seconds."""
    if text is None:
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    if match is None:
        raise click.BadParameter(f"{text[:40]!r} is no duration such as 30d, 12h or 15m")
    return float(int(match[1]) * _UNITS[match[2]])


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False
