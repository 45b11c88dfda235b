"""Composition root of `sandbox-orch serve`: host checks, store, orchestrator, jobs, HTTP, in this order, and back."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import uvicorn
import uvloop
from starlette.types import ASGIApp

from orchestrator.api.app import make_app
from orchestrator.api.state import ApiSettings, ApiState
from orchestrator.bootstrap import open_engine, open_orchestrator
from orchestrator.config import Settings
from orchestrator.dashboard.sampler import open_sampler
from orchestrator.doctor import require_host
from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.limits import MIB
from orchestrator.domain.tenant import Scope, Tenant
from orchestrator.jobs import JobService, JobsSettings, open_job_service
from orchestrator.monitoring import Monitor
from orchestrator.policies.fairness import FairnessSettings
from orchestrator.pool.claim import hold_claim
from orchestrator.readiness import Readiness
from orchestrator.scheduler.dispatcher import DispatcherSettings
from orchestrator.store.store import Store, StoreSettings, open_store
from orchestrator.tracing import open_tracing

__all__ = ("MeasuringLoop", "data_folder", "jobs_settings", "require_safe_address", "run_server", "serve")

ADMIN = "admin"
ADMIN_KEY_FILE = "admin.key"
LEAST_FREE_BYTES = 64 * MIB
"""With less on the data folder's disk the service is not ready."""
SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another waits for it. Threads talk to the engine and the store;
with Python's own 5 ms, an answer that is ready waits that long for one of them."""
Tell = Callable[[str], None]


