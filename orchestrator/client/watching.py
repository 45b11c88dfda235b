"""Client floor: where one is in the events of a job, across lost connections. No I/O."""

from __future__ import annotations

from httpx_sse import ServerSentEvent

from orchestrator.client.calls import Call, read_event, watch_job
from orchestrator.client.problems import ServiceUnreachable
from orchestrator.client.values import Event

__all__ = ("Watch",)

_PAUSE_SECONDS = 0.25


class Watch:
    """Takes events in, gives each out once, and says when to connect anew and when to give up."""

    def __init__(self, job_id: str, last_event_id: int | None, *, attempts: int) -> None:
        self._job_id = job_id
        self._last_event_id = last_event_id
        self._attempts = attempts
        self._fruitless = 0
        self._has_result = False

    @property
    def has_ended(self) -> bool:
        """Whether the result was seen: nothing comes after it."""
        return self._has_result

    def call(self) -> Call:
        """The request for what was not seen yet."""
        return watch_job(self._job_id, self._last_event_id)

    def take(self, received: ServerSentEvent) -> Event | None:
        """The event to give out; None for one that is none, or was given out before."""
        event = read_event(received)
        if event is None or (self._last_event_id is not None and event.id <= self._last_event_id):
            return None
        self._last_event_id = event.id
        self._fruitless = 0
        self._has_result = event.name == "result"
        return event

    def pause_seconds(self) -> float:
        """How long to wait before connecting anew. Raises ServiceUnreachable where that has not helped before."""
        self._fruitless += 1
        if self._fruitless >= self._attempts:
            raise ServiceUnreachable(f"the events of job {self._job_id} end before its result")
        return float(_PAUSE_SECONDS * 2**self._fruitless)

    def was_merely_quiet(self) -> None:
        """A connection timed out without a word: the job is still waiting. That is no failed attempt."""
        self._fruitless = max(0, self._fruitless - 1)
