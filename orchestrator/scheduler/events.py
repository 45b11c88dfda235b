"""Scheduler floor: what happens to one job, numbered, for those who watch it. Bounded; a watcher may come late."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

__all__ = ("EventLog", "JobEvent")

MOST_EVENTS = 1000
MOST_CHARACTERS = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One thing that happened: `status`, `stdout`, `stderr` or `result`, numbered from 1 within its job."""

    id: int
    name: str
    data: dict[str, Any]


class EventLog:
    """The events of one job, in a ring: the oldest go first, and the gap in the numbers tells."""

    def __init__(
        self, *, most_events: int = MOST_EVENTS, most_characters: int = MOST_CHARACTERS, first_id: int = 1
    ) -> None:
        self._most_events = most_events
        self._most_characters = most_characters
        self._ring: deque[tuple[JobEvent, int]] = deque()
        self._characters = 0
        self._last_id = first_id - 1
        self._ended = False
        self._more: asyncio.Event | None = None

    def add(self, name: str, data: dict[str, Any], *, characters: int = 0) -> None:
        """One more event; `characters` is how much text it carries. After the end nothing is added."""
        if self._ended:
            return
        self._last_id += 1
        self._ring.append((JobEvent(id=self._last_id, name=name, data=data), characters))
        self._characters += characters
        while len(self._ring) > self._most_events or (
            self._characters > self._most_characters and len(self._ring) > 1
        ):
            self._characters -= self._ring.popleft()[1]
        self._wake()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._wake()

    async def since(self, last_id: int) -> AsyncIterator[JobEvent]:
        """The events after number `last_id` that are still kept, then each as it comes, up to the end."""
        while True:
            for event in self._after(last_id):
                last_id = event.id
                yield event
            if self._ended and last_id >= self._last_id:
                return
            if last_id < self._last_id:
                continue
            self._more = self._more or asyncio.Event()
            await self._more.wait()

    def _after(self, last_id: int) -> list[JobEvent]:
        return [event for event, _ in self._ring if event.id > last_id]

    def _wake(self) -> None:
        if self._more is not None:
            self._more.set()
            self._more = None
