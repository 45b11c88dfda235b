"""Domain floor: a job as it is remembered (`JobRecord`), from the moment it was accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.tenant import Priority

__all__ = ("JobRecord",)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job as the store keeps it. Times are Unix seconds, by the host's clock.

    `request` and `result` are JSON objects in their wire form. A request is None once it was dropped by
    policy: the two hashes stay, for the audit.
    """

    id: str
    tenant: str
    runtime: str
    priority: Priority
    state: JobState
    accepted_at: float
    expires_at: float
    """Until when it must have started."""
    code_sha256: str
    input_sha256: str
    started_at: float | None = None
    finished_at: float | None = None
    outcome: Outcome | None = None
    """None until it has finished."""
    request: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    limits: dict[str, int] | None = None
    """What it might use; None of a job that an earlier version kept."""
    attempts: int = 0
    """How often it was started; above 1 where the infrastructure failed under it."""
