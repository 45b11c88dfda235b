"""Domain floor: what one job may use (`Limits`) and what it did use (`Usage`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from orchestrator.domain.errors import InvalidJob

__all__ = ("KIB", "MIB", "CpuShare", "Limits", "Usage")

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one job may use. Every figure is for the tenant's code, above the interpreter's own need.

    The defaults of wall time and memory are the concept's (500 ms, 16 MiB).
    """

    wall_time_ms: int = 500
    """Wall-clock milliseconds from injection to result, by the host's clock."""
    cpu_time_ms: int = 500
    """CPU milliseconds of all processes and threads together, by the kernel's count."""
    memory_bytes: int = 16 * MIB
    """Memory above what the idle interpreter holds: heap, mappings, files in tmpfs, children."""
    output_bytes: int = 1 * MIB
    """Largest result as JSON text; also the most text kept of stdout and of stderr, each."""
    processes: int = 16
    """Processes and threads that the job may add."""
    disk_bytes: int = 8 * MIB
    """Bytes in the work folder and in /tmp; they count as memory too."""

    def __post_init__(self) -> None:
        for name in _NAMES:
            _check_positive(name, getattr(self, name))

    @classmethod
    def from_wire(cls, values: Mapping[str, object], *, defaults: Limits) -> Limits:
        """Limits from untrusted names and values, with `defaults` for what is not named.

        Raises InvalidJob naming the first unknown name or impossible value.
        """
        known = asdict(defaults)
        for name in values:
            if name not in known:
                raise InvalidJob(f"limits.{name[:40]}", f"unknown limit; known are {', '.join(known)}")
        return cls(**{**known, **values})

    def exceeding(self, ceiling: Limits) -> tuple[str, int, int] | None:
        """The first limit above `ceiling` as (name, asked, allowed), or None where all fit."""
        for name in _NAMES:
            asked, allowed = getattr(self, name), getattr(ceiling, name)
            if asked > allowed:
                return name, asked, allowed
        return None


_NAMES = tuple(field.name for field in fields(Limits))


def _check_positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidJob(f"limits.{name}", f"must be a whole number, not {type(value).__name__}")
    if value <= 0:
        raise InvalidJob(f"limits.{name}", f"must be above 0, not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuShare:
    """A container's part of the host's processors, beside its limits."""

    weight: int = 1024
    """Against other containers that want the same processor; 1024 is the kernel's own default."""
    quota: float = 1.0
    """How much of its CPU quota it may use: 1 for all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one job used, measured outside of it: the host's clock and the kernel's counters.

    `cpu_ms` and `memory_peak_bytes` are above what the container had used when it became warm;
    None where neither the host's cgroup files nor the engine could say.
    """

    wall_ms: float
    cpu_ms: float | None = None
    memory_peak_bytes: int | None = None
    oom_kills: int = 0
