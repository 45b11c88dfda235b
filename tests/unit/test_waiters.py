"""`pool/waiters.py`: a container handed over is held by exactly one."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.domain.errors import PoolClosed
from orchestrator.pool.waiters import Waiter, WaitingLine


async def test_the_line_is_first_come_first_served():
    """Offers go to the waiters in the order in which they joined."""
    line: WaitingLine[str] = WaitingLine()
    first, second = line.join(), line.join()
    assert len(line) == 2
    assert line.offer("a")
    assert line.offer("b")
    assert (await first.wait(), await second.wait()) == ("a", "b")
    assert len(line) == 0


async def test_an_offer_to_nobody_is_refused():
    """The pool keeps what nobody waits for."""
    line: WaitingLine[str] = WaitingLine()
    assert not line.offer("a")


async def test_a_withdrawn_waiter_is_passed_over():
    """Whoever has left gets nothing; the next in line does."""
    line: WaitingLine[str] = WaitingLine()
    first, second = line.join(), line.join()
    assert first.withdraw() is None
    assert line.offer("a")
    assert await second.wait() == "a"


async def test_a_waiter_takes_one_container_only():
    """A second offer is refused, so that the pool keeps that container."""
    waiter: Waiter[str] = Waiter()
    assert waiter.offer("a")
    assert not waiter.offer("b")
    assert await waiter.wait() == "a"


async def test_withdrawing_gives_back_what_was_handed_over():
    """A waiter that leaves between offer and wake-up returns the container."""
    waiter: Waiter[str] = Waiter()
    waiter.offer("a")
    assert waiter.withdraw() == "a"


async def test_a_cancelled_wait_can_still_be_given_back():
    """Cancelling the caller does not lose what it was handed in the same moment."""
    waiter: Waiter[str] = Waiter()
    task = asyncio.create_task(waiter.wait())
    await asyncio.sleep(0)
    waiter.offer("a")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waiter.withdraw() == "a"


async def test_withdrawing_twice_gives_nothing():
    """There is nothing to give back for one who was never served."""
    waiter: Waiter[str] = Waiter()
    assert waiter.withdraw() is None
    assert waiter.withdraw() is None
    assert not waiter.offer("a")


async def test_failing_ends_every_wait():
    """fail_all raises in each waiter, and leaves nobody in the line."""
    line: WaitingLine[str] = WaitingLine()
    waiters = [line.join(), line.join()]
    line.fail_all(PoolClosed("closed"))
    for waiter in waiters:
        with pytest.raises(PoolClosed):
            await waiter.wait()
        assert waiter.withdraw() is None
    assert len(line) == 0


async def test_failing_after_the_offer_changes_nothing():
    """Whoever was served first keeps the container."""
    waiter: Waiter[str] = Waiter()
    waiter.offer("a")
    waiter.fail(PoolClosed("closed"))
    assert await waiter.wait() == "a"


async def test_leaving_the_line_is_safe_for_those_served():
    """leave() takes a waiter out, wherever it stands, and says nothing of one who is not there."""
    line: WaitingLine[str] = WaitingLine()
    first, second = line.join(), line.join()
    line.leave(first)
    line.leave(first)
    assert len(line) == 1
    assert line.offer("a")
    assert await second.wait() == "a"
