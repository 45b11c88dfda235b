"""Scheduler floor: starts the jobs that wait, as places and containers come free. Knows neither store nor HTTP.

A job is given to the pool only when a container stands ready for it (or when none does and nobody waits for one):
who goes next is decided as late as possible, so a flood never stands in the pool's line before a newcomer.
Where the queue is empty and a container is warm, a job starts at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from orchestrator.domain.errors import InternalError, PoolClosed, PoolTimeout, RequestError
from orchestrator.domain.job import JobState
from orchestrator.domain.limits import Usage
from orchestrator.domain.outcome import JobError, JobResult, Outcome
from orchestrator.domain.tenant import Tenant
from orchestrator.policies.admission import QueueSnapshot, plan_admission
from orchestrator.policies.fairness import FairnessSettings
from orchestrator.pool.lease import Lease
from orchestrator.pool.pool import WarmPool
from orchestrator.scheduler.queue import CONTAINER_COST_MS, MADE_TO_MEASURE, JobQueue, Ticket, shelf_of
from orchestrator.scheduler.run import JobRunner, unrun
from orchestrator.scheduler.throttle import Throttle
from orchestrator.scheduler.transcript import Transcript
from orchestrator.scheduler.usage import RecentUse

__all__ = ("Dispatcher", "DispatcherSettings", "Ledger", "open_dispatcher")

LOOK_AGAIN_SECONDS = 0.05
"""How long a queue waits at most for an event of the pool that nobody told it of."""
LEARNING_RATE = 0.2
FIRST_PACE_SECONDS = 0.2


class Ledger(Protocol):
    """Who keeps the books of jobs. Told in the middle of a step: must neither wait nor raise."""

    def started(self, ticket: Ticket) -> None:
        """The job left the queue."""
        ...

    def finished(self, ticket: Ticket, result: JobResult) -> None:
        """The job has its one result; `ticket.done` is set right after. Its event log is the ledger's to end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherSettings:
    """What the dispatcher goes by."""

    places: int
    """Jobs that may wait."""
    places_bytes: int = 2**62
    """Bytes of code and input that may wait, of all jobs together."""
    jobs_at_once: int
    """Jobs that may run: no more than there can be containers."""
    reserved_warm: int
    """Warm containers per runtime that, while several tenants are here, those above their share leave alone."""
    orders_at_once: int = 1
    """Containers made to measure that may be waited for at once: they go before the shelves in the pool."""
    fairness: FairnessSettings = field(default_factory=FairnessSettings)


@asynccontextmanager
async def open_dispatcher(
    runner: JobRunner, settings: DispatcherSettings, ledger: Ledger
) -> AsyncIterator[Dispatcher]:
    """A dispatcher at work. On leaving nothing new starts, and what runs is waited for."""
    async with asyncio.TaskGroup() as tasks:
        dispatcher = Dispatcher(runner, settings, ledger, tasks)
        try:
            yield dispatcher
        finally:
            dispatcher.stop()


