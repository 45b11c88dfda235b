"""`scheduler/run.py` over the fake backend: one job's life, and every way in which it can end."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from making import ok_payload, result_frame, stream_frame
from pools import PROFILE_DIGEST, RUNTIME, TelemetryNotes, fake_behind, fake_pool, reuse_settings, settle

from orchestrator.backends.base import Counters
from orchestrator.backends.fake import FakeBackend, FakeContainer, echo
from orchestrator.domain.errors import ContainerGone, EngineRefused, EngineUnavailable, PoolClosed
from orchestrator.domain.job import JobSpec, Mode
from orchestrator.domain.limits import MIB, Limits
from orchestrator.domain.outcome import JobResult, LimitHit, Outcome, StreamText
from orchestrator.pool.pool import WarmPool
from orchestrator.scheduler.run import MAX_ATTEMPTS, Job, JobRunner, job_frame

pytestmark = pytest.mark.virtual_time


def now() -> float:
    return asyncio.get_running_loop().time()


def make_job(
    *, limits: Limits | None = None, made_to_measure=False, wait_seconds=30.0, compile_limits=None, **spec
) -> Job:
    values = {"runtime": RUNTIME, "code": "output = input", "input_json": '{"x": 1}'}
    return Job(
        id="the-job",
        spec=JobSpec(**{**values, **spec}),
        limits=limits or Limits(),
        made_to_measure=made_to_measure,
        start_by=now() + wait_seconds,
        accepted_at=now(),
        compile_limits=compile_limits,
    )


@dataclass
class House:
    """A runner of jobs on a pool on a fake backend."""

    backend: FakeBackend
    pool: WarmPool
    runner: JobRunner
    telemetry: TelemetryNotes

    async def run(self, job: Job | None = None) -> JobResult:
        return await self.runner.run(job or make_job())

    async def start(self, job: Job | None = None) -> tuple[asyncio.Task[JobResult], FakeContainer]:
        """A job that runs on the one container that there is, and that container."""
        await settle()
        (container,) = self.backend.containers.values()
        task = asyncio.create_task(self.run(job))
        while not container.jobs:
            await asyncio.sleep(0)
        return task, container


@asynccontextmanager
async def open_house(backend: FakeBackend | None = None, *, cpus=1.0, **pool_options):
    backend, telemetry = backend or FakeBackend(), TelemetryNotes()
    async with fake_pool(backend, telemetry=telemetry, **pool_options) as pool:
        await settle()
        runner = JobRunner(pool=pool, telemetry=telemetry, cpus=cpus)
        yield House(backend, pool, runner, telemetry)


def answering(*frames) -> FakeBackend:
    """A backend whose runner answers every job with these frames; None is the end of its stream."""
    return FakeBackend(answer=lambda _job: list(frames))


def silent() -> FakeBackend:
    """A backend whose runner says nothing."""
    return answering()


# -- the good way --------------------------------------------------------------------------------------


async def test_a_job_gives_its_output():
    """The output is what the runner's payload says, from the container that was leased."""
    async with open_house() as house:
        result = await house.run()
        assert (result.outcome, result.output, result.id) == (Outcome.SUCCEEDED, {"x": 1}, "the-job")
        assert result.container is not None
        assert result.container.warm
        assert result.container.image_digest == "sha256:fake"
        assert result.container.profile_digest == PROFILE_DIGEST
        assert result.attempts == 1
        await settle()
        assert result.container.id not in house.backend.containers, "a used container is retired"


async def test_the_container_is_narrowed_to_the_job_before_it_runs():
    """The job's own limits are set on the container that runs it."""
    limits = Limits(memory_bytes=7 * MIB)
    async with open_house() as house, house.pool.lease(RUNTIME, deadline=now()) as lease:
        lease.inject(job_frame(make_job(limits=limits)), limits)
        assert fake_behind(lease).narrowed_to == [limits]


