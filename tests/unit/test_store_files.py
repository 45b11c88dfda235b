"""`store/`: what concerns SQLite alone, the URL, and the secrets."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import stat
import sys
import threading

import pytest
from records import NOW, finished_record, make_record

from orchestrator.domain.errors import ConfigurationError, StoreUnavailable
from orchestrator.domain.tenant import Scope, Tenant
from orchestrator.policies.statistics import ExecutionMetrics
from orchestrator.store.database import open_database
from orchestrator.store.keys import split_secret
from orchestrator.store.store import StoreSettings, open_store


@pytest.fixture
def file(tmp_path):
    """Where the store will be."""
    return tmp_path / "data" / "store.db"


@pytest.mark.parametrize(
    "url",
    ["", "store.db", "mysql://root:pass@host/db", "sqlite://", "sqlite:///:memory:", "postgresql:", "é://"],
)
def test_a_url_that_is_no_store_is_refused(url):
    """With what would be one, and without the password that may be in it."""
    with pytest.raises(ConfigurationError, match="sqlite:///PATH|survives nothing") as caught:
        open_database(url, readers=1)
    assert "pass" not in str(caught.value)


async def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    """The store is unavailable; the line says why."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot open the store"):
        async with open_store(f"sqlite:///{tmp_path}/file/store.db"):
            pass


async def test_a_file_that_is_no_database_is_told(file):
    """Somebody else's file is left as it is."""
    file.parent.mkdir()
    file.write_bytes(b"not a database, but longer than a header of SQLite would be" * 20)
    before = file.read_bytes()
    with pytest.raises(StoreUnavailable, match="not a database"):
        async with open_store(f"sqlite:///{file}"):
            pass
    assert file.read_bytes() == before


async def test_nobody_else_can_read_the_files(file):
    """Code, inputs and the hashes of keys are in there, also in the log beside it."""
    async with open_store(f"sqlite:///{file}") as store:
        await store.add([make_record()])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_commit_is_on_the_disk(file):
    """WAL, and an fsync per commit: what was answered survives the power too."""
    async with open_store(f"sqlite:///{file}") as store:
        with store._database.writer.connect() as connection:
            found = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous")
            ]
    assert found == ["wal", 2]


async def test_the_disk_gets_back_what_was_deleted(file):
    """After retention the file is small again."""
    async with open_store(f"sqlite:///{file}") as store:
        await store.add([finished_record(request={"code": "x" * 10_000}) for _ in range(300)])
        await store.prune(NOW + 1e9)
        await store.prune(NOW + 1e9)
    assert file.stat().st_size < 300_000


async def test_the_secret_is_nowhere_in_the_files(file):
    """Only the hash of its random part is."""
    async with open_store(f"sqlite:///{file}") as store:
        await store.put_tenant(Tenant(name="acme"))
        info, secret = await store.create_key("acme", frozenset({Scope.READ}), now=NOW)
    random = secret.removeprefix(f"so_{info.id}_")
    everything = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert random.encode() not in everything
    assert hashlib.sha256(random.encode()).hexdigest().encode() in everything
    assert random not in repr(info)


async def test_no_two_secrets_are_alike(file):
    """256 random bits each, in the form that scanners for leaked keys can look for."""
    async with open_store(f"sqlite:///{file}") as store:
        await store.put_tenant(Tenant(name="acme"))
        made = [await store.create_key("acme", frozenset({Scope.READ}), now=NOW) for _ in range(20)]
    hashes = {split_secret(secret) for _, secret in made}
    assert len(hashes) == 20
    assert None not in hashes


@pytest.mark.parametrize(
    "secret",
    ["", "so_", "Bearer x", "so_0123456789ab_short", "so_0123456789AB_" + "a" * 43, "é" * 60, "\0" * 60],
)
def test_what_is_no_secret_is_not_looked_up(secret):
    """The store is not asked at all."""
    assert split_secret(secret) is None


