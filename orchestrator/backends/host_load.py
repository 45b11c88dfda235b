"""Backends floor: how busy the host's processors are. It decides nothing."""

from __future__ import annotations

from pathlib import Path

import psutil

__all__ = ("busy_share", "pressure_percent")

_PRESSURE = Path("/proc/pressure/cpu")


def busy_share() -> float:
    """The part of all processors' time that was used since the last call, between 0 and 1; 0 the first time."""
    return float(psutil.cpu_percent(interval=None)) / 100


def pressure_percent(file: Path = _PRESSURE) -> float | None:
    """How much of the last ten seconds something waited for a processor (`some avg10`); None: no such file.

    Of Linux 4.20 and later, where pressure stall information is switched on.
    """
    try:
        text = file.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    for line in text.splitlines():
        kind, *fields = line.split()
        if kind == "some":
            for field in fields:
                name, _, value = field.partition("=")
                if name == "avg10":
                    return _percent(value)
    return None


def _percent(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
