"""Policies floor: how a job ended, judged from raw facts. Pure.

Order of precedence: the host's clock and counters, then what the frame writer said, then the tenant's
payload. Memory is judged by the kernel's or V8's own counter, never by exit code 137.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto

from orchestrator.domain.job import Mode
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import JobError, LimitHit, Outcome
from orchestrator.policies.payload import parse_payload

__all__ = ("Ending", "EndingKind", "Facts", "Verdict", "judge")

DISK_BLOCK_BYTES = 4096
"""A tmpfs is full when less than one block of it is free."""
SIGNAL_BASE = 128
SIGXCPU = 24
SIGXFSZ = 25


class EndingKind(Enum):
    """What ended the wait for a job."""

    RESULT = auto()
    """The runner's one result frame."""
    DEADLINE = auto()
    """The host's clock; the container was killed."""
    CPU = auto()
    """The kernel's count of CPU time; the container was killed."""
    STREAM_END = auto()
    """The runner is gone, without a result."""
    SPOILED = auto()
    """The runner sent bytes that are not its protocol; the container was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What ended the wait, with the result frame where there is one."""

    kind: EndingKind
    frame: dict[str, object] = field(default_factory=dict)
    exit_code: int | None = None
    """Of the runner, where its stream ended."""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a verdict depends on."""

    ending: Ending
    mode: Mode
    limits: Limits
    wall_ms: float
    cpu_ms: float | None
    memory_peak_bytes: int | None
    oom_kills: int
    pids_refused: int
    is_compiling: bool = False
    """Whether the source was being compiled: then `limits` are those of compiling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judged part of a `JobResult`."""

    outcome: Outcome
    output: object = None
    error: JobError | None = None
    limit: LimitHit | None = None
    exit_code: int | None = None
    signal: int | None = None


def judge(facts: Facts) -> Verdict:
    """The verdict on one job."""
    match facts.ending.kind:
        case EndingKind.DEADLINE:
            return _limit(facts, Outcome.WALL_TIME_LIMIT, "wall_time_ms", _whole(facts.wall_ms))
        case EndingKind.CPU:
            return _limit(facts, Outcome.CPU_TIME_LIMIT, "cpu_time_ms", _whole(facts.cpu_ms))
        case EndingKind.SPOILED:
            problem = f"the runner broke its protocol under this code: {facts.ending.problem}"
            return Verdict(outcome=Outcome.KILLED, error=JobError(name="ProtocolError", message=problem))
        case EndingKind.STREAM_END:
            return _judge_death(facts, facts.ending.exit_code, None)
        case EndingKind.RESULT:  # pragma: no branch - the last of them
            return _judge_result(facts, facts.ending.frame)


def _judge_result(facts: Facts, frame: dict[str, object]) -> Verdict:
    is_compilers = facts.is_compiling and frame.get("how") == "compile_failed"
    verdict = _judge_compiler(facts, frame) if is_compilers else _judge_end(facts, frame)
    used = _number(frame.get("disk_used"))
    if used is None or not _filled_its_disk(verdict, used, facts.limits.disk_bytes):
        return verdict
    hit = _limit(facts, Outcome.DISK_LIMIT, "disk_bytes", used)
    return replace(hit, error=verdict.error or hit.error, exit_code=verdict.exit_code)


def _filled_its_disk(verdict: Verdict, used: int, allowed: int) -> bool:
    """More than allowed is the limit in any case; just full is, where the code failed."""
    failed = verdict.outcome in (Outcome.ERROR, Outcome.KILLED)
    return used > allowed or (failed and used > allowed - DISK_BLOCK_BYTES)


def _judge_end(facts: Facts, frame: dict[str, object]) -> Verdict:
    exit_code, signal = _number(frame.get("exit_code")), _number(frame.get("signal"))
    match frame.get("how"):
        case "returned" if facts.mode is Mode.FUNCTION:
            return _judge_payload(facts, frame.get("payload"))
        case "exited" if facts.mode is Mode.PROGRAM and exit_code is not None:
            return _judge_program(facts, exit_code)
        case "exited" | "signalled":
            return _judge_death(facts, exit_code, signal)
        case "memory_limit":
            return _limit(facts, Outcome.MEMORY_LIMIT, "memory_bytes", _number(frame.get("observed")))
        case "output_limit":
            return _limit(facts, Outcome.OUTPUT_LIMIT, "output_bytes", _number(frame.get("observed")))
        case _:
            ending = Ending(kind=EndingKind.SPOILED, problem="a result of no known kind")
            return judge(replace(facts, ending=ending))


def _judge_payload(facts: Facts, text: object) -> Verdict:
    payload = parse_payload(text)
    if payload.outcome is Outcome.ERROR and facts.pids_refused:
        return _too_many_processes(facts, payload.error)
    return Verdict(outcome=payload.outcome, output=payload.output, error=payload.error)


def _judge_program(facts: Facts, exit_code: int) -> Verdict:
    if exit_code == 0:
        return Verdict(outcome=Outcome.SUCCEEDED, exit_code=0)
    if exit_code > SIGNAL_BASE and facts.oom_kills:
        return replace(_out_of_memory(facts), exit_code=exit_code)
    if facts.pids_refused:
        return replace(_too_many_processes(facts, None), exit_code=exit_code)
    error = JobError(name="ExitCode", message=f"the program ended with exit code {exit_code}")
    return Verdict(outcome=Outcome.ERROR, error=error, exit_code=exit_code)


def _judge_compiler(facts: Facts, frame: dict[str, object]) -> Verdict:
    exit_code, signal = _number(frame.get("exit_code")), _number(frame.get("signal"))
    if facts.oom_kills:
        return replace(_out_of_memory(facts), exit_code=exit_code, signal=signal)
    if signal in (SIGXCPU, SIGXFSZ):
        return _judge_death(facts, exit_code, signal)
    if facts.pids_refused:
        return replace(_too_many_processes(facts, None), exit_code=exit_code, signal=signal)
    how = f"by signal {signal}" if exit_code is None else f"with exit code {exit_code}"
    error = JobError(name="CompileError", message=f"the compiler ended {how}; what it says is on stderr")
    return Verdict(outcome=Outcome.ERROR, error=error, exit_code=exit_code, signal=signal)


def _judge_death(facts: Facts, exit_code: int | None, signal: int | None) -> Verdict:
    if signal is None and exit_code is not None and exit_code > SIGNAL_BASE:
        signal = exit_code - SIGNAL_BASE
    if facts.oom_kills:
        return replace(_out_of_memory(facts), exit_code=exit_code, signal=signal)
    if signal == SIGXCPU:
        return _limit(facts, Outcome.CPU_TIME_LIMIT, "cpu_time_ms", _whole(facts.cpu_ms))
    if signal == SIGXFSZ:
        return _limit(facts, Outcome.DISK_LIMIT, "disk_bytes", None)
    how = f"by signal {signal}" if signal is not None else f"with exit code {exit_code}"
    message = f"the process that ran this code ended {how}, before it gave an output"
    error = JobError(name="Killed", message=message)
    return Verdict(outcome=Outcome.KILLED, error=error, exit_code=exit_code, signal=signal)


def _out_of_memory(facts: Facts) -> Verdict:
    return _limit(facts, Outcome.MEMORY_LIMIT, "memory_bytes", facts.memory_peak_bytes)


def _too_many_processes(facts: Facts, error: JobError | None) -> Verdict:
    verdict = _limit(facts, Outcome.PROCESS_LIMIT, "processes", facts.limits.processes + facts.pids_refused)
    return replace(verdict, error=error or verdict.error)


def _limit(facts: Facts, outcome: Outcome, name: str, observed: int | None) -> Verdict:
    configured: int = getattr(facts.limits, name)
    seen = "" if observed is None else f", {observed} seen"
    if facts.is_compiling:
        name = f"compile.{name}"
    error = JobError(name=outcome.value, message=f"limits.{name} is {configured}{seen}")
    return Verdict(
        outcome=outcome, error=error, limit=LimitHit(name=name, configured=configured, observed=observed)
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
