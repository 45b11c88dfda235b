"""Store floor: statistics, counted by the database over every job there is, inside one snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, func, literal, select

from orchestrator.domain.outcome import Outcome
from orchestrator.policies.statistics import (
    MEMORY_BUCKETS,
    ExecutionMetrics,
    MemoryBucket,
    bucket_width,
    rank_of_percentile,
)
from orchestrator.store.rows import can_be_stored
from orchestrator.store.tables import jobs

__all__ = ("Span", "execution_metrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which executions are meant: those that finished from `since` on and before `until`; None is any."""

    tenant: str | None = None
    runtime: str | None = None
    since: float | None = None
    until: float | None = None

    def condition(self) -> ColumnElement[bool]:
        """The same in SQL."""
        wanted: list[ColumnElement[bool]] = [jobs.c.finished_at.is_not(None)]
        if self.tenant is not None:
            wanted.append(jobs.c.tenant == self.tenant)
        if self.runtime is not None:
            wanted.append(jobs.c.runtime == self.runtime)
        if self.since is not None:
            wanted.append(jobs.c.finished_at >= self.since)
        if self.until is not None:
            wanted.append(jobs.c.finished_at < self.until)
        return and_(*wanted)


def execution_metrics(connection: Connection, span: Span) -> ExecutionMetrics:
    """The figures of a span, exact: no sampling, no sketch."""
    if not all(can_be_stored(name) for name in (span.tenant or "", span.runtime or "")):
        return ExecutionMetrics()
    which = span.condition()
    outcomes = _outcomes(connection, which)
    total = sum(outcomes.values())
    succeeded = outcomes.pop(Outcome.SUCCEEDED.value, 0)
    ran, average = connection.execute(
        select(func.count(jobs.c.wall_ms), func.avg(jobs.c.wall_ms)).where(which)
    ).one()
    return ExecutionMetrics(
        total=total,
        succeeded=succeeded,
        failed=total - succeeded,
        average_wall_ms=None if average is None else float(average),
        p50_wall_ms=_percentile(connection, which, ran, 50),
        p95_wall_ms=_percentile(connection, which, ran, 95),
        p99_wall_ms=_percentile(connection, which, ran, 99),
        memory_distribution=_memory_distribution(connection, which),
        error_categories=outcomes,
    )


def _outcomes(connection: Connection, which: ColumnElement[bool]) -> dict[str, int]:
    query = (
        select(jobs.c.outcome, func.count()).where(which).group_by(jobs.c.outcome).order_by(jobs.c.outcome)
    )
    return {row.outcome: row[1] for row in connection.execute(query)}


def _percentile(connection: Connection, which: ColumnElement[bool], ran: int, percent: int) -> float | None:
    # By position: the database need not send what it sorts, and both databases agree to the last bit.
    query = select(jobs.c.wall_ms).where(which, jobs.c.wall_ms.is_not(None)).order_by(jobs.c.wall_ms)
    return connection.execute(query.offset(rank_of_percentile(ran, percent)).limit(1)).scalar()


def _memory_distribution(connection: Connection, which: ColumnElement[bool]) -> tuple[MemoryBucket, ...]:
    peak = jobs.c.memory_peak_bytes
    lowest, highest = connection.execute(select(func.min(peak), func.max(peak)).where(which)).one()
    if lowest is None:
        return ()
    width = bucket_width(lowest, highest)
    number = ((peak - literal(lowest, BigInteger)) // literal(width, BigInteger)).label("number")
    query = select(number, func.count()).where(which, peak.is_not(None)).group_by("number")
    counts = {int(bucket): count for bucket, count in connection.execute(query)}
    return tuple(
        MemoryBucket(
            from_bytes=lowest + index * width,
            to_bytes=lowest + (index + 1) * width,
            jobs=counts.get(index, 0),
        )
        for index in range(MEMORY_BUCKETS)
    )
