"""Job records for tests, with one field changed at a time."""

from __future__ import annotations

from itertools import count

from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.record import JobRecord
from orchestrator.domain.tenant import Priority

__all__ = ("NOW", "finished_record", "make_record", "make_result")

NOW = 1_700_000_000.0
_numbers = count(1)


def make_record(**changes) -> JobRecord:
    """A job that was just accepted; each call another id."""
    values = {
        "id": f"job{next(_numbers)}",
        "tenant": "acme",
        "runtime": "python",
        "priority": Priority.NORMAL,
        "state": JobState.QUEUED,
        "accepted_at": NOW,
        "expires_at": NOW + 30,
        "code_sha256": "a" * 64,
        "input_sha256": "b" * 64,
        "request": {"runtime": "python", "code": "output = 1"},
        "metadata": {"trace": "7"},
    }
    return JobRecord(**{**values, **changes})


def make_result(wall_ms: float = 12.5, memory: int | None = 4096, **changes) -> dict[str, object]:
    """A result in its wire form, as far as the store looks into it."""
    return {"success": True, "usage": {"wall_ms": wall_ms, "memory_peak_bytes": memory}, **changes}


def finished_record(**changes) -> JobRecord:
    """A job that has succeeded."""
    values = {
        "state": JobState.FINISHED,
        "outcome": Outcome.SUCCEEDED,
        "started_at": NOW,
        "finished_at": NOW + 1,
        "result": make_result(),
        "attempts": 1,
    }
    return make_record(**{**values, **changes})
