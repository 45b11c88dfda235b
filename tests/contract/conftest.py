"""What the contract suites run over."""

from __future__ import annotations

import pytest
from postgresql import NoPostgresql, private_cluster

from orchestrator.store.store import open_store


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL of our own; without one its tests fail, they are not skipped."""
    try:
        with private_cluster() as cluster:
            yield cluster
    except NoPostgresql as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request, tmp_path):
    """The URL of an empty store, on either database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return request.getfixturevalue("postgresql").empty_database()


@pytest.fixture
async def store(store_url):
    """An open, empty store."""
    async with open_store(store_url) as opened:
        yield opened