async def test_the_job_frame_is_as_the_protocol_has_it():
    """Every field of docs/protocol.md is there, in its form."""
    job = make_job(
        mode=Mode.PROGRAM,
        input_json="null",
        code="print(1)",
        stdin="in",
        args=("-x",),
        files={"a.txt": b"\0\xff"},
    )
    frame = json.loads(job_frame(job)[4:])
    limits = frame.pop("limits")
    assert frame == {
        "type": "job",
        "job": "the-job",
        "mode": "program",
        "code": "print(1)",
        "input": "null",
        "entrypoint": None,
        "allowed_globals": None,
        "stdin": "in",
        "args": ["-x"],
        "files": {"a.txt": base64.b64encode(b"\0\xff").decode()},
    }
    assert Limits(**limits) == job.limits


async def test_a_program_gives_its_exit_code_streams_and_files():
    """Program mode: everything that the frames say comes back."""
    files = {"out.bin": base64.b64encode(b"\0").decode()}
    backend = answering(
        stream_frame("the-job", "hello "),
        stream_frame("the-job", "oops", name="stderr"),
        stream_frame("the-job", "you"),
        result_frame("the-job", how="exited", exit_code=0, files=files),
    )
    async with open_house(backend) as house:
        result = await house.run(make_job(mode=Mode.PROGRAM, input_json="null"))
        assert (result.outcome, result.exit_code) == (Outcome.SUCCEEDED, 0)
        assert result.stdout == StreamText(text="hello you", bytes_total=9)
        assert result.stderr == StreamText(text="oops", bytes_total=4)
        assert result.files == {"out.bin": b"\0"}


async def test_usage_is_what_the_hosts_clock_and_the_kernel_say():
    """Nothing of it comes from the process that ran the code."""
    async with open_house(silent()) as house:
        task, container = await house.start()
        container.readings = Counters(cpu_ns=7_500_000, memory_peak_bytes=4096)
        await asyncio.sleep(0.1)
        container._push(result_frame("the-job", payload=ok_payload(None), usage={"wall_ms": 0}))
        result = await task
        assert result.usage.wall_ms == pytest.approx(100)
        assert (result.usage.cpu_ms, result.usage.memory_peak_bytes) == (7.5, 4096)
        assert result.timing.run_ms == result.usage.wall_ms
        assert result.timing.total_ms >= result.timing.run_ms + result.timing.lease_ms


async def test_a_job_above_the_ceiling_gets_a_container_of_its_own():
    """Made to measure: the result says that it was not warm."""
    limits = Limits(memory_bytes=512 * MIB)
    async with open_house() as house:
        result = await house.run(make_job(limits=limits, made_to_measure=True))
        assert result.success
        assert result.container is not None
        assert not result.container.warm
        assert limits.memory_bytes in [spec.memory_bytes for spec in house.backend.launched]


# -- every other way ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "outcome"),
    [
        ({"payload": '{"status":"error","error":{"name":"E","message":"m"}}'}, Outcome.ERROR),
        (
            {"payload": '{"status":"invalid_output","error":{"name":"Date","message":"m"}}'},
            Outcome.INVALID_OUTPUT,
        ),
        ({"payload": "nonsense"}, Outcome.INVALID_OUTPUT),
        ({"how": "memory_limit", "observed": 99}, Outcome.MEMORY_LIMIT),
        ({"how": "output_limit", "observed": 99}, Outcome.OUTPUT_LIMIT),
        ({"how": "signalled", "signal": 25}, Outcome.DISK_LIMIT),
        ({"how": "signalled", "signal": 24}, Outcome.CPU_TIME_LIMIT),
        ({"how": "exited", "exit_code": 0}, Outcome.KILLED),
        ({"how": "conquered"}, Outcome.KILLED),
    ],
)
async def test_the_outcomes_that_a_result_frame_can_bring(frame, outcome):
    """What the frame writer says is judged; the printed text survives."""
    backend = answering(stream_frame("the-job", "before"), result_frame("the-job", **frame))
    async with open_house(backend) as house:
        result = await house.run()
        assert result.outcome is outcome
        assert not result.success
        assert result.error is not None
        assert result.stdout.text == "before"


