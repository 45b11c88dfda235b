"""Domain floor: what a job's author may see of its run (`DebugOptions`), and what was seen (`DebugReport`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from orchestrator.domain.limits import KIB, MIB

__all__ = (
    "MAX_CONSOLE_ENTRIES",
    "MAX_DEBUG_BYTES",
    "MAX_STEPS",
    "ConsoleEntry",
    "DebugOptions",
    "DebugReport",
    "DebugValue",
    "ErrorLink",
    "Position",
    "Profile",
    "SourceLine",
    "StackFrame",
    "Step",
    "Variable",
)

MAX_DEBUG_BYTES = 4 * MIB
"""Of one job, as its runner writes it; what is beyond is dropped. The runner's own bounds are lower."""
MAX_CONSOLE_ENTRIES = 1000
MAX_STEPS = 2000
MAX_ARGUMENTS = 10
"""Of one call of the console."""
MAX_VARIABLES = 30
"""Changed in one step."""
MAX_VALUE_TEXT = 256
"""Characters of one value's text."""
MAX_VALUE_ENTRIES = 20
"""Entries shown of one container."""
MAX_VALUE_DEPTH = 3
"""Containers shown within each other."""
MAX_ERRORS = 10
"""The error that ended the job, and those that led to it."""
MAX_FRAMES = 32
"""Frames of one error."""
MAX_NAME = 128
MAX_MESSAGE = 4 * KIB
EXCERPT_LINES = 2
"""Lines shown above and below that of a frame."""
MAX_EXCERPT_LINE = 200
"""Characters shown of a line of code."""
MAX_PROFILE_NODES = 5000
MAX_PROFILE_SAMPLES = 20_000
MAX_STACK_ENTRIES = 200_000
"""Frames in all stacks of a profile together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugOptions:
    """Which parts of debug mode a job asks for."""

    console: bool = False
    """Every call that prints: level, time, place, arguments."""
    stack_traces: bool = False
    """The error that ended the job and those that led to it, each with its frames and their lines of code."""
    profile: bool = False
    """Where the CPU time went."""
    steps: bool = False
    """The executed lines, with the variables that changed."""

    @property
    def asks_for_nothing(self) -> bool:
        """Whether no part is asked for: debug mode is then off."""
        return not any(getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugValue:
    """One value as it was at one moment, within bounds."""

    type: str
    text: str
    entries: tuple[tuple[str, DebugValue], ...] = ()
    """Of a container or object: index, key or name, and value."""
    truncated: bool = False
    """Whether there was more of it, in the text or in the entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in one of the tenant's files. Lines and columns count from 1; None where unknown."""

    file: str
    line: int
    column: int | None = None
    function: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleEntry:
    """One call that prints."""

    at_ms: float
    """Since the code began to run."""
    stream: str
    """`stdout` or `stderr`."""
    level: str
    """The method's name (`log`, `warn`, `print`, `write`, …), or the level of a logging call."""
    arguments: tuple[DebugValue, ...]
    position: Position | None = None
    truncated: bool = False
    """Whether there were more arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLine:
    """One line of code."""

    line: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackFrame:
    """One call of the tenant's own code, and the lines around it."""

    position: Position
    excerpt: tuple[SourceLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLink:
    """One error of a chain. The first one ended the job."""

    name: str
    message: str
    relation: str
    """`thrown`; or what it is to its parent: `cause`, `context` (it was being handled), `member` (of a group)."""
    parent: int | None
    """Index of the error that it belongs to; None for the first."""
    frames: tuple[StackFrame, ...]
    """Innermost first."""
    truncated: bool = False
    """Whether there were more frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where the CPU time went, as a document that other tools open."""

    format: str
    """`cpuprofile` (V8) or `speedscope`."""
    content: dict[str, Any]
    complete: bool = True
    """False where it ends before the job did, or where parts were left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable and its value."""

    name: str
    value: DebugValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One moment of the run."""

    event: str
    """`line`: the place is about to be executed. `return` and `throw`: a function is left there, with `value`."""
    position: Position
    depth: int
    """Calls of the tenant's own code above this one."""
    changed: tuple[Variable, ...] = ()
    """Variables of this call that have another value than at its step before."""
    value: DebugValue | None = None
    truncated: bool = False
    """Whether more variables had changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebugReport:
    """What debug mode saw of one job. A part that was not asked for is None.

    INVARIANT: all of it is the tenant's own word, from the process that runs its code. Nothing is decided by it.
    """

    console: tuple[ConsoleEntry, ...] | None = None
    errors: tuple[ErrorLink, ...] | None = None
    profile: Profile | None = None
    steps: tuple[Step, ...] | None = None
    truncated: tuple[str, ...] = ()
    """Names of the parts of which there was more than is kept."""
    unreadable: int = 0
    """How many records were of no known shape, and left out."""

    def relocated(self, column_of: Callable[[int, int], int]) -> DebugReport:
        """The report with every column of the main source as `column_of(line, column)` says."""

        def moved(position: Position) -> Position:
            if position.column is None or not position.file.startswith("job."):
                return position
            return replace(position, column=column_of(position.line, position.column))

        return replace(
            self,
            console=self.console
            and tuple(
                replace(each, position=each.position and moved(each.position)) for each in self.console
            ),
            errors=self.errors
            and tuple(
                replace(
                    link,
                    frames=tuple(replace(frame, position=moved(frame.position)) for frame in link.frames),
                )
                for link in self.errors
            ),
            steps=self.steps and tuple(replace(each, position=moved(each.position)) for each in self.steps),
        )
