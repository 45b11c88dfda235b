"""Scheduler floor: what is looked at before a job has a container, and once more before its result is told."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, replace

from orchestrator.domain.debug import DebugReport
from orchestrator.domain.errors import InvalidJob, PoolTimeout
from orchestrator.domain.finding import Finding, Severity
from orchestrator.domain.job import Mode
from orchestrator.domain.limits import Usage
from orchestrator.domain.outcome import JobError, JobResult, Outcome, Timing
from orchestrator.guard.policy import Policy
from orchestrator.guard.report import Report, Source, unshifted
from orchestrator.guard.rules import JAVASCRIPT, LANGUAGES
from orchestrator.scheduler.run import Job
from orchestrator.telemetry import Telemetry
from orchestrator.validation.checker import Checker

__all__ = ("Checked", "Checks")

_PLACE = re.compile(r"\b(job\.(?:js|py)):(\d+):(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """The validator's and sanitizer's part of every job."""

    checker: Checker
    telemetry: Telemetry

    async def require_valid_values(self, job: Job) -> None:
        """Raise InvalidJob where the input is no JSON within bounds, or the output's schema is none."""
        spec, within = job.spec, _left(job)
        if problem := await self.checker.problem_of_input(spec.input_json, within_seconds=within):
            raise InvalidJob("input", problem)
        schema = spec.output_schema_json
        if schema is not None and (
            problem := await self.checker.problem_of_schema(schema, within_seconds=within)
        ):
            raise InvalidJob("output_schema", problem)

    async def report(self, job: Job, language: str, policy: Policy) -> Report:
        """What the validator says. A language without rules has no findings. Raises PoolTimeout."""
        if language not in LANGUAGES:
            return Report()
        spec = job.spec
        own = frozenset(name.removesuffix(".py") for name in spec.files if name.endswith(".py"))
        source = Source(data=spec.code.encode(), language=language, mode=spec.mode, own_modules=own)
        return await self.checker.check(source, policy, within_seconds=_left(job))

    async def validate(self, job: Job, language: str, policy: Policy) -> Checked:
        """The job as it is to be run, or the result that it has without."""
        began = _now()
        try:
            report = await self.report(job, language, policy)
        except PoolTimeout as error:
            return self._refused(
                job, Report(), Outcome.EXPIRED, JobError(name="PoolTimeout", message=str(error))
            )
        validate_ms = (_now() - began) * 1000
        if report.is_rejected:
            job = replace(job, validate_ms=validate_ms)
            return self._refused(job, report, Outcome.REJECTED, _error_of(report))
        spec = job.spec
        if report.text is not None:
            spec = replace(spec, code=report.text)
        if policy.allowed_globals is not None and language == JAVASCRIPT and spec.mode is Mode.FUNCTION:
            asked = spec.allowed_globals
            names = policy.allowed_globals if asked is None else policy.allowed_globals.intersection(asked)
            spec = replace(spec, allowed_globals=tuple(sorted(names)))
        checked = replace(job, spec=spec, validate_ms=validate_ms)
        return Checked(job=checked, report=report, checker=self.checker)

    def _refused(self, job: Job, report: Report, outcome: Outcome, error: JobError) -> Checked:
        result = JobResult(
            id=job.id,
            outcome=outcome,
            usage=Usage(wall_ms=0.0),
            error=error,
            findings=report.findings,
            timing=Timing(validate_ms=job.validate_ms, total_ms=(_now() - job.accepted_at) * 1000),
        )
        self.telemetry.job_finished(job.spec.runtime, result)
        return Checked(job=job, report=report, checker=self.checker, rejection=result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A job that was looked at."""

    job: Job
    report: Report
    checker: Checker
    rejection: JobResult | None = None

    async def review(self, result: JobResult) -> JobResult:
        """The result with what was found and changed, its places in the tenant's own text, its output as agreed."""
        report = self.report
        if report.findings or report.changes:
            error = _in_own_text(result.error, report) if report.shifts else result.error
            debug = _debug_in_own_text(result.debug, report) if report.shifts else result.debug
            result = replace(result, findings=report.findings, code_changes=report.changes)
            result = replace(result, error=error, debug=debug)
        schema = self.job.spec.output_schema_json
        if schema is None or result.outcome is not Outcome.SUCCEEDED:
            return result
        problem = await self.checker.problem_of_output(schema, json.dumps(result.output))
        if problem is None:
            return result
        error = JobError(name="OutputSchema", message=problem)
        return replace(result, outcome=Outcome.INVALID_OUTPUT, output=None, error=error)


def _error_of(report: Report) -> JobError:
    """The first finding that rejects, syntax before policy."""
    rejecting = [finding for finding in report.findings if finding.severity is Severity.REJECT]
    first = min(rejecting, key=lambda finding: finding.rule != "syntax-error")
    return JobError(name=_name_of(first), message=first.message, line=first.line, column=first.column)


def _name_of(finding: Finding) -> str:
    return "SyntaxError" if finding.rule == "syntax-error" else "PolicyViolation"


def _in_own_text(error: JobError | None, report: Report) -> JobError | None:
    if error is None:
        return None

    def place(match: re.Match[str]) -> str:
        line, column = int(match[2]), int(match[3])
        return f"{match[1]}:{line}:{unshifted(report.shifts, line, column)}"

    column = error.column
    if error.line is not None and column is not None:
        column = unshifted(report.shifts, error.line, column)
    stack = None if error.stack is None else _PLACE.sub(place, error.stack)
    return replace(error, column=column, stack=stack)


def _debug_in_own_text(debug: DebugReport | None, report: Report) -> DebugReport | None:
    if debug is None:
        return None
    return debug.relocated(lambda line, column: unshifted(report.shifts, line, column))


def _left(job: Job) -> float:
    return max(0.0, job.start_by - _now())


def _now() -> float:
    return asyncio.get_running_loop().time()
