"""Policies floor: how many containers to make, or to give up, right now. Pure: a snapshot in, a plan out.

# Theory of operation

Each runtime has a target of warm containers. What is being made counts as if it were there, so that one
shortage is answered once. Those who wait come first: their runtimes are served round-robin, one container
for each waiter, before any shelf is filled up to its target.

The pool never holds more than `maximum` containers in any state, since one being removed still has its
memory. Where the house is full and someone waits for a runtime while another runtime's containers stand idle,
one idle container of the best stocked runtime is given up for it. What is being removed already counts as
given up for somebody, so that one waiter does not empty a shelf.

A shelf that has more than its target, because demand has faded, gives up one idle container at a time.

Containers of an older generation (their image or profile has changed since) do not count as warm. One of them is
given up for each new one that stands beside it, or at once where they leave no room to make one.

After a failure nothing is made until the back-off is over; it doubles with each failure in a row, up to a
cap, with full jitter so that several instances do not knock at a recovering engine together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

__all__ = ("ShelfSnapshot", "SupplyPlan", "SupplySnapshot", "plan_backoff_seconds", "plan_supply")

BACKOFF_FIRST_SECONDS = 0.25
BACKOFF_MOST_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfSnapshot:
    """One runtime's part of the pool."""

    runtime: str
    target: int
    warm: int
    provisioning: int
    waiting: int
    stale: int = 0
    """Idle containers of an older generation, not among `warm`."""
    may_shrink: bool = False
    """Whether the target follows demand, so that more than it is too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplySnapshot:
    """The pool at one moment."""

    shelves: tuple[ShelfSnapshot, ...]
    total: int
    """Containers in any state before removed."""
    retiring: int
    """Those of them that are being removed."""
    maximum: int
    creates_at_once: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyPlan:
    """Runtimes to make a container of (once for each), and runtimes to give up an idle one of."""

    create: tuple[str, ...] = ()
    give_up: tuple[str, ...] = ()
    """To make room for those who wait for another runtime."""
    surplus: tuple[str, ...] = ()
    """More than the target."""
    renew: tuple[str, ...] = ()
    """To give up one of the older generation of."""


def plan_supply(snapshot: SupplySnapshot) -> SupplyPlan:
    """What to do now; an empty plan where all is as it should be."""
    provisioning = sum(shelf.provisioning for shelf in snapshot.shelves)
    free_hands = snapshot.creates_at_once - provisioning
    room = snapshot.maximum - snapshot.total
    wanted = _wanted(snapshot.shelves)
    create = tuple(wanted[: max(0, min(free_hands, room))])
    return SupplyPlan(
        create=create,
        give_up=_give_up(snapshot, room),
        surplus=tuple(shelf.runtime for shelf in snapshot.shelves if _has_surplus(shelf)),
        renew=tuple(shelf.runtime for shelf in snapshot.shelves if _must_renew(shelf, room, snapshot)),
    )


def _has_surplus(shelf: ShelfSnapshot) -> bool:
    return shelf.may_shrink and not shelf.waiting and shelf.warm > shelf.target


def _must_renew(shelf: ShelfSnapshot, room: int, snapshot: SupplySnapshot) -> bool:
    if not shelf.stale:
        return False
    is_replaced = shelf.warm + shelf.stale > shelf.target
    is_in_the_way = room <= 0 and not snapshot.retiring and not shelf.provisioning
    return is_replaced or is_in_the_way


def _wanted(shelves: tuple[ShelfSnapshot, ...]) -> list[str]:
    """Every missing container by its runtime, the most urgent first."""
    for_waiters = {shelf.runtime: max(0, shelf.waiting - shelf.provisioning) for shelf in shelves}
    to_target = {
        shelf.runtime: max(0, shelf.target + shelf.waiting - shelf.warm - shelf.provisioning)
        - for_waiters[shelf.runtime]
        for shelf in shelves
    }
    return _round_robin(for_waiters) + _round_robin(to_target)


def _round_robin(missing: dict[str, int]) -> list[str]:
    left = Counter(missing)
    order: list[str] = []
    while any(count > 0 for count in left.values()):
        for runtime in missing:
            if left[runtime] > 0:
                left[runtime] -= 1
                order.append(runtime)
    return order


def _give_up(snapshot: SupplySnapshot, room: int) -> tuple[str, ...]:
    starving = sum(max(0, shelf.waiting - shelf.provisioning) for shelf in snapshot.shelves)
    idle = [shelf for shelf in snapshot.shelves if shelf.warm and not shelf.waiting]
    if room > 0 or starving <= snapshot.retiring or not idle:
        return ()
    return (max(idle, key=lambda shelf: shelf.warm).runtime,)


def plan_backoff_seconds(failures_in_a_row: int, random_share: float) -> float:
    """How long to make nothing after so many failures; `random_share` is in [0, 1)."""
    if failures_in_a_row == 0:
        return 0.0
    longest = min(BACKOFF_MOST_SECONDS, BACKOFF_FIRST_SECONDS * float(2 ** min(failures_in_a_row, 16)))
    return BACKOFF_FIRST_SECONDS + random_share * (longest - BACKOFF_FIRST_SECONDS)