async def test_a_key_is_looked_up_once_for_many_requests(file, monkeypatch):
    """Five hundred requests at once are one query, also for a key that does not exist."""
    async with open_store(f"sqlite:///{file}", settings=StoreSettings(key_cache_seconds=60)) as store:
        asked = []
        look_up = store._look_up_key

        async def counted(key_id):
            asked.append(key_id)
            return await look_up(key_id)

        monkeypatch.setattr(store._keys, "_look_up", counted)
        unknown = "so_0123456789ab_" + "a" * 43
        answers = [await store.authenticate(unknown, NOW) for _ in range(500)]
    assert (set(answers), asked) == ({None}, ["0123456789ab"])


async def test_guessed_keys_do_not_fill_the_memory(file):
    """However many ids are tried, the cache stays within its bound."""
    async with open_store(f"sqlite:///{file}", settings=StoreSettings(key_cache_seconds=60)) as store:
        for number in range(1100):
            await store.authenticate(f"so_{number:012x}_" + "a" * 43, NOW)
        assert len(store._keys._entries) <= 1024


async def test_an_error_is_not_remembered(file, monkeypatch):
    """A key that could not be looked up is looked up again."""
    async with open_store(f"sqlite:///{file}", settings=StoreSettings(key_cache_seconds=60)) as store:
        await store.put_tenant(Tenant(name="acme"))
        _, secret = await store.create_key("acme", frozenset({Scope.READ}), now=NOW)

        async def away(key_id):
            raise StoreUnavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(store._keys, "_look_up", away)
            with pytest.raises(StoreUnavailable):
                await store.authenticate(secret, NOW)
        assert await store.authenticate(secret, NOW) is not None


async def test_an_error_never_shows_what_was_to_be_written(file):
    """Tenants' code and inputs are in the statement's parameters; they stay there."""
    async with open_store(f"sqlite:///{file}") as store:
        with sqlite3.connect(file) as other:
            other.execute("DROP TABLE jobs")
        other.close()
        with pytest.raises(StoreUnavailable) as caught:
            await store.add([make_record(request={"code": "secret source"})])
    assert "secret source" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_guess_takes_as_long_for_a_known_key_as_for_none(file, monkeypatch, is_known):
    """One comparison of whole hashes, in constant time, whether there is such a key or not."""
    compared = []

    def compare(one, other):
        compared.append((len(one), len(other)))
        return False

    async with open_store(f"sqlite:///{file}") as store:
        await store.put_tenant(Tenant(name="acme"))
        info, _ = await store.create_key("acme", frozenset({Scope.READ}), now=NOW)
        key_id = info.id if is_known else "0" * 12
        monkeypatch.setattr("orchestrator.store.keys.hmac.compare_digest", compare)
        assert await store.authenticate(f"so_{key_id}_" + "a" * 43, NOW) is None
    assert compared == [(64, 64)]


async def test_statistics_leave_readers_to_others(file, monkeypatch):
    """However many count at once, a job can be looked up and a key checked meanwhile."""
    counting, go_on = threading.Semaphore(0), threading.Event()

    def slow_metrics(connection, span):
        counting.release()
        go_on.wait(30)
        return ExecutionMetrics()

    monkeypatch.setattr("orchestrator.store.store.execution_metrics", slow_metrics)
    record = make_record()
    async with open_store(f"sqlite:///{file}") as store, asyncio.TaskGroup() as group:
        await store.add([record])
        for _ in range(20):
            group.create_task(store.statistics(tenant="acme"))
        await asyncio.to_thread(counting.acquire)
        try:
            assert await asyncio.wait_for(store.get(record.id, tenant="acme"), 10) == record
            assert await asyncio.wait_for(store.authenticate("so_0123456789ab_" + "a" * 43, NOW), 10) is None
        finally:
            go_on.set()


def test_postgresql_without_its_driver_is_told_with_the_extra(monkeypatch):
    """What to install, instead of a traceback."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"sandbox-orch\[postgres\]"):
        open_database("postgresql://me@host/db", readers=1)
