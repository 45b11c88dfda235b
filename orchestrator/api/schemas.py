"""HTTP floor: the wire shapes. What comes in is checked here and turned into the domain's values at the door."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from orchestrator.domain.debug import DebugOptions
from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.finding import Severity
from orchestrator.domain.job import (
    MAX_ARGS,
    MAX_CODE_BYTES,
    MAX_FILES,
    MAX_INPUT_BYTES,
    JobSpec,
    JobState,
    Mode,
)
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.record import JobRecord
from orchestrator.domain.tenant import Priority
from orchestrator.guard.report import Report
from orchestrator.jobs import JobView, Submission

__all__ = (
    "BatchIn",
    "BatchOut",
    "CheckOut",
    "HealthOut",
    "JobIn",
    "JobOut",
    "JobsOut",
    "PoolOut",
    "ProblemOut",
    "ReadyOut",
    "RequestOut",
    "ResultOut",
    "RuntimesOut",
    "SourceIn",
    "StatsOut",
    "job_to_wire",
    "report_to_wire",
    "request_to_show",
)

MAX_BATCH = 100
MAX_METADATA = 32
_Whole = Annotated[int, Field(strict=True, gt=0, le=2**53)]
_MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_MetadataValue = Annotated[str, StringConstraints(max_length=512)]
_Arg = Annotated[str, StringConstraints(max_length=4096)]


class _In(BaseModel):
    """A field that is not known is an error, never silently dropped."""

    model_config = ConfigDict(extra="forbid")


class LimitsIn(_In):
    """What one job may use. Every figure is for the tenant's code, above the interpreter's own need."""

    wall_time_ms: _Whole | None = None
    cpu_time_ms: _Whole | None = None
    memory_bytes: _Whole | None = None
    output_bytes: _Whole | None = None
    processes: _Whole | None = None
    disk_bytes: _Whole | None = None


class DebugIn(_In):
    """What of the run is recorded for its author, where the tenant may use debug mode."""

    console: bool = False
    stack_traces: bool = False
    profile: bool = False
    steps: bool = False

    def options(self) -> DebugOptions | None:
        """What is asked for; None for nothing."""
        asked = DebugOptions(**self.model_dump())
        return None if asked.asks_for_nothing else asked


class _Program(_In):
    """What all jobs of one request have in common."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"runtime": "python", "code": "output = input['x'] + 1", "input": {"x": 41}},
                {"runtime": "node", "code": "console.log(input)", "debug": {"console": True, "steps": True}},
            ]
        },
    )

    runtime: Annotated[str, Field(min_length=1, max_length=64)]
    code: Annotated[str, Field(max_length=MAX_CODE_BYTES)]
    entrypoint: Annotated[str, Field(max_length=128)] | None = None
    """The function to call with `input`; its return value is the output."""
    mode: Mode = Mode.FUNCTION
    allowed_globals: Annotated[list[Annotated[str, Field(max_length=128)]], Field(max_length=1000)] | None = (
        None
    )
    stdin: Annotated[str, Field(max_length=MAX_INPUT_BYTES)] = ""
    args: Annotated[list[_Arg], Field(max_length=MAX_ARGS)] = []
    files: Annotated[dict[str, str], Field(max_length=MAX_FILES)] = {}
    """Names to contents, in base64."""
    output_schema: dict[str, Any] | bool | None = None
    """A JSON Schema (2020-12) that the output must fit, or the job ends as `invalid_output`."""
    limits: LimitsIn = LimitsIn()
    debug: DebugIn | None = None
    priority: Priority | None = None
    metadata: Annotated[dict[_MetadataKey, _MetadataValue], Field(max_length=MAX_METADATA)] = {}
    start_within_ms: Annotated[int, Field(strict=True, gt=0, le=86_400_000)] | None = None
    """How long the job may wait for its start before it has `expired`."""

    def to_submission(self, value: object, key: str | None) -> Submission:
        """The job with `value` for its input. Raises InvalidJob naming the field."""
        spec = JobSpec(
            runtime=self.runtime,
            code=self.code,
            mode=self.mode,
            input_json=json.dumps(value, ensure_ascii=False, allow_nan=False),
            entrypoint=self.entrypoint,
            allowed_globals=None if self.allowed_globals is None else tuple(self.allowed_globals),
            stdin=self.stdin,
            args=tuple(self.args),
            files={name: _decoded(data) for name, data in self.files.items()},
            output_schema_json=None if self.output_schema is None else json.dumps(self.output_schema),
            debug=None if self.debug is None else self.debug.options(),
        )
        return Submission(
            spec=spec,
            limits=self.limits.model_dump(exclude_none=True),
            priority=self.priority,
            metadata=dict(self.metadata),
            start_within_seconds=None if self.start_within_ms is None else self.start_within_ms / 1000,
            idempotency_key=key,
            body_sha256="" if key is None else self._sha256(value),
        )

    def _sha256(self, value: object) -> str:
        # Without debug mode a request is what it was before there was any: keys outlive an update.
        debug = {"debug"} if self.debug is None else set()
        told = self.model_dump(mode="json", exclude={"input", "inputs", *debug})
        text = json.dumps([told, value], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


class JobIn(_Program):
    """One job."""

    input: Any = None
    """Any JSON value; the code finds it in `input`."""

    def submission(self, key: str | None = None) -> Submission:
        """The job. Raises InvalidJob naming the field."""
        return self.to_submission(self.input, key)


class _ManyInputsIn(_Program):
    """One code with many inputs."""

    inputs: Annotated[list[Any], Field(min_length=1, max_length=MAX_BATCH)]


class _ManyJobsIn(_In):
    """Many jobs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"jobs": [{"runtime": "node", "code": "output = input * 2", "input": 21}]}]
        },
    )

    jobs: Annotated[list[JobIn], Field(min_length=1, max_length=MAX_BATCH)]


BatchIn = _ManyJobsIn | _ManyInputsIn
"""Up to a hundred jobs: `jobs: [...]`, or one code with `inputs: [...]`."""


class SourceIn(_In):
    """Code to be looked at."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"runtime": "python", "code": "import os"}]}
    )

    runtime: Annotated[str, Field(min_length=1, max_length=64)]
    code: Annotated[str, Field(max_length=MAX_CODE_BYTES)]
    mode: Mode = Mode.FUNCTION

    def spec(self) -> JobSpec:
        """The job. Raises InvalidJob naming the field."""
        return JobSpec(runtime=self.runtime, code=self.code, mode=self.mode)


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidJob("files", "a file's content is no base64") from None


