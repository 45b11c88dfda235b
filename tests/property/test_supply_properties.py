"""`policies/supply.py`: what no plan may ever do, for any pool."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policies.supply import (
    BACKOFF_FIRST_SECONDS,
    BACKOFF_MOST_SECONDS,
    ShelfSnapshot,
    SupplyPlan,
    SupplySnapshot,
    plan_backoff_seconds,
    plan_supply,
)

small = st.integers(0, 6)


@st.composite
def snapshots(draw) -> SupplySnapshot:
    shelves = tuple(
        ShelfSnapshot(
            runtime=name,
            target=draw(small),
            warm=draw(small),
            provisioning=draw(small),
            waiting=draw(small),
        )
        for name in draw(st.sampled_from(["", "a", "ab", "abc"]))
    )
    retiring = draw(small)
    held = sum(shelf.warm + shelf.provisioning for shelf in shelves) + retiring
    return SupplySnapshot(
        shelves=shelves,
        total=held + draw(small),
        retiring=retiring,
        maximum=draw(st.integers(1, 40)),
        creates_at_once=draw(st.integers(1, 8)),
    )


def shortages(snapshot: SupplySnapshot) -> Counter[str]:
    return Counter(
        {
            shelf.runtime: max(0, shelf.target + shelf.waiting - shelf.warm - shelf.provisioning)
            for shelf in snapshot.shelves
        }
    )


@given(snapshots())
def test_a_plan_never_overfills(snapshot):
    """Neither the house nor the hands hold more than they may, after any plan."""
    created = len(plan_supply(snapshot).create)
    assert created == 0 or snapshot.total + created <= snapshot.maximum
    provisioning = sum(shelf.provisioning for shelf in snapshot.shelves)
    assert created == 0 or provisioning + created <= snapshot.creates_at_once


@given(snapshots())
def test_a_plan_makes_no_more_than_is_missing(snapshot):
    """For each runtime at most what target and waiters lack, and for waiters at least what they lack."""
    for runtime, count in Counter(plan_supply(snapshot).create).items():
        (shelf,) = (shelf for shelf in snapshot.shelves if shelf.runtime == runtime)
        assert count <= max(shortages(snapshot)[runtime], shelf.waiting - shelf.provisioning)


@given(snapshots())
def test_a_plan_is_lazy_only_for_a_reason(snapshot):
    """Where something is missing and there is room and a hand, something is made."""
    plan = plan_supply(snapshot)
    has_hand = sum(shelf.provisioning for shelf in snapshot.shelves) < snapshot.creates_at_once
    if has_hand and snapshot.total < snapshot.maximum and any(shortages(snapshot).values()):
        assert plan.create


@given(snapshots())
def test_waiters_come_first(snapshot):
    """No container is made for a shelf while a waiter's is still missing from the plan."""
    plan = plan_supply(snapshot)
    waiters = sum(max(0, shelf.waiting - shelf.provisioning) for shelf in snapshot.shelves)
    for_waiters = Counter(plan.create[:waiters])
    for shelf in snapshot.shelves:
        assert for_waiters[shelf.runtime] <= max(0, shelf.waiting - shelf.provisioning)


@given(snapshots())
def test_giving_up_helps_somebody_and_hurts_nobody_who_waits(snapshot):
    """Only in a full house, for a waiter without help on its way, from an idle shelf that nobody waits at."""
    plan = plan_supply(snapshot)
    assert len(plan.give_up) <= 1
    for runtime in plan.give_up:
        (shelf,) = (shelf for shelf in snapshot.shelves if shelf.runtime == runtime)
        assert shelf.warm > 0
        assert shelf.waiting == 0
        assert snapshot.total >= snapshot.maximum
        assert sum(max(0, each.waiting - each.provisioning) for each in snapshot.shelves) > snapshot.retiring
        assert not plan.create


@given(snapshots())
def test_carrying_out_a_plan_leads_to_rest(snapshot):
    """Plan after plan, the pool comes to an end of planning: nothing is made and given up in turns."""
    for _ in range(200):
        plan = plan_supply(snapshot)
        if plan == SupplyPlan():
            return
        snapshot = carried_out(snapshot, plan)
    raise AssertionError("the plans go round in circles")


def carried_out(snapshot: SupplySnapshot, plan: SupplyPlan) -> SupplySnapshot:
    """The pool after a plan, with every create and every removal done and nobody served yet."""
    made, given_up = Counter(plan.create), Counter(plan.give_up)
    shelves = tuple(
        ShelfSnapshot(
            runtime=shelf.runtime,
            target=shelf.target,
            warm=shelf.warm + shelf.provisioning + made[shelf.runtime] - given_up[shelf.runtime] - served,
            provisioning=0,
            waiting=shelf.waiting - served,
        )
        for shelf in snapshot.shelves
        for served in [min(shelf.waiting, shelf.warm + shelf.provisioning + made[shelf.runtime])]
    )
    total = snapshot.total + len(plan.create) - len(plan.give_up) - snapshot.retiring
    return SupplySnapshot(
        shelves=shelves,
        total=total,
        retiring=0,
        maximum=snapshot.maximum,
        creates_at_once=snapshot.creates_at_once,
    )


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_pauses_stay_within_their_bounds(failures, share):
    """No pause is longer than the cap, and none after a failure is nothing."""
    pause = plan_backoff_seconds(failures, share)
    assert pause == 0.0 if failures == 0 else BACKOFF_FIRST_SECONDS <= pause <= BACKOFF_MOST_SECONDS
