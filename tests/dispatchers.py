"""Dispatchers over pools over the fake backend, with jobs that take time on the virtual clock."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from making import ok_payload, result_frame
from pools import RUNTIME, TelemetryNotes, fake_pool, settle

from orchestrator.backends.fake import FakeBackend, FakeContainer
from orchestrator.domain.job import JobSpec
from orchestrator.domain.limits import Limits
from orchestrator.domain.tenant import Priority, Tenant
from orchestrator.pool.pool import WarmPool
from orchestrator.scheduler.dispatcher import Dispatcher, DispatcherSettings, open_dispatcher
from orchestrator.scheduler.queue import Ticket
from orchestrator.scheduler.run import Job, JobRunner

_ids = count(1)


def now() -> float:
    return asyncio.get_running_loop().time()


def make_ticket(
    tenant: str | Tenant = "alice",
    *,
    priority: Priority = Priority.NORMAL,
    wait_seconds: float = 600.0,
    limits: Limits | None = None,
    made_to_measure: bool = False,
    **spec,
) -> Ticket:
    values = {"runtime": RUNTIME, "code": "output = input", "input_json": "1"}
    job = Job(
        id=f"job{next(_ids)}",
        spec=JobSpec(**{**values, **spec}),
        limits=limits or Limits(wall_time_ms=60_000, cpu_time_ms=60_000),
        made_to_measure=made_to_measure,
        start_by=now() + wait_seconds,
        accepted_at=now(),
    )
    who = tenant if isinstance(tenant, Tenant) else Tenant(name=tenant)
    return Ticket(job=job, tenant=who, priority=priority, done=asyncio.get_running_loop().create_future())


class SlowBackend(FakeBackend):
    """A fake whose containers take time to make, and whose jobs take time to run: as many ms as their input."""

    launch_seconds: float = 0.0

    async def launch(self, spec, *, ready_within_seconds):
        await asyncio.sleep(self.launch_seconds)
        return await super().launch(spec, ready_within_seconds=ready_within_seconds)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.asked: list[dict[str, object]] = []

    def answers(self, job: dict[str, object]):
        self.asked.append(job)
        loop = asyncio.get_running_loop()
        loop.call_later(float(str(job["input"])) / 1000, self._answer_later, job)
        return []

    def _answer_later(self, job: dict[str, object]) -> None:
        container = next(
            (each for each in self.containers.values() if each.jobs and each.jobs[-1]["job"] == job["job"]),
            None,
        )
        if isinstance(container, FakeContainer) and not container.is_dead:
            container._push(result_frame(str(job["job"]), payload=ok_payload(job["job"])))


def slow_backend(launch_seconds: float = 0.0) -> SlowBackend:
    backend = SlowBackend()
    backend.answer = backend.answers
    backend.launch_seconds = launch_seconds
    return backend


@dataclass
class LedgerNotes:
    """A ledger that remembers."""

    starts: list[Ticket] = field(default_factory=list)
    ends: list[Ticket] = field(default_factory=list)

    def started(self, ticket):
        self.starts.append(ticket)

    def finished(self, ticket, result):
        self.ends.append(ticket)
        ticket.events.end()


@dataclass
class Hall:
    """A dispatcher with all that is below it."""

    backend: FakeBackend
    pool: WarmPool
    dispatcher: Dispatcher
    ledger: LedgerNotes
    telemetry: TelemetryNotes

    def submit(self, *args, **kwargs) -> Ticket:
        ticket = make_ticket(*args, **kwargs)
        self.dispatcher.submit(ticket)
        return ticket


@asynccontextmanager
async def open_hall(
    backend: FakeBackend | None = None, *, places=10_000, reserved_warm=0, target=1, maximum=8, **pool_options
):
    backend, telemetry, ledger = backend or slow_backend(), TelemetryNotes(), LedgerNotes()
    async with fake_pool(
        backend, {RUNTIME: target}, telemetry=telemetry, maximum=maximum, **pool_options
    ) as pool:
        await settle()
        runner = JobRunner(pool=pool, telemetry=telemetry, cpus=1.0)
        settings = DispatcherSettings(places=places, jobs_at_once=maximum, reserved_warm=reserved_warm)
        async with open_dispatcher(runner, settings, ledger) as dispatcher:
            yield Hall(backend, pool, dispatcher, ledger, telemetry)
