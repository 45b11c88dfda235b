"""Policies floor: what tenant code said of itself, parsed as hostile data. Pure.

A payload can only ever choose the tenant's own output or error. Everything else in it is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.bounds import ForeignJsonError, cut, parse_foreign_json
from orchestrator.domain.limits import KIB
from orchestrator.domain.outcome import JobError, Outcome

__all__ = ("Payload", "parse_payload")

MAX_NAME = 128
MAX_MESSAGE = 4 * KIB
MAX_STACK = 16 * KIB
MAX_POSITION = 2**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """An outcome of tenant code that ran to its end: succeeded, error or invalid_output."""

    outcome: Outcome
    output: object = None
    error: JobError | None = None


def parse_payload(text: object) -> Payload:
    """The payload in `text`; whatever is no payload is an invalid output, never an exception."""
    try:
        value = parse_foreign_json(text if isinstance(text, str) else "")
    except ForeignJsonError as error:
        return _invalid("InvalidJson", f"output: {error}")
    if not isinstance(value, dict):
        return _invalid("InvalidPayload", "output: the runner's answer is no object")
    if value.get("status") == "ok" and "output" in value:
        return Payload(outcome=Outcome.SUCCEEDED, output=value["output"])
    if value.get("status") in ("error", "invalid_output"):
        outcome = Outcome.ERROR if value["status"] == "error" else Outcome.INVALID_OUTPUT
        return Payload(outcome=outcome, error=_error(value.get("error")))
    return _invalid("InvalidPayload", "output: the runner's answer has no status")


def _invalid(name: str, message: str) -> Payload:
    return Payload(outcome=Outcome.INVALID_OUTPUT, error=JobError(name=name, message=message))


def _error(value: object) -> JobError:
    fields = value if isinstance(value, dict) else {}
    return JobError(
        name=_text(fields.get("name"), MAX_NAME) or "Error",
        message=_text(fields.get("message"), MAX_MESSAGE) or "",
        stack=_text(fields.get("stack"), MAX_STACK),
        line=_position(fields.get("line")),
        column=_position(fields.get("column")),
    )


def _text(value: object, most: int) -> str | None:
    return cut(value, most) if isinstance(value, str) else None


def _position(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value < MAX_POSITION else None
