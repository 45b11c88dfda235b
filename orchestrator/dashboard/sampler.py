"""Dashboard floor: looks at everything once a second, keeps the last minutes, and tells all who listen.

Nothing here is in a job's way: finished jobs are read from what the monitor noted, everything else is looked at.
A tenant is told of its own jobs and of whether the service works, never of the host or of others.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.backends.host_load import HostMeter
from orchestrator.dashboard.figures import Figures
from orchestrator.domain.errors import HostFull
from orchestrator.domain.tenant import Principal, Scope
from orchestrator.jobs import JobService
from orchestrator.monitoring import Monitor
from orchestrator.readiness import Ready

__all__ = ("MOST_LISTENERS", "Sampler", "open_sampler")

EVERY_SECONDS = 1.0
LOOK_AT_ENGINE_EVERY_SECONDS = 3.0
MOST_SAMPLES = 300
"""How many a fresh page is given."""
MOST_TENANT_SECONDS = 20_000
"""Seconds in which a tenant's jobs finished, of all tenants together."""
MOST_LISTENERS = 200
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One second: what all may know of it, and what the operator may."""

    number: int
    at: float
    for_operator: str
    """Encoded once for all who listen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _TenantSecond:
    """What finished of one tenant's jobs in one second."""

    number: int
    tenant: str
    jobs: dict[str, Any]


@asynccontextmanager
async def open_sampler(
    service: JobService,
    monitor: Monitor,
    ask_ready: Callable[[], Awaitable[Ready]],
    *,
    every_seconds: float = EVERY_SECONDS,
    look_at_engine_every_seconds: float = LOOK_AT_ENGINE_EVERY_SECONDS,
) -> AsyncIterator[Sampler]:
    """A sampler at work; on leaving, streams end."""
    sampler = Sampler(service, monitor, ask_ready, every_seconds)
    async with asyncio.TaskGroup() as tasks:
        working = [
            tasks.create_task(sampler.sample_for_ever()),
            tasks.create_task(sampler.look_for_ever(look_at_engine_every_seconds)),
        ]
        try:
            yield sampler
        finally:
            for task in working:
                task.cancel()
            sampler.end()


