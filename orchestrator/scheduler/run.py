"""Scheduler floor: ONE job's life, from lease to recycle. Read it top to bottom.

Between lease and result nothing here calls the engine: one write and one read on a stream that is held open.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from orchestrator.backends.base import Counters
from orchestrator.backends.frames import encode_frame
from orchestrator.domain.errors import (
    BackendError,
    ContainerGone,
    EngineUnavailable,
    InternalError,
    InvalidJob,
    PoolTimeout,
    ProtocolError,
)
from orchestrator.domain.job import JobSpec
from orchestrator.domain.limits import Limits, Usage
from orchestrator.domain.outcome import ContainerReceipt, JobError, JobResult, Outcome, Timing
from orchestrator.policies.verdict import Ending, EndingKind, Facts, judge
from orchestrator.pool.lease import Lease
from orchestrator.pool.pool import WarmPool
from orchestrator.scheduler.transcript import Transcript, decode_files
from orchestrator.telemetry import Telemetry

__all__ = ("Job", "JobRunner", "Review")

MAX_ATTEMPTS = 3
INFRASTRUCTURE_FAILED = (ContainerGone, EngineUnavailable)
"""Errors after which the same job may well succeed on another container."""
CPU_CHECK_LEAST_SECONDS = 0.005


Review = Callable[[JobResult], Awaitable[JobResult]]
"""The last look at a result before it is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One accepted job: what was asked, with every default filled in and every bound checked."""

    id: str
    spec: JobSpec
    limits: Limits
    made_to_measure: bool
    """Whether the limits are above what containers off the shelf allow."""
    start_by: float
    """The event loop's time by which the job must have its container."""
    accepted_at: float
    validate_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRunner:
    """Runs jobs on the containers of a pool."""

    pool: WarmPool
    telemetry: Telemetry
    """Runtime to the digest of its seccomp profile, for the receipt."""
    cpus: float
    """CPU quota of every container: how fast CPU time can be used."""

    async def run(self, job: Job, *, review: Review | None = None) -> JobResult:
        """The job's one result, as `review` leaves it.

        Whatever goes wrong on our side is INTERNAL_ERROR, or the job is run again.
        A job has no network and leaves nothing behind, so running it again is safe. Raises InvalidJob
        where all parts of the job together are more than a frame can carry.
        """
        frame = job_frame(job)
        try:
            result = await self._run_once(job, frame, attempt=1)
        except INFRASTRUCTURE_FAILED as error:
            self.telemetry.job_rerun(job.id, 1, error)
            result = await self._run_again(job, frame)
        except PoolTimeout as error:
            result = _unstarted(job, Outcome.EXPIRED, error, attempts=1)
        except (BackendError, InternalError) as error:
            result = _unstarted(job, Outcome.INTERNAL_ERROR, error, attempts=1)
        if review is not None:
            result = await review(result)
        self.telemetry.job_finished(job.spec.runtime, result)
        return result

    async def _run_again(self, job: Job, frame: bytes) -> JobResult:
        """Up to MAX_ATTEMPTS in all, each on a fresh container, with back-off."""
        number = 1
        try:
            async for attempt in self._retrying(job):
                with attempt:
                    number = 1 + attempt.retry_state.attempt_number
                    return await self._run_once(job, frame, number)
        except PoolTimeout as error:
            return _unstarted(job, Outcome.EXPIRED, error, number)
        except (BackendError, InternalError) as error:
            return _unstarted(job, Outcome.INTERNAL_ERROR, error, number)
        raise InternalError("a job was neither run again nor given up")

    async def _run_once(self, job: Job, frame: bytes, attempt: int) -> JobResult:
        measure = job.limits if job.made_to_measure else None
        async with self.pool.lease(job.spec.runtime, made_to_measure=measure, deadline=job.start_by) as lease:
            leased_at = _now()
            transcript = Transcript(most_bytes=job.limits.output_bytes)
            lease.inject(frame, job.limits)
            ending = await self._wait(lease, job, transcript, leased_at)
            ended_at = _now()
            ending, counters = await self._kill_and_count(lease, ending)
            seen = _Seen(transcript, ending, counters, _Clock(leased_at, ended_at))
            return self._collect(job, lease, seen, attempt)

    # -- wait or kill -------------------------------------------------------------------------------

    async def _wait(self, lease: Lease, job: Job, transcript: Transcript, started_at: float) -> Ending:
        """Listen until the result, the deadline, the CPU limit, or the runner's end."""
        deadline = started_at + job.limits.wall_time_ms / 1000
        check_at = self._next_cpu_check(job.limits, Counters(cpu_ns=0), started_at, deadline)
        while True:
            try:
                async with asyncio.timeout_at(min(deadline, check_at)):
                    return await _listen(lease, job, transcript)
            except TimeoutError:
                if _now() >= deadline:
                    return Ending(kind=EndingKind.DEADLINE)
                counters = await lease.counters()
                if _cpu_ms(counters) >= job.limits.cpu_time_ms:
                    return Ending(kind=EndingKind.CPU)
                check_at = self._next_cpu_check(job.limits, counters, _now(), deadline)
            except ProtocolError as error:
                return Ending(kind=EndingKind.SPOILED, problem=str(error))

    def _next_cpu_check(self, limits: Limits, counters: Counters, now: float, deadline: float) -> float:
        """When the CPU limit can be reached at the earliest; the deadline where it cannot before that."""
        if counters.cpu_ns is None:
            return deadline
        left_seconds = (limits.cpu_time_ms - _cpu_ms(counters)) / 1000 / self.cpus
        return min(deadline, now + max(left_seconds, CPU_CHECK_LEAST_SECONDS))

    async def _kill_and_count(self, lease: Lease, ending: Ending) -> tuple[Ending, Counters]:
        """The counters, and the end of everything where the job did not end by itself.

        Counters first: they vanish with the container.
        """
        if ending.kind is EndingKind.STREAM_END:
            exit_ = await lease.examine()
            # A runtime with a kernel of its own (gVisor) dies as a whole of the job's memory: its own doing.
            if not exit_.container_running and not exit_.counters.oom_kills:
                raise ContainerGone("the container vanished under a job", container=lease.container_id)
            return Ending(kind=ending.kind, exit_code=exit_.exit_code), exit_.counters
        counters = await lease.counters()
        if ending.kind is not EndingKind.RESULT:
            await self._kill(lease)
        return ending, counters

    async def _kill(self, lease: Lease) -> None:
        try:
            await lease.kill()
        except BackendError as error:
            # How the job ended is known all the same; leaving the lease tries again until the container is gone.
            self.telemetry.remove_failed(lease.container_id, error)

    # -- collect ------------------------------------------------------------------------------------

    def _collect(self, job: Job, lease: Lease, seen: _Seen, attempt: int) -> JobResult:
        facts = seen.facts(job)
        verdict = judge(facts)
        return JobResult(
            id=job.id,
            outcome=verdict.outcome,
            output=verdict.output,
            error=verdict.error,
            limit=verdict.limit,
            exit_code=verdict.exit_code,
            signal=verdict.signal,
            stdout=seen.transcript.text_of("stdout"),
            stderr=seen.transcript.text_of("stderr"),
            files=decode_files(seen.ending.frame.get("files")),
            usage=Usage(
                wall_ms=facts.wall_ms,
                cpu_ms=facts.cpu_ms,
                memory_peak_bytes=facts.memory_peak_bytes,
                oom_kills=facts.oom_kills,
            ),
            timing=seen.clock.timing(job),
            container=ContainerReceipt(
                id=lease.container_id,
                image_digest=lease.image_digest,
                profile_digest=lease.profile_digest,
                warm=lease.was_warm,
            ),
            attempts=attempt,
        )

    def _retrying(self, job: Job) -> AsyncRetrying:
        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, Exception):
                self.telemetry.job_rerun(job.id, 1 + state.attempt_number, error)

        return AsyncRetrying(
            retry=retry_if_exception_type(INFRASTRUCTURE_FAILED),
            stop=stop_after_attempt(MAX_ATTEMPTS - 1),
            wait=wait_random_exponential(multiplier=0.05, max=2.0),
            before_sleep=tell,
            reraise=True,
        )


