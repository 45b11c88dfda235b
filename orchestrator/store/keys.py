"""Store floor: tenants and their API keys. A secret is shown once; what is kept is a hash of it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from orchestrator.domain.errors import InvalidTenant
from orchestrator.domain.tenant import Principal, Scope, Tenant
from orchestrator.store.rows import can_be_stored, settings_of_tenant, tenant_of_row
from orchestrator.store.tables import keys, tenants

__all__ = (
    "KeyInfo",
    "KeyRow",
    "add_keys",
    "get_tenant",
    "list_keys",
    "list_tenants",
    "look_up_key",
    "make_key",
    "principal_of",
    "put_tenants",
    "revoke_keys",
    "split_secret",
)

RANDOM_BYTES = 32
_SECRET = re.compile(r"so_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NO_HASH = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """What is known of a key: everything but its secret. Times are Unix seconds."""

    id: str
    tenant: str
    scopes: frozenset[Scope]
    note: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def is_valid(self, now: float) -> bool:
        """Whether its secret opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key as it is kept, with the tenant that it speaks for."""

    info: KeyInfo
    secret_sha256: str
    tenant: Tenant


def make_key(
    tenant: str, scopes: frozenset[Scope], *, now: float, expires_at: float | None, note: str
) -> tuple[KeyInfo, str, str]:
    """A new key, its secret, and the hash of the secret's random part. Raises InvalidTenant."""
    if not can_be_stored(note):
        raise InvalidTenant("note", "holds a NUL or half a character")
    info = KeyInfo(
        id=secrets.token_hex(6),
        tenant=tenant,
        scopes=scopes,
        note=note,
        created_at=now,
        expires_at=expires_at,
    )
    random = secrets.token_urlsafe(RANDOM_BYTES)
    return info, f"so_{info.id}_{random}", _hash(random)


def split_secret(secret: str) -> tuple[str, str] | None:
    """A secret's key id and the hash of its random part; None where it is no secret of ours."""
    match = _SECRET.fullmatch(secret)
    return (match[1], _hash(match[2])) if match else None


def _hash(random: str) -> str:
    # SECURITY: one round is enough for 256 random bits; nobody searches through those (tests/unit/test_store_files.py).
    return hashlib.sha256(random.encode()).hexdigest()


def principal_of(row: KeyRow | None, secret_sha256: str, now: float) -> Principal | None:
    """Who the key speaks for, where the secret is its own and it is still valid."""
    # SECURITY: an unknown key is compared as well, and in constant time (tests/unit/test_store_files.py).
    is_right = hmac.compare_digest(row.secret_sha256 if row else _NO_HASH, secret_sha256)
    if row is None or not is_right or not row.info.is_valid(now):
        return None
    return Principal(tenant=row.tenant, scopes=row.info.scopes, key_id=row.info.id)


def put_tenants(connection: Connection, given: Sequence[Tenant]) -> list[None]:
    """Write tenants, new or changed."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    for tenant in given:
        settings = settings_of_tenant(tenant)
        statement = dialect.insert(tenants).values(name=tenant.name, settings=settings)
        connection.execute(
            statement.on_conflict_do_update(index_elements=[tenants.c.name], set_={"settings": settings})
        )
    return [None] * len(given)


def get_tenant(connection: Connection, name: str) -> Tenant | None:
    """One tenant."""
    if not can_be_stored(name):
        return None
    row = connection.execute(select(tenants).where(tenants.c.name == name)).mappings().first()
    return tenant_of_row(row) if row else None


def list_tenants(connection: Connection) -> list[Tenant]:
    """All tenants, by name."""
    rows = connection.execute(select(tenants).order_by(tenants.c.name)).mappings()
    return [tenant_of_row(row) for row in rows]


def add_keys(connection: Connection, made: Sequence[tuple[KeyInfo, str]]) -> list[None]:
    """Write new keys with the hashes of their secrets. An unknown tenant is the database's to refuse."""
    for info, secret_sha256 in made:
        values = {
            "id": info.id,
            "tenant": info.tenant,
            "secret_sha256": secret_sha256,
            "scopes": " ".join(sorted(scope.value for scope in info.scopes)),
            "note": info.note,
            "created_at": info.created_at,
            "expires_at": info.expires_at,
            "revoked_at": info.revoked_at,
        }
        connection.execute(insert(keys).values(values))
    return [None] * len(made)


def revoke_keys(connection: Connection, revoked: Sequence[tuple[str, float]]) -> list[bool]:
    """End keys at a time; for each, whether there was such a key. A second revocation changes nothing."""
    answers = []
    for key_id, now in revoked:
        known = connection.execute(select(keys.c.id).where(keys.c.id == key_id)).first() is not None
        still_valid = (keys.c.id == key_id) & keys.c.revoked_at.is_(None)
        connection.execute(update(keys).where(still_valid).values(revoked_at=now))
        answers.append(known)
    return answers


def list_keys(connection: Connection, tenant: str | None) -> list[KeyInfo]:
    """The keys of one tenant or (None) of all, oldest first."""
    query = select(keys).order_by(keys.c.created_at, keys.c.id)
    if tenant is not None:
        query = query.where(keys.c.tenant == tenant)
    return [_info_of_row(row) for row in connection.execute(query).mappings()]


def look_up_key(connection: Connection, key_id: str) -> KeyRow | None:
    """One key with its tenant."""
    query = select(keys, tenants.c.settings).join(tenants, tenants.c.name == keys.c.tenant)
    row = connection.execute(query.where(keys.c.id == key_id)).mappings().first()
    if row is None:
        return None
    return KeyRow(info=_info_of_row(row), secret_sha256=row["secret_sha256"], tenant=tenant_of_row(row))


def _info_of_row(row: RowMapping) -> KeyInfo:
    return KeyInfo(
        id=row["id"],
        tenant=row["tenant"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"].split()),
        note=row["note"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