# -- out ----------------------------------------------------------------------------------------------------
# These describe; answers are written from the wire forms of `orchestrator/wire.py`. A test holds them together.


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldProblemOut(_Out):
    """One field that is wrong."""

    field: str
    problem: str


class ProblemOut(_Out):
    """Why a request was not carried out (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldProblemOut] = []


class LimitHitOut(_Out):
    """The limit that ended a job."""

    name: str
    configured: int
    observed: int | None


class JobErrorOut(_Out):
    """What went wrong in the tenant's terms; lines and columns count from 1."""

    name: str
    message: str
    stack: str | None
    line: int | None
    column: int | None


class StreamOut(_Out):
    """What is kept of one output stream: all of it, or head and tail with a mark between."""

    text: str
    bytes_total: int
    truncated: bool


class UsageOut(_Out):
    """What a job used, measured outside of it."""

    wall_ms: float
    cpu_ms: float | None
    memory_peak_bytes: int | None
    oom_kills: int


class TimingOut(_Out):
    """Where the time went: durations, and the moments at which each step was over, in milliseconds."""

    validate_ms: float
    lease_ms: float
    run_ms: float
    collect_ms: float
    total_ms: float
    validated_ms: float
    queued_ms: float | None
    leased_ms: float | None
    dispatched_ms: float | None
    first_byte_ms: float | None
    compiled_ms: float | None = None
    executed_ms: float | None
    collected_ms: float | None


class ContainerOut(_Out):
    """Which container ran the job, made of what."""

    id: str
    image_digest: str
    profile_digest: str
    warm: bool
    reused: bool


class FindingOut(_Out):
    """One thing found at one place of the code; lines and columns count from 1."""

    rule: str
    severity: Severity
    message: str
    line: int
    column: int
    end_line: int
    end_column: int