async def _listen(lease: Lease, job: Job, transcript: Transcript) -> Ending:
    """Frames until the one result of this job, or the end of the stream."""
    while (frame := await lease.receive()) is not None:
        if frame.get("job") != job.id:
            raise ProtocolError(f"a {frame['type']} frame of another job", step="listen")
        if frame["type"] == "result":
            return Ending(kind=EndingKind.RESULT, frame=frame)
        if frame["type"] != "stream":
            raise ProtocolError("a frame that has no place in a job", step="listen")
        transcript.add(frame)
    return Ending(kind=EndingKind.STREAM_END)


def job_frame(job: Job) -> bytes:
    """The one frame that carries a job to its runner; see `docs/protocol.md`. Raises InvalidJob."""
    try:
        return encode_frame(_job_fields(job.spec, job.id, job.limits))
    except ValueError as error:
        raise InvalidJob("code", f"code, input, stdin and files together: {error}") from None


def _job_fields(spec: JobSpec, job_id: str, limits: Limits) -> dict[str, object]:
    return {
        "type": "job",
        "job": job_id,
        "mode": spec.mode,
        "code": spec.code,
        "input": spec.input_json,
        "entrypoint": spec.entrypoint,
        "allowed_globals": spec.allowed_globals,
        "stdin": spec.stdin,
        "args": spec.args,
        "files": {name: base64.b64encode(data).decode() for name, data in spec.files.items()},
        "limits": {
            "wall_time_ms": limits.wall_time_ms,
            "cpu_time_ms": limits.cpu_time_ms,
            "memory_bytes": limits.memory_bytes,
            "output_bytes": limits.output_bytes,
            "processes": limits.processes,
            "disk_bytes": limits.disk_bytes,
        },
    }


