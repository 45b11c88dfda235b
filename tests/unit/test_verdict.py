"""`policies/verdict.py`: every outcome of a job that ran, and which fact wins over which."""

from __future__ import annotations

import json

import pytest
from making import ok_payload

from orchestrator.domain.job import Mode
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import LimitHit, Outcome
from orchestrator.policies.verdict import Ending, EndingKind, Facts, Verdict, judge

LIMITS = Limits()
ERROR = json.dumps({"status": "error", "error": {"name": "E", "message": "m"}})


def judge_ending(
    kind: EndingKind, *, mode=Mode.FUNCTION, frame=None, exit_code=None, problem="", **facts
) -> Verdict:
    known = {"wall_ms": 12.7, "cpu_ms": 8.9, "memory_peak_bytes": 4096, "oom_kills": 0, "pids_refused": 0}
    ending = Ending(kind=kind, frame=frame or {}, exit_code=exit_code, problem=problem)
    return judge(Facts(ending=ending, mode=mode, limits=LIMITS, **{**known, **facts}))


def judge_frame(how: object, *, mode=Mode.FUNCTION, facts=None, **frame) -> Verdict:
    return judge_ending(EndingKind.RESULT, mode=mode, frame={"how": how, **frame}, **(facts or {}))


def limit_of(verdict: Verdict) -> tuple[Outcome, LimitHit | None]:
    return verdict.outcome, verdict.limit


# -- the host's own clock and counters ---------------------------------------------------------------


def test_the_deadline_is_the_wall_time_limit():
    """Killed by the host's clock: wall_time_limit with what was seen."""
    verdict = judge_ending(EndingKind.DEADLINE, oom_kills=1, pids_refused=1)
    assert limit_of(verdict) == (
        Outcome.WALL_TIME_LIMIT,
        LimitHit(name="wall_time_ms", configured=500, observed=13),
    )
    assert verdict.error is not None
    assert verdict.error.message == "limits.wall_time_ms is 500, 13 seen"


@pytest.mark.parametrize(("cpu_ms", "observed"), [(501.4, 501), (None, None)])
def test_the_kernels_count_is_the_cpu_time_limit(cpu_ms, observed):
    """Killed for its CPU time: cpu_time_limit, with the count where there is one."""
    verdict = judge_ending(EndingKind.CPU, cpu_ms=cpu_ms, oom_kills=1)
    assert limit_of(verdict) == (
        Outcome.CPU_TIME_LIMIT,
        LimitHit(name="cpu_time_ms", configured=500, observed=observed),
    )


def test_a_spoiled_protocol_is_killed_with_the_reason():
    """A runner that breaks its protocol under tenant code is that code's doing."""
    verdict = judge_ending(EndingKind.SPOILED, problem="decode: no JSON", oom_kills=1)
    assert verdict.outcome is Outcome.KILLED
    assert verdict.error is not None
    assert "decode: no JSON" in verdict.error.message


# -- the runner's end -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exit_code", "signal", "words"),
    [
        (0, None, "exit code 0"),
        (137, 9, "signal 9"),
        (139, 11, "signal 11"),
        (128, None, "exit code 128"),
        (None, None, "None"),
    ],
)
def test_a_runner_that_ended_without_a_result_was_killed(exit_code, signal, words):
    """The exit code and its signal are told; 137 alone is never a memory limit."""
    verdict = judge_ending(EndingKind.STREAM_END, exit_code=exit_code)
    assert (verdict.outcome, verdict.exit_code, verdict.signal) == (Outcome.KILLED, exit_code, signal)
    assert verdict.error is not None
    assert words in verdict.error.message


@pytest.mark.parametrize("exit_code", [137, 128 + 24, 128 + 25, 0, None])
def test_the_kernels_oom_count_wins_over_how_the_runner_died(exit_code):
    """An out-of-memory kill counted by the kernel is a memory limit, whatever the exit code."""
    verdict = judge_ending(EndingKind.STREAM_END, exit_code=exit_code, oom_kills=1)
    hit = LimitHit(name="memory_bytes", configured=LIMITS.memory_bytes, observed=4096)
    assert limit_of(verdict) == (Outcome.MEMORY_LIMIT, hit)
    assert verdict.exit_code == exit_code


