"""Store floor: one thread writes, and commits in groups. Knows transactions, not what is in them.

Everything that was asked while the last commit was on its way goes into the next one: under load an fsync is
shared by many, alone it is waited for by one. Writes that nobody waits for gather for LINGER_SECONDS, so that a
busy host pays for some fifty commits a second, however many jobs it runs.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from orchestrator.domain.errors import StoreUnavailable
from orchestrator.store.database import foreign_errors

__all__ = ("Act", "Writer")

LINGER_SECONDS = 0.02
RETRY_SECONDS = 1.0
LARGEST_GROUP = 256
MOST_PUT_BACK = 10_000
"""How many writes that nobody waits for are kept while the database is away; further ones are lost, and told."""

_log = logging.getLogger("orchestrator.store")

_T = TypeVar("_T")
_A = TypeVar("_A")
Act = Callable[[Connection, Sequence[_A]], Sequence[_T]]
"""Does one thing for many arguments inside one transaction, and answers each in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    """One argument of an act, and who waits for it."""

    act: Act[Any, Any]
    argument: object
    reply: asyncio.Future[Any] | None


class Writer:
    """The only way to write. Its methods belong to the event loop that made it; the thread is its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Write] = deque()
        self._wake = threading.Event()
        self._linger: asyncio.TimerHandle | None = None
        self._closing = False
        self._trouble: StoreUnavailable | None = None
        self._unsettled = 0
        self._alone = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> StoreUnavailable | None:
        """Why the last commit failed; None where it did not."""
        return self._trouble

    @property
    def has_unsettled(self) -> bool:
        """Whether there is a write that nobody waits for and that is not committed yet."""
        return self._unsettled > 0

    async def write(self, act: Act[_A, _T], argument: _A) -> _T:
        """Do it and commit it; what `act` answered for this argument.

        Raises StoreUnavailable where it may not have happened, StoreConflict where it has not. A caller that
        is cancelled while waiting leaves a write behind that happens all the same.
        """
        if self._closing:
            raise StoreUnavailable("cannot write to the store: it is closed")
        reply: asyncio.Future[_T] = self._loop.create_future()
        self._waiting.append(_Write(act, argument, reply))
        self._wake.set()
        return await reply

    def write_later(self, act: Act[_A, Any], argument: _A) -> None:
        """Have it done soon; never blocks. It is tried again while the database is away."""
        if len(self._waiting) >= MOST_PUT_BACK:
            _log.error("store behind: a write is lost")
            return
        self._unsettled += 1
        self._waiting.append(_Write(act, argument, None))
        if self._linger is None:
            self._linger = self._loop.call_later(LINGER_SECONDS, self._stop_lingering)

    async def settle(self) -> None:
        """Wait until everything asked so far is committed. Raises StoreUnavailable where it cannot be."""
        await self.write(_do_nothing, None)

    async def close(self) -> None:
        """Commit what is waiting and end the thread."""
        self._closing = True
        self._stop_lingering()
        await asyncio.to_thread(self._thread.join)
        if self._waiting:
            _log.error("store closed while away: %d writes are lost", len(self._waiting))

    def _stop_lingering(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._wake.set()

    # -- on the thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            self._wake.wait(RETRY_SECONDS if self._trouble else None)
            self._wake.clear()
            # Read before the group is taken: whatever was asked before the closing is in it.
            closing = self._closing
            while self._waiting and self._commit(self._take_group()):
                pass
            if closing:
                return

    def _take_group(self) -> list[_Write]:
        size = 1 if self._alone else min(LARGEST_GROUP, len(self._waiting))
        self._alone = max(0, self._alone - 1)
        return [self._waiting.popleft() for _ in range(size)]

    def _commit(self, group: list[_Write]) -> bool:
        """Whether the database was there."""
        try:
            answers = self._in_one_transaction(group)
        except StoreUnavailable as error:
            self._put_back(group, error)
            return False
        except Exception as error:  # noqa: BLE001  # whoever asked gets it; the thread must live on
            self._refuse(group, error)
        else:
            self._hand_over(list(zip(group, answers, strict=True)))
        self._trouble = None
        return True

    def _in_one_transaction(self, group: list[_Write]) -> list[object]:
        answers: list[object] = []
        with foreign_errors("write to the store"), self._engine.begin() as connection:
            for act, writes in groupby(group, key=lambda write: write.act):
                answers += act(connection, [write.argument for write in writes])
        return answers

    def _refuse(self, group: list[_Write], error: Exception) -> None:
        if len(group) > 1:
            # One of them is at fault: each gets a transaction of its own, so that only that one fails.
            self._waiting.extendleft(reversed(group))
            self._alone = len(group)
            return
        if group[0].reply is None:
            _log.error("store refused a write: %s", error)
        self._hand_over([(group[0], error)])

    def _put_back(self, group: list[_Write], error: StoreUnavailable) -> None:
        """Keep what nobody waits for; all who wait are told, those of later groups too."""
        if self._trouble is None:
            _log.error("store unavailable: %s", error)
        self._trouble = error
        group = group + [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._waiting.extendleft(reversed([write for write in group if write.reply is None]))
        self._hand_over([(write, error) for write in group if write.reply is not None])

    def _hand_over(self, answers: list[tuple[_Write, object]]) -> None:
        # One call into the loop for the whole group.
        self._loop.call_soon_threadsafe(self._settle_replies, answers)

    # -- on the loop ------------------------------------------------------------------------------------

    def _settle_replies(self, answers: list[tuple[_Write, object]]) -> None:
        for write, answer in answers:
            if write.reply is None:
                self._unsettled -= 1
            elif write.reply.done():
                continue
            elif isinstance(answer, Exception):
                write.reply.set_exception(answer)
            else:
                write.reply.set_result(answer)


def _do_nothing(_connection: Connection, arguments: Sequence[None]) -> Sequence[None]:
    return arguments
