"""Store floor: jobs in rows. Each `…_jobs` function is an act of the writer, the others read."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, insert, select, tuple_, update

from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.record import JobRecord
from orchestrator.store.rows import can_be_stored, record_of_row, result_columns, row_of_record
from orchestrator.store.tables import jobs

__all__ = (
    "Finish",
    "JobFilter",
    "Page",
    "Start",
    "add_jobs",
    "finish_jobs",
    "get_job",
    "list_jobs",
    "start_jobs",
    "unfinished_jobs",
)

_ADD = insert(jobs)
# INVARIANT: a state only goes forward (domain/transitions.py): a late start never undoes a finish, and the
# first finish stands.
_START = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.state != JobState.FINISHED.value)
    .values(state=JobState.RUNNING.value, started_at=bindparam("at"), attempts=jobs.c.attempts + 1)
)
MOST_SEARCHED = 10_000
_NEWEST_FIRST = (jobs.c.accepted_at.desc(), jobs.c.id.desc())
_WITHOUT_PAYLOAD = [column for column in jobs.c if column.name not in ("request", "result")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A job began to run."""

    job_id: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """A job ended."""

    job_id: str
    outcome: Outcome
    result: dict[str, Any]
    at: float
    keep_request: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list is of; None is any. Times are when the job was accepted, `until` excluded.

    `search` is what the id begins with, or what is in the metadata, in lower or upper case.
    """

    tenant: str | None = None
    state: JobState | None = None
    outcome: Outcome | None = None
    runtime: str | None = None
    since: float | None = None
    until: float | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list, and the cursor of the next part; None where this is the last."""

    records: tuple[JobRecord, ...]
    next_cursor: str | None


def add_jobs(connection: Connection, batches: Sequence[Sequence[JobRecord]]) -> list[None]:
    """Write new jobs."""
    rows = [row_of_record(record) for batch in batches for record in batch]
    if rows:
        connection.execute(_ADD, rows)
    return [None] * len(batches)


def start_jobs(connection: Connection, starts: Sequence[Start]) -> list[None]:
    """Write that jobs run; those that finished meanwhile stay finished."""
    connection.execute(_START, [{"job": start.job_id, "at": start.at} for start in starts])
    return [None] * len(starts)


def finish_jobs(connection: Connection, finishes: Sequence[Finish]) -> list[bool]:
    """Write how jobs ended; for each, whether this was its first end."""
    return [_finish(connection, finish) for finish in finishes]


def _finish(connection: Connection, finish: Finish) -> bool:
    columns = result_columns(finish.result)
    if finish.keep_request:
        columns["payload_bytes"] = jobs.c.payload_bytes + columns["payload_bytes"]
    else:
        columns["request"] = None
    statement = (
        update(jobs)
        .where(jobs.c.id == finish.job_id, jobs.c.state != JobState.FINISHED.value)
        .values(state=JobState.FINISHED.value, outcome=finish.outcome.value, finished_at=finish.at, **columns)
    )
    return connection.execute(statement).rowcount == 1


def get_job(connection: Connection, job_id: str, tenant: str | None) -> JobRecord | None:
    """One job, of this tenant or (None) of any."""
    if not can_be_stored(job_id):
        return None
    query = select(jobs).where(jobs.c.id == job_id)
    if tenant is not None:
        query = query.where(jobs.c.tenant == tenant)
    row = connection.execute(query).mappings().first()
    return record_of_row(row) if row else None


def unfinished_jobs(connection: Connection) -> list[JobRecord]:
    """All that were accepted and have no end yet, oldest first."""
    query = select(jobs).where(jobs.c.state.in_((JobState.QUEUED.value, JobState.RUNNING.value)))
    rows = connection.execute(query.order_by(jobs.c.accepted_at, jobs.c.id)).mappings()
    return [record_of_row(row) for row in rows]


def list_jobs(connection: Connection, which: JobFilter, limit: int, cursor: str | None) -> Page:
    """Jobs without their requests and results, newest first. Raises InvalidJob for a cursor that is none of ours."""
    if not all(can_be_stored(text or "") for text in (which.runtime, which.tenant, which.search)):
        return Page(records=(), next_cursor=None)
    query = _filtered(select(*_WITHOUT_PAYLOAD), which)
    if cursor is not None:
        query = query.where(tuple_(jobs.c.accepted_at, jobs.c.id) < tuple_(*_read_cursor(cursor)))
    query = query.order_by(*_NEWEST_FIRST)
    if which.search is None:
        return _page(connection, query, limit)
    return _searched(connection, query, which.search, limit)


def _page(connection: Connection, query: Select[Any], limit: int) -> Page:
    records = [record_of_row(row) for row in connection.execute(query.limit(limit + 1)).mappings()]
    page = tuple(records[:limit])
    last = (page[-1].accepted_at, page[-1].id) if len(records) > limit else None
    return Page(records=page, next_cursor=_make_cursor(last))


def _searched(connection: Connection, query: Select[Any], text: str, limit: int) -> Page:
    """A page of what fits, which looks at MOST_SEARCHED jobs at most; the next one goes on behind them."""
    looked_at = query.limit(MOST_SEARCHED).subquery()
    # As it is written there: what is not ASCII, and quotation marks, as JSON has them.
    written = json.dumps(text)[1:-1]
    fits = looked_at.c.id.istartswith(text, autoescape=True) | looked_at.c.metadata.icontains(
        written, autoescape=True
    )
    hits = select(looked_at).where(fits).order_by(looked_at.c.accepted_at.desc(), looked_at.c.id.desc())
    page = _page(connection, hits, limit)
    if page.next_cursor is not None:
        return page
    last = connection.execute(query.offset(MOST_SEARCHED - 1).limit(1)).first()
    return Page(
        records=page.records, next_cursor=_make_cursor(None if last is None else (last.accepted_at, last.id))
    )


def _filtered(query: Select[Any], which: JobFilter) -> Select[Any]:
    for column in ("tenant", "state", "outcome", "runtime"):
        if (wanted := getattr(which, column)) is not None:
            query = query.where(jobs.c[column] == str(wanted))  # the plain text of an enum's member
    if which.since is not None:
        query = query.where(jobs.c.accepted_at >= which.since)
    if which.until is not None:
        query = query.where(jobs.c.accepted_at < which.until)
    return query


def _make_cursor(last: tuple[float, str] | None) -> str | None:
    if last is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(last).encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[float, str]:
    try:
        accepted_at, job_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = float(accepted_at), str(job_id)
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        place = math.nan, ""
    if not math.isfinite(place[0]) or not can_be_stored(place[1]):
        raise InvalidJob("cursor", "is none that this service gave out")
    return place
