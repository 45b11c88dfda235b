"""`store/store.py`: what SQLite promises, PostgreSQL keeps. Every test runs on both."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import NOW, finished_record, make_record, make_result

from orchestrator.domain.errors import ConfigurationError, InvalidJob, StoreConflict, StoreUnavailable
from orchestrator.domain.job import JobState
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.tenant import DAY_SECONDS, Priority, Recycle, Scope, Tenant
from orchestrator.store.claims import ClaimKind
from orchestrator.store.store import StoreSettings, open_store

TESTS = Path(__file__).parent.parent

# -- what was added is got back -------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    # Any text, NUL and lone surrogates too: what a tenant prints is kept as it was printed.
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
json_objects = st.dictionaries(st.text(), json_values, max_size=5)
times = st.floats(0, 4e9)
records = st.builds(
    make_record,
    tenant=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True),
    runtime=st.sampled_from(["node", "python"]),
    priority=st.sampled_from(Priority),
    state=st.sampled_from(JobState),
    outcome=st.none() | st.sampled_from(Outcome),
    accepted_at=times,
    expires_at=times,
    started_at=st.none() | times,
    finished_at=st.none() | times,
    request=st.none() | json_objects,
    result=st.none() | json_objects.filter(lambda value: "usage" not in value),
    metadata=st.dictionaries(st.text(st.characters(exclude_categories=())), st.text(), max_size=3),
    attempts=st.integers(0, 100),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(records, min_size=1, max_size=5))
def test_what_was_added_is_got_back(store_url, batch):
    """Any record, field by field, by one who opens the store later."""

    async def there_and_back():
        async with open_store(store_url) as store:
            await store.add(batch)
        async with open_store(store_url) as store:
            return [await store.get(record.id, tenant=record.tenant) for record in batch]

    assert asyncio.run(there_and_back()) == batch


async def test_an_added_id_is_added_once(store):
    """A known id refuses the whole call, and says so."""
    known, new = make_record(), make_record()
    await store.add([known])
    with pytest.raises(StoreConflict):
        await store.add([new, known])
    assert await store.get(new.id, tenant=None) is None


async def test_one_refused_write_does_not_take_its_group_along(store):
    """Fifty at once, one of them impossible: that one fails, all others are kept."""
    known = make_record()
    await store.add([known])
    batch = [make_record() for _ in range(49)]
    batch.insert(25, known)
    answers = await asyncio.gather(*(store.add([record]) for record in batch), return_exceptions=True)
    assert [type(answer) for answer in answers if answer is not None] == [StoreConflict]
    assert all([await store.get(record.id, tenant="acme") == record for record in batch])


async def test_nothing_is_added_by_adding_nothing(store):
    """An empty batch is no error."""
    await store.add([])
    assert await store.unfinished() == []


# -- a job's life ---------------------------------------------------------------------------------------


async def test_a_job_goes_from_queued_to_finished(store):
    """Each step is seen by the next read, also the one that is not waited for."""
    record = make_record()
    await store.add([record])
    store.start(record.id, NOW + 1)
    running = await store.get(record.id, tenant="acme")
    assert running == dataclasses.replace(record, state=JobState.RUNNING, started_at=NOW + 1, attempts=1)
    result = make_result()
    assert await store.finish(
        record.id, outcome=Outcome.SUCCEEDED, result=result, at=NOW + 2, keep_request=True
    )
    assert await store.get(record.id, tenant="acme") == dataclasses.replace(
        running, state=JobState.FINISHED, outcome=Outcome.SUCCEEDED, result=result, finished_at=NOW + 2
    )


async def test_the_first_end_stands(store):
    """A second end, and a start that comes late, change nothing; finishing says whether it was the first."""
    record = make_record()
    await store.add([record])
    end = {"result": make_result(), "at": NOW, "keep_request": True}
    assert await store.finish(record.id, outcome=Outcome.CANCELLED, **end)
    ended = await store.get(record.id, tenant=None)
    assert not await store.finish(record.id, outcome=Outcome.SUCCEEDED, **end)
    store.start(record.id, NOW + 9)
    assert await store.get(record.id, tenant=None) == ended
    assert not await store.finish("unknown", outcome=Outcome.SUCCEEDED, **end)


@pytest.mark.parametrize("keep_request", [True, False])
async def test_code_and_input_are_kept_only_by_policy(store, store_url, keep_request):
    """Dropped at the end, they are nowhere in the row; the hashes stay for the audit."""
    record = make_record()
    await store.add([record])
    await store.finish(
        record.id, outcome=Outcome.ERROR, result=make_result(), at=NOW, keep_request=keep_request
    )
    kept = await store.get(record.id, tenant="acme")
    assert kept.request == (record.request if keep_request else None)
    assert (kept.code_sha256, kept.input_sha256) == ("a" * 64, "b" * 64)


async def test_a_restart_finds_what_is_unfinished(store_url):
    """Queued and running ones, oldest first; finished ones are done."""
    queued, running = make_record(accepted_at=NOW + 5), make_record(accepted_at=NOW)
    async with open_store(store_url) as store:
        await store.add([queued, running, finished_record()])
        store.start(running.id, NOW + 1)
    async with open_store(store_url) as store:
        assert [(record.id, record.state) for record in await store.unfinished()] == [
            (running.id, JobState.RUNNING),
            (queued.id, JobState.QUEUED),
        ]


async def test_a_synchronous_job_is_kept_without_waiting(store_url):
    """`record_finished` returns at once; the next read sees the job, and so does the next process."""
    seen, unseen = finished_record(), finished_record()
    async with open_store(store_url) as store:
        store.record_finished(seen)
        assert await store.get(seen.id, tenant="acme") == seen
        store.record_finished(unseen)
    async with open_store(store_url) as store:
        assert await store.get(unseen.id, tenant="acme") == unseen


async def test_another_tenants_job_is_no_job(store):
    """Wrong tenant and wrong id answer the same; the operator sees all."""
    record = make_record(tenant="acme")
    await store.add([record])
    assert await store.get(record.id, tenant="other") is None
    assert await store.get("unknown", tenant="acme") is None
    assert await store.get(record.id, tenant=None) == record


# -- lists ----------------------------------------------------------------------------------------------


async def pages(store, **wanted) -> list[list[str]]:
    """All pages of a list, by id."""
    page = await store.list(**wanted)
    found = [[record.id for record in page.records]]
    while page.next_cursor:
        page = await store.list(**wanted, cursor=page.next_cursor)
        found.append([record.id for record in page.records])
    return found


async def test_a_list_is_paged_from_the_newest(store):
    """Each job once, also where many came in the same instant; jobs that come in meanwhile change nothing."""
    batch = [make_record(id=f"j{number:02}", accepted_at=NOW + number // 3) for number in range(10)]
    await store.add(batch)
    expected = [record.id for record in reversed(batch)]
    assert await pages(store, tenant="acme", limit=4) == [expected[:4], expected[4:8], expected[8:]]
    first = await store.list(tenant="acme", limit=5)
    await store.add([make_record(accepted_at=NOW + 100)])
    second = await store.list(tenant="acme", limit=5, cursor=first.next_cursor)
    assert [record.id for record in second.records] == expected[5:]
    assert second.next_cursor is None


async def test_a_list_is_of_what_was_asked(store):
    """Every filter leaves out what does not fit, `until` itself too."""
    one = finished_record(runtime="node", accepted_at=NOW)
    two = finished_record(outcome=Outcome.ERROR, accepted_at=NOW + 1)
    three = make_record(accepted_at=NOW + 2)
    other = make_record(tenant="other", accepted_at=NOW + 3)
    await store.add([one, two, three, other])
    assert await pages(store, tenant=None) == [[other.id, three.id, two.id, one.id]]
    for wanted, found in (
        ({}, [three, two, one]),
        ({"state": JobState.FINISHED}, [two, one]),
        ({"outcome": Outcome.ERROR}, [two]),
        ({"runtime": "node"}, [one]),
        ({"since": NOW + 1}, [three, two]),
        ({"until": NOW + 1}, [one]),
        ({"since": NOW + 1, "until": NOW + 2, "state": JobState.FINISHED}, [two]),
    ):
        assert await pages(store, tenant="acme", **wanted) == [[record.id for record in found]]


async def test_a_search_finds_ids_and_metadata_and_looks_at_so_many_jobs_at_a_time(store, monkeypatch):
    """Whatever letters mean something to the database; a page that found nothing may have a next one."""
    monkeypatch.setattr("orchestrator.store.jobs.MOST_SEARCHED", 4)
    plain = [make_record(id=f"a{number}", accepted_at=NOW + number) for number in range(10)]
    odd = make_record(id="b_1", accepted_at=NOW - 1, metadata={"Näme": 'x%_\\"y'})
    await store.add([*plain, odd])
    assert await pages(store, tenant="acme", search="x%_") == [[], [], [odd.id]]
    for text in ("%_\\", '\\"y', "Nä", "B_"):
        assert [hit for page in await pages(store, tenant="acme", search=text) for hit in page] == [odd.id]
    for text in ("_", "%%", "other"):
        hits = [hit for page in await pages(store, tenant="acme", search=text) for hit in page]
        assert hits == ([odd.id] if text == "_" else [])
    assert await pages(store, tenant="acme", search="a", limit=3) == [
        ["a9", "a8", "a7"], ["a6", "a5", "a4"], ["a3", "a2", "a1"], ["a0"],
    ]  # fmt: skip
    assert await pages(store, tenant="else", search="a") == [[]]
    assert await pages(store, tenant=None, search="\ud800") == [[]]


async def test_the_limits_of_a_job_come_back(store):
    """As they were, in lists too; an older job has none."""
    await store.add([make_record(id="new", limits={"wall_time_ms": 7}), make_record(id="old")])
    assert (await store.get("new", tenant=None)).limits == {"wall_time_ms": 7}
    assert {record.id: record.limits for record in (await store.list(tenant=None)).records} == {
        "new": {"wall_time_ms": 7}, "old": None,
    }  # fmt: skip


async def test_a_list_leaves_the_large_parts_out(store):
    """Fifty results of megabytes are nobody's page."""
    await store.add([finished_record()])
    (record,) = (await store.list(tenant="acme")).records
    assert (record.request, record.result, record.metadata) == (None, None, {"trace": "7"})


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "!",
        "W10",
        "e30",
        "WzEsMiwzXQ",
        "ÿ",
        "a" * 5000,
        "WyJhIiwgMV0",
        # [NaN, "a"], [1e999, "a"], [1, "\\u0000"], [1, "\\ud800"], and brackets upon brackets
        "W05hTiwgImEiXQ",
        "WzFlOTk5LCAiYSJd",
        "WzEsICJcdTAwMDAiXQ",
        "WzEsICJcdWQ4MDAiXQ",
        "W1tb" * 5000,
    ],
)
async def test_a_cursor_of_somebody_elses_making_is_refused(store, cursor):
    """By name, whatever is in it."""
    with pytest.raises(InvalidJob, match="cursor"):
        await store.list(tenant="acme", cursor=cursor)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
