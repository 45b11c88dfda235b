"""`store/writer.py` while the database is away: who waits is told, what nobody waits for is kept."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import contextmanager

import pytest
from records import finished_record, make_record

from orchestrator.domain.errors import StoreUnavailable
from orchestrator.store import database, writer
from orchestrator.store.store import open_store


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(writer, "RETRY_SECONDS", 0.05)


@pytest.fixture
def outage(store_url, request):
    """Inside of it, nothing can be written."""

    @contextmanager
    def locked():
        other = sqlite3.connect(store_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")
        other.close()

    @contextmanager
    def stopped():
        cluster = request.getfixturevalue("postgresql")
        cluster.stop()
        try:
            yield
        finally:
            cluster.start()

    return locked if store_url.startswith("sqlite") else stopped


async def wait_until_healthy(store) -> None:
    """Within ten seconds, or the test fails."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await store.health()
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def test_what_nobody_waits_for_outlives_an_outage(store_url, outage):
    """A finished job and a start are written once the database is back, in their order."""
    queued, done = make_record(), finished_record()
    async with open_store(store_url) as store:
        await store.add([queued])
        with outage():
            store.start(queued.id, 5.0)
            store.record_finished(done)
            with pytest.raises(StoreUnavailable):
                await store.add([make_record()])
            with pytest.raises(StoreUnavailable):
                await store.health()
        await wait_until_healthy(store)
        assert await store.get(done.id, tenant="acme") == done
        assert (await store.get(queued.id, tenant="acme")).started_at == 5.0


async def test_everybody_who_waits_is_told(store_url, outage):
    """More waiting writes than fit into one group, behind ones that nobody waits for: none hangs."""
    async with open_store(store_url) as store:
        with outage():
            for _ in range(2 * writer.LARGEST_GROUP):
                store.record_finished(finished_record())
            adds = (store.add([make_record()]) for _ in range(2 * writer.LARGEST_GROUP))
            answers = await asyncio.wait_for(asyncio.gather(*adds, return_exceptions=True), 20)
        assert {type(answer) for answer in answers} == {StoreUnavailable}
        await wait_until_healthy(store)
        assert (await store.statistics(tenant=None)).total == 2 * writer.LARGEST_GROUP


async def test_a_long_outage_costs_no_more_than_its_bound(store_url, outage, monkeypatch, caplog):
    """Above the bound further ones are lost, and the log says so."""
    monkeypatch.setattr(writer, "MOST_PUT_BACK", 10)
    async with open_store(store_url) as store:
        with outage():
            for _ in range(12):
                store.record_finished(finished_record())
        await wait_until_healthy(store)
        assert (await store.statistics(tenant=None)).total == 10
    assert caplog.text.count("a write is lost") == 2


async def test_closing_during_an_outage_ends(store_url, outage, caplog):
    """It tries once more, and tells how much was lost."""
    async with open_store(store_url) as store:
        with outage():
            store.record_finished(finished_record())
            await asyncio.wait_for(store._writer.close(), 20)
    assert "1 writes are lost" in caplog.text
