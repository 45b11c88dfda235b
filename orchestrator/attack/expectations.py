"""Attack floor: the words that an attack may expect, and whether what was observed satisfies them. Pure.

Two things are above every word. Text that starts with ESCAPED fails, whatever else is allowed. And a job
that the platform did not run (INTERNAL_ERROR, EXPIRED, CANCELLED) satisfies nothing: a runner that
never started has contained nobody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.bounds import ForeignJsonError, parse_foreign_json
from orchestrator.domain.job import Mode
from orchestrator.domain.outcome import JobResult, Outcome

__all__ = (
    "OUTPUT_MARK",
    "Expectation",
    "Judgement",
    "Observation",
    "Verdict",
    "judge",
    "observe",
    "parse_expectations",
    "refused",
    "satisfies",
)

OUTPUT_MARK = "@output "
"""A line of a program's stdout that starts so carries its `output` as JSON; see docs/attacks.md."""

NOT_RUN = frozenset((Outcome.INTERNAL_ERROR, Outcome.EXPIRED, Outcome.CANCELLED))
TIME_LIMITS = frozenset((Outcome.WALL_TIME_LIMIT, Outcome.CPU_TIME_LIMIT))
HARDER_THAN_FINISHED = TIME_LIMITS | frozenset(
    (
        Outcome.ERROR, Outcome.INVALID_OUTPUT, Outcome.KILLED, Outcome.MEMORY_LIMIT, Outcome.PROCESS_LIMIT,
        Outcome.DISK_LIMIT, Outcome.OUTPUT_LIMIT,
    )
)  # fmt: skip
BROKEN_PROTOCOL = "ProtocolError"
SKIPPED_ERRORS = frozenset(("ModuleNotFoundError",))
"""The interpreter lacks what the probe needs: nothing was tried."""
UNTRIED_ERRORS = SKIPPED_ERRORS | frozenset(
    ("ImportError", "SyntaxError", "IndentationError", "NameError", "UnboundLocalError", "ReferenceError")
)
"""Mistakes of a program rather than refusals of a sandbox: they are `error`, but not `contained`."""

_ESCAPED = "ESCAPED"
_ESCAPED_LINE = re.compile(r"^(?:Uncaught )?(?:[A-Za-z_.]{1,64}: )?" + _ESCAPED, re.MULTILINE)
_NAMED_LINE = re.compile(r"^(?:Uncaught )?([A-Za-z_][A-Za-z0-9_.]{0,127})(?::|$)")
_LAST_FRAME = re.compile(r"""  File ".*", line \d+|\s*\^$""")
_UNREADABLE = object()


class Verdict(StrEnum):
    """What is to be thought of one attempt."""

    HELD = "held"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and why."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """One word, with its argument: a JSON text for `ok`, a name for `error`."""

    word: str
    argument: str = ""

    def __str__(self) -> str:
        if self.word == "ok":
            return f"ok {self.argument}"
        return f"{self.word}:{self.argument}" if self.argument else self.word


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What became of one attempt, as far as expectations go."""

    outcome: Outcome
    output: object = None
    error_name: str = ""
    text: str = ""
    """The error's message, and all that was printed."""
    is_truncated: bool = False

    @property
    def has_escaped(self) -> bool:
        """Whether the program says that it got out: in its value, its error, or a line of its own."""
        said_in_value = isinstance(self.output, str | list | dict) and f'"{_ESCAPED}' in json.dumps(
            self.output
        )
        return said_in_value or _ESCAPED_LINE.search(self.text) is not None


def parse_expectations(text: str) -> tuple[Expectation, ...]:
    """The alternatives of an `expect:` line. Raises ValueError for a word that nobody knows."""
    return tuple(_parse_one(part.strip()) for part in text.split("|"))


def _parse_one(text: str) -> Expectation:
    if text.startswith("ok "):
        argument = text.removeprefix("ok ").strip()
        json.loads(argument)
        return Expectation("ok", argument)
    word, _, argument = text.partition(":")
    if word not in _MEANINGS.keys() - {"ok"} or (argument and word != "error"):
        raise ValueError(f"unknown expectation {text!r}")
    return Expectation(word, argument)


# -- from a result to what was observed ------------------------------------------------------------------


def refused(problem: str) -> Observation:
    """A job that was refused before anything ran."""
    return Observation(outcome=Outcome.REJECTED, text=problem)


def observe(result: JobResult, mode: Mode) -> Observation:
    """What is to be judged. A program's output is in its stdout, its error's name on its stderr."""
    name, message = (result.error.name, result.error.message) if result.error else ("", "")
    output = result.output
    if mode is Mode.PROGRAM and result.outcome is Outcome.SUCCEEDED:
        output = _marked_output(result.stdout.text)
    if mode is Mode.PROGRAM and result.outcome is Outcome.ERROR:
        name = _name_on(result.stderr.text) or name
    return Observation(
        outcome=result.outcome,
        output=output,
        error_name=name,
        text=f"{message}\n{result.stdout.text}\n{result.stderr.text}",
        is_truncated=result.stdout.truncated or result.stderr.truncated,
    )


