"""Scheduler floor: ONE job's life, from lease to recycle. Read it top to bottom.

Between lease and result nothing here calls the engine: one write and one read on a stream that is held open.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from orchestrator.backends.base import Counters
from orchestrator.backends.frames import encode_frame
from orchestrator.domain.debug import DebugOptions
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
from orchestrator.policies.debug_report import read_debug
from orchestrator.policies.verdict import Ending, EndingKind, Facts, judge
from orchestrator.pool.lease import Lease
from orchestrator.pool.pool import WarmPool
from orchestrator.scheduler.transcript import DebugText, Transcript, decode_files
from orchestrator.telemetry import Telemetry

__all__ = ("Job", "JobRunner", "Review", "Watch", "job_frame", "run_frame", "unrun")

MAX_ATTEMPTS = 3
INFRASTRUCTURE_FAILED = (ContainerGone, EngineUnavailable)
"""Errors after which the same job may well succeed on another container."""
CPU_CHECK_LEAST_SECONDS = 0.005
ENDED_WELL = (Outcome.SUCCEEDED, Outcome.ERROR, Outcome.INVALID_OUTPUT)
"""Outcomes after which a container may be kept for its tenant: the job's own code came to its end."""
_COMPILED = "compiled"
MAIN_SOURCES = ("job.py", "job.js")
"""What runners call the source of a job."""


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
    tenant: str | None = None
    reuse: bool = False
    """Whether it may run in a container that its tenant has used before."""
    compile_limits: Limits | None = None
    """What compiling its source may use, before its own limits begin; None where nothing is compiled."""