async def test_what_no_database_can_hold_is_found_nowhere(store, text):
    """A question with a NUL or half a character in it has an empty answer, not an error."""
    await store.add([finished_record()])
    assert await store.get(text, tenant="acme") is None
    assert await store.get_tenant(text) is None
    assert (await store.list(tenant="acme", runtime=text)).records == ()
    assert (await store.statistics(tenant="acme", runtime=text)).total == 0
    assert (await store.statistics(tenant=text)).total == 0


# -- durable when it returns ----------------------------------------------------------------------------

CRASHING = """
import asyncio, os, signal, sys
from records import make_record
from orchestrator.store.store import open_store

async def main(url):
    async with open_store(url) as store:
        await asyncio.gather(*(store.add([make_record(id=f"crash{n}")]) for n in range(40)))
        await store.claim("acme", "key", "hash", "crash0", now=1.0)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[1]))
"""


async def test_what_was_accepted_survives_kill_9(store_url):
    """The moment `add` or `claim` has returned, the process may die."""
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CRASHING, store_url, env=environment, stderr=subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    async with open_store(store_url) as store:
        assert len(await store.unfinished()) == 40
        assert (await store.claim("acme", "key", "hash", "x", now=2.0)).kind is ClaimKind.SAME


# -- idempotency ----------------------------------------------------------------------------------------


