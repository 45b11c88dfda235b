"""Service floor for tenants: submit, execute, get, list, cancel, watch. Knows the store and the queue, not HTTP.

A job of `submit`, or one with an idempotency key, is durable before it is accepted, and its end is durable before
anybody is told of it. A plain `execute` is remembered after its answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from orchestrator.backends import host_load
from orchestrator.domain.errors import (
    CapacityError,
    Draining,
    InvalidJob,
    JobInProgress,
    KeyReused,
    NotAllowed,
    OrchestratorError,
    RefusedForNow,
    RequestError,
    StoreError,
    StoreUnavailable,
    UnknownJob,
)
from orchestrator.domain.job import JobSpec, JobState
from orchestrator.domain.limits import Limits, Usage
from orchestrator.domain.outcome import JobError, JobResult, Outcome
from orchestrator.domain.record import JobRecord
from orchestrator.domain.tenant import Principal, Priority, Scope, Tenant
from orchestrator.guard.report import Report
from orchestrator.monitoring import Monitor
from orchestrator.policies.statistics import ExecutionMetrics
from orchestrator.scheduler.dispatcher import Dispatcher, DispatcherSettings, open_dispatcher
from orchestrator.scheduler.events import EventLog, JobEvent
from orchestrator.scheduler.queue import Ticket
from orchestrator.scheduler.rates import TenantRates
from orchestrator.scheduler.run import Job
from orchestrator.scheduler.throttle import open_throttle
from orchestrator.service import Orchestrator
from orchestrator.store.claims import ClaimKind
from orchestrator.store.store import Store
from orchestrator.wire import request_from_wire, request_to_wire, result_to_wire

__all__ = ("JobService", "JobView", "JobsPage", "JobsQuery", "JobsSettings", "Submission", "open_job_service")

KEEP_TRYING_SECONDS = 60.0
"""How long the end of a job is tried to be kept while the store fails."""
PRUNE_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsSettings:
    """What the service for tenants decides by."""

    dispatcher: DispatcherSettings
    execute_queue_seconds: float
    """How long a job may wait for its start while its caller waits."""
    submitted_queue_seconds: float
    """How long a submitted one may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One job as a tenant asks for it. Limits not named are the deployment's, cut to the tenant's ceiling."""

    spec: JobSpec
    limits: dict[str, object] = field(default_factory=dict)
    priority: Priority | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    start_within_seconds: float | None = None
    idempotency_key: str | None = None
    body_sha256: str = ""
    """What tells one request from another that comes with the same idempotency key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job as its tenant may see it."""

    record: JobRecord
    position: int | None = None
    """About how many jobs start up to and including this one; None once it has started."""
    estimated_start_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsQuery:
    """Which jobs to list; None means all."""

    state: JobState | None = None
    outcome: Outcome | None = None
    runtime: str | None = None
    since: float | None = None
    until: float | None = None
    search: str | None = None
    """What the id begins with, or what is somewhere in the metadata."""
    tenant: str | None = None
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPage:
    """Jobs, newest first, and where the next page begins."""

    jobs: tuple[JobView, ...]
    next_cursor: str | None


@dataclass(slots=True, eq=False, kw_only=True)
class _Live:
    """A job that has not ended, or whose end is being kept."""

    ticket: Ticket
    record: JobRecord
    durable: bool
    kept: asyncio.Future[JobRecord]
    """Its record with the result, once that may be told."""
    answers: list[asyncio.Future[JobRecord]] = field(default_factory=list)
    """The same for callers of `execute`, directly: `kept` must not be cancelled with one of them, and a shield
    around it would take two more rounds of the event loop."""


@asynccontextmanager
async def open_job_service(
    orchestrator: Orchestrator, store: Store, settings: JobsSettings, monitor: Monitor
) -> AsyncIterator[JobService]:
    """The service at work, with the jobs of its predecessor queued again.

    On leaving, running jobs finish and are kept; queued ones stay in the store for the next start.
    """
    async with asyncio.TaskGroup() as keepers:
        service = JobService(orchestrator, store, settings, monitor, keepers)
        async with (
            open_throttle(_look_at_host, service.better_waiting) as throttle,
            open_dispatcher(orchestrator.runner, settings.dispatcher, service) as dispatcher,
        ):
            dispatcher.throttle = throttle
            service.attach(dispatcher)
            monitor.container_came = dispatcher.look
            await service.recover()
            pruning = keepers.create_task(service.prune_for_ever())
            try:
                yield service
            finally:
                pruning.cancel()
                service.drain()


class JobService:
    """Jobs of many tenants. Made by `open_job_service`; one event loop.

    Every method takes the principal that asks. What is another tenant's does not exist: UnknownJob.
    """

    def __init__(
        self,
        orchestrator: Orchestrator,
        store: Store,
        settings: JobsSettings,
        monitor: Monitor,
        keepers: asyncio.TaskGroup,
    ) -> None:
        self._orchestrator = orchestrator
        self._store = store
        self._settings = settings
        self._monitor = monitor
        self._keepers = keepers
        self._dispatcher: Dispatcher
        self._rates = TenantRates()
        self._live: dict[str, _Live] = {}
        self._adding: Counter[str] = Counter()
        """Tenant to jobs that are being written."""
        self._arriving: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._drained = asyncio.get_running_loop().create_future()

    def attach(self, dispatcher: Dispatcher) -> None:
        """Name the dispatcher, which tells its ledger, this service, of its jobs."""
        self._dispatcher = dispatcher

    def better_waiting(self) -> int:
        """How many jobs above the batch class wait."""
        depth = self._dispatcher.queue.depth()
        return sum(count for priority, count in depth.items() if priority is not Priority.BATCH)

    @property
    def orchestrator(self) -> Orchestrator:
        """What runs the jobs: its runtimes, its pool."""
        return self._orchestrator

    @property
    def dispatcher(self) -> Dispatcher:
        """What starts the jobs: for looking at."""
        return self._dispatcher

    @property
    def store(self) -> Store:
        """What remembers the jobs, and knows tenants and keys."""
        return self._store

    @property
    def is_draining(self) -> bool:
        """Whether no new job is taken."""
        return self._drained.done()

    # -- submit and execute -----------------------------------------------------------------------------

    async def execute(self, principal: Principal, submission: Submission) -> dict[str, Any]:
        """Run one job now; its result in wire form, whatever its outcome. Cancelling the caller kills the job.

        Raises RequestError, RefusedForNow (TenantLimited, HostFull, Draining), JobInProgress or
        StoreUnavailable; KeyReused where the idempotency key belongs to another request.
        """
        live = await self._take(principal, submission, waits=True)
        if isinstance(live, JobRecord):
            if live.result is None:
                raise JobInProgress(live.id)
            return live.result
        answered = asyncio.get_running_loop().create_future()
        live.answers.append(answered)
        if live.kept.done():
            return (await live.kept).result or {}
        try:
            record = await answered
        except asyncio.CancelledError:
            self._dispatcher.cancel(live.ticket)
            raise
        return record.result or {}

    async def submit(self, principal: Principal, submission: Submission) -> JobView:
        """Accept one job: it is durable, and will be run once, also across restarts. Raises as `execute` does."""
        taken = await self._take(principal, submission, waits=False)
        return self._view(taken if isinstance(taken, JobRecord) else taken.record)

    async def submit_many(
        self, principal: Principal, submissions: Sequence[Submission | OrchestratorError]
    ) -> list[JobView | OrchestratorError]:
        """Accept or refuse each on its own, all in one commit; what is refused already stays so."""
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(self._submit_one(principal, each)) for each in submissions]
        return [task.result() for task in asked]

    async def _submit_one(
        self, principal: Principal, submission: Submission | OrchestratorError
    ) -> JobView | OrchestratorError:
        if isinstance(submission, OrchestratorError):
            return submission
        try:
            return await self.submit(principal, submission)
        except (RequestError, CapacityError, StoreUnavailable) as error:
            return error

    async def _take(self, principal: Principal, submission: Submission, *, waits: bool) -> _Live | JobRecord:
        """A job on its way, or the record of the one that the same request made before."""
        require_scope(principal, Scope.EXECUTE)
        tenant = principal.tenant
        job_id = uuid.uuid4().hex
        if submission.idempotency_key is None:
            live = self._prepare(tenant, submission, job_id, waits=waits, durable=not waits)
            return await self._set_going(live)
        async with self._alone_with(tenant.name, submission.idempotency_key):
            earlier = await self._claim(tenant, submission, job_id)
            if earlier is not None:
                return earlier
            try:
                live = self._prepare(tenant, submission, job_id, waits=waits, durable=True)
                return await self._set_going(live)
            except BaseException:
                await asyncio.shield(self._store.release_claim(tenant.name, submission.idempotency_key))
                raise

    @asynccontextmanager
    async def _alone_with(self, tenant: str, key: str) -> AsyncIterator[None]:
        """One request of an idempotency key at a time: the next finds the job of the one before."""
        while (arrival := self._arriving.get((tenant, key))) is not None:
            await asyncio.shield(arrival)
        arrival = self._arriving[tenant, key] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            del self._arriving[tenant, key]
            arrival.set_result(None)

    async def _claim(self, tenant: Tenant, submission: Submission, job_id: str) -> JobRecord | None:
        """None where the key is ours now, else the job that has it."""
        key, body = submission.idempotency_key or "", submission.body_sha256
        claim = await self._store.claim(tenant.name, key, body, job_id, now=time.time())
        if claim.kind is ClaimKind.SAME:
            if (record := await self._record_of(claim.job_id, tenant.name)) is not None:
                return record
            # Its job is past its retention: the key is free again.
            await self._store.release_claim(tenant.name, key)
            claim = await self._store.claim(tenant.name, key, body, job_id, now=time.time())
        if claim.kind is not ClaimKind.NEW:
            raise KeyReused("this idempotency key came with another request before")
        return None

    async def check(self, principal: Principal, spec: JobSpec) -> Report:
        """What the validator says of a job's code under the tenant's policy; nothing is run, or kept.

        Counts as one job of the tenant's rate. Raises RequestError, RefusedForNow or PoolTimeout.
        """
        require_scope(principal, Scope.EXECUTE)
        tenant = principal.tenant
        _require_runtime(tenant, spec.runtime)
        self._require_room(tenant, rate_wait_seconds=self._rates.take(tenant))
        return await self._orchestrator.check(spec, policy=self._orchestrator.policy_named(tenant.policy))

    def _require_room(self, tenant: Tenant, *, size_bytes: int = 0, rate_wait_seconds: float = 0.0) -> None:
        try:
            self._dispatcher.admit(
                tenant, self._adding, size_bytes=size_bytes, rate_wait_seconds=rate_wait_seconds
            )
        except RefusedForNow as refusal:
            self._monitor.refused(refusal.reason)
            raise

    def _prepare(
        self, tenant: Tenant, submission: Submission, job_id: str, *, waits: bool, durable: bool
    ) -> _Live:
        """Everything that can be refused is refused here, before anything is written."""
        priority = _priority_of(submission, tenant)
        spec = replace(submission.spec, limits=self._limits_of(submission, tenant))
        _require_runtime(tenant, spec.runtime)
        if spec.debug is not None and not tenant.debug:
            problem = "this tenant may not use debug mode; its operator can: `sandbox-orch tenants set NAME --debug`"
            raise InvalidJob("debug", problem)
        size_bytes = _size_of(spec)
        self._require_room(tenant, size_bytes=size_bytes)
        # Only who has room is counted: a refusal does not use up the rate.
        self._require_room(tenant, rate_wait_seconds=self._rates.take(tenant))
        longest = self._settings.execute_queue_seconds if waits else self._settings.submitted_queue_seconds
        within = min(longest, submission.start_within_seconds or longest)
        job = self._orchestrator.accept(spec, tenant=tenant.name, recycle=tenant.recycle)
        job = replace(job, id=job_id, start_by=job.accepted_at + within)
        record = _new_record(job, tenant, priority, within, submission.metadata, keep=durable)
        return self._make_live(job, tenant, priority, record, size_bytes, durable=durable)

    def _make_live(
        self,
        job: Job,
        tenant: Tenant,
        priority: Priority,
        record: JobRecord,
        size_bytes: int,
        *,
        durable: bool,
    ) -> _Live:
        loop = asyncio.get_running_loop()
        ticket = Ticket(
            job=job, tenant=tenant, priority=priority, size_bytes=size_bytes, done=loop.create_future()
        )
        return _Live(ticket=ticket, record=record, durable=durable, kept=loop.create_future())

    async def _set_going(self, live: _Live) -> _Live:
        self._live[live.record.id] = live
        # It takes its place in the queue now: others that come while it is looked at and written must find it taken.
        self._adding[live.record.tenant] += 1
        try:
            rejection = await self._validate(live)
            if live.durable:
                await self._store.add([live.record])
        except BaseException:
            del self._live[live.record.id]
            raise
        finally:
            self._adding[live.record.tenant] -= 1
        self._go(live, rejection)
        return live

    async def _validate(self, live: _Live) -> JobResult | None:
        """Make the job what it is to be run as; the result where it is not run at all. Raises InvalidJob."""
        ticket = live.ticket
        policy = self._orchestrator.policy_named(ticket.tenant.policy)
        checked = await self._orchestrator.validate(ticket.job, policy=policy)
        ticket.job, ticket.review = checked.job, checked.review
        return checked.rejection

    def _go(self, live: _Live, rejection: JobResult | None = None) -> None:
        live.ticket.done.add_done_callback(lambda done: self._give_up(live) if done.exception() else None)
        if rejection is not None:
            self._dispatcher.refuse(live.ticket, rejection)
        else:
            self._dispatcher.submit(live.ticket)

    def _limits_of(self, submission: Submission, tenant: Tenant) -> Limits:
        defaults = self._orchestrator.default_limits
        if tenant.ceiling is None and not submission.limits:
            return defaults
        if tenant.ceiling is not None:
            ceiling = asdict(tenant.ceiling)
            defaults = Limits(**{name: min(most, ceiling[name]) for name, most in asdict(defaults).items()})
        limits = Limits.from_wire(submission.limits, defaults=defaults)
        if "wall_time_ms" in submission.limits and "cpu_time_ms" not in submission.limits:
            # A longer wall time alone is meant to let the code compute longer.
            limits = replace(limits, cpu_time_ms=limits.wall_time_ms)
        if tenant.ceiling is not None and (excess := limits.exceeding(tenant.ceiling)):
            name, asked, allowed = excess
            raise InvalidJob(f"limits.{name}", f"{asked} is above this tenant's ceiling of {allowed}")
        return limits

    # -- the dispatcher's ledger ------------------------------------------------------------------------

    def started(self, ticket: Ticket) -> None:
        """Note that a job runs."""
        live = self._live[ticket.job.id]
        now = time.time()
        live.record = replace(
            live.record, state=JobState.RUNNING, started_at=now, attempts=live.record.attempts + 1
        )
        if live.durable:
            self._store.start(ticket.job.id, now)

    def finished(self, ticket: Ticket, result: JobResult) -> None:
        """Keep a job's end, and then tell it."""
        live = self._live[ticket.job.id]
        record = replace(
            live.record,
            state=JobState.FINISHED,
            outcome=result.outcome,
            finished_at=time.time(),
            result=result_to_wire(result),
            request=request_to_wire(ticket.job.spec) if ticket.tenant.keep_code else None,
        )
        self._monitor.job_done(record, result, queue_seconds=_queue_seconds(ticket))
        if live.durable:
            self._keepers.create_task(self._keep(live, record))
            return
        self._store.record_finished(record)
        self._tell(live, record)

    async def _keep(self, live: _Live, record: JobRecord) -> None:
        try:
            async for attempt in _while_the_store_fails():
                with attempt:
                    await self._store.finish(
                        record.id,
                        outcome=record.outcome or Outcome.INTERNAL_ERROR,
                        result=record.result or {},
                        at=record.finished_at or 0.0,
                        keep_request=live.ticket.tenant.keep_code,
                    )
        except Exception as error:  # noqa: BLE001 - what cannot be kept of one job must not end all the others
            # It stays unfinished in the store, and is run again by the next start.
            self._monitor.store_failed(record.id, error)
            self._drop(live, error)
            return
        self._tell(live, record)

    def _tell(self, live: _Live, record: JobRecord) -> None:
        live.record = record
        del self._live[record.id]
        live.ticket.events.add("result", record.result or {})
        live.ticket.events.end()
        live.kept.set_result(record)
        for answered in live.answers:
            if not answered.done():
                answered.set_result(record)

    def _give_up(self, live: _Live) -> None:
        """The service stops: what has not started stays in the store, and who waits for it is told so."""
        error = Draining("the service is stopping", reason="draining", retry_after_seconds=10)
        self._drop(live, error)

    def _drop(self, live: _Live, error: Exception) -> None:
        self._live.pop(live.record.id, None)
        live.ticket.events.end()
        if not live.kept.done():
            live.kept.set_exception(error)
            live.kept.exception()  # nobody need be waiting for it
        for answered in live.answers:
            if not answered.done():
                answered.set_exception(error)

    # -- look, cancel, watch ----------------------------------------------------------------------------

    async def get(self, principal: Principal, job_id: str, *, wait_seconds: float = 0.0) -> JobView:
        """One job, after waiting up to `wait_seconds` for its end. Raises UnknownJob."""
        require_scope(principal, Scope.READ)
        record = await self._record_of(job_id, _whose(principal))
        if record is None:
            raise UnknownJob
        live = self._live.get(job_id)
        if live is not None and wait_seconds > 0:
            await asyncio.wait(
                {live.kept, self._drained}, timeout=wait_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            record = live.record
        return self._view(record)

    async def list(self, principal: Principal, query: JobsQuery) -> JobsPage:
        """The jobs of the principal's tenant; of any tenant, or of all, for an operator."""
        asked = {each.name: getattr(query, each.name) for each in fields(query)}
        page = await self._store.list(**{**asked, "tenant": _of_tenant(principal, query.tenant)})
        return JobsPage(
            jobs=tuple(JobView(record=record) for record in page.records), next_cursor=page.next_cursor
        )

    async def request_of(self, principal: Principal, job_id: str) -> dict[str, Any] | None:
        """What a job was asked as, in its wire form; None where that is not kept. Raises UnknownJob."""
        require_scope(principal, Scope.READ)
        record = await self._record_of(job_id, _whose(principal))
        if record is None:
            raise UnknownJob
        return record.request

    async def cancel(self, principal: Principal, job_id: str) -> JobView:
        """End a job wherever it is; one that has ended already stays as it is. Raises UnknownJob."""
        require_scope(principal, Scope.EXECUTE)
        record = await self._record_of(job_id, _whose(principal))
        if record is None:
            raise UnknownJob
        if (live := self._live.get(job_id)) is None:
            return self._view(record)
        self._dispatcher.cancel(live.ticket)
        await asyncio.wait({live.kept, self._drained}, return_when=asyncio.FIRST_COMPLETED)
        return self._view(live.record)

    async def events(self, principal: Principal, job_id: str, *, last_id: int = 0) -> AsyncIterator[JobEvent]:
        """What happens to a job from number `last_id` on. Raises UnknownJob when it is asked, not later."""
        require_scope(principal, Scope.READ)
        record = await self._record_of(job_id, _whose(principal))
        if record is None:
            raise UnknownJob
        live = self._live.get(job_id)
        log = live.ticket.events if live is not None else _log_of(record, last_id)
        return log.since(last_id)

    async def statistics(
        self,
        principal: Principal,
        *,
        runtime: str | None = None,
        since: float | None = None,
        until: float | None = None,
        tenant: str | None = None,
    ) -> ExecutionMetrics:
        """The figures of the principal's tenant, exact; an operator may ask for any tenant, or for all."""
        whose = _of_tenant(principal, tenant)
        return await self._store.statistics(tenant=whose, runtime=runtime, since=since, until=until)

    async def _record_of(self, job_id: str, tenant: str | None) -> JobRecord | None:
        if (live := self._live.get(job_id)) is not None:
            return live.record if tenant in (None, live.record.tenant) else None
        return await self._store.get(job_id, tenant=tenant)

    def _view(self, record: JobRecord) -> JobView:
        live = self._live.get(record.id)
        if live is None or (estimate := self._dispatcher.estimate(live.ticket)) is None:
            return JobView(record=record)
        return JobView(record=record, position=estimate[0], estimated_start_ms=estimate[1])

    # -- life -------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take no more jobs, start none, and let what runs finish. Safe to call again."""
        if not self._drained.done():
            self._drained.set_result(None)
        self._dispatcher.stop()

    def abandon(self) -> None:
        """Wait for running jobs no longer. They stay unfinished in the store: the next start runs them again."""
        self.drain()
        self._dispatcher.abandon()

    async def recover(self) -> None:
        """Queue again what a predecessor accepted and did not finish."""
        await self._store.release_orphaned_claims()
        for record in await self._store.unfinished():
            await self._recover_one(record)

    async def _recover_one(self, record: JobRecord) -> None:
        tenant = await self._store.get_tenant(record.tenant) or Tenant(name=record.tenant)
        try:
            spec = request_from_wire(record.request or {})
            job = self._orchestrator.accept(spec, tenant=tenant.name, recycle=tenant.recycle)
        except RequestError as error:
            result = _rejected(record, error)
            await self._store.finish(
                record.id,
                outcome=result.outcome,
                result=result_to_wire(result),
                at=time.time(),
                keep_request=False,
            )
            return
        job = replace(job, id=record.id, start_by=job.accepted_at + record.expires_at - time.time())
        waiting = replace(record, state=JobState.QUEUED)
        live = self._make_live(job, tenant, record.priority, waiting, _size_of(spec), durable=True)
        self._live[record.id] = live
        self._go(live, await self._validate(live))

    async def prune_for_ever(self) -> None:
        """Delete what is past its retention, again and again."""
        while True:
            try:
                await self._store.prune(time.time())
            except StoreError as error:
                self._monitor.store_failed("", error)
            await asyncio.sleep(PRUNE_EVERY_SECONDS)


def require_scope(principal: Principal, scope: Scope) -> None:
    """Raise NotAllowed where the key lacks `scope`; an operator's has all."""
    if scope not in principal.scopes and Scope.ADMIN not in principal.scopes:
        raise NotAllowed(f"this key lacks the scope {scope}")


def _whose(principal: Principal) -> str | None:
    """Whose jobs the principal may see; None for all."""
    return None if Scope.ADMIN in principal.scopes else principal.tenant.name


def _of_tenant(principal: Principal, tenant: str | None) -> str | None:
    """Whose jobs are meant; None for all. Raises NotAllowed where they are others', or without the scope."""
    require_scope(principal, Scope.READ)
    whose = _whose(principal)
    if whose is not None and tenant not in (None, whose):
        raise NotAllowed("the jobs of other tenants are the operator's")
    return whose or tenant


def _require_runtime(tenant: Tenant, runtime: str) -> None:
    if tenant.runtimes is not None and runtime not in tenant.runtimes:
        raise InvalidJob("runtime", f"this tenant may use {', '.join(tenant.runtimes)}")


def _priority_of(submission: Submission, tenant: Tenant) -> Priority:
    if submission.priority is None:
        is_above = Priority.NORMAL.is_above(tenant.priority_ceiling)
        return tenant.priority_ceiling if is_above else Priority.NORMAL
    if submission.priority.is_above(tenant.priority_ceiling):
        raise InvalidJob("priority", f"this tenant may ask for {tenant.priority_ceiling} at most")
    return submission.priority


def _size_of(spec: JobSpec) -> int:
    files = sum(map(len, spec.files.values()))
    return len(spec.code) + len(spec.input_json) + len(spec.stdin) + sum(map(len, spec.args)) + files


def _new_record(
    job: Job, tenant: Tenant, priority: Priority, within: float, metadata: dict[str, str], *, keep: bool
) -> JobRecord:
    now = time.time()
    return JobRecord(
        id=job.id,
        tenant=tenant.name,
        runtime=job.spec.runtime,
        priority=priority,
        state=JobState.QUEUED,
        accepted_at=now,
        expires_at=now + within,
        code_sha256=hashlib.sha256(job.spec.code.encode()).hexdigest(),
        input_sha256=_input_sha256(job.spec),
        limits=asdict(job.limits),
        request=request_to_wire(job.spec) if keep else None,
        metadata=metadata,
    )


def _input_sha256(spec: JobSpec) -> str:
    if not (spec.stdin or spec.args or spec.files):
        return hashlib.sha256(spec.input_json.encode()).hexdigest()
    files = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(spec.files.items())}
    return hashlib.sha256(json.dumps([spec.stdin, spec.args, files]).encode()).hexdigest()


def _queue_seconds(ticket: Ticket) -> float | None:
    return None if ticket.started_at is None else ticket.started_at - ticket.queued_at


def _rejected(record: JobRecord, error: RequestError) -> JobResult:
    return JobResult(
        id=record.id,
        outcome=Outcome.REJECTED,
        usage=Usage(wall_ms=0.0),
        error=JobError(name=type(error).__name__, message=str(error)),
    )


def _log_of(record: JobRecord, last_id: int) -> EventLog:
    """The end of a job that is no longer watched: its state and result, numbered after what was seen."""
    log = EventLog(first_id=last_id + 1)
    log.add("status", {"state": record.state})
    if record.result is not None:
        log.add("result", record.result)
    log.end()
    return log


def _while_the_store_fails() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(StoreUnavailable),
        stop=stop_after_delay(KEEP_TRYING_SECONDS),
        wait=wait_random_exponential(multiplier=0.05, max=5.0),
        reraise=True,
    )


def _look_at_host() -> tuple[float, float | None]:
    return host_load.busy_share(), host_load.pressure_percent()
