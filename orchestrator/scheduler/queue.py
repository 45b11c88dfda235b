"""Scheduler floor: the jobs that wait. Bounded; every step costs the same however many there are.

Owns the lanes, who has how many places, and the deadlines. Whose job is next is decided by
`policies/fairness.py`, whether one is taken in by `policies/admission.py`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import JobResult
from orchestrator.domain.tenant import Priority, Tenant
from orchestrator.domain.transitions import JOB_TRANSITIONS, change_state
from orchestrator.policies.fairness import Books, FairnessSettings, Lane, choose_next, position_in_queue
from orchestrator.scheduler.events import EventLog
from orchestrator.scheduler.run import Job, Review
from orchestrator.scheduler.transcript import Transcript

__all__ = ("JobQueue", "LaneKey", "Ticket", "shelf_of")

MADE_TO_MEASURE = "made-to-measure"
CONTAINER_COST_MS = 150.0
"""What a container costs the host beside the job in it, however short that is."""


class LaneKey(NamedTuple):
    """What the jobs of one lane have in common."""

    tenant: str
    priority: Priority
    shelf: str


def shelf_of(job: Job) -> str:
    """Where a job's container comes from: its runtime's shelf, or none."""
    return MADE_TO_MEASURE if job.made_to_measure else job.spec.runtime


@dataclass(slots=True, eq=False, kw_only=True)
class Ticket:
    """One accepted job on its way through queue and dispatcher. Only these two change it."""

    job: Job
    tenant: Tenant
    priority: Priority
    done: asyncio.Future[JobResult]
    """Set once, with the job's one result."""
    review: Review | None = None
    """What looks at the result before it is told."""
    size_bytes: int = 0
    """What it holds of memory while it waits: code, input and files."""
    cost: float = CONTAINER_COST_MS
    state: JobState = JobState.QUEUED
    queued_at: float = 0.0
    started_at: float | None = None
    events: EventLog = field(default_factory=EventLog)
    transcript: Transcript | None = None
    """What the job has printed so far, once it has a container."""
    leased_at: float | None = None
    task: asyncio.Task[None] | None = None
    is_cancelled: bool = False
    """Whether somebody asked for its end."""

    @property
    def lane(self) -> LaneKey:
        """Where it stands, or stood."""
        return LaneKey(self.tenant.name, self.priority, shelf_of(self.job))

    def enter(self, state: JobState) -> None:
        """Change the state, and tell those who watch."""
        self.state = change_state(JOB_TRANSITIONS, self.state, state)
        self.events.add("status", {"state": state})


class JobQueue:
    """The tickets that wait. One event loop; no step waits."""

    def __init__(self, settings: FairnessSettings) -> None:
        self._settings = settings
        self._lanes: dict[LaneKey, OrderedDict[str, Ticket]] = {}
        self._books = Books()
        self._deadlines: list[tuple[float, int, LaneKey, str]] = []
        self._numbers = 0
        self._of_tenant: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"<JobQueue {self._length} jobs of {len(+self._of_tenant)} tenants>"

    def count_of(self, tenant: str) -> int:
        """How many places a tenant's jobs take."""
        return self._of_tenant[tenant]

    def bytes_of(self, tenant: str | None = None) -> int:
        """How many bytes the jobs of a tenant hold, or those of all."""
        return self._bytes.total() if tenant is None else self._bytes[tenant]

    def depth(self, tenant: str | None = None) -> dict[Priority, int]:
        """How many wait in each class, of one tenant or of all."""
        depth = dict.fromkeys(Priority, 0)
        for key, line in self._lanes.items():
            if tenant in (None, key.tenant):
                depth[key.priority] += len(line)
        return depth

    def add(self, ticket: Ticket, now: float) -> None:
        """Put a ticket at the end of its lane."""
        ticket.queued_at = now
        self._lanes.setdefault(ticket.lane, OrderedDict())[ticket.job.id] = ticket
        self._of_tenant[ticket.tenant.name] += 1
        self._bytes[ticket.tenant.name] += ticket.size_bytes
        self._length += 1
        self._numbers += 1
        heapq.heappush(self._deadlines, (ticket.job.start_by, self._numbers, ticket.lane, ticket.job.id))

    def remove(self, ticket: Ticket) -> bool:
        """Take a ticket out, wherever it stands; False where it does not wait here any more."""
        line = self._lanes.get(ticket.lane)
        if line is None or line.pop(ticket.job.id, None) is None:
            return False
        if not line:
            del self._lanes[ticket.lane]
        self._of_tenant[ticket.tenant.name] -= 1
        self._bytes[ticket.tenant.name] -= ticket.size_bytes
        self._length -= 1
        return True

    def take_next(self, can_start: Callable[[Ticket], bool], now: float) -> Ticket | None:
        """Take out the ticket that goes now; None where none can. Only the heads of lanes are asked."""
        lanes = [self._lane(key, now, can_start) for key in self._lanes]
        choice = choose_next(lanes, self._books, self._settings)
        if choice is None:
            return None
        self._books = choice.books
        ticket = self._head(LaneKey(choice.lane.tenant, choice.lane.priority, choice.lane.shelf))
        self.remove(ticket)
        return ticket

    def take_expired(self, now: float) -> Iterable[Ticket]:
        """Take out every ticket whose deadline is over."""
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, key, job_id = heapq.heappop(self._deadlines)
            line = self._lanes.get(key)
            ticket = line.get(job_id) if line else None
            if ticket is not None and self.remove(ticket):
                yield ticket

    def next_deadline(self) -> float | None:
        """When the next waiting ticket expires, by the event loop's time."""
        while self._deadlines and self._deadlines[0][3] not in self._lanes.get(self._deadlines[0][2], ()):
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def take_all(self) -> list[Ticket]:
        """Empty the queue."""
        tickets = [ticket for line in self._lanes.values() for ticket in line.values()]
        for ticket in tickets:
            self.remove(ticket)
        return tickets

    def position_of(self, ticket: Ticket, now: float) -> int | None:
        """About how many jobs start up to and including this one; None where it does not wait."""
        if (line := self._lanes.get(ticket.lane)) is None or ticket.job.id not in line:
            return None
        index = next(at for at, job_id in enumerate(reversed(line)) if job_id == ticket.job.id)
        lanes = [self._lane(key, now, lambda _: True) for key in self._lanes]
        own = next(lane for lane in lanes if (lane.tenant, lane.priority, lane.shelf) == ticket.lane)
        return position_in_queue(len(line) - 1 - index, own, lanes, self._settings)

    def _head(self, key: LaneKey) -> Ticket:
        return next(iter(self._lanes[key].values()))

    def _lane(self, key: LaneKey, now: float, can_start: Callable[[Ticket], bool]) -> Lane:
        head = self._head(key)
        return Lane(
            tenant=key.tenant,
            priority=key.priority,
            shelf=key.shelf,
            weight=head.tenant.weight,
            head_cost=head.cost,
            head_waited_seconds=max(0.0, now - head.queued_at),
            length=len(self._lanes[key]),
            can_start=can_start(head),
        )