async def test_of_a_hundred_duplicates_one_is_first(store, store_url):
    """Through two doors at once, as two processes would: one NEW, and all others learn its job."""
    async with open_store(store_url) as door:
        answers = await asyncio.gather(
            *((store, door)[n % 2].claim("acme", "key", "hash", f"job{n}", now=NOW) for n in range(100))
        )
    (first,) = [answer for answer in answers if answer.kind is ClaimKind.NEW]
    others = [answer for answer in answers if answer is not first]
    assert {(answer.kind, answer.job_id) for answer in others} == {(ClaimKind.SAME, first.job_id)}


async def test_the_same_key_for_another_request_is_told(store):
    """With the job that the key belongs to."""
    await store.claim("acme", "key", "hash", "job1", now=NOW)
    other = await store.claim("acme", "key", "other hash", "job2", now=NOW)
    assert (other.kind, other.job_id) == (ClaimKind.OTHER_BODY, "job1")


async def test_tenants_do_not_share_keys(store):
    """What one tenant calls its request says nothing about another's."""
    await store.claim("acme", "key", "hash", "job1", now=NOW)
    assert (await store.claim("other", "key", "hash", "job2", now=NOW)).kind is ClaimKind.NEW


async def test_a_claim_is_good_for_a_day(store):
    """To the second; after that the key is new, for any request."""
    await store.claim("acme", "key", "hash", "job1", now=NOW)
    late = await store.claim("acme", "key", "hash", "job2", now=NOW + DAY_SECONDS - 1)
    assert (late.kind, late.job_id) == (ClaimKind.SAME, "job1")
    again = await store.claim("acme", "key", "other hash", "job3", now=NOW + DAY_SECONDS)
    assert (again.kind, again.job_id) == (ClaimKind.NEW, "job3")


