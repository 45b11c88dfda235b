"""sandbox-orch: run untrusted code, one never-used, hardened, already-warm container per job.

The names below are the public library; each is loaded when it is first used, so that importing a part of the
package does not load all of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.config import Settings, load_settings
    from orchestrator.domain.errors import (
        BackendError,
        CapacityError,
        ConfigurationError,
        OrchestratorError,
        RequestError,
    )
    from orchestrator.domain.finding import Finding
    from orchestrator.domain.job import JobSpec, Mode
    from orchestrator.domain.limits import Limits, Usage
    from orchestrator.domain.outcome import JobError, JobResult, Outcome
    from orchestrator.guard.policy import Policy
    from orchestrator.service import Orchestrator

__version__ = "0.1.0"

__all__ = (
    "BackendError",
    "CapacityError",
    "ConfigurationError",
    "Finding",
    "JobError",
    "JobResult",
    "JobSpec",
    "Limits",
    "Mode",
    "Orchestrator",
    "OrchestratorError",
    "Outcome",
    "Policy",
    "RequestError",
    "Settings",
    "Usage",
    "__version__",
    "load_settings",
)

_HOMES = {
    "orchestrator.config": ("Settings", "load_settings"),
    "orchestrator.domain.errors": (
        "BackendError",
        "CapacityError",
        "ConfigurationError",
        "OrchestratorError",
        "RequestError",
    ),
    "orchestrator.domain.finding": ("Finding",),
    "orchestrator.domain.job": ("JobSpec", "Mode"),
    "orchestrator.domain.limits": ("Limits", "Usage"),
    "orchestrator.domain.outcome": ("JobError", "JobResult", "Outcome"),
    "orchestrator.guard.policy": ("Policy",),
    "orchestrator.service": ("Orchestrator",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
