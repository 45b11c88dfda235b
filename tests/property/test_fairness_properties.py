"""Fair sharing: nobody starves, nobody gets more than its share, and no container is idle while a job waits."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.tenant import Priority
from orchestrator.policies.fairness import Books, FairnessSettings, Lane, choose_next

SETTINGS = FairnessSettings()


@dataclass
class Queue:
    """Lanes of waiting jobs on one place, served by the policy; a job is its cost and when it came."""

    weights: dict[str, float]
    lines: dict[tuple[str, Priority], list[tuple[float, float]]] = field(default_factory=dict)
    books: Books = field(default_factory=Books)
    now: float = 0.0
    served: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, tenant: str, cost: float, priority: Priority = Priority.NORMAL) -> None:
        self.lines.setdefault((tenant, priority), []).append((cost, self.now))

    def lanes(self) -> list[Lane]:
        return [
            Lane(
                tenant=tenant,
                priority=priority,
                shelf="s",
                weight=self.weights[tenant],
                head_cost=line[0][0],
                head_waited_seconds=self.now - line[0][1],
                length=len(line),
            )
            for (tenant, priority), line in self.lines.items()
            if line
        ]

    def serve(self, *, ageing: bool = False) -> Lane | None:
        choice = choose_next(self.lanes(), self.books, SETTINGS)
        if choice is None:
            return None
        self.books = choice.books
        cost, _ = self.lines[choice.lane.tenant, choice.lane.priority].pop(0)
        self.served[choice.lane.tenant] += cost
        self.now += cost / 1000 if ageing else 0.0
        return choice.lane


costs = st.floats(1, 2000)
weights = st.floats(0.25, 8)


@given(st.data(), st.lists(weights, min_size=2, max_size=5))
@settings(deadline=None, max_examples=60)
def test_backlogged_tenants_get_shares_by_their_weights(data, tenant_weights):
    """However costs differ, service by weight differs by no more than one visit and one job of each."""
    tenants = {f"t{number}": weight for number, weight in enumerate(tenant_weights)}
    queue = Queue(weights=tenants)
    most = dict.fromkeys(tenants, 0.0)
    rng = random.Random(data.draw(st.integers(0, 2**16)))
    ranges = {tenant: data.draw(costs) for tenant in tenants}

    def top_up(tenant: str) -> None:
        cost = rng.uniform(1, ranges[tenant])
        most[tenant] = max(most[tenant], cost)
        queue.add(tenant, cost)

    for tenant in tenants:
        top_up(tenant)
        top_up(tenant)
    for _ in range(300):
        lane = queue.serve()
        assert lane is not None
        top_up(lane.tenant)
    for one, other in permutations(tenants, 2):
        apart = queue.served[one] / tenants[one] - queue.served[other] / tenants[other]
        allowed = 2 * SETTINGS.quantum + most[one] / tenants[one] + most[other] / tenants[other]
        assert apart <= allowed


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(list(Priority)), costs), max_size=40))
def test_it_is_work_conserving(jobs):
    """As long as anything waits, something is chosen, and each job exactly once."""
    queue = Queue(weights={"a": 1, "b": 2, "c": 0.5, "d": 7})
    for tenant, priority, cost in jobs:
        queue.add(tenant, cost, priority)
    for _ in jobs:
        assert queue.serve() is not None
    assert queue.serve() is None


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_only_lanes_that_can_start_are_chosen(flags):
    """A lane without a container, or of a tenant without a place, is passed over, and only that one."""
    lanes = [
        Lane(
            tenant=f"t{number}", priority=Priority.NORMAL, shelf="s", weight=1, head_cost=100,
            head_waited_seconds=0, length=1, can_start=flag,
        )
        for number, flag in enumerate(flags)
    ]  # fmt: skip
    choice = choose_next(lanes, Books(), SETTINGS)
    assert (choice is not None) == any(flags)
    assert choice is None or choice.lane.can_start


@given(st.integers(1, 6), st.floats(150, 500))
@settings(deadline=None, max_examples=30)
def test_nobody_starves(floods, cost):
    """A batch job goes within a bounded time, though interactive jobs of others never end."""
    queue = Queue(weights={"quiet": 1.0, **{f"f{number}": 8.0 for number in range(floods)}})
    for number in range(floods):
        queue.add(f"f{number}", cost, Priority.INTERACTIVE)
    queue.add("quiet", cost, Priority.BATCH)
    longest = 2 * SETTINGS.ageing_seconds + 60
    while queue.now < longest:
        lane = queue.serve(ageing=True)
        assert lane is not None
        if lane.tenant == "quiet":
            return
        queue.add(lane.tenant, cost, Priority.INTERACTIVE)
    raise AssertionError("the batch job starved")


@given(st.floats(1, 1000), st.integers(1, 10))
@settings(deadline=None)
def test_a_newcomer_waits_one_round_and_not_for_the_flood(cost, floods):
    """With many thousands of jobs of others queued, a new tenant's job goes within its share's time."""
    queue = Queue(weights={"new": 1.0, **{f"f{number}": 1.0 for number in range(floods)}})
    for number in range(floods):
        for _ in range(200):
            queue.add(f"f{number}", cost)
    for _ in range(17):
        queue.serve()
    before = sum(queue.served.values())
    queue.add("new", cost)
    while queue.served["new"] == 0:
        assert queue.serve() is not None
    waited = sum(queue.served.values()) - before - cost
    assert waited <= floods * (cost + 2 * max(cost, SETTINGS.quantum))


@given(st.lists(st.tuples(st.sampled_from("ab"), costs), min_size=1, max_size=60))
def test_jobs_of_one_lane_keep_their_order(jobs):
    """First come, first served, for one tenant and one priority."""
    queue = Queue(weights={"a": 1.0, "b": 3.0})
    for tenant, cost in jobs:
        queue.add(tenant, cost)
    while (lane := queue.serve()) is not None:
        line = queue.lines[lane.tenant, lane.priority]
        expected = [cost for tenant, cost in jobs if tenant == lane.tenant]
        assert [cost for cost, _ in line] == expected[len(expected) - len(line) :]