@pytest.mark.parametrize(
    ("readings", "frame", "outcome"),
    [
        (Counters(oom_kills=1), {"how": "signalled", "signal": 9}, Outcome.MEMORY_LIMIT),
        (Counters(pids_refused=1), {"payload": '{"status":"error"}'}, Outcome.PROCESS_LIMIT),
    ],
)
async def test_the_outcomes_that_the_kernels_counters_bring(readings, frame, outcome):
    """Counters are read before the verdict, with the container still there."""
    async with open_house(silent()) as house:
        task, container = await house.start()
        container.readings = readings
        container._push(result_frame("the-job", **frame))
        assert (await task).outcome is outcome


async def test_at_the_deadline_the_container_is_killed():
    """A silent runner is ended by the host's clock, exactly at the limit, and what it printed is kept."""
    async with open_house(answering(stream_frame("the-job", "partial"))) as house:
        task, container = await house.start(make_job(limits=Limits(wall_time_ms=300)))
        result = await task
        assert container.is_dead
        assert result.outcome is Outcome.WALL_TIME_LIMIT
        assert result.limit == LimitHit(name="wall_time_ms", configured=300, observed=300)
        assert result.usage.wall_ms == pytest.approx(300, abs=1)
        assert result.stdout.text == "partial"


async def test_a_silence_behind_a_hanging_engine_is_not_the_jobs():
    """The deadline passes, but the engine that carries the stream answers nobody: the job is run again, then told as ours."""
    async with open_house(silent()) as house:
        house.backend.is_hanging = True
        result = await house.run(make_job(limits=Limits(wall_time_ms=300)))
    assert (result.outcome, result.attempts) == (Outcome.INTERNAL_ERROR, MAX_ATTEMPTS)
    assert result.error.name == "EngineUnavailable"
    assert "does not answer" in result.error.message


async def test_a_job_that_met_a_hanging_engine_is_run_again():
    """Once the engine is back the same job has its result, once."""
    async with open_house(silent()) as house:
        house.backend.is_hanging = True
        task, first = await house.start(make_job(limits=Limits(wall_time_ms=300)))
        house.backend.answer = echo
        result = await task
    assert (result.outcome, result.attempts) == (Outcome.SUCCEEDED, 2)
    assert first.is_dead
    assert result.container.id != first.id


async def test_a_chatty_job_does_not_put_off_its_deadline():
    """Frames that keep coming buy no time."""
    async with open_house(silent()) as house:
        task, container = await house.start(make_job(limits=Limits(wall_time_ms=300)))
        while not task.done():
            container._push(stream_frame("the-job", "x"))
            await asyncio.sleep(0.05)
        assert task.result().usage.wall_ms == pytest.approx(300, abs=1)


async def test_the_cpu_limit_is_kept_by_the_kernels_counter():
    """With CPU time used up before the deadline, the container is killed then."""
    async with open_house(silent(), cpus=2.0) as house:
        limits = Limits(wall_time_ms=10_000, cpu_time_ms=400)
        task, container = await house.start(make_job(limits=limits))
        began = now()
        while not task.done():
            # Two CPUs' worth: 400 ms are used up after 200 ms.
            container.readings = Counters(cpu_ns=int((now() - began) * 2e9))
            await asyncio.sleep(0.001)
        result = task.result()
        assert container.is_dead
        assert result.outcome is Outcome.CPU_TIME_LIMIT
        assert result.limit is not None
        assert result.limit.configured == 400
        assert 200 <= result.usage.wall_ms < 220


async def test_a_sleeping_job_meets_its_deadline_not_its_cpu_limit():
    """CPU time that is not used is not counted, however long it takes."""
    async with open_house(silent()) as house:
        task, container = await house.start(make_job(limits=Limits(wall_time_ms=1000, cpu_time_ms=50)))
        container.readings = Counters(cpu_ns=1_000_000)
        assert (await task).outcome is Outcome.WALL_TIME_LIMIT