class Dispatcher:
    """Queue in, running jobs out. Made by `open_dispatcher`; one event loop, no step waits."""

    def __init__(
        self, runner: JobRunner, settings: DispatcherSettings, ledger: Ledger, tasks: asyncio.TaskGroup
    ) -> None:
        self._runner = runner
        self._pool: WarmPool = runner.pool
        self._settings = settings
        self._ledger = ledger
        self._tasks = tasks
        self._queue = JobQueue(settings.fairness)
        self._running: Counter[str] = Counter()
        self._started: set[Ticket] = set()
        self._leasing: Counter[str] = Counter()
        """Shelf to jobs that were started and have no container yet."""
        self._use = RecentUse()
        self._costs: dict[tuple[str, str], float] = {}
        self._pace_seconds = FIRST_PACE_SECONDS
        self._last_start: float | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._stopped = False
        self.throttle: Throttle | None = None
        """Who gives each running job its share of the processors; None: all have the same."""

    def __repr__(self) -> str:
        return f"<Dispatcher {self._running.total()} running, {self._queue!r}>"

    @property
    def queue(self) -> JobQueue:
        """What waits, for looking at."""
        return self._queue

    @property
    def running(self) -> int:
        """How many jobs run."""
        return self._running.total()

    def running_of(self, tenant: str) -> int:
        """How many of a tenant's jobs run."""
        return self._running[tenant]

    # -- in ---------------------------------------------------------------------------------------------

    def admit(
        self,
        tenant: Tenant,
        on_their_way: Counter[str] | None = None,
        *,
        size_bytes: int = 0,
        rate_wait_seconds: float = 0.0,
    ) -> None:
        """Raise TenantLimited, HostFull or Draining where one more job of `tenant` cannot be taken now.

        `on_their_way` are jobs by tenant that were admitted and not submitted yet.
        """
        coming = on_their_way or Counter()
        refusal = plan_admission(
            QueueSnapshot(
                queued=len(self._queue) + coming.total(),
                places=self._settings.places,
                queued_of_tenant=self._queue.count_of(tenant.name) + coming[tenant.name],
                share=tenant.queue_share,
                size_bytes=size_bytes,
                queued_bytes=self._queue.bytes_of(),
                bytes_of_tenant=self._queue.bytes_of(tenant.name),
                places_bytes=self._settings.places_bytes,
                seconds_per_start=self._pace_seconds,
                rate_wait_seconds=rate_wait_seconds,
                draining=self._stopped,
            )
        )
        if refusal is not None:
            raise refusal

    def submit(self, ticket: Ticket) -> None:
        """Take a job that was admitted: it starts now, or waits for its turn; PoolClosed on it after `stop`."""
        ticket.cost = CONTAINER_COST_MS + self._costs.get((ticket.tenant.name, shelf_of(ticket.job)), 0.0)
        ticket.events.add("status", {"state": ticket.state})
        if self._stopped:
            _end(ticket, PoolClosed("the service is stopping; the job has not started"))
            return
        if not len(self._queue) and self._can_start(ticket):
            ticket.queued_at = _now()
            self._start(ticket)
            return
        self._queue.add(ticket, _now())
        self.look()

    def refuse(self, ticket: Ticket, result: JobResult) -> None:
        """Take a job that was looked at and will not be run; it ends here with its result."""
        ticket.events.add("status", {"state": ticket.state})
        self._finish(ticket, result)

    def cancel(self, ticket: Ticket) -> bool:
        """End a job wherever it is: taken out of the queue, or its container killed. False: it had ended."""
        if ticket.state is JobState.FINISHED or ticket.is_cancelled:
            return False
        ticket.is_cancelled = True
        if self._queue.remove(ticket):
            self._finish(ticket, _cancelled(ticket))
        elif ticket.task is not None:
            ticket.task.cancel()
        return True

    def stop(self) -> list[Ticket]:
        """Start nothing more. Answers the jobs that waited: they are nobody's now, and not finished."""
        self._stopped = True
        if self._alarm is not None:
            self._alarm.cancel()
        waiting = self._queue.take_all()
        for ticket in waiting:
            _end(ticket, PoolClosed("the service is stopping; the job has not started"))
        return waiting

    def abandon(self) -> None:
        """Stop, and end what runs without a result: its containers are killed, and it is nobody's now."""
        self.stop()
        for ticket in tuple(self._started):
            if ticket.task is not None:
                ticket.task.cancel()

    def estimate(self, ticket: Ticket) -> tuple[int, float] | None:
        """About which place a waiting job has, and in how many milliseconds it starts; None: it does not wait."""
        position = self._queue.position_of(ticket, _now())
        return None if position is None else (position, position * self._pace_seconds * 1000)

    # -- out --------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Start every job that can start now. Called whenever something may have changed."""
        if self._stopped or not len(self._queue):
            return
        for late in self._queue.take_expired(_now()):
            why = PoolTimeout("the job did not start before its deadline in the queue")
            self._finish(late, unrun(late.job, Outcome.EXPIRED, why))
        while len(self._queue) and (ticket := self._queue.take_next(self._can_start, _now())) is not None:
            self._note_pace()
            self._start(ticket)
        self._set_alarm()

    def _can_start(self, ticket: Ticket) -> bool:
        of_tenant = self._running[ticket.tenant.name]
        if of_tenant >= ticket.tenant.concurrency or self.running >= self._settings.jobs_at_once:
            return False
        shelf = shelf_of(ticket.job)
        if shelf == MADE_TO_MEASURE:
            return self._leasing[shelf] < self._settings.orders_at_once
        ready = self._pool.count_warm(shelf) - self._leasing[shelf]
        reserved = self._settings.reserved_warm
        if reserved and not self._use.is_below_share(ticket.tenant, _now()):
            return ready > reserved
        # One may wait in the pool's line: that is what has a container made where none is kept warm.
        return ready >= 0

    def _start(self, ticket: Ticket) -> None:
        self._running[ticket.tenant.name] += 1
        self._leasing[shelf_of(ticket.job)] += 1
        self._started.add(ticket)
        self._use.note(ticket.tenant, ticket.cost, _now())
        ticket.started_at = _now()
        ticket.enter(JobState.RUNNING)
        self._ledger.started(ticket)
        ticket.task = self._tasks.create_task(self._run(ticket))
        # A task that is cancelled before its first step never runs its own clean-up.
        ticket.task.add_done_callback(partial(self._end_run, ticket))

    async def _run(self, ticket: Ticket) -> None:
        try:
            result = await self._runner.run(ticket.job, _OnLooker(self, ticket), review=ticket.review)
        except PoolClosed as error:
            _end(ticket, error)
        except RequestError as error:
            self._finish(ticket, unrun(ticket.job, Outcome.REJECTED, error))
        except Exception as error:  # noqa: BLE001 - one job's bug must not end all the others
            bug = InternalError(f"a bug of ours: {type(error).__name__}")
            self._finish(ticket, unrun(ticket.job, Outcome.INTERNAL_ERROR, bug))
        else:
            self._finish(ticket, result)

    def _end_run(self, ticket: Ticket, task: asyncio.Task[None]) -> None:
        if ticket.leased_at is None:
            self._leasing[shelf_of(ticket.job)] -= 1
        if task.cancelled() and ticket.is_cancelled:
            self._finish(ticket, _cancelled(ticket))
        elif task.cancelled():
            _end(ticket, PoolClosed("the service stopped while the job ran"))
        if self.throttle is not None:
            self.throttle.let_go(ticket.job.id)
        self._running[ticket.tenant.name] -= 1
        if not self._running[ticket.tenant.name]:
            del self._running[ticket.tenant.name]
        ticket.task = None
        self._started.discard(ticket)
        self.look()

    def note_leased(self, ticket: Ticket) -> None:
        """A started job has its container."""
        if ticket.leased_at is None:
            ticket.leased_at = _now()
            self._leasing[shelf_of(ticket.job)] -= 1
            if len(self._queue):
                self.look()

    def _finish(self, ticket: Ticket, result: JobResult) -> None:
        if ticket.done.done():
            return
        self._learn_cost(ticket, result)
        ticket.enter(JobState.FINISHED)
        self._ledger.finished(ticket, result)
        ticket.done.set_result(result)

    # -- figures ----------------------------------------------------------------------------------------

    def _learn_cost(self, ticket: Ticket, result: JobResult) -> None:
        if result.container is None:
            return
        key = ticket.tenant.name, shelf_of(ticket.job)
        known = self._costs.get(key, result.usage.wall_ms)
        self._costs[key] = known + LEARNING_RATE * (result.usage.wall_ms - known)

    def _note_pace(self) -> None:
        now = _now()
        if self._last_start is not None and len(self._queue):
            took = min(now - self._last_start, 10.0)
            self._pace_seconds += LEARNING_RATE * (took - self._pace_seconds)
        self._last_start = now

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        deadline = self._queue.next_deadline()
        if deadline is not None:
            at = min(deadline, _now() + LOOK_AGAIN_SECONDS)
            self._alarm = asyncio.get_running_loop().call_at(at, self.look)


