"""Store floor: what is deleted when. In small steps, so that no job waits behind a large one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Select, delete, func, select

from orchestrator.domain.tenant import DEFAULT_RETENTION_SECONDS
from orchestrator.store.claims import CLAIM_SECONDS
from orchestrator.store.keys import list_tenants
from orchestrator.store.tables import claims, jobs

__all__ = (
    "Bounds",
    "Excess",
    "Expired",
    "delete_claims",
    "delete_excess",
    "delete_expired",
    "expiries",
    "find_excess",
    "give_back_space",
)

STEP = 500
"""Jobs deleted in one go."""
PAGES_AT_ONCE = 512
"""Pages given back in one go: 2 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The most that all finished jobs together may take."""

    maximum_jobs: int
    maximum_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """Finished jobs of one tenant that ended before a time."""

    tenant: str
    before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """What is above the bounds, and who gives first: the tenant that takes most."""

    tenant: str
    jobs: int
    bytes: int


def expiries(connection: Connection, now: float) -> list[Expired]:
    """For each tenant that has jobs, the time before which they are no longer kept."""
    kept = {tenant.name: tenant.retention_seconds for tenant in list_tenants(connection)}
    names = connection.execute(select(jobs.c.tenant).distinct()).scalars()
    return [Expired(tenant=name, before=now - kept.get(name, DEFAULT_RETENTION_SECONDS)) for name in names]


def delete_expired(connection: Connection, given: Sequence[Expired]) -> list[int]:
    """Delete up to STEP jobs each; how many it were."""
    return [_delete_expired(connection, expired) for expired in given]


def _delete_expired(connection: Connection, expired: Expired) -> int:
    oldest = _oldest(expired.tenant).where(jobs.c.finished_at < expired.before)
    return _delete(connection, [row.id for row in connection.execute(oldest)])


def find_excess(connection: Connection, bounds: Bounds) -> Excess | None:
    """What is above the bounds; None where nothing is."""
    query = select(jobs.c.tenant, func.count(), func.coalesce(func.sum(jobs.c.payload_bytes), 0))
    query = query.where(jobs.c.finished_at.is_not(None)).group_by(jobs.c.tenant)
    held = [(name, count, int(size)) for name, count, size in connection.execute(query)]
    too_many = sum(count for _, count, _ in held) - bounds.maximum_jobs
    too_large = sum(size for _, _, size in held) - bounds.maximum_bytes
    if too_many <= 0 and too_large <= 0:
        return None
    largest = max(held, key=lambda one: one[2] if too_large > 0 else one[1])
    return Excess(tenant=largest[0], jobs=too_many, bytes=too_large)


def delete_excess(connection: Connection, given: Sequence[Excess]) -> list[int]:
    """Delete as many of the tenant's oldest jobs as cover the excess, up to STEP; how many it were."""
    return [_delete_excess(connection, excess) for excess in given]


def _delete_excess(connection: Connection, excess: Excess) -> int:
    chosen: list[str] = []
    covered = 0
    for row in connection.execute(_oldest(excess.tenant)):
        if len(chosen) >= excess.jobs and covered >= excess.bytes:
            break
        chosen.append(row.id)
        covered += row.payload_bytes
    return _delete(connection, chosen)


def _oldest(tenant: str) -> Select[tuple[str, int]]:
    query = select(jobs.c.id, jobs.c.payload_bytes)
    query = query.where(jobs.c.tenant == tenant, jobs.c.finished_at.is_not(None))
    return query.order_by(jobs.c.finished_at).limit(STEP)


def _delete(connection: Connection, ids: list[str]) -> int:
    # A claim without its job could promise no answer any more.
    connection.execute(delete(claims).where(claims.c.job_id.in_(ids)))
    return connection.execute(delete(jobs).where(jobs.c.id.in_(ids))).rowcount


def delete_claims(connection: Connection, times: Sequence[float]) -> list[int]:
    """Delete the claims that have expired by a time; how many it were."""
    expired = [claims.c.claimed_at <= now - CLAIM_SECONDS for now in times]
    return [connection.execute(delete(claims).where(condition)).rowcount for condition in expired]


def give_back_space(connection: Connection, asks: Sequence[None]) -> list[int]:
    """Give the disk some of what was deleted, in SQLite; PostgreSQL does so by itself. How many pages it were."""
    return [_give_back_space(connection) for _ in asks]


def _give_back_space(connection: Connection) -> int:
    free: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    pages = min(free, PAGES_AT_ONCE)
    for _ in range(pages):
        # One by one: the driver takes a single step of a statement that has no rows, and a step is a page.
        connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
    return pages
