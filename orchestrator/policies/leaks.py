"""Policies floor: whether a container may serve its tenant once more, from what was seen after a job. Pure.

# Theory of operation

What a clean job can never leave (a process, a file, a descriptor, shared memory) retires a container at once. Memory
is no such sign: what a container holds goes up and down by some 400 KiB between clean jobs, since the kernel charges
by the batch and interpreters keep reserves. So memory is judged by its trend: of the last `window` inspections more
than eight in ten found more than the one before, *and* a straight line through them climbs by more than
`slope_bytes` for each job. Noise does one or the other; a leak does both (recorded series: `tests/unit/test_leaks.py`).

Noise of a range up to seven times `slope_bytes` can never climb that steeply, whatever its order: the steepest line
through ten steps of a range R is that of a single jump in their middle, and climbs by 15 R / 110.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import linear_regression

from orchestrator.domain.inspection import Inspection, LeakKind

__all__ = ("LeakSettings", "LeakVerdict", "judge_inspection")

RISES_SHARE = 0.8
SPARE_THREADS = 4
"""The JavaScript runner's library keeps threads for isolates in reserve, two more than when warm were seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakSettings:
    """When memory that grows is a leak."""

    window: int
    """How many inspections are looked at; fewer are no trend."""
    slope_bytes: int
    """By how much for each job memory must climb."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakVerdict:
    """Whether to keep the container, and every sign of a leak where not."""

    reasons: tuple[LeakKind, ...] = ()

    @property
    def keep(self) -> bool:
        """Whether there was no sign at all."""
        return not self.reasons


def judge_inspection(seen: Inspection, history: Sequence[int], settings: LeakSettings) -> LeakVerdict:
    """The verdict after a job; `history` is `memory_bytes` of the inspections before, oldest first."""
    signs = {
        # The host counts threads too: those that the runner knows as its own are no job's.
        LeakKind.PROCESSES: (
            seen.processes > 0 or seen.host_processes > seen.threads or seen.threads > SPARE_THREADS
        ),
        LeakKind.FILES: seen.files_count > 0,
        LeakKind.DESCRIPTORS: seen.descriptors > 0,
        LeakKind.SHARED_MEMORY: seen.shared_memory > 0,
        LeakKind.MEMORY_TREND: _is_climbing([*history, seen.memory_bytes], settings),
    }
    return LeakVerdict(reasons=tuple(kind for kind, is_there in signs.items() if is_there))


def _is_climbing(samples: Sequence[int], settings: LeakSettings) -> bool:
    if len(samples) <= settings.window:
        return False
    # The first is only there to tell whether the second rose.
    last = samples[-settings.window - 1 :]
    rises = sum(after > before for before, after in pairwise(last))
    return rises > settings.window * RISES_SHARE and _slope(last) > settings.slope_bytes


def _slope(samples: Sequence[int]) -> float:
    return linear_regression(range(len(samples)), samples).slope
