"""Store floor: brings a database to the tables of this version, by the migrations that come with the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from orchestrator.domain.errors import ConfigurationError
from orchestrator.store.database import foreign_errors

__all__ = ("migrate",)

# Any number will do, as long as all versions take the same.
_LOCK = 0x5A4D_0BC4


def migrate(engine: Engine) -> None:
    """Bring the database up to date, in one transaction; two processes at once wait for each other.

    Raises ConfigurationError where a newer version made it, StoreUnavailable where it cannot be reached.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    with foreign_errors("migrate the store"), engine.begin() as connection:
        _wait_for_others(connection)
        there = MigrationContext.configure(connection).get_current_revision()
        if there == scripts.get_current_head():
            return
        _refuse_newer(scripts, there)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _wait_for_others(connection: Connection) -> None:
    # Critical section: until the transaction ends. SQLite's BEGIN IMMEDIATE has it already.
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def _refuse_newer(scripts: ScriptDirectory, there: str | None) -> None:
    if there is not None and there not in {script.revision for script in scripts.walk_revisions()}:
        raise ConfigurationError(
            f"store: a newer version of sandbox-orch made it (revision {there[:32]}); install that one"
        )
