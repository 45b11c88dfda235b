"""The dashboard's own files and its stream: what is served, to whom, and what is in it."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from apis import House, job, open_house
from pools import RUNTIME

from orchestrator.dashboard import sampler as sampling
from orchestrator.dashboard.figures import LEAST_MS, Figures, step_of, upper_end_of
from orchestrator.dashboard.files import page_files
from orchestrator.domain.errors import EngineUnavailable
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.tenant import Priority, Scope, Tenant
from orchestrator.monitoring import FinishedJob

OFTEN = {"every_seconds": 0.02, "look_at_engine_every_seconds": 0.02}


@pytest.fixture
async def house(tmp_path):
    async with open_house(tmp_path, stream_seconds=0.3, sampling=OFTEN) as running:
        yield running


def events_of(text: str) -> list[tuple[str | None, str, object]]:
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
    return found


async def stream(client, **headers) -> list[tuple[str | None, str, object]]:
    answer = await client.get("/v1/dashboard/stream", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events_of(answer.text)


def samples_of(events) -> list[dict]:
    (history,) = (data for _, name, data in events if name == "history")
    return history + [data for _, name, data in events if name == "sample"]


async def until(condition, *, seconds=10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


# -- files ----------------------------------------------------------------------------------------------------


async def test_the_page_and_its_files_are_served_under_a_strict_policy(house):
    """To anybody, since they hold nothing; with types, tags and headers; and nothing but them."""
    async with house.client_with(None) as client:
        page = await client.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        for name, file in page_files().items():
            answer = await client.get(f"/dashboard/{name}")
            assert (answer.status_code, answer.content) == (200, file.data)
            assert answer.headers["content-type"] == file.media_type
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
            assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            again = await client.get(f"/dashboard/{name}", headers={"If-None-Match": file.tag})
            assert (again.status_code, again.content) == (304, b"")
        for name in ("", "nothing.js", "..%2ffiles.py", "%2e%2e/files.py", "__init__.py", "style.css%00"):
            assert (await client.get(f"/dashboard/{name}")).status_code == 404


def test_the_page_needs_nothing_from_outside_and_nothing_inline():
    """No address but its own, no script or style in markup, no way for text to become markup."""
    for name, file in page_files().items():
        text = file.data.decode()
        addresses = set(re.findall(r"(?:https?:)?//[a-z][\w.-]+\.\w+", text))
        assert addresses <= {"http://www.w3.org"}, name  # a name space, which nobody fetches
        for danger in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert danger not in text, (name, danger)
    html = page_files()["index.html"].data.decode()
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]* src=)", html)
    for target in re.findall(r'(?:src|href)="(/dashboard/[^"]+)"', html):
        assert target.removeprefix("/dashboard/") in page_files()


# -- figures --------------------------------------------------------------------------------------------------


def test_a_step_holds_its_value_and_is_a_tenth_wide():
    """Whatever the value, the upper end of its step is at or above it, by a tenth at most."""
    for value in (0.0, 0.05, 0.1, 0.11, 1.0, 2.5, 17.3, 999.0, 60_000.0, 1e9):
        upper = upper_end_of(step_of(value, LEAST_MS), LEAST_MS)
        assert upper >= value * 0.9995
        assert value <= LEAST_MS or upper <= value * 1.1005


def test_figures_count_each_job_once():
    """Outcomes of all, latency and memory of those that ran, waits by class of those that waited."""
    one = FinishedJob("a", Priority.NORMAL, Outcome.SUCCEEDED, 2.0, 1_000_000, 0.001)
    figures = Figures()
    for each in (
        one,
        one,
        one._replace(outcome=Outcome.REJECTED, latency_ms=None, memory_peak_bytes=None, queue_seconds=None),
    ):
        figures.add(each)
    wire = figures.to_wire()
    assert wire["outcomes"] == {"succeeded": 2, "rejected": 1}
    assert [jobs for _, jobs in wire["latency_ms"]] == [jobs for _, jobs in wire["memory_bytes"]] == [2]
    assert list(wire["wait_ms"]) == ["normal"]
    json.dumps(wire, allow_nan=False)


# -- the stream -------------------------------------------------------------------------------------------------


async def run_jobs(house: House, tenant: str, count: int, **changes) -> None:
    async with await house.client(tenant) as client:
        for _ in range(count):
            assert (await client.post("/v1/execute", json=job(**changes))).status_code == 200


async def test_an_operator_sees_the_host_and_everybodys_jobs(house):
    """Containers, targets, queue, host, readiness, and every job that finished, once."""
    await run_jobs(house, "alice", 3)
    await run_jobs(house, "bob", 2, code="import subprocess")
    async with await house.client("root", Scope.ADMIN) as client:
        events = await stream(client)
    assert [name for _, name, _ in events[:2]] == ["hello", "history"]
    assert events[0][2]["scopes"] == ["admin"]
    samples = samples_of(events)
    counted = {}
    for sample in samples:
        for outcome, jobs in sample["jobs"]["outcomes"].items():
            counted[outcome] = counted.get(outcome, 0) + jobs
    assert counted == {"succeeded": 3, "rejected": 2}
    newest = samples[-1]
    assert newest["containers"][RUNTIME]["warm"] == newest["targets"][RUNTIME] == 2
    assert newest["queued"] == {"interactive": 0, "normal": 0, "batch": 0}
    assert newest["ready"] == {
        "ready": True,
        "engine": True,
        "pool": True,
        "store": True,
        "disk": True,
        "checks": True,
        "draining": False,
    }
    assert 0 <= newest["host"]["cpu_percent"] <= 100
    assert 0 < newest["host"]["memory_used_bytes"] < newest["host"]["memory_total_bytes"]
    assert sum(newest["retirements"].values()) >= 1
    numbers = [number for number, name, _ in events if name == "sample"]
    assert len(set(numbers)) == len(numbers)


async def test_a_tenant_sees_its_own_jobs_and_nothing_of_the_host_or_of_others(house):
    """Its counts, its queue, whether the service works; not one word more."""
    await run_jobs(house, "alice", 3)
    await run_jobs(house, "mallory", 1)
    async with await house.client("mallory") as client:
        events = await stream(client)
    samples = samples_of(events)
    assert {key for sample in samples for key in sample} == {
        "at",
        "jobs",
        "running",
        "queued",
        "ready",
        "ready_since",
    }
    total = sum(sum(sample["jobs"]["outcomes"].values()) for sample in samples if sample["jobs"])
    assert total == 1
    assert "alice" not in json.dumps(events)


async def test_what_runs_and_waits_of_others_is_not_counted_for_a_tenant(house):
    """A full house of somebody else's looks empty."""
    async with await house.client("alice") as alice, await house.client("mallory") as mallory:
        ids = [(await alice.post("/v1/jobs", json=job(input=60_000))).json()["id"] for _ in range(10)]
        theirs, own = samples_of(await stream(mallory))[-1], samples_of(await stream(alice))[-1]
        assert (theirs["running"], sum(theirs["queued"].values())) == (0, 0)
        assert (own["running"], sum(own["queued"].values())) == (8, 2)
        for each in ids:
            await alice.delete(f"/v1/jobs/{each}")


