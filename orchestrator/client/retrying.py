"""Client floor: when a request is sent again. Decides only; the clients sleep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tenacity import (
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from orchestrator.client.calls import Call
from orchestrator.client.problems import ApiProblem, ServiceBusy, ServiceFailed, ServiceUnreachable

__all__ = ("RetryPolicy",)

_BACK_OFF = wait_random_exponential(multiplier=0.25, max=10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient a client is. A wait that would outlast `within_seconds` is not begun: the error comes at once."""

    attempts: int = 6
    within_seconds: float = 60.0

    def options(self, call: Call) -> dict[str, Any]:
        """Options for tenacity, for this call."""
        return {
            "retry": retry_if_exception(lambda error: _may_help(error, call)),
            "wait": _wait_as_told,
            "stop": stop_after_attempt(self.attempts) | stop_before_delay(self.within_seconds),
            "reraise": True,
        }


def _may_help(error: BaseException, call: Call) -> bool:
    if isinstance(error, ServiceBusy):
        return True  # refused before anything was done
    if isinstance(error, ServiceUnreachable | ServiceFailed):
        # INVARIANT: what may have been done is asked again only where doing it twice is doing it once.
        return call.is_idempotent
    return False


def _wait_as_told(state: RetryCallState) -> float:
    """As long as the service says; where it says nothing, longer each time, and never all at once."""
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after_seconds if isinstance(error, ApiProblem) else None
    return told if told is not None else _BACK_OFF(state)
