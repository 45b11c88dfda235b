"""Command line: what to do about an error of ours, where its own words do not say so already."""

from __future__ import annotations

from orchestrator.domain.errors import OrchestratorError

__all__ = ("HINTS", "SAY_IT_THEMSELVES", "with_hint")

HINTS: dict[str, str] = {
    "CapacityError": "try again later",
    "PoolTimeout": "try again, or raise queue_seconds",
    "ServiceBusy": "try again later",
    "ServiceUnreachable": "start it with `sandbox-orch serve`, or name another with --server",
    "ApiProblem": "its log says why, under this request's id",
    "NotAllowed": "name a key with --key-file; `sandbox-orch keys list` on the service's host shows keys and scopes",
    "NotAuthenticated": "name a key with --key-file",
    "NotFound": "`sandbox-orch jobs list` shows the jobs of this key",
    "UnknownJob": "`sandbox-orch jobs list` shows the jobs of this key",
    "Conflict": "wait for that job, or take another --idempotency-key",
    "JobInProgress": "wait for that job, or take another --idempotency-key",
    "BackendError": "`sandbox-orch doctor` looks at engine and host",
    "StoreError": "look at store_url, and at the disk of the data folder",
    "ConfigurationError": "`sandbox-orch config show` prints the settings in force",
    "InternalError": "this is a bug of sandbox-orch: please report this line",
}
"""By the name of a class or of a base; the nearest counts. By name, since some live in parts that few commands load."""

SAY_IT_THEMSELVES = ("RequestError", "RequestRefused")
"""Their words name the field, and what it must be."""


def with_hint(error: OrchestratorError) -> str:
    """The words of an error, and what to do about it."""
    told = str(error)
    if "; " in told or "`sandbox-orch " in told or "pip install" in told:
        return told
    for kind in type(error).__mro__:
        if kind.__name__ in HINTS:
            return f"{told}; {HINTS[kind.__name__]}"
        if kind.__name__ in SAY_IT_THEMSELVES:
            break
    return told