def test_sigxcpu_is_the_cpu_time_limit():
    """The kernel's rlimit speaks by signal 24."""
    verdict = judge_ending(EndingKind.STREAM_END, exit_code=128 + 24)
    assert limit_of(verdict) == (
        Outcome.CPU_TIME_LIMIT,
        LimitHit(name="cpu_time_ms", configured=500, observed=9),
    )


def test_sigxfsz_is_the_disk_limit():
    """A file above its limit speaks by signal 25."""
    verdict = judge_frame("signalled", signal=25)
    hit = LimitHit(name="disk_bytes", configured=LIMITS.disk_bytes)
    assert limit_of(verdict) == (Outcome.DISK_LIMIT, hit)
    assert verdict.error is not None
    assert verdict.error.message == f"limits.disk_bytes is {LIMITS.disk_bytes}"


# -- what the frame writer says -----------------------------------------------------------------------


def test_returned_is_judged_by_its_payload():
    """In function mode a payload is the tenant's output, even where the kernel counted something."""
    verdict = judge_frame("returned", payload=ok_payload([1]), facts={"oom_kills": 1, "pids_refused": 1})
    assert verdict == Verdict(outcome=Outcome.SUCCEEDED, output=[1])


@pytest.mark.parametrize("payload", [None, "", "{}", 7])
def test_returned_without_a_payload_is_an_invalid_output(payload):
    """A payload that is none is the tenant's fault."""
    assert judge_frame("returned", payload=payload).outcome is Outcome.INVALID_OUTPUT


def test_an_error_is_an_error():
    """What the code threw is passed on."""
    verdict = judge_frame("returned", payload=ERROR)
    assert verdict.outcome is Outcome.ERROR
    assert verdict.error is not None
    assert verdict.error.name == "E"


def test_an_error_after_refused_processes_is_the_process_limit():
    """The tenant's own error is kept beside the limit that brought it about."""
    verdict = judge_frame("returned", payload=ERROR, facts={"pids_refused": 2})
    assert limit_of(verdict) == (
        Outcome.PROCESS_LIMIT,
        LimitHit(name="processes", configured=16, observed=18),
    )
    assert verdict.error is not None
    assert verdict.error.name == "E"


def test_an_invalid_output_stays_one_whatever_was_refused():
    """Only an error can be explained by refused processes."""
    payload = json.dumps({"status": "invalid_output", "error": {"name": "Date", "message": "output: no"}})
    assert (
        judge_frame("returned", payload=payload, facts={"pids_refused": 2}).outcome is Outcome.INVALID_OUTPUT
    )


@pytest.mark.parametrize(
    ("how", "outcome"), [("memory_limit", Outcome.MEMORY_LIMIT), ("output_limit", Outcome.OUTPUT_LIMIT)]
)
@pytest.mark.parametrize(("observed", "told"), [(99, 99), (True, None), ("99", None), (None, None)])
def test_limits_said_by_the_frame_writer_carry_its_figure(how, outcome, observed, told):
    """V8's own counter and the payload's bound end a job; a figure of a wrong type is left out."""
    verdict = judge_frame(how, observed=observed)
    assert verdict.outcome is outcome
    assert verdict.limit is not None
    assert (verdict.limit.name, verdict.limit.observed) == (how.replace("_limit", "_bytes"), told)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("how", ["succeeded", None, 7, ["returned"]])
def test_a_result_of_no_known_kind_is_a_spoiled_protocol(how, mode):
    """What the protocol does not have is not believed."""
    verdict = judge_frame(how, mode=mode)
    assert verdict.outcome is Outcome.KILLED
    assert verdict.error is not None
    assert verdict.error.name == "ProtocolError"


# -- the disk, by the file system's own count --------------------------------------------------------


