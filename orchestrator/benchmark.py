"""Measures the warm path on this machine, as ratios within one run. Sits on the service, used by the CLI.

Every sample has a container that was never used before; between samples the pool is let fill up and settle,
so that a sample measures the path and not the making of the next container.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from orchestrator.backends.frames import encode_frame
from orchestrator.domain.container import ContainerState
from orchestrator.domain.errors import BackendError, ConfigurationError, InternalError
from orchestrator.domain.job import JobSpec, Mode
from orchestrator.domain.outcome import JobResult, Outcome
from orchestrator.domain.runtime import Runtime
from orchestrator.policies.hardening import PROGRAM_FOLDER
from orchestrator.pool.pool import PoolStatistics
from orchestrator.scheduler.run import Job, job_frame, run_frame
from orchestrator.service import Orchestrator

__all__ = ("Figures", "RuntimeReport", "measure_deadlines", "measure_throughput", "measure_warm_path")

TRIVIAL_CODE = {
    "JavaScript": "output = input.x + 1",
    "Python": 'output = input["x"] + 1',
    "Bash": "echo 42",
    "C": '#include <stdio.h>\nint main(void) { puts("42"); }',
    "Go": 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println(42) }',
    "Lua": "print(42)",
    "Ruby": "puts 42",
}
"""By language: the answer is the output, or in program mode what is printed."""
ENDLESS_CODE = {
    "JavaScript": "for (;;) {}",
    "Python": "while True: pass",
    "Bash": "while :; do :; done",
    "C": "int main(void) { for (volatile int n = 0;; n++); }",
    "Go": "package main\n\nfunc main() { for { } }",
    "Lua": "while true do end",
    "Ruby": "loop {}",
}
LOOP_MS = 200
TRIVIAL_INPUT = '{"x":41}'
TRIVIAL_ANSWER = "42"
PING = {"type": "ping", "nonce": "bench"}
SETTLE_SECONDS = 0.3
WARM_WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Percentiles of one series, in milliseconds."""

    p50: float
    p95: float
    p99: float
    samples: int

    @classmethod
    def of(cls, samples: list[float]) -> Figures:
        """The figures of a series of milliseconds."""
        cuts = statistics.quantiles(samples, n=100, method="inclusive")
        return cls(p50=cuts[49], p95=cuts[94], p99=cuts[98], samples=len(samples))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeReport:
    """One runtime's figures."""

    runtime: str
    execute: Figures
    """`Orchestrator.execute` of a trivial job."""
    runner: Figures
    """The same job written to and read from the stream of a warm container, nothing around it."""
    round_trip: Figures
    """A ping on such a stream."""
    docker_run: Figures | None
    """The same job through `docker run` of the same image; None without a docker command."""

    @property
    def added_by_us_ms(self) -> float:
        """What the orchestrator adds to the runner's own time, at the median."""
        return self.execute.p50 - self.runner.p50

    @property
    def times_faster_than_docker_run(self) -> float | None:
        """How many times `docker run` takes as long, at the median."""
        return self.docker_run.p50 / self.execute.p50 if self.docker_run else None


async def measure_warm_path(
    orchestrator: Orchestrator,
    runtime: Runtime,
    *,
    samples: int,
    docker_samples: int,
    progress: Callable[[str], None],
) -> RuntimeReport:
    """Measure one runtime. Raises InternalError if any answer was wrong, ConfigurationError as `trivial_job`."""
    meter = _Meter(orchestrator, runtime, progress, orchestrator.accept(trivial_job(runtime)))
    # Interleaved, so that a machine that changes its pace changes it for all.
    execute, runner, round_trip = [], [], []
    for number in range(samples):
        progress(f"{runtime.name}: sample {number + 1} of {samples}")
        execute.append(await meter.execute())
        runner.append(await meter.bare_stream(job_frame(meter.job), expect="result"))
        round_trip.append(await meter.bare_stream(encode_frame(PING), expect="pong"))
    return RuntimeReport(
        runtime=runtime.name,
        execute=Figures.of(execute),
        runner=Figures.of(runner),
        round_trip=Figures.of(round_trip),
        docker_run=await meter.docker_runs(docker_samples),
    )


async def measure_deadlines(
    orchestrator: Orchestrator, runtime: Runtime, *, samples: int, progress: Callable[[str], None]
) -> Figures:
    """Milliseconds from the deadline of an endless loop to its reported end, the container verified dead.

    Raises InternalError if any loop ended otherwise, ConfigurationError as `trivial_job`.
    """
    limits = replace(orchestrator.default_limits, wall_time_ms=LOOP_MS, cpu_time_ms=LOOP_MS * 10)
    spec = replace(trivial_job(runtime), code=ENDLESS_CODE[runtime.language], limits=limits)
    late = []
    for number in range(samples):
        progress(f"{runtime.name}: loop {number + 1} of {samples}")
        result = await orchestrator.execute(spec)
        if result.outcome is not Outcome.WALL_TIME_LIMIT:
            raise InternalError(f"a sample went wrong: {result}")
        late.append(result.timing.run_ms + result.timing.collect_ms - LOOP_MS)
    return Figures.of(late)


