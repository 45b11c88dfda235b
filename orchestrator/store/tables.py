"""Store floor: the tables. What is here and what the migrations make is the same; a test compares them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

__all__ = ("claims", "jobs", "keys", "metadata", "tenants")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)

# JSON is kept as text of our own making: PostgreSQL's JSON types refuse the NUL characters that a job may print.
jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("runtime", String(64), nullable=False),
    Column("priority", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("outcome", String(32)),
    Column("accepted_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("attempts", Integer, nullable=False),
    # Figures of the result, for statistics without reading it; None where the job never ran.
    Column("wall_ms", Double),
    Column("memory_peak_bytes", BigInteger),
    Column("payload_bytes", BigInteger, nullable=False),
    Column("code_sha256", String(64), nullable=False),
    Column("input_sha256", String(64), nullable=False),
    Column("limits", Text),
    # Large ones last: both databases skip what they need not read.
    Column("metadata", Text, nullable=False),
    Column("request", Text),
    Column("result", Text),
    Index(None, "tenant", "accepted_at", "id"),
    Index(None, "accepted_at", "id"),
    Index(None, "state"),
    # All that retention asks for, without a look at the rows.
    Index(None, "tenant", "finished_at", "payload_bytes"),
    Index(None, "finished_at"),
)

tenants = Table(
    "tenants",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("settings", Text, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("tenant", String(63), ForeignKey("tenants.name"), nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("scopes", String(128), nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Index(None, "tenant"),
)

# INVARIANT: one job per tenant and idempotency key; the primary key is what a hundred duplicates run into.
claims = Table(
    "claims",
    metadata,
    Column("tenant", String(63), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("job_id", String(64), nullable=False),
    Column("claimed_at", Double, nullable=False),
    Index(None, "claimed_at"),
    Index(None, "job_id"),
)