async def test_a_released_claim_was_never_made(store):
    """A request that was refused may be tried again under its key."""
    await store.claim("acme", "key", "hash", "job1", now=NOW)
    await store.release_claim("acme", "key")
    assert (await store.claim("acme", "key", "hash", "job2", now=NOW)).kind is ClaimKind.NEW


async def test_a_claim_without_a_job_does_not_outlive_its_process(store):
    """At start, only claims whose job is there stay."""
    record = make_record()
    await store.add([record])
    await store.claim("acme", "kept", "hash", record.id, now=NOW)
    await store.claim("acme", "orphan", "hash", "never-added", now=NOW)
    assert await store.release_orphaned_claims() == 1
    assert (await store.claim("acme", "kept", "hash", "x", now=NOW)).kind is ClaimKind.SAME
    assert (await store.claim("acme", "orphan", "hash", "x", now=NOW)).kind is ClaimKind.NEW


# -- tenants and keys -----------------------------------------------------------------------------------


async def test_a_tenant_is_kept_with_all_its_settings(store):
    """New, changed, and by name; one that is unknown is None."""
    acme = Tenant(
        name="acme",
        policy="strict",
        runtimes=("node", "python"),
        ceiling=Limits(wall_time_ms=900),
        weight=2.5,
        priority_ceiling=Priority.BATCH,
        recycle=Recycle.LEAK,
        keep_code=True,
    )
    await store.put_tenant(Tenant(name="zeta"))
    await store.put_tenant(Tenant(name="acme"))
    await store.put_tenant(acme)
    assert await store.get_tenant("acme") == acme
    assert await store.get_tenant("unknown") is None
    assert await store.tenants() == [acme, Tenant(name="zeta")]


