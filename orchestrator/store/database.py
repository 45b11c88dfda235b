"""Store floor: opens SQLite or PostgreSQL by URL, and maps what either raises to errors of ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    TimeoutError,  # noqa: A004  # no connection came free
)
from sqlalchemy.pool import ConnectionPoolEntry
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from orchestrator.domain.errors import ConfigurationError, StoreConflict, StoreUnavailable

__all__ = ("Database", "check_url", "foreign_errors", "open_database")

BUSY_SECONDS = 15
"""How long a write waits for another process, `sandbox-orch keys` for example, to finish its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Two ways into one database: `writer` is one connection, `readers` are a few, each with a snapshot."""

    writer: Engine
    readers: Engine

    @property
    def is_sqlite(self) -> bool:
        """Whether it is the embedded one."""
        return self.writer.dialect.name == "sqlite"

    def dispose(self) -> None:
        """Close every connection."""
        self.writer.dispose()
        self.readers.dispose()


@contextmanager
def foreign_errors(doing: str) -> Iterator[None]:
    """What the database raises inside becomes StoreConflict or StoreUnavailable, saying what was being done."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise StoreConflict(f"cannot {doing}: {_in_one_line(error)}") from error
    except (DBAPIError, TimeoutError, OSError) as error:
        raise StoreUnavailable(f"cannot {doing}: {_in_one_line(error)}") from error


def _in_one_line(error: Exception) -> str:
    # Never the statement's parameters: they are tenants' code and inputs.
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:300] or type(cause).__name__


def open_database(text: str, *, readers: int) -> Database:
    """The database at a URL: `sqlite:///path` or `postgresql://…`. Nothing is connected yet.

    Raises ConfigurationError for any other URL, StoreUnavailable where the file cannot be made.
    """
    url = _parse(text)
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url, readers)
    return _open_postgresql(url.set(drivername="postgresql+psycopg"), readers)


def check_url(text: str) -> None:
    """Raise ConfigurationError where this is no URL of a store."""
    _parse(text)


def _parse(text: str) -> URL:
    try:
        url = make_url(text)
        known = url.get_backend_name() in ("sqlite", "postgresql")
    except (ArgumentError, NoSuchModuleError, ValueError):
        known = False
    if not known:
        # Not the URL itself: it may hold a password.
        raise ConfigurationError("store: must be sqlite:///PATH or postgresql://USER@HOST/DATABASE")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigurationError("store: a database in memory survives nothing; say sqlite:///PATH")
    return url


def _open_postgresql(url: URL, readers: int) -> Database:
    # A server that went away without a word is noticed in seconds, not by the kernel's quarter of an hour.
    patience = {"connect_timeout": 5, "tcp_user_timeout": 10_000}
    common: dict[str, Any] = {"pool_pre_ping": True, "pool_recycle": 1800, "connect_args": patience}
    try:
        return Database(
            writer=create_engine(url, pool_size=1, max_overflow=0, **common),
            readers=create_engine(
                url, pool_size=readers, max_overflow=0, isolation_level="REPEATABLE READ", **common
            ),
        )
    except ModuleNotFoundError:
        hint = "store: PostgreSQL needs the extra: pip install 'sandbox-orch[postgres]'"
        raise ConfigurationError(hint) from None


def _open_sqlite(url: URL, readers: int) -> Database:
    with foreign_errors("open the store"):
        _make_private(Path(url.database or ""))
    # One connection per thread that ever asks; each is used by one thread at a time.
    common: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": BUSY_SECONDS}}
    writer = create_engine(url, pool_size=1, max_overflow=0, **common)
    reading = create_engine(url, pool_size=readers, max_overflow=0, **common)
    for engine, begin in ((writer, "BEGIN IMMEDIATE"), (reading, "BEGIN")):
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", lambda connection, begin=begin: connection.exec_driver_sql(begin))
    return Database(writer=writer, readers=reading)


def _make_private(path: Path) -> None:
    # SECURITY: code, inputs and the hashes of keys are in there (tests/unit/test_store_files.py). The files that
    # SQLite puts beside it get the same mode.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _while_locked() -> Retrying:
    """Again while another connection has the file: SQLite changes the mode of the journal at once or not at all."""
    return Retrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
        ),
        wait=wait_random(0.005, 0.05),
        stop=stop_after_delay(BUSY_SECONDS),
        reraise=True,
    )


def _set_up_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    # The driver's own idea of when a transaction begins would leave reads outside of it.
    connection.isolation_level = None
    cursor = connection.cursor()
    # Must come before the first table; gives the disk what retention deleted.
    cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
    for attempt in _while_locked():
        with attempt:
            cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: what was committed survives the power as well, at one fsync per group.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
