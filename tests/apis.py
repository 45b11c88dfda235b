"""The whole service on the fake backend: a store on disk, the queue, and the API behind an in-process client."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
from dispatchers import SlowBackend, slow_backend
from making import make_runtime
from pools import RUNTIME, fake_pool, reuse_settings

from orchestrator.api.app import api_of, make_app
from orchestrator.api.state import ApiSettings, ApiState
from orchestrator.dashboard.sampler import open_sampler
from orchestrator.domain.limits import MIB, Limits
from orchestrator.domain.tenant import Scope, Tenant
from orchestrator.guard.policy import load_preset
from orchestrator.jobs import JobService, JobsSettings, open_job_service
from orchestrator.monitoring import Monitor
from orchestrator.readiness import Readiness
from orchestrator.scheduler.dispatcher import DispatcherSettings
from orchestrator.scheduler.run import JobRunner
from orchestrator.service import Orchestrator, ServiceSettings
from orchestrator.store.store import Store, open_store
from orchestrator.validation.checker import open_checker

LIMITS = Limits(wall_time_ms=60_000, cpu_time_ms=60_000)


@dataclass
class House:
    """A running service with all its doors."""

    backend: SlowBackend
    store: Store
    service: JobService
    monitor: Monitor
    state: ApiState
    app: object

    async def key(self, tenant: str | Tenant = "alice", *scopes: Scope) -> str:
        """A key of a tenant, which is made; with all scopes but admin unless told otherwise."""
        who = tenant if isinstance(tenant, Tenant) else Tenant(name=tenant)
        await self.store.put_tenant(who)
        given = frozenset(scopes or (Scope.EXECUTE, Scope.READ))
        return (await self.store.create_key(who.name, given, now=time.time()))[1]

    async def client(self, tenant: str | Tenant = "alice", *scopes: Scope) -> httpx.AsyncClient:
        """A client with a key of that tenant."""
        return self.client_with(await self.key(tenant, *scopes))

    def client_with(self, key: str | None) -> httpx.AsyncClient:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


@asynccontextmanager
async def open_house(
    folder,
    backend: SlowBackend | None = None,
    *,
    places=1000,
    maximum=8,
    target=2,
    reserved_warm=0,
    least_free_bytes=64 * MIB,
    sampling=None,
    **api,
):
    """The service over a store in `folder`; leave and enter again for a restart."""
    backend, monitor = backend or slow_backend(), Monitor()

    async def engine_answers():
        return await backend.info()

    async with (
        open_store(f"sqlite:///{folder / 'store.sqlite3'}") as store,
        fake_pool(
            backend, {RUNTIME: target}, telemetry=monitor, maximum=maximum, reuse=reuse_settings()
        ) as pool,
        open_checker(monitor) as checker,
    ):
        runner = JobRunner(pool=pool, telemetry=monitor, cpus=1.0)
        runtime = make_runtime(ceiling=LIMITS, maximum=LIMITS)
        settings = ServiceSettings(
            default_limits=LIMITS,
            queue_seconds=30,
            policy=load_preset("standard"),
            policies={"strict": load_preset("strict")},
        )
        orchestrator = Orchestrator(settings, {RUNTIME: runtime}, pool, runner, checker)
        jobs = JobsSettings(
            dispatcher=DispatcherSettings(places=places, jobs_at_once=maximum, reserved_warm=reserved_warm),
            execute_queue_seconds=30,
            submitted_queue_seconds=600,
        )
        while pool.count_warm(RUNTIME) < target:
            await asyncio.sleep(0)
        async with (
            open_job_service(orchestrator, store, jobs, monitor) as service,
            AsyncExitStack() as stack,
        ):
            monitor.watch(orchestrator.statistics, service.dispatcher.queue.depth, folder)
            readiness = Readiness(
                service=service, ask_engine=engine_answers, disk=folder, least_free_bytes=least_free_bytes
            )
            sampler = await stack.enter_async_context(
                open_sampler(service, monitor, readiness.ask, **(sampling or {}))
            )
            state = ApiState(
                service=service,
                monitor=monitor,
                settings=ApiSettings(**api),
                readiness=readiness,
                sampler=sampler,
            )
            yield House(backend, store, service, monitor, state, make_app(state))


def document_of(house: House) -> dict:
    """The OpenAPI document."""
    return api_of(house.state).openapi()


def job(**changes) -> dict:
    """The body of a job that takes as many milliseconds as its input."""
    return {"runtime": RUNTIME, "code": "output = input", "input": 1, **changes}
