"""Domain floor: how a job can end, and the result that says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.domain.debug import DebugReport
from orchestrator.domain.finding import Finding
from orchestrator.domain.limits import Usage

__all__ = (
    "ContainerReceipt",
    "JobError",
    "JobResult",
    "LimitHit",
    "Outcome",
    "StreamText",
    "Timing",
)


class Outcome(StrEnum):
    """How a job ended. A tenant's failure is a value, never an exception."""

    SUCCEEDED = "succeeded"
    ERROR = "error"
    """The code threw; in program mode, the exit code was not 0."""
    REJECTED = "rejected"
    """The validator refused the code; no container was used."""
    WALL_TIME_LIMIT = "wall_time_limit"
    CPU_TIME_LIMIT = "cpu_time_limit"
    MEMORY_LIMIT = "memory_limit"
    PROCESS_LIMIT = "process_limit"
    DISK_LIMIT = "disk_limit"
    OUTPUT_LIMIT = "output_limit"
    """The result was larger than allowed. Too much stdout or stderr is cut, and is no failure."""
    INVALID_OUTPUT = "invalid_output"
    """The code finished, with an output that JSON cannot carry."""
    KILLED = "killed"
    """The code ended its own runner: a signal, a crash of the interpreter, an exit."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Never started in time."""
    INTERNAL_ERROR = "internal_error"
    """Ours, never the tenant's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitHit:
    """The limit that ended a job: its name in `Limits`, what was allowed, and what was seen.

    `compile.NAME` is the runtime's own limit on compiling.
    """

    name: str
    configured: int
    observed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """What went wrong in the tenant's terms; lines and columns count from 1 in the tenant's own source."""

    name: str
    message: str
    stack: str | None = None
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamText:
    """What is kept of one output stream: all of it, or its head and tail with a mark between."""

    text: str = ""
    bytes_total: int = 0
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Where a job's time went, in milliseconds by the host's monotonic clock.

    The first five are durations. The others are a waterfall: when each step was over, counted from the moment
    the job came in; None where the job did not get that far.
    """

    validate_ms: float = 0.0
    lease_ms: float = 0.0
    run_ms: float = 0.0
    """From injection to the last byte that was waited for."""
    collect_ms: float = 0.0
    total_ms: float = 0.0
    validated_ms: float = 0.0
    queued_ms: float | None = None
    """It left the queue."""
    leased_ms: float | None = None
    """It had its container, warm or cold."""
    dispatched_ms: float | None = None
    """It was written to the runner."""
    first_byte_ms: float | None = None
    """The runner was first heard of."""
    compiled_ms: float | None = None
    """Its source was compiled; None where the language is not, or that failed."""
    executed_ms: float | None = None
    """It ended, or was ended."""
    collected_ms: float | None = None
    """Its result was complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerReceipt:
    """Which container ran the job, made of what."""

    id: str
    image_digest: str
    profile_digest: str
    warm: bool
    """False where the job had to wait for its container to be made."""
    reused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """The one answer to one job.

    `output` is a JSON value, None unless the outcome is `succeeded`. `exit_code` and `signal` are set in
    program mode, and where the runner was killed. `files` maps the names of files the program left in its
    work folder to their bytes.
    """

    id: str
    outcome: Outcome
    usage: Usage
    output: object = None
    error: JobError | None = None
    limit: LimitHit | None = None
    exit_code: int | None = None
    signal: int | None = None
    stdout: StreamText = StreamText()
    stderr: StreamText = StreamText()
    files: dict[str, bytes] = field(default_factory=dict)
    timing: Timing = Timing()
    container: ContainerReceipt | None = None
    attempts: int = 1
    findings: tuple[Finding, ...] = ()
    """What was found in the code before it ran: why it was rejected, and warnings."""
    code_changes: tuple[str, ...] = ()
    """What the sanitizer changed in the code, in words."""
    debug: DebugReport | None = None
    """What debug mode recorded; None where it was not asked for, or where nothing ran."""

    @property
    def success(self) -> bool:
        """Whether the job did what it was asked to."""
        return self.outcome is Outcome.SUCCEEDED
