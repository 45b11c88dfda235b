"""Store floor: the facade. What is awaited here is committed when it returns; reads see every write before them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, text

from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.record import JobRecord
from orchestrator.domain.tenant import Principal, Scope, Tenant
from orchestrator.policies.statistics import ExecutionMetrics
from orchestrator.store import claims, jobs, keys, retention
from orchestrator.store.alone import hold_alone
from orchestrator.store.claims import Claim, ClaimAsk
from orchestrator.store.database import Database, foreign_errors, open_database
from orchestrator.store.jobs import Finish, JobFilter, Page, Start
from orchestrator.store.key_cache import KeyCache
from orchestrator.store.keys import KeyInfo, KeyRow
from orchestrator.store.migrate import migrate
from orchestrator.store.statistics import Span, execution_metrics
from orchestrator.store.writer import Writer

__all__ = ("Store", "StoreSettings", "open_store")

_log = logging.getLogger("orchestrator.store")

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """What the store itself decides by."""

    maximum_jobs: int = 1_000_000
    """Finished jobs kept, of all tenants together."""
    maximum_bytes: int = 10 * 1024**3
    """Bytes of requests and results kept, of all tenants together."""
    key_cache_seconds: float = 2.0
    """How long a revoked key may still work where another process revoked it."""
    readers: int = 4
    """Threads, and connections, that read."""


@asynccontextmanager
async def open_store(
    url: str, *, settings: StoreSettings | None = None, alone: bool = False
) -> AsyncIterator[Store]:
    """The store at a URL, its tables up to date; on leaving, everything asked of it is committed.

    With `alone`, as a service opens it, no other may have it open so. Raises ConfigurationError where one
    has, or for a URL that is no store, and StoreUnavailable where it cannot be opened.
    """
    settings = settings or StoreSettings()
    async with AsyncExitStack() as stack:
        database = open_database(url, readers=settings.readers)
        stack.callback(database.dispose)
        await asyncio.to_thread(migrate, database.writer)
        if alone:
            stack.enter_context(hold_alone(database))
        readers = stack.enter_context(ThreadPoolExecutor(settings.readers, thread_name_prefix="store-reader"))
        writer = Writer(database.writer)
        stack.push_async_callback(writer.close)
        yield Store(database, writer, readers, settings)


class Store:
    """Jobs, tenants, keys and claims. Made by `open_store`; safe for concurrent tasks of one event loop.

    Every method may raise StoreUnavailable. `tenant` None means the operator, who sees all tenants.
    """

    def __init__(
        self, database: Database, writer: Writer, readers: ThreadPoolExecutor, settings: StoreSettings
    ) -> None:
        self._database = database
        self._writer = writer
        self._readers = readers
        self._settings = settings
        # Counting a million jobs takes seconds: half of the readers stay free for all that is quick.
        self._counting = asyncio.Semaphore(max(1, settings.readers // 2))
        self._keys = KeyCache(self._look_up_key, settings.key_cache_seconds)

    # -- jobs -------------------------------------------------------------------------------------------

    async def add(self, records: Sequence[JobRecord]) -> None:
        """Keep new jobs, all or none; they survive a crash from here on. Raises StoreConflict on a known id."""
        await self._writer.write(jobs.add_jobs, records)

    def start(self, job_id: str, at: float) -> None:
        """Note that a job runs; not waited for."""
        self._writer.write_later(jobs.start_jobs, Start(job_id=job_id, at=at))

    async def finish(
        self, job_id: str, *, outcome: Outcome, result: dict[str, Any], at: float, keep_request: bool
    ) -> bool:
        """Keep a job's end. False, and nothing changed, where it had ended before or is unknown."""
        finish = Finish(job_id=job_id, outcome=outcome, result=result, at=at, keep_request=keep_request)
        return await self._writer.write(jobs.finish_jobs, finish)

    def record_finished(self, record: JobRecord) -> None:
        """Keep a job whose caller has its answer already; never blocks, written within some 20 ms."""
        self._writer.write_later(jobs.add_jobs, (record,))

    async def get(self, job_id: str, *, tenant: str | None) -> JobRecord | None:
        """One job; None where there is none, or it is another tenant's."""
        await self._settle()
        return await self._read(jobs.get_job, job_id, tenant)

    async def list(
        self,
        *,
        tenant: str | None,
        state: JobState | None = None,
        outcome: Outcome | None = None,
        runtime: str | None = None,
        since: float | None = None,
        until: float | None = None,
        search: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Jobs, newest first, without their requests and results: `get` has those.

        Times are when they were accepted, `until` excluded; `search` is in the metadata, or begins the id. A page of
        a search may hold few, or none, and have a next one all the same. Jobs that come in while paging neither appear
        twice nor push others out. Raises InvalidJob for a cursor that is none.
        """
        which = JobFilter(
            tenant=tenant,
            state=state,
            outcome=outcome,
            runtime=runtime,
            since=since,
            until=until,
            search=search,
        )
        await self._settle()
        return await self._read(jobs.list_jobs, which, limit, cursor)

    async def unfinished(self) -> Sequence[JobRecord]:
        """Jobs that were accepted and have no end, oldest first: what a restarted service has to run."""
        return await self._read(jobs.unfinished_jobs)

    async def statistics(
        self,
        *,
        tenant: str | None,
        runtime: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> ExecutionMetrics:
        """The figures of all jobs that finished from `since` on and before `until`: exact."""
        await self._settle()
        span = Span(tenant=tenant, runtime=runtime, since=since, until=until)
        async with self._counting:
            return await self._read(execution_metrics, span)

    # -- idempotency ------------------------------------------------------------------------------------

    async def claim(self, tenant: str, key: str, body_sha256: str, job_id: str, *, now: float) -> Claim:
        """Claim an idempotency key for a job. Of any number at once, exactly one gets NEW."""
        ask = ClaimAsk(tenant=tenant, key=key, body_sha256=body_sha256, job_id=job_id, now=now)
        return await self._writer.write(claims.claim_keys, ask)

    async def release_claim(self, tenant: str, key: str) -> None:
        """Forget a claim whose job was not accepted after all."""
        await self._writer.write(claims.release_claims, (tenant, key))

    async def release_orphaned_claims(self) -> int:
        """Forget claims that never got a job. Only for a service that starts and has no job under way."""
        return await self._writer.write(claims.drop_orphans, None)

    # -- tenants and keys -------------------------------------------------------------------------------

    async def put_tenant(self, tenant: Tenant) -> None:
        """Keep a tenant, new or changed."""
        await self._writer.write(keys.put_tenants, tenant)
        self._keys.forget_all()

    async def get_tenant(self, name: str) -> Tenant | None:
        """One tenant."""
        return await self._read(keys.get_tenant, name)

    async def tenants(self) -> Sequence[Tenant]:
        """All tenants, by name."""
        return await self._read(keys.list_tenants)

    async def create_key(
        self,
        tenant: str,
        scopes: frozenset[Scope],
        *,
        now: float,
        expires_at: float | None = None,
        note: str = "",
    ) -> tuple[KeyInfo, str]:
        """A new key and its secret, which nobody can show again. Raises StoreConflict for an unknown tenant."""
        info, secret, hashed = keys.make_key(tenant, scopes, now=now, expires_at=expires_at, note=note)
        await self._writer.write(keys.add_keys, (info, hashed))
        return info, secret

    async def keys(self, tenant: str | None = None) -> Sequence[KeyInfo]:
        """Keys, oldest first, the revoked ones too."""
        return await self._read(keys.list_keys, tenant)

    async def revoke_key(self, key_id: str, *, now: float) -> bool:
        """End a key; False where there is none of that id. Other processes notice within seconds."""
        was_known = await self._writer.write(keys.revoke_keys, (key_id, now))
        self._keys.forget_all()
        return was_known

    async def authenticate(self, secret: str, now: float) -> Principal | None:
        """Who a secret speaks for; None where it is wrong, expired or revoked."""
        parts = keys.split_secret(secret)
        if parts is None:
            return None
        key_id, secret_sha256 = parts
        return keys.principal_of(await self._keys.get(key_id), secret_sha256, now)

    # -- upkeep -----------------------------------------------------------------------------------------

    async def prune(self, now: float) -> int:
        """Delete finished jobs that are too old or too many; how many it were. In small steps."""
        deleted = 0
        for expired in await self._read(retention.expiries, now):
            while count := await self._writer.write(retention.delete_expired, expired):
                deleted += count
        deleted += await self._prune_excess()
        await self._writer.write(retention.delete_claims, now)
        if self._database.is_sqlite:
            await self._give_back_space()
        return deleted

    async def _prune_excess(self) -> int:
        bounds = retention.Bounds(
            maximum_jobs=self._settings.maximum_jobs, maximum_bytes=self._settings.maximum_bytes
        )
        deleted = 0
        while excess := await self._read(retention.find_excess, bounds):
            count = await self._writer.write(retention.delete_excess, excess)
            deleted += count
        return deleted

    async def _give_back_space(self) -> None:
        while (pages := await self._writer.write(retention.give_back_space, None)) > 0:
            _log.debug("store gave back pages=%d", pages)

    async def health(self) -> None:
        """Nothing where it can be read, and was written the last time. Raises StoreUnavailable saying why not."""
        if self._writer.trouble is not None:
            await self._writer.settle()
        await self._read(lambda connection: connection.execute(text("SELECT 1")).scalar())

    # -- inside -----------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        if self._writer.has_unsettled:
            await self._writer.settle()

    async def _look_up_key(self, key_id: str) -> KeyRow | None:
        return await self._read(keys.look_up_key, key_id)

    async def _read(
        self, query: Callable[Concatenate[Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        def run() -> _T:
            with foreign_errors("read the store"), self._database.readers.connect() as connection:
                return query(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, run)