@pytest.mark.parametrize("payload", [ok_payload(1), ERROR])
def test_more_disk_than_allowed_is_the_disk_limit_whatever_else(payload):
    """Where the limit of the file system itself was overstepped, even an output does not count."""
    used = LIMITS.disk_bytes + 1
    verdict = judge_frame("returned", payload=payload, disk_used=used)
    hit = LimitHit(name="disk_bytes", configured=LIMITS.disk_bytes, observed=used)
    assert limit_of(verdict) == (Outcome.DISK_LIMIT, hit)


@pytest.mark.parametrize(
    ("frame", "outcome"),
    [
        ({"how": "returned", "payload": ERROR}, Outcome.DISK_LIMIT),
        ({"how": "signalled", "signal": 7}, Outcome.DISK_LIMIT),
        ({"how": "returned", "payload": ok_payload(1)}, Outcome.SUCCEEDED),
        ({"how": "memory_limit"}, Outcome.MEMORY_LIMIT),
    ],
)
def test_a_full_disk_explains_a_failure_and_nothing_else(frame, outcome):
    """Just full is the limit only where the code failed by itself; its own error is kept."""
    verdict = judge_frame(**frame, disk_used=LIMITS.disk_bytes)
    assert verdict.outcome is outcome
    assert frame.get("payload") != ERROR or (verdict.error is not None and verdict.error.name == "E")


@pytest.mark.parametrize("used", [None, True, "9", 0, 1000])
def test_a_disk_with_room_left_explains_nothing(used):
    """Nor does a figure that is none."""
    assert judge_frame("returned", payload=ERROR, disk_used=used).outcome is Outcome.ERROR


# -- program mode -----------------------------------------------------------------------------------------


def judge_exit(exit_code: object, **facts) -> Verdict:
    return judge_frame("exited", mode=Mode.PROGRAM, exit_code=exit_code, facts=facts)


def test_exit_code_zero_is_success_whatever_was_counted():
    """A program that coped with a refused process or a killed child has succeeded."""
    verdict = judge_exit(0, oom_kills=1, pids_refused=1)
    assert verdict == Verdict(outcome=Outcome.SUCCEEDED, exit_code=0)


def test_any_other_exit_code_is_an_error():
    """The code is told, in a sentence and as a number."""
    verdict = judge_exit(3, oom_kills=1)
    assert (verdict.outcome, verdict.exit_code) == (Outcome.ERROR, 3)
    assert verdict.error is not None
    assert verdict.error.message == "the program ended with exit code 3"


def test_memory_wins_over_processes_for_a_program_that_died_of_a_signal():
    """Exit codes above 128 with an out-of-memory kill are a memory limit."""
    verdict = judge_exit(137, oom_kills=1, pids_refused=1)
    assert (verdict.outcome, verdict.exit_code) == (Outcome.MEMORY_LIMIT, 137)


def test_a_program_that_failed_after_refused_processes_hit_their_limit():
    """Without an out-of-memory kill, refused processes explain the failure."""
    verdict = judge_exit(137, pids_refused=1)
    assert limit_of(verdict) == (
        Outcome.PROCESS_LIMIT,
        LimitHit(name="processes", configured=16, observed=17),
    )
    assert verdict.exit_code == 137
    assert verdict.error is not None
    assert verdict.error.name == "process_limit"


@pytest.mark.parametrize("exit_code", [None, "0", True])
def test_a_program_without_an_exit_code_was_killed(exit_code):
    """`exited` without a number is no success."""
    assert judge_exit(exit_code).outcome is Outcome.KILLED


def test_a_function_that_exited_was_killed():
    """In function mode an exit, even with code 0, is the end of the job's own runner."""
    verdict = judge_frame("exited", exit_code=0)
    assert (verdict.outcome, verdict.exit_code) == (Outcome.KILLED, 0)


@pytest.mark.parametrize("mode", Mode)
def test_a_signal_is_told(mode):
    """`signalled` is killed, with the number."""
    verdict = judge_frame("signalled", mode=mode, signal=11)
    assert (verdict.outcome, verdict.signal) == (Outcome.KILLED, 11)


