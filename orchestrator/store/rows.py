"""Store floor: values into rows and back. JSON text is made and read here only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping

from orchestrator.domain.job import JobState
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.record import JobRecord
from orchestrator.domain.tenant import Priority, Recycle, Tenant

__all__ = (
    "can_be_stored",
    "record_of_row",
    "result_columns",
    "row_of_record",
    "settings_of_tenant",
    "tenant_of_row",
)


def can_be_stored(text: str) -> bool:
    """Whether any row could hold this text: PostgreSQL has no NUL, and UTF-8 no lone surrogate."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def row_of_record(record: JobRecord) -> dict[str, Any]:
    """The row of one job."""
    request = _json_or_none(record.request)
    finished = result_columns(record.result)
    return {
        "id": record.id,
        "tenant": record.tenant,
        "runtime": record.runtime,
        "priority": record.priority.value,
        "state": record.state.value,
        "outcome": record.outcome.value if record.outcome else None,
        "accepted_at": record.accepted_at,
        "expires_at": record.expires_at,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "attempts": record.attempts,
        "code_sha256": record.code_sha256,
        "input_sha256": record.input_sha256,
        "metadata": json.dumps(record.metadata),
        "limits": _json_or_none(record.limits),
        "request": request,
        **finished,
        "payload_bytes": len(request or "") + finished["payload_bytes"],
    }


def result_columns(result: Mapping[str, Any] | None) -> dict[str, Any]:
    """The columns that a result fills: itself, its size, and the figures that statistics count."""
    text = _json_or_none(result)
    usage = (result or {}).get("usage") or {}
    # A job that never ran has no wall time; zero would drag the averages down.
    wall_ms = usage.get("wall_ms") or None
    return {
        "result": text,
        "payload_bytes": len(text or ""),
        "wall_ms": wall_ms,
        "memory_peak_bytes": usage.get("memory_peak_bytes") if wall_ms else None,
    }


def record_of_row(row: RowMapping) -> JobRecord:
    """The job of one row; a row read without its request and result has None for them."""
    return JobRecord(
        id=row["id"],
        tenant=row["tenant"],
        runtime=row["runtime"],
        priority=Priority(row["priority"]),
        state=JobState(row["state"]),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        accepted_at=row["accepted_at"],
        expires_at=row["expires_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        attempts=row["attempts"],
        code_sha256=row["code_sha256"],
        input_sha256=row["input_sha256"],
        metadata=json.loads(row["metadata"]),
        limits=_value_or_none(row["limits"]),
        request=_value_or_none(row.get("request")),
        result=_value_or_none(row.get("result")),
    )


def settings_of_tenant(tenant: Tenant) -> str:
    """A tenant's settings as JSON text."""
    return json.dumps(asdict(tenant))


def tenant_of_row(row: RowMapping) -> Tenant:
    """The tenant of one row. Settings that a newer version added are left out, missing ones are defaults."""
    values = json.loads(row["settings"])
    known = {name: values[name] for name in Tenant.__dataclass_fields__ if name in values}
    known["priority_ceiling"] = Priority(known["priority_ceiling"])
    if known.get("recycle") is not None:
        known["recycle"] = Recycle(known["recycle"])
    if known.get("runtimes") is not None:
        known["runtimes"] = tuple(known["runtimes"])
    if known.get("ceiling") is not None:
        known["ceiling"] = Limits(**known["ceiling"])
    return Tenant(**known)


def _json_or_none(value: Mapping[str, Any] | None) -> str | None:
    # All ASCII: a lone surrogate or a NUL stays an escape, and one character is one byte.
    return None if value is None else json.dumps(value, separators=(",", ":"))


def _value_or_none(text: str | None) -> Any:
    return None if text is None else json.loads(text)