class DebugValueOut(_Out):
    """One value as it was at one moment, within bounds."""

    type: str
    text: str
    entries: list[DebugVariableOut]
    """Of a container or object: index, key or name, and value."""
    truncated: bool


class DebugVariableOut(_Out):
    """A name and a value."""

    name: str
    value: DebugValueOut


class PositionOut(_Out):
    """A place in one of the tenant's files; lines and columns count from 1."""

    file: str
    line: int
    column: int | None
    function: str | None


class ConsoleEntryOut(_Out):
    """One call that prints."""

    at_ms: float
    """Since the code began to run."""
    stream: str
    level: str
    arguments: list[DebugValueOut]
    position: PositionOut | None
    truncated: bool


class SourceLineOut(_Out):
    """One line of code."""

    line: int
    text: str


class StackFrameOut(_Out):
    """One call of the tenant's own code, and the lines around it."""

    position: PositionOut
    excerpt: list[SourceLineOut]


class ErrorLinkOut(_Out):
    """One error of a chain; the first ended the job."""

    name: str
    message: str
    relation: str
    """`thrown`, or what it is to its parent: `cause`, `context`, `member`."""
    parent: int | None
    frames: list[StackFrameOut]
    truncated: bool


class ProfileOut(_Out):
    """Where the CPU time went: a `.cpuprofile` of V8, or a speedscope document."""

    format: str
    content: dict[str, Any]
    complete: bool


class StepOut(_Out):
    """One moment of the run."""

    event: str
    """`line` is about to be executed; `return` and `throw` leave a function with `value`."""
    position: PositionOut
    depth: int
    changed: list[DebugVariableOut]
    value: DebugValueOut | None
    truncated: bool


class DebugOut(_Out):
    """What debug mode recorded. A part that was not asked for is null."""

    console: list[ConsoleEntryOut] | None
    errors: list[ErrorLinkOut] | None
    profile: ProfileOut | None
    steps: list[StepOut] | None
    truncated: list[str]
    """Parts of which there was more than is kept."""
    unreadable: int
    """Records of no known shape, left out."""


class CheckOut(_Out):
    """What the validator says of code."""

    rejected: bool
    """Whether a job with this code would end as `rejected`."""
    findings: list[FindingOut]
    code_changes: list[str]
    """What would be changed in the code before it runs, in words."""


class AskedOut(_Out):
    """What a job was asked as."""

    code: str
    mode: Mode
    entrypoint: str | None
    input_json: str
    """The input as JSON text."""
    stdin: str
    args: list[str]
    files: dict[str, int]
    """Names to sizes in bytes."""


class RequestOut(_Out):
    """What a job was asked as; `request` is null where that is not kept."""

    request: AskedOut | None


class ResultOut(_Out):
    """The one answer to one job."""

    id: str
    outcome: Outcome
    success: bool
    usage: UsageOut
    output: Any
    error: JobErrorOut | None
    limit: LimitHitOut | None
    exit_code: int | None
    signal: int | None
    stdout: StreamOut
    stderr: StreamOut
    files: dict[str, str]
    timing: TimingOut
    container: ContainerOut | None
    attempts: int
    findings: list[FindingOut]
    """What was found in the code before it ran: why it was rejected, and warnings."""
    code_changes: list[str]
    """What was changed in the code before it ran, in words."""
    debug: DebugOut | None = None
    """What debug mode recorded; null where it was not asked for."""


class JobOut(_Out):
    """One job. Times are Unix seconds."""

    id: str
    tenant: str
    runtime: str
    priority: Priority
    state: JobState
    outcome: Outcome | None
    location: str
    accepted_at: float
    expires_at: float
    started_at: float | None
    finished_at: float | None
    attempts: int
    position: int | None
    estimated_start_ms: float | None
    code_sha256: str
    input_sha256: str
    metadata: dict[str, str]
    limits: dict[str, int] | None
    """What it may use; null of a job that an earlier version kept."""
    result: ResultOut | None


class JobsOut(_Out):
    """Jobs, newest first, without their results; `cursor` takes what `next_cursor` says."""

    jobs: list[JobOut]
    next_cursor: str | None


