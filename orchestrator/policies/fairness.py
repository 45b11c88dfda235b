"""Policies floor: whose job is next. Pure: lanes in, one choice and the new books out.

A lane is the queued jobs of one tenant, one priority and one shelf, first come first served; only its head is
looked at. So a decision costs time in proportion to the lanes, never to the jobs in them.

1. **Class.** A lane's class is its priority's, and one better for every `ageing_seconds` that its head has
   waited: nobody starves. The best class with a lane that can go is the one served.
2. **Tenant.** Within the class, tenants are served by weighted deficit round robin: on each visit a tenant is
   granted `quantum * weight`, and its head goes once its grants cover the job's expected cost. The
   rounds are not walked one by one: the first visit that suffices is computed.
3. **Lane.** Of a tenant's own lanes in that class, the one whose head has waited longest.

Work-conserving: whenever a lane can go, one is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.domain.tenant import Priority

__all__ = ("Books", "Choice", "FairnessSettings", "Lane", "choose_next", "position_in_queue")

_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessSettings:
    """What the sharing is tuned by."""

    ageing_seconds: float = 10.0
    """After each such wait a job counts as one class better."""
    quantum: float = 100.0
    """Cost (milliseconds of a container) that one visit grants a tenant of weight 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The head of one line, and whether it could start now."""

    tenant: str
    priority: Priority
    shelf: str
    weight: float
    head_cost: float
    head_waited_seconds: float
    length: int
    can_start: bool = True
    """Whether the tenant has a place left, and the shelf has a container for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the round robin remembers: the tenants in the order of the round, and what each is still granted.

    The round goes on at the first in `order`. `visited` had its grant for this visit already, and stays first
    while that lasts.
    """

    order: tuple[str, ...] = ()
    grants: Mapping[str, float] = field(default_factory=dict)
    visited: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The lane whose head goes next, and the books after that."""

    lane: Lane
    books: Books


def choose_next(lanes: Sequence[Lane], books: Books, settings: FairnessSettings) -> Choice | None:
    """The lane whose head starts now; None where no lane can go."""
    if not (ready := [lane for lane in lanes if lane.can_start]):
        return None
    best = min(_class_of(lane, settings) for lane in ready)
    heads: dict[str, Lane] = {}
    for lane in ready:
        if _class_of(lane, settings) == best:
            other = heads.get(lane.tenant)
            if other is None or lane.head_waited_seconds > other.head_waited_seconds:
                heads[lane.tenant] = lane
    return _visit(heads, _with_newcomers(lanes, books), settings)


def _class_of(lane: Lane, settings: FairnessSettings) -> int:
    aged = int(lane.head_waited_seconds / settings.ageing_seconds)
    return max(0, _RANKS[lane.priority] - aged)


def _with_newcomers(lanes: Sequence[Lane], books: Books) -> Books:
    """The books of those who have jobs. Who comes new stands at the end; who has none left takes no grant along."""
    present = dict.fromkeys(lane.tenant for lane in lanes)
    stay = [tenant for tenant in books.order if tenant in present]
    known = set(stay)
    order = (*stay, *(tenant for tenant in present if tenant not in known))
    grants = {tenant: books.grants.get(tenant, 0.0) for tenant in order}
    return Books(order=order, grants=grants, visited=books.visited)


def _visit(heads: Mapping[str, Lane], books: Books, settings: FairnessSettings) -> Choice:
    """The first visit, in the order of the round, at which a head's cost is covered."""
    needed = {tenant: _visits_needed(head, books.grants[tenant], settings) for tenant, head in heads.items()}
    order = books.order
    if order[0] == books.visited and needed.get(order[0], 1) > 0:
        order = order[1:] + order[:1]
    places = {tenant: place for place, tenant in enumerate(order)}
    chosen = min(heads, key=lambda tenant: (needed[tenant], places[tenant]))
    turn = places[chosen]
    grants = dict(books.grants)
    for tenant, head in heads.items():
        visits = needed[chosen] - (places[tenant] > turn)
        grants[tenant] += max(0, visits) * settings.quantum * head.weight
    grants[chosen] -= heads[chosen].head_cost
    after = Books(order=order[turn:] + order[:turn], grants=grants, visited=chosen)
    return Choice(lane=heads[chosen], books=after)


def _visits_needed(head: Lane, granted: float, settings: FairnessSettings) -> int:
    lacking = head.head_cost - granted
    return max(0, math.ceil(lacking / (settings.quantum * head.weight) - 1e-9))


def position_in_queue(index: int, lane: Lane, others: Sequence[Lane], settings: FairnessSettings) -> int:
    """About how many jobs start up to and including the one at `index` (from 0) of `lane`.

    The tenant's own better lanes go before it; of every other tenant, what its share lets go in the meantime.
    An estimate: jobs that come later, and their priorities, are not known.
    """
    own_class = _class_of(lane, settings)
    ahead = index
    of_others: dict[str, tuple[int, float]] = {}
    for other in others:
        if other == lane or _class_of(other, settings) > own_class:
            continue
        if other.tenant == lane.tenant:
            ahead += other.length if _class_of(other, settings) < own_class else 0
            continue
        length, _ = of_others.get(other.tenant, (0, 1.0))
        of_others[other.tenant] = (length + other.length, other.weight)
    for length, weight in of_others.values():
        ahead += min(length, math.ceil((index + 1) * weight / lane.weight))
    return ahead + 1