class Watch(Protocol):
    """Somebody who looks on while a job runs. Must not wait, and must not raise."""

    def leased(self, lease: Lease, transcript: Transcript) -> None:
        """The job has its container; `transcript` is what it prints, as it comes. Again after a rerun."""
        ...

    def printed(self, name: str, text: str) -> None:
        """The job printed `text` to `stdout` or `stderr`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRunner:
    """Runs jobs on the containers of a pool."""

    pool: WarmPool
    telemetry: Telemetry
    """Runtime to the digest of its seccomp profile, for the receipt."""
    cpus: float
    """CPU quota of every container: how fast CPU time can be used."""

    async def run(self, job: Job, watch: Watch | None = None, *, review: Review | None = None) -> JobResult:
        """The job's one result, as `review` leaves it.

        Whatever goes wrong on our side is INTERNAL_ERROR, or the job is run again.
        A job has no network and leaves nothing behind, so running it again is safe. Raises InvalidJob
        where all parts of the job together are more than a frame can carry.
        """
        frame = job_frame(job)
        view = _View(job, _now(), watch)
        try:
            result = await self._run_once(view, frame, attempt=1)
        except INFRASTRUCTURE_FAILED as error:
            self.telemetry.job_rerun(job.id, 1, error)
            result = await self._run_again(view, frame)
        except PoolTimeout as error:
            result = unrun(job, Outcome.EXPIRED, error)
        except (BackendError, InternalError) as error:
            result = unrun(job, Outcome.INTERNAL_ERROR, error)
        if review is not None:
            result = await review(result)
        self.telemetry.job_finished(job.spec.runtime, result)
        return result

    async def _run_again(self, view: _View, frame: bytes) -> JobResult:
        """Up to MAX_ATTEMPTS in all, each on a fresh container, with back-off."""
        number = 1
        try:
            async for attempt in self._retrying(view.job):
                with attempt:
                    number = 1 + attempt.retry_state.attempt_number
                    return await self._run_once(view, frame, number)
        except PoolTimeout as error:
            return unrun(view.job, Outcome.EXPIRED, error, attempts=number)
        except (BackendError, InternalError) as error:
            return unrun(view.job, Outcome.INTERNAL_ERROR, error, attempts=number)
        raise InternalError("a job was neither run again nor given up")

    async def _run_once(self, view: _View, frame: bytes, attempt: int) -> JobResult:
        job = view.job
        measure = job.limits if job.made_to_measure else None
        async with self.pool.lease(
            job.spec.runtime,
            tenant=job.tenant,
            # After a failure of ours on a never-used one, whatever failed.
            reuse=job.reuse and attempt == 1,
            made_to_measure=measure,
            deadline=job.start_by,
        ) as lease:
            clock = _Clock.starting(began_at=view.began_at)
            transcript = Transcript(most_bytes=job.limits.output_bytes, debug=job.spec.debug is not None)
            view.show(lease, transcript)
            lease.inject(frame, job.compile_limits or job.limits)
            clock.dispatched_at = _now()
            ending = await self._compile_and_run(lease, view, transcript, clock)
            clock.ended_at = _now()
            ending, counters = await self._kill_and_count(lease, ending)
            seen = _Seen(transcript, ending, counters, clock)
            result = self._collect(job, lease, seen, attempt)
            if _has_ended_well(result, seen) and job.spec.debug is None:
                lease.end_well()
        if job.spec.debug is None or transcript.debug is None:
            return result
        # The container is given back already. Foreign text of megabytes is not for the event loop to read.
        return await asyncio.to_thread(_with_debug, result, job.spec, job.spec.debug, transcript.debug)

    # -- wait or kill -------------------------------------------------------------------------------

    async def _compile_and_run(
        self, lease: Lease, view: _View, transcript: Transcript, clock: _Clock
    ) -> Ending:
        """The end of a job: of its one run, or of compiling it and then running it, each with limits of its own."""
        job = view.job
        if job.compile_limits is not None:
            ending = await self._wait(lease, view, transcript, clock, job.compile_limits)
            if ending.frame.get("type") != _COMPILED:
                return ending
            # INVARIANT: both deadlines are this host's own, and the program starts only at its word: a runner that
            # says nothing is killed at the first, one that says `compiled` early has given time away.
            await lease.begin_run(
                run_frame(job), job.limits, left_bytes=_left_bytes(ending.frame, job.compile_limits)
            )
            clock.compiled_at = clock.run_from = _now()
        return await self._wait(lease, view, transcript, clock, job.limits)

    async def _wait(
        self, lease: Lease, view: _View, transcript: Transcript, clock: _Clock, limits: Limits
    ) -> Ending:
        """Listen until the result, the deadline, the CPU limit, or the runner's end."""
        deadline = clock.run_from + limits.wall_time_ms / 1000
        check_at = self._next_cpu_check(limits, Counters(cpu_ns=0), clock.run_from, deadline)
        while True:
            try:
                async with asyncio.timeout_at(min(deadline, check_at)):
                    return await _listen(lease, view, transcript, clock)
            except TimeoutError:
                if _now() >= deadline:
                    return Ending(kind=EndingKind.DEADLINE)
                counters = await lease.counters()
                if _cpu_ms(counters) >= limits.cpu_time_ms:
                    return Ending(kind=EndingKind.CPU)
                check_at = self._next_cpu_check(limits, counters, _now(), deadline)
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
        if ending.kind is EndingKind.DEADLINE:
            _, is_reachable = await asyncio.gather(self._kill(lease), lease.is_reachable())
            if not is_reachable:
                problem = "the engine does not answer, so a job may not have been heard"
                raise EngineUnavailable(problem, step="deadline", container=lease.container_id)
        elif ending.kind is not EndingKind.RESULT:
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
                reused=lease.was_reused,
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


async def _listen(lease: Lease, view: _View, transcript: Transcript, clock: _Clock) -> Ending:
    """Frames until the one result of this job, or the end of the stream."""
    while (frame := await lease.receive()) is not None:
        clock.first_byte_at = clock.first_byte_at or _now()
        if frame.get("job") != view.job.id:
            raise ProtocolError(f"a {frame['type']} frame of another job", step="listen")
        if frame["type"] == "result" or (frame["type"] == _COMPILED and clock.is_compiling(view.job)):
            return Ending(kind=EndingKind.RESULT, frame=frame)
        if frame["type"] == "debug" and transcript.debug is not None:
            transcript.debug.add(frame)
            continue
        if frame["type"] != "stream":
            raise ProtocolError("a frame that has no place in a job", step="listen")
        transcript.add(frame)
        view.tell(frame)
    return Ending(kind=EndingKind.STREAM_END)


def _with_debug(result: JobResult, spec: JobSpec, asked: DebugOptions, said: DebugText) -> JobResult:
    """The result with what debug mode recorded, which changes nothing else in it."""
    # A runner says `job.py` or `job.js`; which of them it was makes no difference to an excerpt.
    sources = {name: data.decode("utf-8", "replace") for name, data in spec.files.items()}
    sources |= dict.fromkeys(MAIN_SOURCES, spec.code)
    return replace(result, debug=read_debug(said.text(), asked, sources, cut_off=said.cut_off))


def _has_ended_well(result: JobResult, seen: _Seen) -> bool:
    refused = seen.counters.oom_kills or seen.counters.pids_refused
    return seen.ending.kind is EndingKind.RESULT and result.outcome in ENDED_WELL and not refused


