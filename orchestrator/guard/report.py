"""Guard floor: the question to the validator and its answer. Plain values, which need no parser to be passed on."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.finding import Finding, Severity
from orchestrator.domain.job import Mode
from orchestrator.guard.rules import UNCHECKED

__all__ = ("Report", "Shift", "Source", "unchecked", "unshifted")


@dataclass(frozen=True, slots=True)
class Shift:
    """Where one line of the changed text differs: `own` characters at `column` became `new` ones."""

    line: int
    column: int
    """In the tenant's own text."""
    own: int
    new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is to be checked, and as what."""

    data: bytes
    language: str
    mode: Mode = Mode.FUNCTION
    own_modules: frozenset[str] = frozenset()
    """Python modules that the tenant gives along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found, and what is to be run."""

    findings: tuple[Finding, ...] = ()
    text: str | None = None
    """The source to run; None where it is the tenant's own text, unchanged."""
    changes: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ()
    """How columns of `text` map back to the tenant's own."""

    @property
    def is_rejected(self) -> bool:
        """Whether the code must not run."""
        return bool(self.findings) and any(one.severity is Severity.REJECT for one in self.findings)


def unchecked(problem: str) -> Finding:
    """The one finding on a source that was not checked to its end; it always rejects."""
    message = f"the source could not be checked within its bounds ({problem}); make it smaller or simpler"
    return Finding(
        rule=UNCHECKED, severity=Severity.REJECT, message=message, line=1, column=1, end_line=1, end_column=1
    )


def unshifted(shifts: tuple[Shift, ...], line: int, column: int) -> int:
    """The column in the tenant's own text of a column in the changed one."""
    for shift in shifts:
        if shift.line != line or column < shift.column:
            continue
        if column < shift.column + shift.new:
            return shift.column
        # Later shifts of this line are counted in the tenant's own columns too.
        column += shift.own - shift.new
    return column