async def test_without_a_counter_only_the_deadline_ends_a_job():
    """A host that cannot say how much CPU was used does not guess."""
    async with open_house(silent()) as house:
        task, _ = await house.start(make_job(limits=Limits(wall_time_ms=1000, cpu_time_ms=50)))
        result = await task
        assert (result.outcome, result.usage.cpu_ms) == (Outcome.WALL_TIME_LIMIT, None)


@pytest.mark.parametrize(
    "frame",
    [
        result_frame("another-job", payload=ok_payload(1)),
        stream_frame("another-job", "x"),
        {"type": "result", "how": "returned", "payload": ok_payload(1)},
        {"type": "pong", "nonce": "1"},
        {"type": "ready", "job": "the-job"},
        {"type": "stream", "job": "the-job", "name": "stdlog", "text": "x", "bytes": 1},
    ],
    ids=["result of another job", "stream of another job", "no job", "pong", "ready", "malformed stream"],
)
async def test_frames_that_have_no_place_spoil_the_protocol(frame):
    """The job is killed with the reason, and nothing of the frame is believed."""
    async with open_house(answering(frame)) as house:
        task, container = await house.start()
        result = await task
        assert container.is_dead
        assert (result.outcome, result.output) == (Outcome.KILLED, None)
        assert result.error is not None
        assert result.error.name == "ProtocolError"


async def test_only_the_first_result_counts():
    """Whatever comes after it reaches nobody."""
    backend = answering(
        result_frame("the-job", payload=ok_payload("first")),
        result_frame("the-job", payload=ok_payload("second")),
    )
    async with open_house(backend) as house:
        assert (await house.run()).output == "first"


@pytest.mark.parametrize(
    ("exit_code", "readings", "outcome"),
    [
        (1, Counters(), Outcome.KILLED),
        (137, Counters(), Outcome.KILLED),
        (137, Counters(oom_kills=1), Outcome.MEMORY_LIMIT),
    ],
)
async def test_a_runner_that_ends_without_a_result_was_killed_by_its_job(exit_code, readings, outcome):
    """With its container still there it was the code; the exit code comes from the engine."""
    async with open_house(silent()) as house:
        task, container = await house.start()
        container.exit_code, container.readings = exit_code, readings
        container.die()
        result = await task
        assert (result.outcome, result.exit_code, result.attempts) == (outcome, exit_code, 1)


async def test_a_malformed_file_is_our_error():
    """Files are written by the frame writer: that they are no base64 is no tenant's fault."""
    async with open_house(
        answering(result_frame("the-job", how="exited", exit_code=0, files={"a": "*"}))
    ) as house:
        result = await house.run(make_job(mode=Mode.PROGRAM, input_json="null"))
        assert result.outcome is Outcome.INTERNAL_ERROR


async def test_cancelling_the_caller_ends_the_job():
    """Nobody waits any more: the container is retired, and the job is not run again."""
    async with open_house(silent()) as house:
        task, container = await house.start()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle()
        assert container.id not in house.backend.containers
        assert house.telemetry.count("job_rerun") == 0


# -- when our own side fails ------------------------------------------------------------------------


def vanishing(times: int) -> FakeBackend:
    """A backend whose containers vanish under the first so many jobs."""
    backend = FakeBackend()

    def answer(job):
        nonlocal times
        if times <= 0:
            return [result_frame(str(job["job"]), payload=ok_payload("made it"))]
        times -= 1
        for container_id, container in list(backend.containers.items()):
            if container.jobs:
                del backend.containers[container_id]
        return [None]

    backend.answer = answer
    return backend