def _unstarted(job: Job, outcome: Outcome, error: Exception, attempts: int) -> JobResult:
    return JobResult(
        id=job.id,
        outcome=outcome,
        usage=Usage(wall_ms=0.0),
        error=JobError(name=type(error).__name__, message=str(error)),
        timing=Timing(validate_ms=job.validate_ms, total_ms=(_now() - job.accepted_at) * 1000),
        attempts=max(1, attempts),
    )


@dataclass(frozen=True, slots=True)
class _Clock:
    """When the job had its container and when its wait was over, by the event loop's clock."""

    leased_at: float
    ended_at: float

    @property
    def wall_ms(self) -> float:
        return (self.ended_at - self.leased_at) * 1000

    def timing(self, job: Job) -> Timing:
        now = _now()
        return Timing(
            validate_ms=job.validate_ms,
            lease_ms=max(0.0, (self.leased_at - job.accepted_at) * 1000 - job.validate_ms),
            run_ms=self.wall_ms,
            collect_ms=(now - self.ended_at) * 1000,
            total_ms=(now - job.accepted_at) * 1000,
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a job from outside, up to its end."""

    transcript: Transcript
    ending: Ending
    counters: Counters
    clock: _Clock

    def facts(self, job: Job) -> Facts:
        return Facts(
            ending=self.ending,
            mode=job.spec.mode,
            limits=job.limits,
            wall_ms=self.clock.wall_ms,
            cpu_ms=None if self.counters.cpu_ns is None else _cpu_ms(self.counters),
            memory_peak_bytes=self.counters.memory_peak_bytes,
            oom_kills=self.counters.oom_kills,
            pids_refused=self.counters.pids_refused,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


def _cpu_ms(counters: Counters) -> float:
    return (counters.cpu_ns or 0) / 1e6
