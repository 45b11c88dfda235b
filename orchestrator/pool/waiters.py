"""Pool floor: those who wait for a container, first come first served.

# Theory of operation

A waiter is one caller of `pool.lease` who found the shelf empty. Handing a container over is a promise that
must not be lost, and between the moment it is handed over and the moment the caller runs again, the
caller may be cancelled or run out of time. So the hand-over is acknowledged:

* `Waiter.offer(container)` is True only if the waiter was still waiting; it then holds the container.
* A waiter that leaves calls `withdraw()` first, which gives back what it was handed in the meantime. The pool
  offers that container to the next, or puts it back on the shelf: it was never used.

INVARIANT: a container that was offered is held by exactly one of: the waiter, the pool.
All of this happens on one event loop without an `await` in between, so it needs no lock.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import Generic, TypeVar

__all__ = ("Waiter", "WaitingLine")

_C = TypeVar("_C")


class Waiter(Generic[_C]):
    """One place in the line."""

    def __init__(self, tenant: str | None = None) -> None:
        self.tenant = tenant
        """Whose kept container would do as well; None where only a never-used one will do."""
        self._arrival: asyncio.Future[_C] = asyncio.get_running_loop().create_future()

    def offer(self, container: _C) -> bool:
        """Hand `container` over; False where this waiter no longer waits, and the caller keeps it."""
        if self._arrival.done():
            return False
        self._arrival.set_result(container)
        return True

    def fail(self, error: Exception) -> None:
        """End the wait with an error, where it has not ended yet."""
        if not self._arrival.done():
            self._arrival.set_exception(error)

    async def wait(self) -> _C:
        """The container, once it is offered. Raises what `fail` was given."""
        return await asyncio.shield(self._arrival)

    def withdraw(self) -> _C | None:
        """Wait no longer; answers the container that was handed over already, if any."""
        if self._arrival.cancel() or self._arrival.cancelled():
            return None
        return None if self._arrival.exception() else self._arrival.result()


class WaitingLine(Generic[_C]):
    """The waiters for one kind of container, in order."""

    def __init__(self) -> None:
        self._line: deque[Waiter[_C]] = deque()

    def __len__(self) -> int:
        return len(self._line)

    def join(self, tenant: str | None = None) -> Waiter[_C]:
        """A new waiter at the end of the line."""
        waiter: Waiter[_C] = Waiter(tenant)
        self._line.append(waiter)
        return waiter

    def leave(self, waiter: Waiter[_C]) -> None:
        """Take a waiter out, wherever it stands; one that was served already is no error."""
        if waiter in self._line:
            self._line.remove(waiter)

    def offer(self, container: _C) -> bool:
        """Hand `container` to the first who still waits; False where nobody does."""
        while self._line:
            if self._line.popleft().offer(container):
                return True
        return False

    def offer_to(self, tenant: str, container: _C) -> bool:
        """Hand `container` to the first of `tenant` who still waits, wherever in the line; nobody else could use it."""
        for waiter in [one for one in self._line if one.tenant == tenant]:
            self._line.remove(waiter)
            if waiter.offer(container):
                return True
        return False

    def tenants(self) -> Counter[str | None]:
        """How many wait for each tenant."""
        return Counter(waiter.tenant for waiter in self._line)

    def fail_all(self, error: Exception) -> None:
        """End every wait with `error`."""
        while self._line:
            self._line.popleft().fail(error)
