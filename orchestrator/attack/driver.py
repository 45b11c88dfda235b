"""Attack floor: runs attack programs as ordinary jobs, and looks at the host after every one.

Meanwhile a container of every runtime is held by another tenant: it must keep answering, in time, and at
the end still compute. Before anything is believed, each runtime has to give one right answer: where none
can, every attempt fails, also those that would have been refused at the edge.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from orchestrator.attack.corpus import AttackProgram
from orchestrator.attack.expectations import (
    OUTPUT_MARK,
    Judgement,
    Observation,
    Verdict,
    judge,
    observe,
    refused,
)
from orchestrator.attack.report import Attempt, Report
from orchestrator.attack.witness import HostState, Witness
from orchestrator.backends.frames import encode_frame
from orchestrator.bootstrap import open_engine, open_orchestrator
from orchestrator.config import Settings
from orchestrator.domain.debug import DebugOptions
from orchestrator.domain.errors import BackendError, CapacityError, InvalidJob
from orchestrator.domain.job import JobSpec, Mode
from orchestrator.domain.limits import KIB, MIB, Limits
from orchestrator.domain.outcome import JobResult, Outcome
from orchestrator.domain.runtime import Runtime
from orchestrator.pool.lease import Lease
from orchestrator.service import Orchestrator

__all__ = ("AttackPlan", "attack_this_host", "plan_attacks")

NEIGHBOUR_WITHIN_SECONDS = 5.0
WARM_WITHIN_SECONDS = 60.0
LIMITS = Limits(
    wall_time_ms=8_000,
    cpu_time_ms=8_000,
    memory_bytes=32 * MIB,
    output_bytes=256 * KIB,
    processes=16,
    disk_bytes=8 * MIB,
)
ENDLESS_MS = 1_200
"""Wall time of programs that may end by `timeout`; nearly all of these never end by themselves."""

EPILOGUES = {
    "Python": "\nimport json as _j; print('\\n%s' + _j.dumps(globals().get('output'), allow_nan=False,"
    " ensure_ascii=False), flush=True)\n",
    "JavaScript": "\n;if (typeof output !== 'undefined' && output && typeof output.then === 'function')"
    " output.then((v) => { output = v; }, (e) => { output = String(e); });\n"
    "process.on('exit', () => process.stdout.write('\\n%s'"
    " + JSON.stringify(typeof output === 'undefined' ? null : output) + '\\n'));\n",
}
"""What a program gets appended in program mode, where nobody asks for `output`: it prints its own, marked.

In languages without function mode the programs of the corpus print that line themselves.
"""

CANARIES = {
    "Python": "output = sum(n * n for n in range(input['n']))",
    "JavaScript": "let s = 0; for (let n = 0; n < input.n; n++) s += n * n; output = s;",
}
PROGRAM_CANARIES = {
    "Bash": 's=0; for ((n = 0; n < 1000; n++)); do s=$((s + n * n)); done; echo "%s$s"',
    "C": "#include <stdio.h>\nint main(void) { long s = 0; for (long n = 0; n < 1000; n++) s += n * n;"
    ' printf("%s%%ld\\n", s); }',
    "Go": 'package main\nimport "fmt"\nfunc main() { s := 0; for n := range 1000 { s += n * n };'
    ' fmt.Printf("%s%%d\\n", s) }',
    "Lua": "local s = 0; for n = 0, 999 do s = s + n * n end; print('%s' .. s)",
    "Ruby": "puts '%s' + (0...1000).sum { |n| n * n }.to_s",
}
"""The same question to runtimes without function mode."""
CANARY_INPUT, CANARY_OUTPUT = '{"n": 1000}', 332_833_500
PIPE_WATCH = """
import os, time
least = 1 << 30
for _ in range(100):
    r, w = os.pipe()
    os.set_blocking(w, False)
    held = 0
    try:
        while True:
            held += os.write(w, bytes(4096))
    except BlockingIOError:
        pass
    least = min(least, held)
    os.close(r)
    os.close(w)
    time.sleep(0.02)
