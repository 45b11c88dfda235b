"""Validation floor: what is said between the orchestrator and its checking processes. Sans-IO.

A message is a 4-byte big-endian length, one line of JSON, and bytes. The answers come from a process that reads hostile
sources: they are bounded and checked like foreign data.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from orchestrator.domain.errors import ProtocolError
from orchestrator.domain.finding import Finding, Severity
from orchestrator.domain.job import Mode
from orchestrator.domain.limits import MIB
from orchestrator.guard.report import Report, Shift, Source

__all__ = (
    "LENGTH",
    "MAX_ANSWER_BYTES",
    "encode_message",
    "report_from_wire",
    "report_to_wire",
    "source_from_wire",
    "source_to_wire",
    "split_message",
)

LENGTH = struct.Struct(">L")
MAX_ANSWER_BYTES = 16 * MIB


def encode_message(head: Mapping[str, object], body: bytes = b"") -> bytes:
    """One message."""
    line = json.dumps(head, separators=(",", ":")).encode()
    return b"".join((LENGTH.pack(len(line) + 1 + len(body)), line, b"\n", body))


def split_message(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Head and body of a message without its length. Raises ProtocolError."""
    line, _, body = message.partition(b"\n")
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolError("a message without a head", step="check") from None
    if not isinstance(head, dict):
        raise ProtocolError("a message whose head is no object", step="check")
    return head, body


def source_to_wire(source: Source) -> dict[str, object]:
    """All of a source but its bytes."""
    return {"language": source.language, "mode": source.mode, "own_modules": sorted(source.own_modules)}


def source_from_wire(head: Mapping[str, Any], body: bytes) -> Source:
    """The source that was sent."""
    return Source(
        data=body,
        language=head["language"],
        mode=Mode(head["mode"]),
        own_modules=frozenset(head["own_modules"]),
    )


def report_to_wire(report: Report) -> tuple[dict[str, Any], bytes]:
    """Head and body of a message with a report."""
    head: dict[str, Any] = {
        "findings": [asdict(finding) for finding in report.findings],
        "changes": report.changes,
        "shifts": [(shift.line, shift.column, shift.own, shift.new) for shift in report.shifts],
        "changed": report.text is not None,
    }
    return head, (report.text or "").encode()


def report_from_wire(head: Mapping[str, Any], body: bytes) -> Report:
    """The report in an answer. Raises ProtocolError where it is none."""
    try:
        return Report(
            findings=tuple(_finding(fields) for fields in head["findings"]),
            text=body.decode() if head["changed"] else None,
            changes=tuple(str(change) for change in head["changes"]),
            shifts=tuple(Shift(*(int(number) for number in shift)) for shift in head["shifts"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"an answer that is no report: {type(error).__name__}", step="check") from None


def _finding(fields: Mapping[str, Any]) -> Finding:
    return Finding(
        rule=str(fields["rule"]),
        severity=Severity(fields["severity"]),
        message=str(fields["message"]),
        line=int(fields["line"]),
        column=int(fields["column"]),
        end_line=int(fields["end_line"]),
        end_column=int(fields["end_column"]),
    )