def job_frame(job: Job) -> bytes:
    """The one frame that carries a job to its runner; see `docs/protocol.md`. Raises InvalidJob."""
    try:
        fields = _job_fields(job.spec, job.id, job.limits)
        if job.compile_limits is not None:
            fields["compile"] = {"cpu_time_ms": job.compile_limits.cpu_time_ms}
        return encode_frame(fields)
    except ValueError as error:
        raise InvalidJob("code", f"code, input, stdin and files together: {error}") from None


def run_frame(job: Job) -> bytes:
    """The word at which a compiled program starts."""
    return encode_frame({"type": "run", "job": job.id})


def _left_bytes(compiled: dict[str, object], limits: Limits) -> int:
    """What the compiler left in the container's small file systems, by the frame writer's word, within bounds."""
    left = compiled.get("disk_used")
    return min(max(0, left), limits.memory_bytes) if isinstance(left, int) else 0


def _job_fields(spec: JobSpec, job_id: str, limits: Limits) -> dict[str, object]:
    debug = {} if spec.debug is None else {"debug": asdict(spec.debug)}
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
        **debug,
    }


def unrun(job: Job, outcome: Outcome, error: Exception, *, attempts: int = 1) -> JobResult:
    """The result of a job that no container has run."""
    now = _now()
    return JobResult(
        id=job.id,
        outcome=outcome,
        usage=Usage(wall_ms=0.0),
        error=JobError(name=type(error).__name__, message=str(error)),
        timing=Timing(
            validate_ms=job.validate_ms,
            total_ms=(now - job.accepted_at) * 1000,
            validated_ms=job.validate_ms,
            queued_ms=job.validate_ms + (now - job.accepted_at) * 1000,
        ),
        attempts=max(1, attempts),
    )


@dataclass(frozen=True, slots=True)
class _View:
    """A job, when its turn came, and who looks on."""

    job: Job
    began_at: float
    watch: Watch | None

    def show(self, lease: Lease, transcript: Transcript) -> None:
        if self.watch is not None:
            self.watch.leased(lease, transcript)

    def tell(self, frame: dict[str, object]) -> None:
        if self.watch is not None:
            self.watch.printed(str(frame["name"]), str(frame["text"]))


@dataclass(slots=True, kw_only=True)
class _Clock:
    """When each step of a job's run was over, by the event loop's clock."""

    began_at: float
    leased_at: float
    run_from: float
    """From when on limits count: the lease, and anew once the source is compiled."""
    dispatched_at: float = 0.0
    first_byte_at: float | None = None
    compiled_at: float | None = None
    ended_at: float = 0.0

    @classmethod
    def starting(cls, *, began_at: float) -> _Clock:
        now = _now()
        return cls(began_at=began_at, leased_at=now, run_from=now)

    @property
    def wall_ms(self) -> float:
        return (self.ended_at - self.run_from) * 1000

    def is_compiling(self, job: Job) -> bool:
        return job.compile_limits is not None and self.compiled_at is None

    def timing(self, job: Job) -> Timing:
        now = _now()

        def since_it_came(moment: float) -> float:
            return (moment - job.accepted_at) * 1000

        return Timing(
            validate_ms=job.validate_ms,
            lease_ms=max(0.0, (self.leased_at - job.accepted_at) * 1000 - job.validate_ms),
            run_ms=self.wall_ms,
            collect_ms=(now - self.ended_at) * 1000,
            total_ms=(now - job.accepted_at) * 1000,
            validated_ms=job.validate_ms,
            queued_ms=since_it_came(self.began_at),
            leased_ms=since_it_came(self.leased_at),
            dispatched_ms=since_it_came(self.dispatched_at),
            first_byte_ms=None if self.first_byte_at is None else since_it_came(self.first_byte_at),
            compiled_ms=None if self.compiled_at is None else since_it_came(self.compiled_at),
            executed_ms=since_it_came(self.ended_at),
            collected_ms=since_it_came(now),
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of a job from outside, up to its end."""

    transcript: Transcript
    ending: Ending
    counters: Counters
    clock: _Clock

    def facts(self, job: Job) -> Facts:
        is_compiling = self.clock.is_compiling(job)
        return Facts(
            ending=self.ending,
            mode=job.spec.mode,
            limits=job.compile_limits if is_compiling and job.compile_limits else job.limits,
            is_compiling=is_compiling,
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
