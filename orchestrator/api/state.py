"""HTTP floor: what the handlers share."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from orchestrator.dashboard.sampler import Sampler
from orchestrator.domain.limits import MIB
from orchestrator.jobs import JobService
from orchestrator.monitoring import Monitor
from orchestrator.readiness import Readiness

__all__ = ("ApiSettings", "ApiState", "state_of")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """What the HTTP floor itself goes by."""

    authentication: bool = True
    most_body_bytes: int = 16 * MIB
    most_body_bytes_at_once: int = 256 * MIB
    stream_seconds: float = 60.0
    """So long a stream of the dashboard lasts; who still looks comes back, and its key is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiState:
    """What every handler finds."""

    service: JobService
    monitor: Monitor
    settings: ApiSettings
    readiness: Readiness
    sampler: Sampler


def state_of(request: Request) -> ApiState:
    """The state of the app that serves `request`."""
    state: ApiState = request.app.state.api
    return state