@pytest.mark.parametrize("times", range(1, MAX_ATTEMPTS))
async def test_a_job_whose_container_vanished_is_run_again(times):
    """On a fresh container, with the same id, and reported once."""
    async with open_house(vanishing(times)) as house:
        result = await house.run()
        assert (result.outcome, result.output) == (Outcome.SUCCEEDED, "made it")
        assert result.attempts == times + 1
        assert house.telemetry.count("job_rerun") == times
        assert house.telemetry.count("job_finished") == 1


async def test_a_container_that_died_of_its_jobs_memory_is_no_failure_of_ours():
    """gVisor's kernel dies as a whole where the host's memory limit is met: the job's doing, and not run again."""
    async with open_house(silent()) as house:
        task, container = await house.start()
        container.readings = Counters(oom_kills=1, memory_peak_bytes=20 * MIB)
        del house.backend.containers[container.id]
        container.die()
        result = await task
    assert (result.outcome, result.attempts) == (Outcome.MEMORY_LIMIT, 1)
    assert result.limit.observed == 20 * MIB


async def test_after_three_attempts_it_is_our_error():
    """Infrastructure that fails every time is internal_error, never the tenant's fault."""
    async with open_house(vanishing(99)) as house:
        result = await house.run()
        assert (result.outcome, result.attempts) == (Outcome.INTERNAL_ERROR, MAX_ATTEMPTS)
        assert result.error is not None
        assert result.error.name == "ContainerGone"
        assert house.telemetry.count("job_finished") == 1


@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        (ContainerGone("gone"), MAX_ATTEMPTS),
        (EngineUnavailable("away"), MAX_ATTEMPTS),
        (EngineRefused("no"), 1),
    ],
)
async def test_only_what_may_pass_is_tried_again(error, attempts):
    """A refusal stays one; an engine that is away may come back."""
    backend = FakeBackend(launch_error=error)
    async with open_house(backend, targets={RUNTIME: 0}) as house:
        result = await house.run(make_job(made_to_measure=True, wait_seconds=600.0))
        assert (result.outcome, result.attempts) == (Outcome.INTERNAL_ERROR, attempts)


async def test_a_job_that_never_got_a_container_has_expired():
    """At its start-by time it is given up, with the reason."""
    backend = FakeBackend(launch_error=EngineUnavailable("the engine is down"))
    async with open_house(backend) as house:
        began = now()
        result = await house.run(make_job(wait_seconds=5.0))
        assert now() == pytest.approx(began + 5)
        assert (result.outcome, result.container) == (Outcome.EXPIRED, None)
        assert result.error is not None
        assert "the engine is down" in result.error.message
        assert result.timing.total_ms == pytest.approx(5000)


async def test_a_job_can_expire_while_it_waits_to_be_run_again():
    """The start-by time holds for every attempt."""
    backend = vanishing(1)
    async with open_house(backend) as house:
        task, _ = await house.start(make_job(wait_seconds=5.0))
        backend.launch_error = EngineUnavailable("down")
        for container in list(backend.containers.values()):
            container.die()
        result = await task
        assert result.outcome in (Outcome.EXPIRED, Outcome.INTERNAL_ERROR)


async def test_a_closed_pool_is_told_to_the_caller():
    """PoolClosed is no outcome of the job: it was not accepted."""
    async with open_house() as house:
        await house.pool.close()
        with pytest.raises(PoolClosed):
            await house.run()


# -- containers kept for one tenant ----------------------------------------------------------------------


def job_of(tenant: str | None, **fields) -> Job:
    """A job that may run in a container its tenant has used."""
    return replace(make_job(**fields), tenant=tenant, reuse=True)


async def test_a_tenants_second_job_runs_in_the_same_container_and_says_so():
    """The receipt tells a used container from a never-used one; both are narrowed to their job."""
    limits = Limits(memory_bytes=9 * MIB)
    async with open_house(reuse=reuse_settings()) as house:
        first = await house.run(job_of("ada"))
        await settle()
        second = await house.run(job_of("ada", limits=limits))
        assert first.container is not None
        assert second.container is not None
        assert first.container.id == second.container.id
        assert (first.container.reused, second.container.reused) == (False, True)
        assert house.backend.containers[first.container.id].narrowed_to == [Limits(), limits]