output = least
"""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackPlan:
    """One attempt that is to be made."""

    program: AttackProgram
    mode: Mode
    runtime: str
    debug: DebugOptions | None = None

    def spec(self) -> JobSpec:
        """The attempt as a tenant would ask for it. Raises InvalidJob where that is refused at the edge."""
        program = self.program
        endless = any(one.word == "timeout" for one in program.expected[self.mode])
        limits = replace(LIMITS, wall_time_ms=ENDLESS_MS, cpu_time_ms=ENDLESS_MS) if endless else LIMITS
        if self.mode is Mode.FUNCTION:
            return JobSpec(
                runtime=self.runtime,
                code=program.code,
                input_json=program.input_json,
                limits=limits,
                debug=self.debug,
            )
        epilogue = EPILOGUES.get(program.language)
        code = program.code + epilogue % OUTPUT_MARK if epilogue else program.code
        return JobSpec(runtime=self.runtime, code=code, mode=Mode.PROGRAM, limits=limits, debug=self.debug)


def plan_attacks(
    programs: Iterable[AttackProgram],
    runtimes: Iterable[Runtime],
    modes: Iterable[Mode],
    debug: DebugOptions | None = None,
) -> tuple[tuple[AttackPlan, ...], ...]:
    """Every attempt, in sequences: a program that follows another comes right after it, in the same mode."""
    wanted = tuple(modes)
    offered = tuple(runtimes)
    sequences: dict[tuple[int, Mode, str], list[AttackPlan]] = {}
    for program in sorted(programs, key=lambda program: program.number):
        for runtime in offered:
            for mode in wanted:
                if program.language != runtime.language or mode not in program.modes & set(runtime.modes):
                    continue
                first = program.number if program.follows is None else program.follows
                plan = AttackPlan(program=program, mode=mode, runtime=runtime.name, debug=debug)
                sequences.setdefault((first, mode, runtime.name), []).append(plan)
    return tuple(tuple(sequence) for sequence in sequences.values())


async def attack_this_host(
    settings: Settings,
    programs: Sequence[AttackProgram],
    *,
    modes: Sequence[Mode] = tuple(Mode),
    at_once: int = 4,
    progress: Progress = lambda _text: None,
    debug: DebugOptions | None = None,
) -> Report:
    """Run `programs` on containers of this host, exactly as jobs get them; with `debug`, in debug mode.

    Raises BackendError only where no orchestrator can be opened; what goes wrong later is in the report.
    """
    # The containers are what is attacked: no validator in front of them.
    settings = settings.model_copy(update={"policy": "open", "policy_file": None})
    async with open_engine(settings) as engine:
        # The first uid is that of every PID 1; a job never has it.
        uids = range(settings.uid_first + 1, settings.uid_first + settings.uid_count)
        witness = Witness(engine, uids=uids)
        begun = _now()
        before = await witness.host_state()
        async with open_orchestrator(settings) as orchestrator:
            sequences = plan_attacks(programs, orchestrator.runtimes.values(), modes, debug)
            driver = _Driver(orchestrator, witness, asyncio.Semaphore(at_once), progress)
            await driver.run(sequences)
        after = await witness.host_state()
    return Report(
        attempts=tuple(sorted(driver.attempts, key=lambda one: (one.program.number, one.mode, one.runtime))),
        host_residues=(*driver.complaints, *after.residues_since(before)),
        disk_used_bytes=max(0, before.disk_free_bytes - after.disk_free_bytes),
        seconds=_now() - begun,
    )


@dataclass(slots=True)
class _Driver:
    """One run over all sequences."""

    orchestrator: Orchestrator
    witness: Witness
    turns: asyncio.Semaphore
    progress: Progress
    attempts: list[Attempt] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _answering: frozenset[str] = frozenset()
    _served: set[str] = field(default_factory=set)
    _neighbours: dict[str, _Neighbour] = field(default_factory=dict)

    async def run(self, sequences: Sequence[Sequence[AttackPlan]]) -> None:
        """Every sequence; then once more the questions of the beginning."""
        self._answering = await self._who_answers()
        async with AsyncExitStack() as neighbours:
            for name in sorted(self._answering):
                runtime = self.orchestrator.runtimes[name]
                self._neighbours[name] = await neighbours.enter_async_context(
                    _neighbour(self.orchestrator, runtime)
                )
            steady = await self._steady_state()
            async with asyncio.TaskGroup() as group:
                for sequence in sequences:
                    group.create_task(self._run_sequence(sequence, total=sum(map(len, sequences))))
            await self._compare(steady)
        for name in sorted(self._answering - await self._who_answers()):
            self.complaints.append(f"{name} gives no right answer any more")

    async def _who_answers(self) -> frozenset[str]:
        """The runtimes that give a right answer to an ordinary job."""
        runtimes = self.orchestrator.runtimes.values()
        right = await asyncio.gather(*(_answers_rightly(self.orchestrator, runtime) for runtime in runtimes))
        return frozenset(runtime.name for runtime, is_right in zip(runtimes, right, strict=True) if is_right)

    async def _steady_state(self) -> HostState | None:
        if self._answering != self.orchestrator.runtimes.keys():
            return None
        await self.orchestrator.wait_until_warm(within_seconds=WARM_WITHIN_SECONDS)
        return await self.witness.host_state()

    async def _compare(self, steady: HostState | None) -> None:
        """What this process holds, with as many containers as before: leaks of ours would show here."""
        if steady is None:
            return
        try:
            await self.orchestrator.wait_until_warm(within_seconds=WARM_WITHIN_SECONDS)
        except CapacityError as error:
            self.complaints.append(f"the pool did not recover: {error}")
        now = await self.witness.host_state()
        # Containers have been replaced, as they should be; who is left over is judged after closing.
        self.complaints += replace(now, containers=frozenset()).residues_since(steady)

    # -- one attempt ---------------------------------------------------------------------------------

    async def _run_sequence(self, sequence: Sequence[AttackPlan], *, total: int) -> None:
        async with self.turns:
            made = [await self._attempt(plan) for plan in sequence]
        for attempt in made:
            left = await self._left_by(attempt)
            self.attempts.append(replace(attempt, residues=left))
            self.progress(
                f"{len(self.attempts)} of {total}: {attempt.program.name} {attempt.judgement.verdict}"
            )

    async def _attempt(self, plan: AttackPlan) -> Attempt:
        self.progress(f"{len(self.attempts)} done: {plan.program.name} in {plan.mode} mode")
        pipes = self._watch_pipes(plan)
        result, seen = await self._result_of(plan)
        judgement = self._judge(plan, seen, result)
        if pipes is not None:
            judgement = _worse(judgement, await pipes)
        return Attempt(
            program=plan.program,
            mode=plan.mode,
            runtime=plan.runtime,
            judgement=judgement,
            outcome=seen.outcome,
            detail=_detail(seen),
            wall_ms=result.usage.wall_ms if result else 0.0,
            container=result.container.id if result and result.container else None,
        )

    async def _result_of(self, plan: AttackPlan) -> tuple[JobResult | None, Observation]:
        try:
            result = await self.orchestrator.execute(plan.spec())
        except InvalidJob as error:
            return None, refused(str(error))
        return result, observe(result, plan.mode)

    def _judge(self, plan: AttackPlan, seen: Observation, result: JobResult | None) -> Judgement:
        if plan.runtime not in self._answering:
            return Judgement(
                Verdict.FAILED, f"{plan.runtime} does not answer ordinary jobs: nothing is proven"
            )
        judgement = judge(plan.program.expected[plan.mode], seen)
        if result is None:
            return judgement
        for problem in _broken_checks(plan.program, result):
            judgement = _worse(judgement, problem)
        if result.container is not None and result.container.id in self._served:
            judgement = _worse(judgement, "its container had served before")
        if result.container is not None:
            self._served.add(result.container.id)
        return judgement

    def _watch_pipes(self, plan: AttackPlan) -> asyncio.Task[str] | None:
        wanted = plan.program.checks.neighbour_pipe_bytes
        if wanted is None:
            return None
        spec = JobSpec(runtime=plan.runtime, code=PIPE_WATCH, limits=LIMITS)

        async def watch() -> str:
            result = await self.orchestrator.execute(spec)
            if result.output == wanted:
                return ""
            return f"pipes of another tenant held {result.output} bytes ({result.outcome})"

        return asyncio.create_task(watch())

    async def _left_by(self, attempt: Attempt) -> tuple[str, ...]:
        left = [] if attempt.container is None else [*await self.witness.residues(attempt.container)]
        left += [
            f"the neighbour's {name} container does not answer"
            for name, neighbour in self._neighbours.items()
            if not await neighbour.answers()
        ]
        return tuple(left)


def _broken_checks(program: AttackProgram, result: JobResult) -> list[str]:
    broken = []
    if result.usage.wall_ms < program.checks.min_wall_ms:
        broken.append(
            f"the host measured {result.usage.wall_ms:.0f} ms, it took {program.checks.min_wall_ms}"
        )
    if program.checks.files is not None and result.files.keys() != program.checks.files:
        broken.append(f"files that came back: {', '.join(map(repr, sorted(result.files)))[:300] or 'none'}")
    return broken


def _worse(judgement: Judgement, problem: str) -> Judgement:
    return Judgement(Verdict.FAILED, problem) if problem and judgement.verdict is Verdict.HELD else judgement


def _detail(seen: Observation) -> str:
    """A short text on how it ended, in the program's own words; foreign text, to be shown harmless."""
    if seen.outcome is Outcome.SUCCEEDED:
        return str(seen.output)[:300]
    return f"{seen.error_name}: {seen.text.strip()}"[:300].removeprefix(": ")