async def test_a_stream_is_taken_up_again_where_it_broke_off(house):
    """What came after the last id, and nothing twice; of an id that is not ours, everything."""
    async with await house.client("root", Scope.ADMIN) as client:
        first = await stream(client)
        last_id = first[-1][0]
        seen = {sample["at"] for sample in samples_of(first)}
        second = samples_of(await stream(client, **{"Last-Event-ID": last_id}))
        assert second
        assert not seen & {sample["at"] for sample in second}
        for strange in ("other-1", "x", "-", f"{last_id}9" + "9" * 40, "½-1"):
            again = await stream(client, **{"Last-Event-ID": strange.encode("latin-1")})
            assert samples_of(again)
        whole = samples_of(await stream(client, **{"Last-Event-ID": "other-1"}))
        assert seen & {sample["at"] for sample in whole}


async def test_a_scope_is_needed(house):
    """Without a key 401, without the scope read 403."""
    async with house.client_with(None) as nobody, await house.client("alice", Scope.EXECUTE) as runner:
        assert (await nobody.get("/v1/dashboard/stream")).status_code == 401
        assert (await runner.get("/v1/dashboard/stream")).status_code == 403


async def test_no_more_listen_than_may(house, monkeypatch):
    """The next is told to come back; when they have gone, there is room."""
    monkeypatch.setattr(sampling, "MOST_LISTENERS", 1)
    async with await house.client("root", Scope.ADMIN) as client:
        first = asyncio.create_task(stream(client))
        await until(lambda: house.state.sampler._listeners == 1)
        answer = await client.get("/v1/dashboard/stream")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        await first
        await stream(client)


async def test_a_failing_engine_is_told_and_its_return_too(house):
    """The next look at it shows it, with the moment since when."""
    answers = house.backend.info
    async with await house.client("alice") as client:

        async def refuse():
            raise EngineUnavailable("no answer")

        house.backend.info = refuse
        await until(lambda: house.state.sampler._ready is not None and not house.state.sampler._ready.engine)
        broken = samples_of(await stream(client))[-1]
        assert (broken["ready"]["ready"], broken["ready"]["engine"]) == (False, False)
        house.backend.info = answers
        await until(lambda: house.state.sampler._ready.engine)
        mended = samples_of(await stream(client))[-1]
        assert mended["ready"]["ready"] is True
        assert mended["ready_since"] > broken["ready_since"]


async def test_a_service_that_drains_does_not_wait_for_pages(tmp_path):
    """Streams end with the next sample, however long they may last."""
    async with (
        open_house(tmp_path, stream_seconds=600, sampling=OFTEN) as house,
        await house.client("root", Scope.ADMIN) as client,
    ):
        watching = asyncio.create_task(stream(client))
        await until(lambda: house.state.sampler._listeners == 1)
        house.service.drain()
        async with asyncio.timeout(10):
            await watching


