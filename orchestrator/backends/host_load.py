"""Backends floor: how busy the host's processors are. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ("HostMeter", "HostUse", "busy_share", "pressure_percent")

_PRESSURE = Path("/proc/pressure/cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUse:
    """The host at one moment."""

    cpu_percent: float
    """Of all processors' time since the last look; 0 the first time."""
    cpus: int
    load: float
    """Processes that ran or waited to, over the last minute."""
    memory_used_bytes: int
    memory_total_bytes: int


class HostMeter:
    """Looks at the host; `busy_share` below has a memory of its own, which this one leaves alone."""

    def __init__(self) -> None:
        self._busy, self._total = _processor_seconds()

    def look(self) -> HostUse:
        """The host now; reads three small files of the kernel's."""
        busy, total = _processor_seconds()
        share = (busy - self._busy) / (total - self._total) if total > self._total else 0.0
        self._busy, self._total = busy, total
        memory = psutil.virtual_memory()
        return HostUse(
            cpu_percent=round(100 * min(1.0, max(0.0, share)), 1),
            cpus=psutil.cpu_count() or 1,
            load=round(psutil.getloadavg()[0], 2),
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
        )


def _processor_seconds() -> tuple[float, float]:
    """Seconds that processors worked, and all seconds."""
    times = psutil.cpu_times()
    # The time of guests is in that of users already.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


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