class Sampler:
    """The last minutes, and who listens. Made by `open_sampler`; one event loop."""

    def __init__(
        self,
        service: JobService,
        monitor: Monitor,
        ask_ready: Callable[[], Awaitable[Ready]],
        every_seconds: float,
    ) -> None:
        self._service = service
        self._monitor = monitor
        self._ask_ready = ask_ready
        self._every_seconds = every_seconds
        self._meter = HostMeter()
        self._ready: Ready | None = None
        self._ready_since = time.time()
        self._epoch = uuid.uuid4().hex[:12]
        self._samples: deque[_Sample] = deque(maxlen=MOST_SAMPLES)
        self._of_tenants: deque[_TenantSecond] = deque(maxlen=MOST_TENANT_SECONDS)
        self._shown: dict[str, tuple[int, str]] = {}
        """Tenant to its newest sample, encoded once for all who listen."""
        self._number = 0
        self._listeners = 0
        self._ended = False
        self._more = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Sampler {len(self._samples)} samples, {self._listeners} listeners>"

    # -- looking ----------------------------------------------------------------------------------------

    async def sample_for_ever(self) -> None:
        """One sample now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._every_seconds)
            self._sample()

    async def look_for_ever(self, every_seconds: float) -> None:
        """Ask engine and store now and then: neither may hold up the samples."""
        while True:
            found = await self._ask_ready()
            if found != self._ready:
                self._ready, self._ready_since = found, time.time()
                self._monitor.parts = found.parts
            await asyncio.sleep(every_seconds)

    def _sample(self) -> None:
        self._number += 1
        at = time.time()
        everybody, tenants = self._take_finished()
        for tenant, figures in tenants.items():
            self._of_tenants.append(_TenantSecond(number=self._number, tenant=tenant, jobs=figures.to_wire()))
        shown = {"at": round(at, 3), "jobs": everybody.to_wire(), **self._now(None), **self._host()}
        self._samples.append(_Sample(number=self._number, at=at, for_operator=_encode(shown)))
        self._shown.clear()
        self._wake()

    def _take_finished(self) -> tuple[Figures, dict[str, Figures]]:
        everybody, tenants = Figures(), dict[str, Figures]()
        finished = self._monitor.finished
        while finished:
            job = finished.popleft()
            if (figures := tenants.get(job.tenant)) is None:
                figures = tenants[job.tenant] = Figures()
            figures.add(job)
        for figures in tenants.values():
            everybody.merge(figures)
        return everybody, tenants

    def _now(self, tenant: str | None) -> dict[str, Any]:
        """What waits and runs, of one tenant or of all, and whether the service works."""
        dispatcher = self._service.dispatcher
        return {
            "running": dispatcher.running if tenant is None else dispatcher.running_of(tenant),
            "queued": dispatcher.queue.depth(tenant),
            "ready": None if self._ready is None else self._ready.to_wire(),
            "ready_since": round(self._ready_since, 3),
        }

    def _host(self) -> dict[str, Any]:
        pool = self._service.orchestrator.statistics()
        return {
            "containers": {runtime: dict(states) for runtime, states in pool.states.items()},
            "targets": {runtime: plan.target for runtime, plan in pool.targets.items()},
            "leases": {"warm": pool.leases_warm, "cold": pool.leases_cold, "reused": pool.leases_reused},
            "retirements": dict(pool.retired_by_reason),
            "refusals": self._monitor.refusals(),
            "engine_errors": self._monitor.engine_errors(),
            "failures_in_a_row": pool.failures_in_a_row,
            "last_failure": pool.last_failure,
            "host": asdict(self._meter.look()),
        }

    # -- telling ----------------------------------------------------------------------------------------

    def require_room(self) -> None:
        """Raise HostFull where as many listen as may."""
        if self._listeners >= MOST_LISTENERS:
            message = f"{MOST_LISTENERS} dashboards are open already"
            raise HostFull(message, reason="dashboards", retry_after_seconds=10)

    async def stream(
        self, principal: Principal, hello: dict[str, Any], *, last_id: str | None, seconds: float
    ) -> AsyncIterator[bytes]:
        """Server-sent events for so many seconds: `hello`, `history` (what came after `last_id`), then `sample`s.

        Nothing is kept for one who reads slowly: it misses samples, and the times in them tell.
        """
        tenant = None if Scope.ADMIN in principal.scopes else principal.tenant.name
        until = asyncio.get_running_loop().time() + seconds
        self._listeners += 1
        try:
            yield _event("hello", _encode(hello))
            seen = self._number_of(last_id)
            history = [sample for sample in self._samples if sample.number > seen]
            seen = self._number
            yield _event("history", self._history(history, tenant), self._id(seen))
            while await self._wait_for(seen, until):
                seen = self._number
                yield _event("sample", self._newest(tenant), self._id(seen))
        finally:
            self._listeners -= 1

    async def _wait_for(self, seen: int, until: float) -> bool:
        """Whether there is a sample after `seen` in time."""
        while self._number <= seen and not self._is_over():
            try:
                async with asyncio.timeout_at(until):
                    await self._more.wait()
            except TimeoutError:
                return False
        return not self._is_over()

    def _is_over(self) -> bool:
        # While the service drains it waits for its connections: a page must not hold it up.
        return self._ended or self._service.is_draining

    def _history(self, samples: Sequence[_Sample], tenant: str | None) -> str:
        if tenant is None:
            return f"[{','.join(sample.for_operator for sample in samples)}]"
        jobs = {second.number: second.jobs for second in self._of_tenants if second.tenant == tenant}
        shown = [{"at": round(sample.at, 3), "jobs": jobs.get(sample.number)} for sample in samples]
        if shown:
            shown[-1] |= self._now(tenant)
        return _encode(shown)

    def _newest(self, tenant: str | None) -> str:
        sample = self._samples[-1]
        if tenant is None:
            return sample.for_operator
        number, text = self._shown.get(tenant, (0, ""))
        if number != sample.number:
            text = _encode(self._newest_of(tenant, sample))
            self._shown[tenant] = sample.number, text
        return text

    def _newest_of(self, tenant: str, sample: _Sample) -> dict[str, Any]:
        jobs = None
        for second in reversed(self._of_tenants):
            if second.number != sample.number:
                break
            if second.tenant == tenant:
                jobs = second.jobs
        return {"at": round(sample.at, 3), "jobs": jobs, **self._now(tenant)}

    def _id(self, number: int) -> str:
        return f"{self._epoch}-{number}"

    def _number_of(self, last_id: str | None) -> int:
        """The number in an id of ours; 0 for one of another start of the service, or none."""
        epoch, _, number = (last_id or "").partition("-")
        is_ours = epoch == self._epoch and number.isascii() and number.isdigit()
        return min(int(number), self._number) if is_ours else 0

    def end(self) -> None:
        """Have every stream end."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


def _event(name: str, data: str, event_id: str | None = None) -> bytes:
    number = "" if event_id is None else f"id: {event_id}\n"
    return f"{number}event: {name}\ndata: {data}\n\n".encode("utf-8", "replace")
