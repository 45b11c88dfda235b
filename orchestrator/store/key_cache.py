"""Store floor: keys looked up a moment ago. So short-lived that a revoked key stops working at once, nearly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator.store.keys import KeyRow

__all__ = ("KeyCache",)

MOST_KEYS = 1024
"""Guessed ids cost no more memory than this."""


@dataclass(frozen=True, slots=True)
class _Entry:
    until: float
    looking_up: asyncio.Future[KeyRow | None]


class KeyCache:
    """Asks once for many callers, and remembers for some seconds, also that there is no such key."""

    def __init__(self, look_up: Callable[[str], Awaitable[KeyRow | None]], seconds: float) -> None:
        self._look_up = look_up
        self._seconds = seconds
        self._entries: dict[str, _Entry] = {}

    async def get(self, key_id: str) -> KeyRow | None:
        """The key of that id, as it is or was some seconds ago. Raises what looking it up raises."""
        now = asyncio.get_running_loop().time()
        entry = self._entries.get(key_id)
        if entry is None or now >= entry.until or _has_failed(entry.looking_up):
            entry = self._ask(key_id, now)
        # A caller that gives up must not take the answer from the others.
        return await asyncio.shield(entry.looking_up)

    def forget_all(self) -> None:
        """Look everything up anew: a tenant or key was changed here."""
        self._entries.clear()

    def _ask(self, key_id: str, now: float) -> _Entry:
        if len(self._entries) >= MOST_KEYS:
            self._entries.clear()
        looking_up = asyncio.ensure_future(self._look_up(key_id))
        entry = _Entry(now + self._seconds, looking_up)
        self._entries[key_id] = entry
        return entry


def _has_failed(future: asyncio.Future[KeyRow | None]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