class MeasuringLoop(uvloop.Loop):
    """uvloop, with a clock that is exact: its own is the whole millisecond in which the loop last woke up."""

    def time(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()


def run_server(settings: Settings, tell: Tell, *, insecure: bool = False) -> None:
    """Serve until SIGTERM or SIGINT. `insecure` allows an address beyond loopback without authentication.

    Raises ConfigurationError, HardeningFailed, EngineUnavailable or StoreUnavailable before it listens.
    """
    if not insecure:
        require_safe_address(settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=MeasuringLoop) as runner:
        runner.run(serve(settings, tell))


def require_safe_address(settings: Settings) -> None:
    """Raise ConfigurationError where others than this host could run code without a key."""
    if settings.authentication or _is_loopback(settings.serve_host):
        return
    raise ConfigurationError(
        f"serve_host {settings.serve_host} is beyond loopback and authentication is off: whoever reaches this port"
        " could run code. Switch authentication on, or say --insecure-no-authentication"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def serve(settings: Settings, tell: Tell) -> None:
    """The whole service, from the host's checks to the last container removed."""
    tell("checking this host")
    await require_host(settings)
    with hold_claim(data_folder(settings)) as claim:
        await _serve(settings, tell, claim)


async def _serve(settings: Settings, tell: Tell, claim: str) -> None:
    async with open_parts(settings, tell, claim=claim) as (app, service):
        server = _Server(
            uvicorn.Config(
                app,
                host=settings.serve_host,
                port=settings.serve_port,
                http="httptools",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=30,
                limit_concurrency=settings.connections_maximum,
                timeout_graceful_shutdown=max(1, round(settings.drain_seconds) + 5),
            ),
            tell,
        )
        # What is there now stays: the collector need not look at it in the middle of requests.
        gc.collect()
        gc.freeze()
        with _signals(partial(_stop, server, service, settings.drain_seconds, tell)):
            await server.serve()
            if not server.started:
                raise ConfigurationError(f"cannot listen on {settings.serve_host}:{settings.serve_port}")


@asynccontextmanager
async def open_parts(
    settings: Settings, tell: Tell, *, claim: str = ""
) -> AsyncIterator[tuple[ASGIApp, JobService]]:
    """The application with all that is behind it, put together."""
    folder = data_folder(settings)
    monitor = Monitor(tracer := open_tracing())
    try:
        async with (
            _open_store(settings, folder, tell) as store,
            open_engine(settings) as engine,
            open_orchestrator(settings, telemetry=monitor, claim=claim) as orchestrator,
            open_job_service(orchestrator, store, jobs_settings(settings), monitor) as service,
        ):
            monitor.watch(orchestrator.statistics, service.dispatcher.queue.depth, folder)
            readiness = _readiness(service, engine.info, folder)
            async with open_sampler(service, monitor, readiness.ask) as sampler:
                state = ApiState(
                    service=service,
                    monitor=monitor,
                    settings=_api_settings(settings),
                    readiness=readiness,
                    sampler=sampler,
                )
                yield make_app(state), service
    finally:
        if tracer is not None:
            tracer.close()


@asynccontextmanager
async def _open_store(settings: Settings, folder: Path, tell: Tell) -> AsyncIterator[Store]:
    url = settings.store_url or f"sqlite:///{folder / 'store.sqlite3'}"
    bounds = StoreSettings(
        maximum_jobs=settings.store_jobs_maximum, maximum_bytes=settings.store_bytes_maximum
    )
    async with open_store(url, settings=bounds, alone=True) as store:
        if settings.authentication:
            await _have_an_admin_key(store, folder / ADMIN_KEY_FILE, tell)
        yield store


async def _have_an_admin_key(store: Store, place: Path, tell: Tell) -> None:
    """On the first start, make the operator's key and say where it is."""
    if await store.keys():
        return
    await store.put_tenant(Tenant(name=ADMIN))
    info, secret = await store.create_key(
        ADMIN, frozenset(Scope), now=time.time(), note="made by the first start"
    )
    try:
        _write_secret(place, secret)
    except OSError as error:
        await store.revoke_key(info.id, now=time.time())
        raise ConfigurationError(f"cannot write {place}: {error.strerror or error}") from None
    tell(f"first start: the administrator's key is in {place}")


def _write_secret(place: Path, secret: str) -> None:
    new = place.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret + "\n")
    new.replace(place)


def data_folder(settings: Settings) -> Path:
    """Where the service keeps what must survive it; made where it is missing, for this user only."""
    folder = settings.data_folder
    if folder is None:
        is_root = os.geteuid() == 0
        folder = Path("/var/lib/sandbox-orch") if is_root else Path.home() / ".local/share/sandbox-orch"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make {folder}: {error.strerror or error}") from None
    return folder.resolve()


def jobs_settings(settings: Settings) -> JobsSettings:
    """What the service for tenants goes by."""
    # A reserve is filled behind the containers being made: it must leave them hands to be made with.
    spare = max(0, settings.warm_target - settings.creates_at_once)
    return JobsSettings(
        dispatcher=DispatcherSettings(
            places=settings.queue_places,
            places_bytes=settings.queue_bytes,
            jobs_at_once=settings.containers_maximum,
            reserved_warm=min(settings.reserved_warm, spare),
            orders_at_once=max(1, settings.creates_at_once // 2),
            fairness=FairnessSettings(ageing_seconds=settings.priority_ageing_seconds),
        ),
        execute_queue_seconds=settings.queue_seconds,
        submitted_queue_seconds=settings.submitted_queue_seconds,
    )


def _api_settings(settings: Settings) -> ApiSettings:
    return ApiSettings(
        authentication=settings.authentication,
        most_body_bytes=settings.body_bytes,
        most_body_bytes_at_once=max(settings.bodies_bytes, settings.body_bytes),
    )


def _readiness(service: JobService, ask_engine: Callable[[], Awaitable[object]], folder: Path) -> Readiness:
    return Readiness(service=service, ask_engine=ask_engine, disk=folder, least_free_bytes=LEAST_FREE_BYTES)


# -- listening and stopping -----------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """uvicorn, which here neither takes signals nor ends the process: we have containers to put away."""

    def __init__(self, config: uvicorn.Config, tell: Tell) -> None:
        super().__init__(config)
        self._tell = tell

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, and say where."""
        await super().startup(sockets)  # type: ignore[arg-type]
        for server in getattr(self, "servers", ()):
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                self._tell(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}")


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop)
    try:
        yield
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)


def _stop(server: uvicorn.Server, service: JobService, drain_seconds: float, tell: Tell) -> None:
    """The first signal drains, the second waits for nothing."""
    if server.should_exit:
        tell("stopping now")
        server.force_exit = True
        service.abandon()
        return
    tell("draining: running jobs finish, queued ones stay in the store")
    server.should_exit = True
    service.drain()
    asyncio.get_running_loop().call_later(drain_seconds, service.abandon)
