"""Dashboard floor: finished jobs summed up, second by second. Pure: no clock, no I/O.

Times and sizes are counted in steps that grow by a tenth, so that any number of jobs takes a few dozen numbers, and
a reader may add up as many seconds as it likes and still have percentiles, five parts in a hundred off at most.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.outcome import Outcome
from orchestrator.domain.tenant import Priority
from orchestrator.monitoring import FinishedJob

__all__ = ("LEAST_BYTES", "LEAST_MS", "Figures", "step_of", "upper_end_of")

GROWTH = 1.1
_PER_STEP = 1 / math.log(GROWTH)
LEAST_MS = 0.1
LEAST_BYTES = 4096.0


def step_of(value: float, least: float) -> int:
    """The number of the step that holds `value`: 0 up to `least`, then each a tenth larger than the one before."""
    if value <= least:
        return 0
    return math.ceil(math.log(value / least) * _PER_STEP - 1e-9)


def upper_end_of(step: int, least: float) -> float:
    """The largest value of a step."""
    return float(f"{least * GROWTH**step:.4g}")


@dataclass(slots=True)
class Figures:
    """What finished in one second."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    latency: Counter[int] = field(default_factory=Counter)
    """From the job's coming in to its result, of jobs that had a container."""
    memory: Counter[int] = field(default_factory=Counter)
    waits: dict[Priority, Counter[int]] = field(default_factory=dict)
    """From the queue's door to the job's turn."""

    def add(self, job: FinishedJob) -> None:
        """Count one more job."""
        self.outcomes[job.outcome] += 1
        if job.latency_ms is not None:
            self.latency[step_of(job.latency_ms, LEAST_MS)] += 1
        if job.memory_peak_bytes is not None:
            self.memory[step_of(job.memory_peak_bytes, LEAST_BYTES)] += 1
        if job.queue_seconds is not None:
            waits = self.waits.setdefault(job.priority, Counter())
            waits[step_of(job.queue_seconds * 1000, LEAST_MS)] += 1

    def merge(self, other: Figures) -> None:
        """Count all of another's jobs too."""
        self.outcomes.update(other.outcomes)
        self.latency.update(other.latency)
        self.memory.update(other.memory)
        for priority, waits in other.waits.items():
            self.waits.setdefault(priority, Counter()).update(waits)

    def to_wire(self) -> dict[str, Any]:
        """As a JSON object; of each step its upper end and how many jobs were in it, ascending."""
        return {
            "outcomes": {outcome.value: jobs for outcome, jobs in self.outcomes.items()},
            "latency_ms": _steps(self.latency, LEAST_MS),
            "memory_bytes": _steps(self.memory, LEAST_BYTES),
            "wait_ms": {priority.value: _steps(waits, LEAST_MS) for priority, waits in self.waits.items()},
        }


def _steps(counts: Counter[int], least: float) -> list[list[float]]:
    return [[upper_end_of(step, least), counts[step]] for step in sorted(counts)]
