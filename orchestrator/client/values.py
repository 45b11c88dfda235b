"""Client floor: what is sent and what comes back, as values. Fields that a newer service adds are left out."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from orchestrator.domain.debug import (
    ConsoleEntry,
    DebugOptions,
    DebugReport,
    DebugValue,
    ErrorLink,
    Position,
    Profile,
    SourceLine,
    StackFrame,
    Step,
    Variable,
)
from orchestrator.domain.finding import Finding, Severity
from orchestrator.domain.job import JobState, Mode
from orchestrator.domain.limits import Usage
from orchestrator.domain.outcome import (
    ContainerReceipt,
    JobError,
    JobResult,
    LimitHit,
    Outcome,
    StreamText,
    Timing,
)
from orchestrator.domain.tenant import Priority
from orchestrator.policies.statistics import ExecutionMetrics, MemoryBucket

__all__ = ("Event", "Job", "JobRequest", "JobsPage", "metrics_from_wire", "result_from_wire")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What is asked for. The service checks it; limits that are not named are the service's defaults."""

    runtime: str
    code: str
    input: Any = None
    """The JSON value that the code finds in `input` (function mode)."""
    entrypoint: str | None = None
    mode: Mode = Mode.FUNCTION
    stdin: str = ""
    args: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    allowed_globals: tuple[str, ...] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    priority: Priority | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    debug: DebugOptions | None = None
    """What of the run is recorded, where the service allows it."""
    start_within_ms: int | None = None
    """How long it may wait for its start before it has `expired`."""

    def to_wire(self) -> dict[str, Any]:
        """The JSON object to send: what is set, and nothing else."""
        wire: dict[str, Any] = {"runtime": self.runtime, "code": self.code}
        for name in ("input", "entrypoint", "priority", "start_within_ms"):
            if (value := getattr(self, name)) is not None:
                wire[name] = value
        wire |= {"stdin": self.stdin} if self.stdin else {}
        if self.mode is not Mode.FUNCTION:
            wire["mode"] = self.mode
        if self.args:
            wire["args"] = list(self.args)
        if self.files:
            wire["files"] = {name: base64.b64encode(data).decode() for name, data in self.files.items()}
        if self.allowed_globals is not None:
            wire["allowed_globals"] = list(self.allowed_globals)
        for name in ("limits", "metadata"):
            if value := getattr(self, name):
                wire[name] = dict(value)
        if self.debug is not None:
            wire["debug"] = asdict(self.debug)
        return wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the service tells of it. Times are Unix seconds."""

    id: str
    state: JobState
    tenant: str = ""
    runtime: str = ""
    priority: Priority | None = None
    outcome: Outcome | None = None
    accepted_at: float | None = None
    expires_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    attempts: int = 0
    position: int | None = None
    """Its place in the queue, while it waits."""
    estimated_start_ms: float | None = None
    code_sha256: str = ""
    input_sha256: str = ""
    result: JobResult | None = None
    """None until it has finished, and in lists."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] | None = None
    """What it may use."""

    @property
    def has_finished(self) -> bool:
        """Whether its outcome stands."""
        return self.state is JobState.FINISHED

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Job:
        """The job of one JSON object. Raises KeyError, TypeError or ValueError where it is none."""
        known = _known(cls, wire)
        known["state"] = JobState(known["state"])
        known["priority"] = _maybe(Priority, known.get("priority"))
        known["outcome"] = _maybe(Outcome, known.get("outcome"))
        known["result"] = _maybe(result_from_wire, known.get("result"))
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPage:
    """A part of a list, newest first, and the cursor of the next part."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job: `status`, `stdout`, `stderr` or, last, `result`."""

    id: int
    name: str
    data: Mapping[str, Any]


def result_from_wire(wire: Mapping[str, Any]) -> JobResult:
    """The result of one JSON object. Raises KeyError, TypeError or ValueError where it is none."""
    known = _known(JobResult, wire)
    known["outcome"] = Outcome(known["outcome"])
    known["files"] = {name: base64.b64decode(data) for name, data in known.get("files", {}).items()}
    for name, kind in _PARTS.items():
        if known.get(name) is not None:
            known[name] = kind(**_known(kind, known[name]))
    known["findings"] = tuple(_finding(each) for each in known.get("findings", ()))
    known["code_changes"] = tuple(known.get("code_changes", ()))
    known["debug"] = _maybe(_debug, known.get("debug"))
    return JobResult(**known)


def _finding(wire: Mapping[str, Any]) -> Finding:
    known = _known(Finding, wire)
    return Finding(**{**known, "severity": Severity(known["severity"])})


def _debug(wire: Mapping[str, Any]) -> DebugReport:
    known = _known(DebugReport, wire)
    for name, make in (("console", _console_entry), ("errors", _error_link), ("steps", _step)):
        if known.get(name) is not None:
            known[name] = tuple(make(each) for each in known[name])
    if known.get("profile") is not None:
        known["profile"] = Profile(**_known(Profile, known["profile"]))
    known["truncated"] = tuple(known.get("truncated", ()))
    return DebugReport(**known)


def _console_entry(wire: Mapping[str, Any]) -> ConsoleEntry:
    known = _known(ConsoleEntry, wire)
    known["arguments"] = tuple(_debug_value(each) for each in known["arguments"])
    known["position"] = _maybe(_position, known.get("position"))
    return ConsoleEntry(**known)


def _error_link(wire: Mapping[str, Any]) -> ErrorLink:
    known = _known(ErrorLink, wire)
    known["frames"] = tuple(
        StackFrame(
            position=_position(frame["position"]),
            excerpt=tuple(SourceLine(**_known(SourceLine, line)) for line in frame.get("excerpt", ())),
        )
        for frame in known["frames"]
    )
    return ErrorLink(**known)


def _step(wire: Mapping[str, Any]) -> Step:
    known = _known(Step, wire)
    known["position"] = _position(known["position"])
    known["value"] = _maybe(_debug_value, known.get("value"))
    known["changed"] = tuple(
        Variable(name=each["name"], value=_debug_value(each["value"])) for each in known.get("changed", ())
    )
    return Step(**known)


def _position(wire: Mapping[str, Any]) -> Position:
    return Position(**_known(Position, wire))


def _debug_value(wire: Mapping[str, Any]) -> DebugValue:
    known = _known(DebugValue, wire)
    known["entries"] = tuple((each["name"], _debug_value(each["value"])) for each in known.get("entries", ()))
    return DebugValue(**known)


def metrics_from_wire(wire: Mapping[str, Any]) -> ExecutionMetrics:
    """The statistics of one JSON object. Raises KeyError, TypeError or ValueError where it is none."""
    known = _known(ExecutionMetrics, wire)
    buckets = known.get("memory_distribution", ())
    known["memory_distribution"] = tuple(MemoryBucket(**_known(MemoryBucket, each)) for each in buckets)
    return ExecutionMetrics(**known)


_PARTS: Mapping[str, type[Any]] = {
    "usage": Usage,
    "error": JobError,
    "limit": LimitHit,
    "stdout": StreamText,
    "stderr": StreamText,
    "timing": Timing,
    "container": ContainerReceipt,
}


def _known(kind: type[Any], wire: Mapping[str, Any]) -> dict[str, Any]:
    return {each.name: wire[each.name] for each in fields(kind) if each.name in wire}


def _maybe(make: Any, value: Any) -> Any:
    return None if value is None else make(value)
