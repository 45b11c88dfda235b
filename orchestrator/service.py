"""Service floor: the orchestrator as its users see it. Accepts jobs, refuses what cannot be run."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from orchestrator.config import Settings
from orchestrator.domain.errors import InvalidJob, UnknownRuntime
from orchestrator.domain.job import JobSpec
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import JobResult
from orchestrator.domain.runtime import Runtime
from orchestrator.pool.pool import PoolStatistics, WarmPool
from orchestrator.scheduler.run import Job, JobRunner

__all__ = ("Orchestrator", "ServiceSettings", "require_possible")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What the service itself decides by."""

    default_limits: Limits
    queue_seconds: float
    reuse: bool = False
    """Whether a named tenant's containers may be kept for its next jobs."""


class Orchestrator:
    """Runs tenants' jobs. Made by `Orchestrator.open`; safe for concurrent tasks of one event loop."""

    def __init__(
        self,
        settings: ServiceSettings,
        runtimes: Mapping[str, Runtime],
        pool: WarmPool,
        runner: JobRunner,
    ) -> None:
        self._settings = settings
        self._runtimes = dict(runtimes)
        self._pool = pool
        self._runner = runner

    @classmethod
    def open(cls, settings: Settings | None = None) -> AbstractAsyncContextManager[Orchestrator]:
        """A running orchestrator: `async with Orchestrator.open() as orchestrator: ...`.

        Settings default to those of the environment. Its shelves fill in the background; on leaving, no
        container is left. Raises ConfigurationError, ImageMissing or EngineUnavailable on entering.
        """
        # The composition root is above this floor. Users should find the door here all the same.
        from orchestrator.bootstrap import open_orchestrator  # noqa: PLC0415

        return open_orchestrator(settings)

    @property
    def runtimes(self) -> Mapping[str, Runtime]:
        """The runtimes on offer, by name."""
        return dict(self._runtimes)

    @property
    def pool(self) -> WarmPool:
        """The pool behind it: for measuring and for tests."""
        return self._pool

    @property
    def default_limits(self) -> Limits:
        """What a job gets that asks for nothing."""
        return self._settings.default_limits

    async def execute(self, spec: JobSpec, *, tenant: str | None = None) -> JobResult:
        """Run one job and answer its result, whatever its outcome.

        `tenant` says whose it is; only with the setting `recycle = "leak"` that makes a difference: the job may
        then run in a container that jobs of the same tenant, and of nobody else, have used.

        Raises RequestError (InvalidJob, UnknownRuntime) before anything is run, and PoolClosed while the
        orchestrator is closing. Cancelling the caller kills the job.
        """
        return await self._runner.run(self._accept(spec, tenant))

    def statistics(self) -> PoolStatistics:
        """The pool at this moment."""
        return self._pool.statistics()

    async def wait_until_warm(self, *, within_seconds: float) -> None:
        """Wait until every runtime has its warm containers. Raises PoolTimeout saying why not."""
        now = asyncio.get_running_loop().time()
        await self._pool.wait_until_warm(deadline=now + within_seconds)

    def _accept(self, spec: JobSpec, tenant: str | None) -> Job:
        began = time.perf_counter()
        runtime = self._runtimes.get(spec.runtime)
        if runtime is None:
            raise UnknownRuntime(spec.runtime, tuple(self._runtimes))
        if spec.mode not in runtime.modes:
            raise InvalidJob("mode", f"{runtime.name} offers {', '.join(runtime.modes)}, not {spec.mode}")
        limits = spec.limits or self._settings.default_limits
        require_possible(limits, runtime)
        now = asyncio.get_running_loop().time()
        return Job(
            id=uuid.uuid4().hex,
            spec=spec,
            limits=limits,
            made_to_measure=limits.exceeding(runtime.ceiling) is not None,
            start_by=now + self._settings.queue_seconds,
            accepted_at=now,
            validate_ms=(time.perf_counter() - began) * 1000,
            tenant=tenant,
            reuse=self._settings.reuse and tenant is not None,
        )


def require_possible(limits: Limits, runtime: Runtime) -> None:
    """Raise InvalidJob, naming the limit, where one is above what `runtime` can ever give."""
    if excess := limits.exceeding(runtime.maximum):
        name, asked, allowed = excess
        raise InvalidJob(f"limits.{name}", f"{asked} is above this host's maximum of {allowed}")