@pytest.mark.parametrize(
    ("frame", "is_kept"),
    [
        ({"how": "returned", "payload": ok_payload(1)}, True),
        ({"how": "returned", "payload": '{"status":"error","error":{"name":"E","message":"no"}}'}, True),
        (
            {
                "how": "returned",
                "payload": '{"status":"invalid_output","error":{"name":"set","message":"no"}}',
            },
            True,
        ),
        ({"how": "signalled", "signal": 9}, False),
        ({"how": "exited", "exit_code": 0}, False),
        ({"how": "memory_limit", "observed": 1}, False),
        ({"how": "output_limit", "observed": 1}, False),
        ({"how": "returned", "payload": ok_payload(1), "disk_used": 2**40}, False),
        ({"how": "no such thing"}, False),
    ],
)
async def test_only_a_job_that_ended_by_itself_has_its_container_looked_at(frame, is_kept):
    """A limit, a kill, a broken protocol: its container is retired without an inspection."""
    async with open_house(answering(result_frame("the-job", **frame)), reuse=reuse_settings()) as house:
        result = await house.run(job_of("ada"))
        await settle()
        assert result.container is not None
        assert (result.container.id in house.backend.containers) is is_kept


@pytest.mark.parametrize("readings", [Counters(oom_kills=1), Counters(pids_refused=1)])
async def test_a_job_that_met_a_limit_of_the_kernel_is_its_containers_last(readings):
    """Also where it went on and ended well."""
    async with open_house(reuse=reuse_settings()) as house:
        (container,) = house.backend.containers.values()
        container.readings = readings
        result = await house.run(job_of("ada"))
        await settle()
        assert result.outcome is Outcome.SUCCEEDED
        assert container.id not in house.backend.containers


async def test_a_deadline_is_its_containers_last():
    """It was killed."""
    async with open_house(silent(), reuse=reuse_settings()) as house:
        result = await house.run(job_of("ada"))
        await settle()
        assert result.outcome is Outcome.WALL_TIME_LIMIT
        assert result.container is not None
        assert result.container.id not in house.backend.containers


async def test_a_job_that_lost_a_kept_container_runs_again_on_a_never_used_one():
    """Whatever was wrong with the old one."""
    async with open_house(reuse=reuse_settings()) as house:
        first = await house.run(job_of("ada"))
        await settle()
        assert first.container is not None
        kept = house.backend.containers[first.container.id]
        house.backend.answer = lambda _job: []
        task = asyncio.create_task(house.run(job_of("ada")))
        await settle()
        assert len(kept.jobs) == 2
        house.backend.answer = echo
        await house.backend.remove(kept.id)
        second = await task
        assert (second.outcome, second.attempts) == (Outcome.SUCCEEDED, 2)
        assert second.container is not None
        assert second.container.id != kept.id
        assert not second.container.reused


# -- a source that is compiled first --------------------------------------------------------------------

COMPILE = Limits(wall_time_ms=5000, cpu_time_ms=4000, memory_bytes=200 * MIB)
PROGRAM_JOB = {"mode": Mode.PROGRAM, "input_json": "null", "compile_limits": COMPILE}
EXITED = result_frame("the-job", how="exited", exit_code=0)


def compiler(*, compiled=None, ran=()) -> FakeBackend:
    """A backend whose runner answers a `job` with `compiled`, and `run` with `ran`."""
    said = {"type": "compiled", "job": "the-job", "disk_used": 3 * MIB} if compiled is None else compiled
    return FakeBackend(answer=lambda frame: list(ran) if frame["type"] == "run" else [said] if said else [])


