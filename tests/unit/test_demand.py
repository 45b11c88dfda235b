"""`policies/demand.py`: the target of warm containers follows how jobs come, up at once and down slowly."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policies.demand import (
    FORGET_HALF_SECONDS,
    SPARE,
    Demand,
    TargetBounds,
    note_arrival,
    note_making,
    plan_target,
)

BOUNDS = TargetBounds(minimum=1, maximum=20)
MAKING_SECONDS = 0.5


def after(times: Iterable[float]) -> Demand:
    demand = Demand(making_seconds=MAKING_SECONDS)
    for moment in times:
        demand = note_arrival(demand, moment)
    return demand


def test_without_jobs_the_minimum_stands_ready():
    """Nothing seen, nothing wanted."""
    plan = plan_target(Demand(), BOUNDS, 1e6)
    assert (plan.target, plan.why, plan.less_in_seconds) == (1, "the minimum", None)


def test_a_crowd_raises_the_target_to_its_size_at_once():
    """Seven jobs in one moment take seven containers before the first replacement is made; a quarter is to spare."""
    plan = plan_target(after([100.0] * 7), BOUNDS, 100.0)
    assert plan.target == 9
    assert "7 jobs" in plan.why


def test_jobs_that_come_one_by_one_need_little():
    """Far enough apart, each finds the replacement of the one before."""
    assert plan_target(after(range(0, 1000, 10)), BOUNDS, 1000.0).target <= 2


def test_the_target_comes_down_one_by_one_and_says_when():
    """At the time that the plan names, and not before, it is one less."""
    demand, now, seen = after([0.0] * 5), 0.0, []
    while (plan := plan_target(demand, BOUNDS, now)).less_in_seconds is not None:
        seen.append(plan.target)
        assert plan_target(demand, BOUNDS, now + plan.less_in_seconds * 0.99).target == plan.target
        now += plan.less_in_seconds
    assert seen == [7, 6, 5, 4, 3, 2]
    assert now == pytest.approx(FORGET_HALF_SECONDS * math.log2(5 * SPARE), rel=0.01)


def test_with_a_minimum_of_none_a_shelf_ends_empty():
    """Half of something is something; it is still forgotten in the end."""
    bounds = TargetBounds(minimum=0, maximum=5)
    demand = after([0.0])
    plan = plan_target(demand, bounds, 0.0)
    assert plan.target == 2
    plan = plan_target(demand, bounds, plan.less_in_seconds)
    assert plan.target == 1
    assert plan_target(demand, bounds, FORGET_HALF_SECONDS * 2 + plan.less_in_seconds).target == 0


def test_maximum_and_memory_bound_the_target_and_are_named():
    """What kept it low is part of the reason."""
    demand = after([0.0] * 50)
    plan = plan_target(demand, BOUNDS, 0.0)
    assert (plan.target, "the maximum is 20" in plan.why) == (20, True)
    scarce = TargetBounds(minimum=2, maximum=20, memory_allows=3)
    plan = plan_target(demand, scarce, 0.0)
    assert (plan.target, "memory allows 3" in plan.why) == (3, True)
    assert plan_target(demand, TargetBounds(minimum=2, maximum=20, memory_allows=0), 0.0).target == 2


def test_slow_makings_ask_for_more():
    """The same jobs are a larger crowd where a container takes longer to make."""
    slow = Demand(making_seconds=MAKING_SECONDS)
    for _ in range(50):
        slow = note_making(slow, 10.0)
    fast = Demand(making_seconds=MAKING_SECONDS)
    for moment in range(60):
        slow, fast = note_arrival(slow, moment), note_arrival(fast, moment)
    assert plan_target(slow, BOUNDS, 60.0).target > 3 * plan_target(fast, BOUNDS, 60.0).target


@given(
    st.lists(st.floats(0, 1e6), max_size=50),
    st.integers(0, 5),
    st.integers(0, 20),
    st.one_of(st.none(), st.integers(0, 100)),
    st.floats(0, 1e6),
)
def test_the_target_always_lies_between_its_bounds(times, minimum, extra, allows, later):
    """Whatever came, whenever it is asked, also with a clock that seems to go back."""
    bounds = TargetBounds(minimum=minimum, maximum=minimum + extra, memory_allows=allows)
    plan = plan_target(after(times), bounds, later)
    assert minimum <= plan.target <= minimum + extra
    assert plan.less_in_seconds is None or plan.less_in_seconds > 0


# -- a simulation over patterns of arrival ------------------------------------------------------------

HOURS = 2
CREATES_AT_ONCE = 2


def steady(dice: random.Random) -> list[float]:
    """Two jobs a second on average, each by chance."""
    return _poisson(dice, lambda _: 2.0)


def bursts(dice: random.Random) -> list[float]:
    """In one half hour a user runs about ten jobs together every minute or two; in the next there is nobody."""
    times, now = [], 0.0
    while now < HOURS * 3600:
        now += dice.uniform(60, 120)
        if now % 3600 < 1800:
            times += [now + dice.uniform(0, 0.2) for _ in range(dice.randint(8, 12))]
    return sorted(times)


def diurnal(dice: random.Random) -> list[float]:
    """From nothing to three jobs a second and back, like a day."""
    return _poisson(dice, lambda now: 3.0 * max(0.0, math.sin(2 * math.pi * now / (HOURS * 3600))) ** 2)


def _poisson(dice: random.Random, rate) -> list[float]:
    times, now = [], 0.0
    while now < HOURS * 3600:
        now += dice.expovariate(3.0)
        if dice.random() < rate(now) / 3.0:
            times.append(now)
    return times


class Shop:
    """One shelf: containers are made two at a time, jobs take one each; who finds none waits for a new one."""

    def __init__(self, target_of) -> None:
        self.target_of = target_of
        self.warm, self.making, self.waiting = 0, [], 0
        self.cold = self.made = self.surplus = 0
        self.idle_seconds, self.last = 0.0, 0.0

    def run(self, times: list[float]) -> Shop:
        for moment in times:
            self._until(moment)
            self.target_of.arrival(moment)
            if self.warm:
                self.warm -= 1
            else:
                self.cold += 1
                self.waiting += 1
            self._supply(moment)
        self._until(HOURS * 3600)
        return self

    @property
    def average_idle(self) -> float:
        return self.idle_seconds / (HOURS * 3600)

    def _until(self, moment: float) -> None:
        while self.making and self.making[0] <= moment:
            done = heapq.heappop(self.making)
            self._pass(done)
            if self.waiting:
                self.waiting -= 1
            else:
                self.warm += 1
            self._supply(done)
        self._supply(moment)
        self._pass(moment)

    def _pass(self, moment: float) -> None:
        self.idle_seconds += self.warm * (moment - self.last)
        self.last = moment

    def _supply(self, now: float) -> None:
        target = self.target_of.target(now)
        while self.warm > target and not self.waiting:
            self.warm -= 1
            self.surplus += 1
        while len(self.making) < CREATES_AT_ONCE and self.warm + len(self.making) < target + self.waiting:
            heapq.heappush(self.making, now + MAKING_SECONDS)
            self.made += 1


class Fixed:
    def __init__(self, target: int) -> None:
        self._target = target

    def arrival(self, now: float) -> None:
        pass

    def target(self, now: float) -> int:
        return self._target


class Following:
    def __init__(self) -> None:
        self._demand = Demand(making_seconds=MAKING_SECONDS)

    def arrival(self, now: float) -> None:
        self._demand = note_arrival(self._demand, now)

    def target(self, now: float) -> int:
        return plan_target(self._demand, BOUNDS, now).target


def cold_waits_of_fixed(times: list[float], average_idle: float) -> float:
    """Of a fixed target with so many idle containers on average, between two whole ones by proportion."""
    below = Shop(Fixed(0)).run(times)
    for target in range(1, 60):
        above = Shop(Fixed(target)).run(times)
        if above.average_idle >= average_idle:
            share = (average_idle - below.average_idle) / (above.average_idle - below.average_idle)
            return below.cold + share * (above.cold - below.cold)
        below = above
    raise AssertionError("no fixed target has so many idle")


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("pattern", [bursts, diurnal])
def test_following_demand_beats_a_fixed_target_of_as_many_idle_containers(pattern, seed):
    """Not half as many jobs find an empty shelf as with a fixed target that holds as many containers idle."""
    times = pattern(random.Random(seed))
    following = Shop(Following()).run(times)
    assert following.cold < 0.5 * cold_waits_of_fixed(times, following.average_idle)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_on_steady_demand_following_comes_near_the_best_fixed_target(seed):
    """Nobody can know better than a fixed target chosen afterwards; few jobs wait with either."""
    times = steady(random.Random(seed))
    following = Shop(Following()).run(times)
    assert following.cold < 1.5 * cold_waits_of_fixed(times, following.average_idle)
    assert following.cold < 0.01 * len(times)


@pytest.mark.parametrize(("pattern", "share"), [(steady, 0.01), (diurnal, 0.01), (bursts, 0.25)])
def test_following_demand_does_not_thrash(pattern, share):
    """What is given up unused is a small part of what is made, also where whole half hours are silent."""
    times = pattern(random.Random(12))
    shop = Shop(Following()).run(times)
    assert shop.surplus <= share * shop.made