def _marked_output(printed: str) -> object:
    """The value on the last marked line; None without one; something equal to nothing where it is no JSON."""
    marked = [line for line in printed.split("\n") if line.startswith(OUTPUT_MARK)]
    if not marked:
        return None
    try:
        return parse_foreign_json(marked[-1].removeprefix(OUTPUT_MARK))
    except ForeignJsonError:
        return _UNREADABLE


def _name_on(stderr: str) -> str:
    """The error that a trace names: after Python's last frame, or after JavaScript's caret."""
    lines = stderr.split("\n")
    frames = [number for number, line in enumerate(lines) if _LAST_FRAME.match(line)]
    for line in lines[frames[-1] + 1 :] if frames else lines:
        if match := _NAMED_LINE.match(line):
            return match[1]
    return ""


# -- judging ---------------------------------------------------------------------------------------------


def judge(expected: Iterable[Expectation], seen: Observation) -> Judgement:
    """The verdict on one attempt."""
    wanted = tuple(expected)
    if seen.outcome in NOT_RUN:
        return Judgement(Verdict.FAILED, f"the platform did not run it: {seen.outcome}")
    if seen.has_escaped:
        return Judgement(Verdict.FAILED, "it says that it got out")
    if any(satisfies(one, seen) for one in wanted if not _is_too_kind(one, seen)):
        return Judgement(Verdict.HELD, f"{seen.outcome}")
    if seen.error_name in SKIPPED_ERRORS:
        return Judgement(Verdict.SKIPPED, f"nothing was tried: {seen.error_name}")
    what = f"{seen.outcome} {seen.error_name}".strip()
    return Judgement(Verdict.FAILED, f"{what}, not {' or '.join(map(str, wanted))}")


def _is_too_kind(one: Expectation, seen: Observation) -> bool:
    """A probe that lacked what it needs must not pass as `error`, unless just that error was expected."""
    return seen.error_name in SKIPPED_ERRORS and one.argument != seen.error_name


def satisfies(one: Expectation, seen: Observation) -> bool:
    """Whether what was seen is what one word means; ESCAPED and jobs that were not run aside."""
    return _MEANINGS[one.word](seen, one.argument)


def _is_ok(seen: Observation, wanted: str) -> bool:
    return seen.outcome is Outcome.SUCCEEDED and _is_exactly(seen.output, json.loads(wanted))


def _is_contained(seen: Observation, _: str) -> bool:
    if seen.outcome is Outcome.SUCCEEDED:
        return isinstance(seen.output, str) and seen.output.startswith("contained")
    untried = seen.outcome is Outcome.ERROR and seen.error_name in UNTRIED_ERRORS
    return seen.outcome in HARDER_THAN_FINISHED and not untried and seen.error_name != BROKEN_PROTOCOL


def _is_error(seen: Observation, name: str) -> bool:
    if name == BROKEN_PROTOCOL:
        return seen.outcome is Outcome.KILLED and seen.error_name == BROKEN_PROTOCOL
    return seen.outcome in (Outcome.ERROR, Outcome.INVALID_OUTPUT) and name in ("", seen.error_name)


def _is_output_limit(seen: Observation, _: str) -> bool:
    return seen.outcome is Outcome.OUTPUT_LIMIT or (seen.outcome is Outcome.SUCCEEDED and seen.is_truncated)


def _has_crashed(seen: Observation, _: str) -> bool:
    # A spoiled frame is no crash: the writer of frames is not the process that runs the program.
    return seen.outcome is Outcome.KILLED and seen.error_name != BROKEN_PROTOCOL


_MEANINGS: dict[str, Callable[[Observation, str], bool]] = {
    "any": lambda _seen, _argument: True,
    "contained": _is_contained,
    "crashed": _has_crashed,
    "error": _is_error,
    "ok": _is_ok,
    "oom": lambda seen, _: seen.outcome is Outcome.MEMORY_LIMIT,
    "output_limit": _is_output_limit,
    "rejected": lambda seen, _: seen.outcome is Outcome.REJECTED,
    "timeout": lambda seen, _: seen.outcome in TIME_LIMITS,
}


def _is_exactly(output: object, wanted: object) -> bool:
    """Equal as JSON: 1 is not true, and 1.0 is not 1."""
    if output is _UNREADABLE:
        return False
    return json.dumps(output, sort_keys=True) == json.dumps(wanted, sort_keys=True)