# -- what the page asks for ---------------------------------------------------------------------------------------


async def test_check_says_what_the_tenants_policy_finds_and_runs_nothing(house):
    """Findings with their places; the strict tenant has more of them; no job is kept."""
    body = {"runtime": RUNTIME, "code": "x = 1\nimport subprocess\noutput = x"}
    async with await house.client("alice") as client:
        answer = await client.post("/v1/check", json=body)
        report = answer.json()
        assert (answer.status_code, report["rejected"]) == (200, True)
        assert [(each["line"], each["severity"]) for each in report["findings"]] == [(2, "reject")]
        assert (await client.post("/v1/check", json={**body, "code": "output = input"})).json()[
            "findings"
        ] == []
        assert (await client.get("/v1/jobs")).json()["jobs"] == []
    assert house.backend.asked == []


async def test_check_is_bounded_as_jobs_are(house):
    """The rate, the runtimes, the scope and the size are the tenant's."""
    body = {"runtime": RUNTIME, "code": "output = 1"}
    limited = Tenant(name="limited", rate_per_second=0.5, burst=2)
    async with await house.client(limited) as client:
        answers = [(await client.post("/v1/check", json=body)).status_code for _ in range(3)]
        assert answers == [200, 200, 429]
    async with await house.client(Tenant(name="other", runtimes=("node",))) as client:
        assert (await client.post("/v1/check", json=body)).status_code == 422
        assert (await client.post("/v1/check", json={"runtime": "x", "code": ""})).status_code == 422
        assert (await client.post("/v1/check", json={**body, "code": "a" * 2**21})).status_code == 422
    async with await house.client("reader", Scope.READ) as client:
        assert (await client.post("/v1/check", json=body)).status_code == 403


async def test_a_request_is_shown_while_it_is_kept(house):
    """Until the end of a submitted job, and after it where the tenant has code kept; never to another."""
    keeper = Tenant(name="keeper", keep_code=True)
    async with await house.client("alice") as alice, await house.client(keeper) as kept:
        (mine, theirs) = [
            (await client.post("/v1/jobs", json=job(input=50))).json()["id"] for client in (alice, kept)
        ]
        shown = (await alice.get(f"/v1/jobs/{mine}/request")).json()["request"]
        assert (shown["code"], shown["input_json"], shown["mode"]) == ("output = input", "50", "function")
        for client, each in ((alice, mine), (kept, theirs)):
            await client.get(f"/v1/jobs/{each}", params={"wait": 10})
        assert (await alice.get(f"/v1/jobs/{mine}/request")).json() == {"request": None}
        assert (await kept.get(f"/v1/jobs/{theirs}/request")).json()["request"]["code"] == "output = input"
        assert (await alice.get(f"/v1/jobs/{theirs}/request")).status_code == 404


async def test_the_limits_of_a_job_are_kept_with_it(house):
    """Also of one whose code is not."""
    async with await house.client("alice") as client:
        done = (await client.post("/v1/execute", json=job(limits={"wall_time_ms": 1234}))).json()
        shown = (await client.get(f"/v1/jobs/{done['id']}")).json()
    assert (shown["limits"]["wall_time_ms"], shown["limits"]["cpu_time_ms"]) == (1234, 1234)


async def test_jobs_are_searched_and_an_operator_may_name_a_tenant(house):
    """By what the metadata holds and how the id begins; a tenant searches its own only."""
    odd = {"Ordnung": 'ä"100%_\\x'}
    async with (
        await house.client("alice") as alice,
        await house.client("bob") as bob,
        await house.client("root", Scope.ADMIN) as root,
    ):
        first = (await alice.post("/v1/execute", json=job(metadata=odd))).json()["id"]
        other = (await bob.post("/v1/execute", json=job(metadata={"order": "4711"}))).json()["id"]

        async def found(client, **query):
            answer = await client.get("/v1/jobs", params=query)
            assert answer.status_code == 200, answer.text
            return [each["id"] for each in answer.json()["jobs"]]

        for text in ("ordnung", 'ä"1', "0%_\\", first[:8], first.upper()[:12]):
            assert await found(root, search=text) == [first], text
        assert await found(alice, search="4711") == []
        assert await found(root, search="4711") == await found(root, tenant="bob") == [other]
        assert await found(root, search="%") == [first]
        assert (await alice.get("/v1/jobs", params={"tenant": "bob"})).status_code == 403
        assert (await alice.get("/v1/jobs", params={"search": ""})).status_code == 422
        assert await found(alice, search="\0") == []


def test_a_finished_job_is_a_small_thing():
    """What is noted of each holds no text of its tenant's."""
    assert set(FinishedJob._fields) == {
        "tenant", "priority", "outcome", "latency_ms", "memory_peak_bytes", "queue_seconds",
    }  # fmt: skip