def test_a_program_cannot_return():
    """A payload has no place in program mode."""
    assert judge_frame("returned", mode=Mode.PROGRAM, payload=ok_payload(1)).outcome is Outcome.KILLED


def test_every_outcome_of_a_job_that_ran_is_reached():
    """The verdicts of this policy and the outcomes of the other floors are all there are."""
    decided_elsewhere = {Outcome.REJECTED, Outcome.CANCELLED, Outcome.EXPIRED, Outcome.INTERNAL_ERROR}
    reached = {
        judge_ending(EndingKind.DEADLINE).outcome,
        judge_ending(EndingKind.CPU).outcome,
        judge_ending(EndingKind.SPOILED).outcome,
        judge_ending(EndingKind.STREAM_END, oom_kills=1).outcome,
        judge_ending(EndingKind.STREAM_END, exit_code=128 + 25).outcome,
        judge_frame("returned", payload=ok_payload(1)).outcome,
        judge_frame("returned", payload=ERROR).outcome,
        judge_frame("returned").outcome,
        judge_frame("returned", payload=ERROR, facts={"pids_refused": 1}).outcome,
        judge_frame("output_limit").outcome,
    }
    assert reached == set(Outcome) - decided_elsewhere


# -- compiling ----------------------------------------------------------------------------------------


def judge_compiler(kind=EndingKind.RESULT, *, how="compile_failed", facts=None, **frame) -> Verdict:
    compiling = {"is_compiling": True, **(facts or {})}
    return judge_ending(kind, mode=Mode.PROGRAM, frame={"how": how, **frame}, **compiling)


def test_a_compiler_that_refuses_is_an_error_with_its_exit_code():
    """CompileError, since the words themselves are on stderr."""
    verdict = judge_compiler(exit_code=1)
    assert (verdict.outcome, verdict.exit_code) == (Outcome.ERROR, 1)
    assert verdict.error is not None
    assert verdict.error.name == "CompileError"
    assert verdict.error.message == "the compiler ended with exit code 1; what it says is on stderr"


def test_a_compiler_that_crashes_is_an_error_too():
    """It was fed with the tenant's source: no failure of ours."""
    verdict = judge_compiler(signal=11)
    assert (verdict.outcome, verdict.signal) == (Outcome.ERROR, 11)
    assert verdict.error is not None
    assert "by signal 11" in verdict.error.message


@pytest.mark.parametrize(
    ("verdict", "outcome", "name"),
    [
        (judge_compiler(EndingKind.DEADLINE), Outcome.WALL_TIME_LIMIT, "compile.wall_time_ms"),
        (judge_compiler(EndingKind.CPU), Outcome.CPU_TIME_LIMIT, "compile.cpu_time_ms"),
        (judge_compiler(signal=24), Outcome.CPU_TIME_LIMIT, "compile.cpu_time_ms"),
        (judge_compiler(signal=25), Outcome.DISK_LIMIT, "compile.disk_bytes"),
        (judge_compiler(exit_code=1, facts={"oom_kills": 1}), Outcome.MEMORY_LIMIT, "compile.memory_bytes"),
        (judge_compiler(exit_code=1, facts={"pids_refused": 1}), Outcome.PROCESS_LIMIT, "compile.processes"),
        (judge_compiler(exit_code=1, disk_used=LIMITS.disk_bytes), Outcome.DISK_LIMIT, "compile.disk_bytes"),
    ],
)
def test_limits_of_compiling_are_named_as_such(verdict, outcome, name):
    """Nobody should raise the job's own limit in vain."""
    assert verdict.outcome is outcome
    assert verdict.limit is not None
    assert verdict.limit.name == name
    assert verdict.limit.configured == getattr(LIMITS, name.removeprefix("compile."))


def test_a_compiler_fails_only_while_something_is_compiled():
    """A runner that says so at another time has broken the protocol."""
    verdict = judge_compiler(exit_code=1, facts={"is_compiling": False})
    assert verdict.outcome is Outcome.KILLED
    assert verdict.error is not None
    assert verdict.error.name == "ProtocolError"
