"""`store/migrate.py`: an empty database and an old one become the tables of this version. On both databases."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from records import make_record
from sqlalchemy import text

from orchestrator.domain.errors import ConfigurationError
from orchestrator.store.database import open_database
from orchestrator.store.migrate import migrate
from orchestrator.store.store import open_store
from orchestrator.store.tables import metadata


@pytest.fixture
def writer(store_url):
    """The writing engine of an empty database."""
    database = open_database(store_url, readers=1)
    yield database.writer
    database.dispose()


def test_migrations_make_what_the_tables_say(writer):
    """Columns, types, keys and indexes: Alembic finds no difference."""
    migrate(writer)
    with writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_comparison_would_notice(writer):
    """A lost index and a column too much are differences."""
    migrate(writer)
    with writer.begin() as connection:
        connection.execute(text("DROP INDEX ix_jobs_finished_at"))
        connection.execute(text("ALTER TABLE claims ADD COLUMN more TEXT"))
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert {difference[0] for difference in compare_metadata(context, metadata)} == {
            "add_index",
            "remove_column",
        }


def test_migrating_twice_changes_nothing(writer):
    """What is up to date is left alone."""
    migrate(writer)
    migrate(writer)
    with writer.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "0002"


def test_a_database_of_a_newer_version_is_refused(writer):
    """Nothing is written into tables that this version does not know."""
    migrate(writer)
    with writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer version"):
        migrate(writer)


async def test_many_may_open_an_empty_store_at_once(store_url):
    """One migrates, the others wait for it, and all can write."""
    async with AsyncExitStack() as stack:
        stores = await asyncio.gather(*(stack.enter_async_context(open_store(store_url)) for _ in range(8)))
        await asyncio.gather(*(store.add([make_record()]) for store in stores))
        assert len(await stores[0].unfinished()) == 8
