"""Store floor: idempotency. One job per tenant and key, whoever asks how often, before and after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.domain.tenant import DAY_SECONDS
from orchestrator.store.tables import claims, jobs

__all__ = ("CLAIM_SECONDS", "Claim", "ClaimAsk", "ClaimKind", "claim_keys", "drop_orphans", "release_claims")

CLAIM_SECONDS = DAY_SECONDS


class ClaimKind(StrEnum):
    """What became of a claim."""

    NEW = "new"
    """The caller is the first: it shall make the job."""
    SAME = "same"
    """The same request was made before; its job is the answer."""
    OTHER_BODY = "other_body"
    """The key was used before, for another request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The answer to a claim; `job_id` is the job of whoever was first."""

    kind: ClaimKind
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimAsk:
    """What is claimed: this key of this tenant, for a request with this hash, as this job."""

    tenant: str
    key: str
    body_sha256: str
    job_id: str
    now: float


def claim_keys(connection: Connection, asks: Sequence[ClaimAsk]) -> list[Claim]:
    """Claim each in turn."""
    return [_claim(connection, ask) for ask in asks]


def _claim(connection: Connection, ask: ClaimAsk) -> Claim:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    values = {
        "body_sha256": ask.body_sha256,
        "job_id": ask.job_id,
        "claimed_at": ask.now,
    }
    # INVARIANT: one statement decides. A row comes of it for the first one, and for the first after a claim
    # has expired; for all others the primary key is in the way, also across processes.
    statement = (
        dialect.insert(claims)
        .values(tenant=ask.tenant, key=ask.key, **values)
        .on_conflict_do_update(
            index_elements=[claims.c.tenant, claims.c.key],
            set_=values,
            where=claims.c.claimed_at <= ask.now - CLAIM_SECONDS,
        )
    )
    # Counted by the driver; SQLAlchemy forgets the count of an INSERT unless asked.
    if connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1:
        return Claim(kind=ClaimKind.NEW, job_id=ask.job_id)
    query = select(claims.c.body_sha256, claims.c.job_id)
    first = connection.execute(query.where(claims.c.tenant == ask.tenant, claims.c.key == ask.key)).one()
    kind = ClaimKind.SAME if first.body_sha256 == ask.body_sha256 else ClaimKind.OTHER_BODY
    return Claim(kind=kind, job_id=first.job_id)


def release_claims(connection: Connection, owned: Sequence[tuple[str, str]]) -> list[None]:
    """Forget claims whose job was not accepted after all, so that the next try is a first one."""
    for tenant, key in owned:
        connection.execute(delete(claims).where(claims.c.tenant == tenant, claims.c.key == key))
    return [None] * len(owned)


def drop_orphans(connection: Connection, asks: Sequence[None]) -> list[int]:
    """Forget claims that have no job: their process died between claiming and finishing."""
    orphans = claims.c.job_id.not_in(select(jobs.c.id))
    return [connection.execute(delete(claims).where(orphans)).rowcount for _ in asks]