async def test_a_secret_opens_its_tenant(store):
    """With the scopes that it was given, until it expires."""
    await store.put_tenant(Tenant(name="acme"))
    scopes = frozenset({Scope.READ, Scope.EXECUTE})
    info, secret = await store.create_key("acme", scopes, now=NOW, expires_at=NOW + 60, note="for tests")
    assert await store.keys() == await store.keys("acme") == [info]
    assert await store.keys("other") == []
    principal = await store.authenticate(secret, NOW + 59)
    assert (principal.tenant, principal.scopes, principal.key_id) == (Tenant(name="acme"), scopes, info.id)
    assert await store.authenticate(secret, NOW + 60) is None


@pytest.mark.parametrize("wrong", [0, 5, 20, -1])
async def test_a_wrong_secret_opens_nothing(store, wrong):
    """One character off, in the prefix, the id or the random part."""
    await store.put_tenant(Tenant(name="acme"))
    _, secret = await store.create_key("acme", frozenset({Scope.READ}), now=NOW)
    index = wrong % len(secret)
    other = "0" if secret[index] != "0" else "1"
    assert await store.authenticate(secret[:index] + other + secret[index + 1 :], NOW) is None


async def test_a_revoked_key_opens_nothing(store):
    """From that moment on; it stays in the list, with the time of its first revocation."""
    await store.put_tenant(Tenant(name="acme"))
    info, secret = await store.create_key("acme", frozenset({Scope.READ}), now=NOW)
    assert await store.authenticate(secret, NOW) is not None
    assert await store.revoke_key(info.id, now=NOW + 1)
    assert await store.authenticate(secret, NOW) is None
    assert await store.revoke_key(info.id, now=NOW + 2)
    (listed,) = await store.keys()
    assert (listed.revoked_at, listed.is_valid(NOW + 1)) == (NOW + 1, False)
    assert not await store.revoke_key("unknown", now=NOW)


async def test_a_changed_tenant_is_seen_at_once(store):
    """A key speaks for its tenant as it is now."""
    await store.put_tenant(Tenant(name="acme"))
    _, secret = await store.create_key("acme", frozenset({Scope.READ}), now=NOW)
    await store.authenticate(secret, NOW)
    await store.put_tenant(Tenant(name="acme", weight=3.0))
    assert (await store.authenticate(secret, NOW)).tenant.weight == 3.0


async def test_a_revocation_elsewhere_is_noticed(store_url):
    """`sandbox-orch keys revoke` is another process: its word counts once the cache's short time is over."""
    settings = StoreSettings(key_cache_seconds=0.0)
    async with open_store(store_url, settings=settings) as serving, open_store(store_url) as command:
        await command.put_tenant(Tenant(name="acme"))
        info, secret = await command.create_key("acme", frozenset({Scope.READ}), now=NOW)
        assert await serving.authenticate(secret, NOW) is not None
        await command.revoke_key(info.id, now=NOW)
        assert await serving.authenticate(secret, NOW) is None


async def test_a_key_needs_its_tenant(store):
    """Nobody's key is refused by the database itself."""
    with pytest.raises(StoreConflict):
        await store.create_key("nobody", frozenset({Scope.READ}), now=NOW)


# -- upkeep ---------------------------------------------------------------------------------------------


async def test_old_jobs_go_each_tenants_at_its_own_time(store):
    """A tenant's retention, and a week for one without settings; what is unfinished stays, however old."""
    await store.put_tenant(Tenant(name="acme", retention_seconds=60))
    old, young = finished_record(finished_at=NOW - 61), finished_record(finished_at=NOW - 60)
    other = finished_record(tenant="other", finished_at=NOW - 61)
    ancient = finished_record(tenant="other", finished_at=NOW - 7 * DAY_SECONDS - 1)
    waiting = make_record(accepted_at=0.0)
    await store.add([old, young, other, ancient, waiting])
    assert await store.prune(NOW) == 2
    left = {record.id for record in (await store.list(tenant=None)).records}
    assert left == {young.id, other.id, waiting.id}