async def measure_throughput(
    orchestrator: Orchestrator, runtime: Runtime, *, seconds: float, callers: int
) -> float:
    """Trivial jobs per second, by so many callers of one tenant that each ask again as soon as they are answered.

    Raises InternalError if any job gave a wrong answer, ConfigurationError as `trivial_job`.
    """
    spec = trivial_job(runtime)
    await orchestrator.wait_until_warm(within_seconds=WARM_WITHIN_SECONDS)
    began = _now()

    async def call() -> int:
        done = 0
        while _now() < began + seconds:
            result = await orchestrator.execute(spec, tenant="bench")
            if not _is_right(result):
                raise InternalError(f"a sample went wrong: {result}")
            done += 1
        return done

    done = await asyncio.gather(*(call() for _ in range(callers)))
    return sum(done) / (_now() - began)


def trivial_job(runtime: Runtime) -> JobSpec:
    """The least that a runtime can do. Raises ConfigurationError for a language that nothing is known of here."""
    code = TRIVIAL_CODE.get(runtime.language)
    if code is None:
        raise ConfigurationError(
            f"bench has no program in {runtime.language}; name runtimes of {', '.join(TRIVIAL_CODE)} in"
            " SANDBOX_ORCH_RUNTIMES"
        )
    if Mode.FUNCTION in runtime.modes:
        return JobSpec(runtime=runtime.name, code=code, input_json=TRIVIAL_INPUT)
    return JobSpec(runtime=runtime.name, code=code, mode=Mode.PROGRAM)


def _is_right(result: JobResult) -> bool:
    return result.success and TRIVIAL_ANSWER in (str(result.output), result.stdout.text.strip())


@dataclass(frozen=True, slots=True)
class _Meter:
    orchestrator: Orchestrator
    runtime: Runtime
    progress: Callable[[str], None]
    job: Job

    async def execute(self) -> float:
        await self._settle()
        spec = self.job.spec
        began = time.perf_counter()
        result = await self.orchestrator.execute(spec)
        took = time.perf_counter() - began
        if not _is_right(result) or result.container is None or not result.container.warm:
            raise InternalError(f"a sample went wrong: {result}")
        return took * 1000

    async def bare_stream(self, frame: bytes, *, expect: str) -> float:
        """One frame and its answer, straight on the stream of a never-used container.

        What it prints comes before its answer; a compiled program waits for a word in between.
        """
        limits = self.runtime.compile_limits or self.orchestrator.default_limits
        said = ""
        await self._settle()
        async with self.orchestrator.pool.lease(
            self.runtime.name, deadline=_now() + WARM_WITHIN_SECONDS
        ) as lease:
            began = time.perf_counter()
            lease.inject(frame, limits)
            while (answer := await lease.receive()) is not None:
                said += str(answer)
                if answer["type"] == expect:
                    break
                if answer["type"] == "compiled":
                    lease.send(run_frame(self.job))
            took = time.perf_counter() - began
        if answer is None or (expect == "result" and TRIVIAL_ANSWER not in said):
            raise InternalError(f"a sample went wrong: {said[:1000]}")
        return took * 1000

    async def docker_runs(self, samples: int) -> Figures | None:
        docker = shutil.which("docker")
        if docker is None or not samples:
            return None
        took = []
        for number in range(samples):
            self.progress(f"{self.runtime.name}: docker run {number + 1} of {samples}")
            await self._settle()
            took.append(await self._docker_run(docker))
        return Figures.of(took)

    async def _docker_run(self, docker: str) -> float:
        """`docker run`, from nothing to the same answer by the same runner."""
        argv = ("run", "--rm", "-i", "--network", "none", "--log-driver", "none")
        limits = ("--tmpfs", "/work", "--tmpfs", "/tmp")  # noqa: S108
        compiled = ("--tmpfs", f"{PROGRAM_FOLDER}:exec") if self.runtime.compile_limits else ()
        runner = (
            "--entrypoint",
            self.runtime.runner_argv[0],
            self.runtime.image,
            *self.runtime.runner_argv[1:],
        )
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            docker, *argv, *limits, *compiled, *runner,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        if process.stdin is None or process.stdout is None:
            raise InternalError("no pipes to docker run")
        process.stdin.write(job_frame(self.job))
        body = b""
        while b'"result"' not in body:
            try:
                (length,) = struct.unpack(">L", await process.stdout.readexactly(4))
                body = await process.stdout.readexactly(length)
                if b'"compiled"' in body:
                    process.stdin.write(run_frame(self.job))
            except asyncio.IncompleteReadError:
                raise BackendError("`docker run` of the image gave no answer", step="bench") from None
        took = time.perf_counter() - began
        process.stdin.close()
        await process.wait()
        return took * 1000

    async def _settle(self) -> None:
        await self.orchestrator.wait_until_warm(within_seconds=WARM_WITHIN_SECONDS)
        busy = True
        while busy:
            busy = _is_busy(self.orchestrator.statistics())
            await asyncio.sleep(SETTLE_SECONDS)


def _is_busy(pool: PoolStatistics) -> bool:
    """Whether containers are being made or removed."""
    return any(
        states.get(ContainerState.PROVISIONING) or states.get(ContainerState.RETIRING)
        for states in pool.states.values()
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