class BatchItemOut(_Out):
    """One job of a batch: accepted (202) with the job, or refused with the problem."""

    status: int
    job: JobOut | None = None
    problem: ProblemOut | None = None


class BatchOut(_Out):
    """What became of each job, in the order of the request."""

    results: list[BatchItemOut]


class RuntimeOut(_Out):
    """One runtime on offer."""

    name: str
    language: str
    version: str
    modes: list[Mode]
    ceiling: dict[str, int]
    """Up to here a job gets a warm container."""
    maximum: dict[str, int]
    """Up to here one is made to measure."""
    default_limits: dict[str, int]


class RuntimesOut(_Out):
    """The runtimes that the asking tenant may use."""

    runtimes: list[RuntimeOut]


class TargetOut(_Out):
    """How many containers of a runtime are to stand warm."""

    target: int
    why: str


class PooledContainerOut(_Out):
    """One container, whose jobs' contents are nobody's business here."""

    id: str
    """Empty while it is being made."""
    runtime: str
    state: str
    age_seconds: float
    generation: int
    """Goes up when the runtime's image or profile changes."""
    tenant: str | None
    """Whom it is kept for; null where it serves one job only."""
    jobs_served: int


class PoolOut(_Out):
    """The pool and the queue at this moment."""

    states: dict[str, dict[str, int]]
    targets: dict[str, TargetOut]
    containers: list[PooledContainerOut]
    waiting: dict[str, int]
    leases_warm: int
    leases_cold: int
    leases_reused: int
    """Of containers that their tenant had used before."""
    created: int
    failures_in_a_row: int
    last_failure: str | None
    retired_by_reason: dict[str, int]
    leaks_by_kind: dict[str, int]
    """Signs of leaks in containers that were to be kept for their tenant."""
    queue_depth: dict[Priority, int]
    running: int


class MemoryBucketOut(_Out):
    """How many jobs had their peak of memory in this range."""

    from_bytes: int
    to_bytes: int
    jobs: int


class StatsOut(_Out):
    """The executions of a time range."""

    total: int
    succeeded: int
    failed: int
    average_wall_ms: float | None
    p50_wall_ms: float | None
    p95_wall_ms: float | None
    p99_wall_ms: float | None
    memory_distribution: list[MemoryBucketOut]
    error_categories: dict[str, int]


class HealthOut(_Out):
    """The process answers."""

    status: str


class ReadyOut(_Out):
    """Whether jobs can be taken now, and what is in the way where they cannot."""

    ready: bool
    engine: bool
    pool: bool
    store: bool
    disk: bool
    checks: bool
    draining: bool


def job_to_wire(view: JobView, *, with_result: bool = True) -> dict[str, Any]:
    """One job as a JSON object."""
    record: JobRecord = view.record
    return {
        "id": record.id,
        "tenant": record.tenant,
        "runtime": record.runtime,
        "priority": record.priority,
        "state": record.state,
        "outcome": record.outcome,
        "location": f"/v1/jobs/{record.id}",
        "accepted_at": record.accepted_at,
        "expires_at": record.expires_at,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "attempts": record.attempts,
        "position": view.position,
        "estimated_start_ms": view.estimated_start_ms,
        "code_sha256": record.code_sha256,
        "input_sha256": record.input_sha256,
        "metadata": record.metadata,
        "limits": record.limits,
        "result": record.result if with_result else None,
    }


def report_to_wire(report: Report) -> dict[str, Any]:
    """What the validator says as a JSON object."""
    return {
        "rejected": report.is_rejected,
        "findings": [asdict(finding) for finding in report.findings],
        "code_changes": list(report.changes),
    }


def request_to_show(kept: Mapping[str, Any] | None) -> dict[str, Any]:
    """What was kept of a request, without the contents of its files."""
    if kept is None:
        return {"request": None}
    shown = {name: kept[name] for name in ("code", "mode", "entrypoint", "input_json", "stdin", "args")}
    sizes = {name: len(base64.b64decode(data)) for name, data in kept["files"].items()}
    return {"request": {**shown, "files": sizes}}