async def test_a_job_goes_with_its_claim(store):
    """A claim that could promise no answer any more is none."""
    old = finished_record(finished_at=0.0)
    await store.add([old])
    await store.claim("acme", "key", "hash", old.id, now=NOW)
    assert await store.prune(NOW) == 1
    assert (await store.claim("acme", "key", "hash", "x", now=NOW)).kind is ClaimKind.NEW


@pytest.mark.parametrize(
    "bounds",
    [{"maximum_jobs": 700, "maximum_bytes": 2**40}, {"maximum_jobs": 10**6, "maximum_bytes": 70_000}],
)
async def test_whoever_takes_most_gives_first(store_url, bounds):
    """Above the bounds the largest tenant's oldest jobs go, as few as will do; a small tenant keeps its own."""
    settings = StoreSettings(**bounds)
    request = {"code": "x" * 80}
    large = [finished_record(finished_at=NOW + n, request=request, result={"n": 1}) for n in range(1500)]
    small = [finished_record(tenant="small", finished_at=NOW - 100, request=request, result={"n": 1})]
    each = len(json.dumps(request, separators=(",", ":"))) + len('{"n":1}')
    async with open_store(store_url, settings=settings) as store:
        await store.add(large + small)
        room = min(bounds["maximum_jobs"], bounds["maximum_bytes"] // each)
        assert await store.prune(NOW + 2000) == 1501 - room
        assert await store.get(small[0].id, tenant="small") is not None
        assert await store.get(large[-1].id, tenant="acme") is not None
        assert await store.get(large[0].id, tenant="acme") is None
        assert await store.prune(NOW + 2000) == 0


async def test_waiting_jobs_are_no_excess(store_url):
    """Bounds are for what is finished: an accepted job is never lost to them."""
    async with open_store(store_url, settings=StoreSettings(maximum_jobs=1, maximum_bytes=1)) as store:
        await store.add([make_record() for _ in range(5)])
        assert await store.prune(NOW) == 0
        assert len(await store.unfinished()) == 5


async def test_a_healthy_store_says_nothing(store):
    """No news."""
    assert await store.health() is None


async def test_a_closed_store_takes_nothing(store_url):
    """A write after the end says so instead of being lost."""
    async with open_store(store_url) as store:
        pass
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.add([make_record()])


# -- one service per store ------------------------------------------------------------------------------


async def test_a_store_has_one_service(store_url):
    """A second is refused, since each would run the other's jobs; commands may come in all the same."""
    async with open_store(store_url, alone=True) as service:
        with pytest.raises(ConfigurationError, match="another service"):
            async with open_store(store_url, alone=True):
                pass
        async with open_store(store_url) as command:
            await command.put_tenant(Tenant(name="acme"))
        assert await service.get_tenant("acme") is not None
    async with open_store(store_url, alone=True) as successor:
        assert await successor.health() is None


HOLDING = """
import asyncio, sys, time
from orchestrator.store.store import open_store

async def main(url):
    async with open_store(url, alone=True):
        print("in", flush=True)
        await asyncio.sleep(60)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_service_that_was_killed_holds_no_store(store_url):
    """Its successor comes in, without anybody cleaning up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDING, store_url, stdout=subprocess.PIPE
    )
    assert await process.stdout.readline() == b"in\n"
    with pytest.raises(ConfigurationError):
        async with open_store(store_url, alone=True):
            pass
    process.kill()
    await process.communicate()
    async with asyncio.timeout(10):
        # A server notices in its own time that a client is gone.
        while True:
            try:
                async with open_store(store_url, alone=True) as store:
                    return await store.health()
            except ConfigurationError:
                await asyncio.sleep(0.05)
