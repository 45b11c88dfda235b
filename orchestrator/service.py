"""Service floor: the orchestrator as its users see it. Accepts jobs, refuses what cannot be run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from orchestrator.config import Settings
from orchestrator.domain.errors import ConfigurationError, InvalidJob, UnknownRuntime
from orchestrator.domain.job import JobSpec
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import JobResult
from orchestrator.domain.runtime import Runtime
from orchestrator.domain.tenant import Recycle
from orchestrator.guard.policy import Policy
from orchestrator.guard.report import Report
from orchestrator.pool.pool import PoolStatistics, WarmPool
from orchestrator.scheduler.checks import Checked, Checks
from orchestrator.scheduler.run import Job, JobRunner
from orchestrator.validation.checker import Checker

__all__ = ("Orchestrator", "ServiceSettings", "require_possible")

ID_BYTES = 16
"""Of a job's id: nobody can guess it, no two are alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """What the service itself decides by."""

    default_limits: Limits
    queue_seconds: float
    policy: Policy
    """For jobs whose caller names no other."""
    policies: Mapping[str, Policy] = field(default_factory=dict)
    """Those that tenants may be given by name."""
    recycle: Recycle = Recycle.JOB
    """Whether containers of named tenants may be kept for their next jobs, where nothing else is said of a tenant."""
    can_narrow: bool = True
    """Whether a container's limits can be changed for the job that gets it; else they are as they were made."""


class Orchestrator:
    """Runs tenants' jobs. Made by `Orchestrator.open`; safe for concurrent tasks of one event loop."""

    def __init__(
        self,
        settings: ServiceSettings,
        runtimes: Mapping[str, Runtime],
        pool: WarmPool,
        runner: JobRunner,
        checker: Checker,
    ) -> None:
        self._settings = settings
        self._runtimes = dict(runtimes)
        self._pool = pool
        self._runner = runner
        self._checks = Checks(checker=checker, telemetry=runner.telemetry)

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

    @property
    def can_check(self) -> bool:
        """Whether a process stands ready, or is at work, that checks sources."""
        return self._checks.checker.is_fit

    @property
    def runner(self) -> JobRunner:
        """What runs its jobs once they were looked at: for those who bring a queue of their own."""
        return self._runner

    def accept(self, spec: JobSpec, *, tenant: str | None = None, recycle: Recycle | None = None) -> Job:
        """A job ready to be run, its bounds checked. Raises RequestError (InvalidJob, UnknownRuntime).

        `recycle` is the tenant's own, where it differs from the deployment's.
        """
        return self._accept(spec, tenant, recycle)

    def policy_named(self, name: str | None) -> Policy:
        """The policy called `name`, the deployment's for None. Raises ConfigurationError where there is none."""
        if name is None:
            return self._settings.policy
        if name not in self._settings.policies:
            known = ", ".join(self._settings.policies)
            raise ConfigurationError(f"no policy {name[:64]!r} on this deployment; there are {known}")
        return self._settings.policies[name]

    async def validate(self, job: Job, *, policy: Policy | None = None) -> Checked:
        """A job that `accept` gave, looked at: as it is to be run, or the result that it has without.

        `policy` is the tenant's own. Raises InvalidJob where the input or the output's schema is not valid.
        """
        await self._checks.require_valid_values(job)
        return await self._checks.validate(job, self._language(job.spec), policy or self._settings.policy)

    async def execute(
        self,
        spec: JobSpec,
        *,
        tenant: str | None = None,
        policy: Policy | None = None,
        recycle: Recycle | None = None,
    ) -> JobResult:
        """Run one job and answer its result, whatever its outcome.

        `tenant` says whose it is; only with `recycle = "leak"` that makes a difference: the job may then run in
        a container that jobs of the same tenant, and of nobody else, have used. `recycle` and `policy` are the
        tenant's own, where they differ from the deployment's. Code that the policy rejects costs no container.

        Raises RequestError (InvalidJob, UnknownRuntime) before anything is run, and PoolClosed while the
        orchestrator is closing. Cancelling the caller kills the job.
        """
        checked = await self.validate(self._accept(spec, tenant, recycle), policy=policy)
        if checked.rejection is not None:
            return checked.rejection
        return await self._runner.run(checked.job, review=checked.review)

    async def check(self, spec: JobSpec, *, policy: Policy | None = None) -> Report:
        """What the validator says of a job's code; nothing is run. Raises RequestError as `execute` does."""
        job = self._accept(spec)
        return await self._checks.report(job, self._language(spec), policy or self._settings.policy)

    def statistics(self) -> PoolStatistics:
        """The pool at this moment."""
        return self._pool.statistics()

    async def wait_until_warm(self, *, within_seconds: float) -> None:
        """Wait until every runtime has its warm containers. Raises PoolTimeout saying why not."""
        now = asyncio.get_running_loop().time()
        await self._pool.wait_until_warm(deadline=now + within_seconds)

    def _language(self, spec: JobSpec) -> str:
        return self._runtimes[spec.runtime].language

    def _accept(self, spec: JobSpec, tenant: str | None = None, recycle: Recycle | None = None) -> Job:
        runtime = self._runtimes.get(spec.runtime)
        if runtime is None:
            raise UnknownRuntime(spec.runtime, tuple(self._runtimes))
        if spec.mode not in runtime.modes:
            raise InvalidJob("mode", f"{runtime.name} offers {', '.join(runtime.modes)}, not {spec.mode}")
        if spec.debug is not None and not runtime.has_debug_mode:
            raise InvalidJob("debug", f"{runtime.name} has no debug mode; run it without")
        limits = spec.limits or self._settings.default_limits
        # The ceiling is never above the maximum, so whoever keeps to it is possible.
        made_to_measure = limits.exceeding(runtime.ceiling) is not None or not self._fits(limits, runtime)
        if made_to_measure:
            require_possible(limits, runtime)
        now = asyncio.get_running_loop().time()
        return Job(
            id=os.urandom(ID_BYTES).hex(),
            spec=spec,
            limits=limits,
            made_to_measure=made_to_measure,
            start_by=now + self._settings.queue_seconds,
            accepted_at=now,
            tenant=tenant,
            reuse=tenant is not None
            and runtime.can_be_kept
            and (recycle or self._settings.recycle) is Recycle.LEAK,
            compile_limits=runtime.compile_limits,
        )

    def _fits(self, limits: Limits, runtime: Runtime) -> bool:
        """Whether a warm container keeps these limits, if they are within its ceiling."""
        made_for = runtime.ceiling
        return (
            self._settings.can_narrow
            or runtime.compile_limits is not None  # it is narrowed between compiling and running
            or (limits.memory_bytes == made_for.memory_bytes and limits.processes == made_for.processes)
        )


def require_possible(limits: Limits, runtime: Runtime) -> None:
    """Raise InvalidJob, naming the limit, where one is above what `runtime` can ever give."""
    if excess := limits.exceeding(runtime.maximum):
        name, asked, allowed = excess
        raise InvalidJob(f"limits.{name}", f"{asked} is above this host's maximum of {allowed}")