async def test_a_program_starts_only_when_the_host_has_set_its_limits():
    """First the compiler's limits, then, on `compiled`, the job's own and the word `run`."""
    async with open_house(compiler(ran=[stream_frame("the-job", "hi"), EXITED])) as house:
        await settle()
        (container,) = house.backend.containers.values()
        limits = Limits(memory_bytes=7 * MIB)
        result = await house.run(make_job(limits=limits, **PROGRAM_JOB))
        assert (result.outcome, result.stdout.text, result.exit_code) == (Outcome.SUCCEEDED, "hi", 0)
        assert container.narrowed_to == [COMPILE, limits]
        assert container.left_bytes == 3 * MIB
        assert [frame["type"] for frame in container.jobs] == ["job", "run"]
        assert container.jobs[0]["compile"] == {"cpu_time_ms": 4000}
        assert container.jobs[1] == {"type": "run", "job": "the-job"}
        assert result.timing.compiled_ms is not None


async def test_where_the_hosts_files_are_out_of_reach_the_engine_sets_the_programs_limits():
    """After compiling and before the word `run`: what the compiler may use is not the program's."""
    backend = compiler(ran=[EXITED])
    backend.files_in_reach = False
    async with open_house(backend) as house:
        await settle()
        (container,) = house.backend.containers.values()
        limits = Limits(memory_bytes=7 * MIB)
        await house.run(make_job(limits=limits, **PROGRAM_JOB))
        assert (container.narrowed_to, container.left_bytes) == ([limits], 3 * MIB)


async def test_both_deadlines_are_the_hosts_own():
    """A compiler that never ends is killed at its own; a program at its own, counted from `compiled` on."""
    async with open_house(compiler(compiled={})) as house:
        began = now()
        result = await house.run(make_job(**PROGRAM_JOB))
        assert (result.outcome, result.limit) == (
            Outcome.WALL_TIME_LIMIT,
            LimitHit(name="compile.wall_time_ms", configured=5000, observed=5000),
        )
        assert now() - began == pytest.approx(5.0)
        assert result.timing.compiled_ms is None
    async with open_house(compiler()) as house:
        began = now()
        result = await house.run(make_job(**PROGRAM_JOB))
        assert result.limit == LimitHit(name="wall_time_ms", configured=500, observed=500)
        assert now() - began == pytest.approx(0.5)


async def test_a_runner_that_reports_an_early_end_of_compiling_gains_nothing():
    """`compiled` twice, or where nothing is compiled, is a broken protocol."""
    again = {"type": "compiled", "job": "the-job"}
    async with open_house(compiler(ran=[again])) as house:
        result = await house.run(make_job(**PROGRAM_JOB))
        assert (result.outcome, result.error.name) == (Outcome.KILLED, "ProtocolError")
    async with open_house(answering(again)) as house:
        result = await house.run()
        assert (result.outcome, result.error.name) == (Outcome.KILLED, "ProtocolError")


@pytest.mark.parametrize(("left", "taken"), [(None, 0), ("x", 0), (-5, 0), (2**60, 200 * MIB)])
async def test_what_a_compiler_left_is_believed_within_bounds(left, taken):
    """The figure comes from the container: it can never give a job more memory than compiling may use."""
    said = {"type": "compiled", "job": "the-job", "disk_used": left}
    async with open_house(compiler(compiled=said, ran=[EXITED])) as house:
        await settle()
        (container,) = house.backend.containers.values()
        await house.run(make_job(**PROGRAM_JOB))
        assert container.left_bytes == taken


async def test_a_compiler_that_fails_is_the_jobs_end():
    """The program is never asked to run."""
    failed = result_frame("the-job", how="compile_failed", exit_code=1)
    async with open_house(compiler(compiled=failed)) as house:
        await settle()
        (container,) = house.backend.containers.values()
        result = await house.run(make_job(**PROGRAM_JOB))
        assert (result.outcome, result.error.name) == (Outcome.ERROR, "CompileError")
        assert [frame["type"] for frame in container.jobs] == ["job"]


async def test_the_job_frame_of_other_languages_says_nothing_of_compiling():
    """Nothing of it is on the way of those who do not need it."""
    assert "compile" not in json.loads(job_frame(make_job())[4:])