@dataclass(frozen=True, slots=True)
class _OnLooker:
    """Notes what happens to a running job on its ticket."""

    dispatcher: Dispatcher
    ticket: Ticket

    def leased(self, lease: Lease, transcript: Transcript) -> None:
        self.ticket.transcript = transcript
        if self.dispatcher.throttle is not None:
            self.dispatcher.throttle.hold(self.ticket.job.id, lease, self.ticket.priority)
        self.dispatcher.note_leased(self.ticket)

    def printed(self, name: str, text: str) -> None:
        self.ticket.events.add(name, {"text": text}, characters=len(text))


def _end(ticket: Ticket, error: Exception) -> None:
    """End the wait for a job that has no result."""
    if not ticket.done.done():
        ticket.done.set_exception(error)
        ticket.done.exception()  # nobody need be waiting for it
    ticket.events.end()


def _cancelled(ticket: Ticket) -> JobResult:
    """The result of a job that was cancelled, with what it had printed."""
    bare = unrun(ticket.job, Outcome.CANCELLED, PoolClosed())
    result = replace(bare, error=JobError(name="Cancelled", message="the job was cancelled"))
    if ticket.transcript is None or ticket.leased_at is None:
        return result
    return replace(
        result,
        usage=Usage(wall_ms=(_now() - ticket.leased_at) * 1000),
        stdout=ticket.transcript.text_of("stdout"),
        stderr=ticket.transcript.text_of("stderr"),
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
