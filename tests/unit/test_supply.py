"""`policies/supply.py`: how many containers to make or give up, from one look at the pool."""

from __future__ import annotations

import pytest

from orchestrator.policies.supply import (
    BACKOFF_FIRST_SECONDS,
    BACKOFF_MOST_SECONDS,
    ShelfSnapshot,
    SupplyPlan,
    SupplySnapshot,
    plan_backoff_seconds,
    plan_supply,
)


def shelf(runtime="a", *, target=2, warm=0, provisioning=0, waiting=0) -> ShelfSnapshot:
    return ShelfSnapshot(
        runtime=runtime, target=target, warm=warm, provisioning=provisioning, waiting=waiting
    )


def plan(*shelves, total=None, maximum=10, hands=10, retiring=0) -> SupplyPlan:
    held = sum(each.warm + each.provisioning for each in shelves) + retiring
    return plan_supply(
        SupplySnapshot(
            shelves=shelves,
            total=held if total is None else total,
            retiring=retiring,
            maximum=maximum,
            creates_at_once=hands,
        )
    )


def test_a_full_pool_needs_nothing():
    """Where every shelf has its target the plan is empty."""
    assert plan(shelf(warm=2), shelf("b", warm=1, provisioning=1)) == SupplyPlan()


def test_shelves_are_filled_round_robin():
    """No runtime waits until another one's shelf is full."""
    assert plan(shelf("a"), shelf("b", target=3)).create == ("a", "b", "a", "b", "b")


def test_waiters_come_before_shelves():
    """Whoever waits is served before any shelf is filled, round robin between runtimes."""
    assert plan(shelf("a", target=1), shelf("b", target=0, waiting=2)).create == ("b", "b", "a")


def test_what_is_being_made_counts_as_there():
    """One shortage is answered once."""
    assert plan(shelf(target=2, provisioning=1, waiting=1)).create == ("a", "a")
    assert plan(shelf(target=0, provisioning=3, waiting=3)).create == ()


@pytest.mark.parametrize(
    ("total", "hands", "made"), [(0, 10, 2), (9, 10, 1), (10, 10, 0), (12, 10, 0), (0, 1, 1)]
)
def test_neither_the_house_nor_the_hands_are_overfilled(total, hands, made):
    """Creates stop at the maximum and at creates_at_once, even if the pool holds too many already."""
    assert len(plan(shelf(), total=total, hands=hands).create) == made


def test_what_is_being_made_keeps_hands_busy():
    """Containers in the making count against creates_at_once."""
    assert plan(shelf(target=5, provisioning=2), hands=3).create == ("a",)


def test_a_full_house_gives_up_one_of_the_best_stocked_runtime():
    """For a waiter of one runtime, the largest idle shelf of the others gives one."""
    shelves = shelf("a", warm=3), shelf("b", warm=5), shelf("c", waiting=1)
    assert plan(*shelves, maximum=8) == SupplyPlan(give_up=("b",))


def test_one_waiter_costs_one_container():
    """What is being removed already counts as given up: a second look gives up no more."""
    assert plan(shelf("a", warm=4), shelf("b", waiting=1), retiring=1, maximum=5).give_up == ()
    assert plan(shelf("a", warm=4), shelf("b", waiting=2), retiring=1, maximum=5).give_up == ("a",)


@pytest.mark.parametrize(
    "shelves",
    [
        (shelf("a", warm=2), shelf("b", waiting=1, provisioning=1)),
        (shelf("a", warm=2), shelf("b")),
        (shelf("a", waiting=3), shelf("b", waiting=1)),
    ],
    ids=["help is on its way", "nobody waits", "nobody is idle"],
)
def test_nothing_is_given_up_without_need(shelves):
    """A full house keeps its idle containers where giving one up would help nobody."""
    assert plan(*shelves, total=10).give_up == ()


def test_a_house_with_room_gives_nothing_up():
    """With room for one more, a waiter gets that room."""
    assert plan(shelf("a", warm=2), shelf("b", target=0, waiting=1), maximum=3) == SupplyPlan(create=("b",))


def test_no_failure_means_no_pause():
    """The pause after success is nothing at all."""
    assert plan_backoff_seconds(0, 0.9) == 0.0


@pytest.mark.parametrize(("failures", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (20, 30.0), (10_000, 30.0)])
def test_the_pause_doubles_up_to_its_cap_with_full_jitter(failures, longest):
    """The random share spreads pauses from the first up to the longest."""
    assert plan_backoff_seconds(failures, 0.0) == BACKOFF_FIRST_SECONDS
    assert plan_backoff_seconds(failures, 0.5) == pytest.approx((BACKOFF_FIRST_SECONDS + longest) / 2)
    assert plan_backoff_seconds(failures, 0.999_999) <= longest <= BACKOFF_MOST_SECONDS


class TestKept:
    """Containers that wait for the next job of their own tenant."""

    @staticmethod
    def plan(*shelves, kept: int, retiring=0, maximum=3) -> SupplyPlan:
        total = kept + retiring + sum(each.warm + each.provisioning for each in shelves)
        return plan_supply(
            SupplySnapshot(
                shelves=shelves, total=total, retiring=retiring, maximum=maximum, creates_at_once=4, kept=kept
            )
        )

    def test_one_is_given_up_where_somebody_waits_and_there_is_no_room(self):
        """Before any never-used container is."""
        made = self.plan(shelf("a", target=0, waiting=1), shelf("b", target=2, warm=2), kept=1)
        assert made == SupplyPlan(give_up_kept=True)

    def test_none_is_given_up_while_there_is_room(self):
        """They cost nothing that somebody waits for."""
        made = self.plan(shelf("a", target=0, waiting=1), kept=1)
        assert made == SupplyPlan(create=("a",))

    def test_none_is_given_up_for_an_empty_shelf(self):
        """Only for somebody who waits."""
        assert self.plan(shelf("a", target=2), kept=3) == SupplyPlan()

    def test_one_waiter_does_not_cost_every_tenant_its_container(self):
        """What is being removed already makes room."""
        assert self.plan(shelf("a", target=0, waiting=1), kept=2, retiring=1) == SupplyPlan()

    def test_without_any_never_used_ones_make_room_as_before(self):
        """The best stocked shelf gives one up."""
        made = self.plan(shelf("a", target=0, waiting=1), shelf("b", target=3, warm=3), kept=0)
        assert made == SupplyPlan(give_up=("b",))
