"""HTTP floor: what the handlers share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from orchestrator.domain.limits import MIB
from orchestrator.jobs import JobService
from orchestrator.monitoring import Monitor

__all__ = ("ApiSettings", "ApiState", "state_of")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """What the HTTP floor itself goes by."""

    authentication: bool = True
    most_body_bytes: int = 16 * MIB
    most_body_bytes_at_once: int = 256 * MIB
    disk: Path | None = None
    """The folder whose disk must not run full."""
    least_free_bytes: int = 64 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiState:
    """What every handler finds."""

    service: JobService
    monitor: Monitor
    settings: ApiSettings
    ask_engine: Callable[[], Awaitable[object]]
    """Raises BackendError where the engine does not answer."""


def state_of(request: Request) -> ApiState:
    """The state of the app that serves `request`."""
    state: ApiState = request.app.state.api
    return state