# -- the other tenant ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Neighbour:
    """A container that another tenant holds while the attacks go on."""

    lease: Lease
    asked: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answers(self) -> bool:
        """Whether its runner answers a question that only it can know, in time."""
        async with self.turn:
            self.asked += 1
            nonce = f"neighbour {self.asked}"
            self.lease.send(encode_frame({"type": "ping", "nonce": nonce}))
            try:
                async with asyncio.timeout(NEIGHBOUR_WITHIN_SECONDS):
                    answer = await self.lease.receive()
            except (TimeoutError, BackendError):
                return False
            return answer is not None and answer == {"type": "pong", "nonce": nonce}


@asynccontextmanager
async def _neighbour(orchestrator: Orchestrator, runtime: Runtime) -> AsyncIterator[_Neighbour]:
    deadline = _now() + WARM_WITHIN_SECONDS
    async with orchestrator.pool.lease(runtime.name, deadline=deadline) as lease:
        yield _Neighbour(lease)


async def _answers_rightly(orchestrator: Orchestrator, runtime: Runtime) -> bool:
    spec = _canary_of(runtime)
    if spec is None:
        return False
    seen = observe(await orchestrator.execute(spec), spec.mode)
    return seen.outcome is Outcome.SUCCEEDED and seen.output == CANARY_OUTPUT


def _canary_of(runtime: Runtime) -> JobSpec | None:
    if code := CANARIES.get(runtime.language):
        return JobSpec(runtime=runtime.name, code=code, input_json=CANARY_INPUT, limits=LIMITS)
    if code := PROGRAM_CANARIES.get(runtime.language):
        return JobSpec(runtime=runtime.name, code=code % OUTPUT_MARK, mode=Mode.PROGRAM, limits=LIMITS)
    return None


def _now() -> float:
    return asyncio.get_running_loop().time()
