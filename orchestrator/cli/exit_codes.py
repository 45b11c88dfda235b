"""Command line: what the exit code says, in the one place that says it; `--help` and docs/cli.md print it from here."""

from __future__ import annotations

from enum import IntEnum

from orchestrator.domain.errors import (
    BackendError,
    CapacityError,
    ConfigurationError,
    OrchestratorError,
    RequestError,
)
from orchestrator.domain.outcome import JobResult, Outcome

__all__ = ("MEANINGS", "ExitCode", "exit_code_of_error", "exit_code_of_result")


class ExitCode(IntEnum):
    """The exit codes of `sandbox-orch`."""

    OK = 0
    JOB_FAILED = 1
    """The job ran and did not succeed, by its own doing; or a check found something wrong."""
    USAGE = 2
    """The request, an option or a setting is wrong."""
    ENGINE = 3
    """The engine or the host failed, or has no room."""
    LIMIT = 4
    """The job was ended by one of its limits."""


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "succeeded",
    ExitCode.JOB_FAILED: "the job failed or was rejected; a check found something",
    ExitCode.USAGE: "wrong usage, a wrong setting, or a request that was refused",
    ExitCode.ENGINE: "engine, host, store or service failed or had no room, or Ctrl-C",
    ExitCode.LIMIT: "a limit ended the job",
}
"""What each says, for people."""


def exit_code_of_error(error: OrchestratorError) -> ExitCode:
    """The exit code for an exception of ours."""
    if isinstance(error, RequestError | ConfigurationError):
        return ExitCode.USAGE
    if isinstance(error, BackendError | CapacityError):
        return ExitCode.ENGINE
    return ExitCode.ENGINE


def exit_code_of_result(result: JobResult) -> ExitCode:
    """The exit code for a job's result."""
    if result.success:
        return ExitCode.OK
    if result.outcome in (Outcome.INTERNAL_ERROR, Outcome.EXPIRED):
        return ExitCode.ENGINE
    return ExitCode.LIMIT if result.outcome.endswith("_limit") else ExitCode.JOB_FAILED
