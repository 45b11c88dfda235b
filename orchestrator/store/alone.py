"""Store floor: one service per store. Two would each run what the other accepted, and finish it twice."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from sqlalchemy import Connection, Engine, text

from orchestrator.domain.errors import ConfigurationError
from orchestrator.store.database import Database, foreign_errors

__all__ = ("hold_alone",)

# Any number will do, as long as all versions take the same.
_LOCK = 0x5A4D_0BC5


@contextmanager
def hold_alone(database: Database) -> Iterator[None]:
    """Inside of it no other process is in it, on this store; a process that dies lets go.

    Raises ConfigurationError where one is.
    """
    with foreign_errors("lock the store"):
        held = _lock_file(database.writer) if database.is_sqlite else _lock_session(database.writer)
    with closing(held):
        yield


def _lock_file(engine: Engine) -> IO[str]:
    file = Path(f"{engine.url.database}.lock").open("a")  # noqa: SIM115  # whoever has it open, has the lock
    try:
        # Critical section: as long as the file is open. Commands such as `keys` do without.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise _refusal() from None
    return file


def _lock_session(engine: Engine) -> Connection:
    connection = engine.execution_options(isolation_level="AUTOCOMMIT").connect()
    # Nobody shall give it back or recycle it. Critical section: as long as it is open.
    connection.detach()
    if not connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar():
        connection.close()
        raise _refusal()
    return connection


def _refusal() -> ConfigurationError:
    return ConfigurationError("store: another service runs on it; stop that one, or give this one its own")
