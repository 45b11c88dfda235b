"""The HTTP API over the fake backend: what each endpoint answers, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import pytest
from apis import House, document_of, job, open_house
from pools import RUNTIME

from orchestrator.domain.container import ContainerState
from orchestrator.domain.errors import StoreConflict, StoreUnavailable
from orchestrator.domain.job import JobState
from orchestrator.domain.limits import MIB, Limits
from orchestrator.domain.record import JobRecord
from orchestrator.domain.tenant import Priority, Recycle, Scope, Tenant
from orchestrator.store.store import open_store


@pytest.fixture
async def house(tmp_path):
    async with open_house(tmp_path) as running:
        yield running


async def busy(house: House, client, count: int = 8, milliseconds: int = 60_000) -> list[str]:
    """Jobs that keep every container busy."""
    answers = [await client.post("/v1/jobs", json=job(input=milliseconds)) for _ in range(count)]
    return [answer.json()["id"] for answer in answers]


async def until(condition, *, seconds=30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


# -- execute ------------------------------------------------------------------------------------------------


async def test_execute_answers_the_result(house):
    """The result in its wire form, on a warm container, with the request's id."""
    async with await house.client() as client:
        answer = await client.post("/v1/execute", json=job(), headers={"X-Request-ID": "mine-1"})
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "mine-1"
    result = answer.json()
    assert (result["outcome"], result["success"], result["output"]) == ("succeeded", True, result["id"])
    assert result["container"]["warm"] is True
    assert result["timing"]["collected_ms"] >= result["timing"]["first_byte_ms"] > 0


async def test_an_executed_job_can_be_looked_up(house):
    """What was answered is kept, with its hashes; code and input are not."""
    async with await house.client() as client:
        result = (await client.post("/v1/execute", json=job(metadata={"order": "7"}))).json()
        shown = (await client.get(f"/v1/jobs/{result['id']}")).json()
    assert shown["result"] == result
    assert shown["metadata"] == {"order": "7"}
    assert len(shown["code_sha256"]) == 64
    record = await house.store.get(result["id"], tenant=None)
    assert record.request is None


async def test_a_tenant_that_wants_its_code_kept_has_it_kept(house):
    """Retention of code is the tenant's setting."""
    async with await house.client(Tenant(name="keeper", keep_code=True)) as client:
        result = (await client.post("/v1/execute", json=job())).json()
    assert (await house.store.get(result["id"], tenant="keeper")).request["code"] == "output = input"


@pytest.mark.parametrize("recycle", [None, Recycle.JOB, Recycle.LEAK])
async def test_a_tenants_containers_are_kept_for_it_where_its_operator_says_so(house, recycle):
    """The deployment keeps none; only the tenant with `recycle = "leak"` meets a container of its own again."""
    async with await house.client(Tenant(name="thrifty", recycle=recycle)) as client:
        first = (await client.post("/v1/execute", json=job())).json()
        while any(one.state.value == "inspecting" for one in house.service.orchestrator.pool.containers()):
            await asyncio.sleep(0.001)
        second = (await client.post("/v1/execute", json=job())).json()
    is_kept = recycle is Recycle.LEAK
    assert second["container"]["reused"] is is_kept
    assert (second["container"]["id"] == first["container"]["id"]) is is_kept


async def test_a_client_that_goes_away_has_its_job_cancelled_and_its_container_killed(house):
    """Nobody waits for it: the container ends long before the job would have."""
    key = await house.key()
    gone = asyncio.Event()
    body = json.dumps(job(input=50_000)).encode()
    headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")]
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(_message):
        pass

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/v1/execute", "raw_path": b"/v1/execute",
        "query_string": b"", "headers": headers, "scheme": "http", "server": ("test", 80), "client": ("test", 1),
        "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip
    request = asyncio.create_task(house.app(scope, receive, send))
    await until(lambda: any(each.jobs for each in house.backend.containers.values()))
    (container,) = (each for each in house.backend.containers.values() if each.jobs)
    gone.set()
    await request
    await until(lambda: container.is_dead)
    await until(lambda: house.service.dispatcher.running == 0)
    page = await house.store.list(tenant="alice")
    assert [record.outcome for record in page.records] == ["cancelled"]


# -- jobs -----------------------------------------------------------------------------------------------------


async def test_a_submitted_job_is_durable_and_then_run(house):
    """202 with its location; it is in the store already; waiting for it gives the result."""
    async with await house.client() as client:
        answer = await client.post("/v1/jobs", json=job(input=30))
        assert answer.status_code == 202
        shown = answer.json()
        assert answer.headers["location"] == shown["location"] == f"/v1/jobs/{shown['id']}"
        assert await house.store.get(shown["id"], tenant="alice") is not None
        finished = (await client.get(shown["location"], params={"wait": 10})).json()
    assert (finished["state"], finished["outcome"]) == ("finished", "succeeded")
    assert finished["result"]["output"] == shown["id"]
    assert finished["attempts"] == 1


async def test_a_waiting_job_tells_its_position_and_estimated_start(house):
    """Whoever waits is told how long, about."""
    async with await house.client() as client:
        ids = await busy(house, client, 11)
        shown = (await client.get(f"/v1/jobs/{ids[-1]}")).json()
        assert shown["state"] == "queued"
        assert shown["position"] >= 1
        assert shown["estimated_start_ms"] > 0
        for each in ids:
            await client.delete(f"/v1/jobs/{each}")


async def test_a_long_poll_ends_when_its_time_is_over(house):
    """The job as it is then, unfinished."""
    async with await house.client() as client:
        (job_id,) = await busy(house, client, 1)
        shown = (await client.get(f"/v1/jobs/{job_id}", params={"wait": 0.05})).json()
        assert shown["state"] == "running"
        await client.delete(f"/v1/jobs/{job_id}")


async def test_deleting_cancels_queued_and_running_jobs_for_real(house):
    """Both are finished as cancelled, and the running one's container is gone."""
    async with await house.client() as client:
        ids = await busy(house, client, 9)
        queued, running = ids[-1], ids[0]
        for job_id in (queued, running):
            shown = (await client.delete(f"/v1/jobs/{job_id}")).json()
            assert (shown["state"], shown["outcome"]) == ("finished", "cancelled")
            assert (await house.store.get(job_id, tenant="alice")).outcome == "cancelled"
        assert (await client.delete(f"/v1/jobs/{running}")).json()["outcome"] == "cancelled"
        await until(lambda: not any(running in str(each.jobs) for each in house.backend.containers.values()))
        for job_id in ids[1:-1]:
            await client.delete(f"/v1/jobs/{job_id}")


async def test_a_job_that_did_not_start_in_time_has_expired(house):
    """Its own deadline in the queue, in milliseconds."""
    async with await house.client() as client:
        ids = await busy(house, client, 8)
        late = (await client.post("/v1/jobs", json=job(start_within_ms=50))).json()
        shown = (await client.get(late["location"], params={"wait": 5})).json()
        assert (shown["outcome"], shown["started_at"]) == ("expired", None)
        for job_id in ids:
            await client.delete(f"/v1/jobs/{job_id}")


async def test_lists_are_filtered_and_paged(house):
    """Newest first, each job once, without results."""
    async with await house.client() as client:
        for _ in range(5):
            await client.post("/v1/execute", json=job())
        first = (await client.get("/v1/jobs", params={"limit": 3, "outcome": "succeeded"})).json()
        rest = (await client.get("/v1/jobs", params={"limit": 3, "cursor": first["next_cursor"]})).json()
        none = (await client.get("/v1/jobs", params={"outcome": "error"})).json()
    jobs = first["jobs"] + rest["jobs"]
    assert len({each["id"] for each in jobs}) == 5
    assert [each["accepted_at"] for each in jobs] == sorted(
        (each["accepted_at"] for each in jobs), reverse=True
    )
    assert {each["result"] is None for each in jobs} == {True}
    assert none == {"jobs": [], "next_cursor": None}


async def test_a_batch_accepts_and_refuses_each_on_its_own(house):
    """What is wrong with one job is that job's problem."""
    jobs = [job(), job(runtime="cobol"), job(files={"a": "*"}), job(limits={"memory_bytes": 2**50})]
    async with await house.client() as client:
        results = (await client.post("/v1/jobs/batch", json={"jobs": jobs})).json()["results"]
        assert [each["status"] for each in results] == [202, 422, 422, 422]
        assert [each["problem"]["errors"][0]["field"] for each in results[1:]] == [
            "runtime",
            "files",
            "limits.memory_bytes",
        ]
        done = (await client.get(results[0]["job"]["location"], params={"wait": 5})).json()
    assert done["outcome"] == "succeeded"


async def test_one_code_with_many_inputs_is_one_request(house):
    """A job for each input, in order."""
    body = {"runtime": RUNTIME, "code": "output = input", "inputs": [1, 2, 3]}
    async with await house.client() as client:
        results = (await client.post("/v1/jobs/batch", json=body)).json()["results"]
        for each in results:
            await client.get(each["job"]["location"], params={"wait": 5})
    asked = [frame["input"] for frame in house.backend.asked]
    assert (len(results), sorted(asked)) == (3, ["1", "2", "3"])


# -- events ---------------------------------------------------------------------------------------------------


def parse_events(text: str) -> list[tuple[int, str, dict]]:
    events = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return events


async def test_events_tell_a_jobs_life_and_resume(house):
    """Status, output as it comes, status, result; with Last-Event-ID only what came after."""
    async with await house.client() as client:
        (job_id,) = await busy(house, client, 1, 300)
        watching = asyncio.create_task(client.get(f"/v1/jobs/{job_id}/events"))
        await until(lambda: any(each.jobs for each in house.backend.containers.values()))
        (container,) = (each for each in house.backend.containers.values() if each.jobs)
        container._push({"type": "stream", "job": job_id, "name": "stdout", "text": "héllo\n", "bytes": 7})
        answer = await watching
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = parse_events(answer.text)
        assert [(number, name) for number, name, _ in events] == [
            (1, "status"), (2, "status"), (3, "stdout"), (4, "status"), (5, "result"),
        ]  # fmt: skip
        assert events[2][2] == {"text": "héllo\n"}
        assert events[-1][2]["stdout"]["text"] == "héllo\n"
        again = await client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "4"})
        assert [(number, name) for number, name, _ in parse_events(again.text)] == [
            (5, "status"),
            (6, "result"),
        ]
        wrong = await client.get(f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": "x"})
        assert wrong.status_code == 422


# -- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"[" * 100_000, 400, None),
        (b'{"runtime": "python", "code": "", "input": ' + b"[" * 200 + b"]" * 200 + b"}", 400, None),
        (b"[" + b"0," * 600_000 + b"0]", 400, None),
        (b'{"runtime": "python", "code": "\\ud800"}', 400, None),
        (b'{"input": 1e999, "runtime": "python", "code": ""}', 400, None),
        (b"\xff\xfe", 400, None),
        (b"null", 422, ""),
        (b"[]", 422, ""),
        (b"{}", 422, "runtime"),
        (b'{"runtime": "python", "code": 7}', 422, "code"),
        (b'{"runtime": "python", "code": "1", "colour": "red"}', 422, "colour"),
        (b'{"runtime": "python", "code": "1", "limits": {"speed": 1}}', 422, "limits.speed"),
        (b'{"runtime": "python", "code": "1", "limits": {"wall_time_ms": "9"}}', 422, "limits.wall_time_ms"),
        (b'{"runtime": "python", "code": "1", "limits": {"wall_time_ms": -1}}', 422, "limits.wall_time_ms"),
        (b'{"runtime": "python", "code": "1", "limits": {"memory_bytes": 99999999999}}', 422, "limits.memory_bytes"),
        (b'{"runtime": "cobol", "code": "1"}', 422, "runtime"),
        (b'{"runtime": "python", "code": "1", "entrypoint": "a b"}', 422, "entrypoint"),
        (b'{"runtime": "python", "code": "1", "stdin": "x"}', 422, "mode"),
        (b'{"runtime": "python", "code": "1", "priority": "now"}', 422, "priority"),
        (b'{"runtime": "python", "code": "1", "start_within_ms": 0}', 422, "start_within_ms"),
        (b'{"runtime": "python", "code": "1", "metadata": {"a": 1}}', 422, "metadata.a"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_body_is_said_by_name(house, body, status, field):
    """4xx as a problem, which names the field where there is one."""
    async with await house.client() as client:
        answer = await client.post("/v1/execute", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    if field:
        assert problem["errors"][0]["field"] == field


async def test_a_body_of_another_type_is_refused(house):
    """415: only JSON is taken."""
    async with await house.client() as client:
        answer = await client.post("/v1/execute", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["status"]) == (415, 415)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_is_too_large_is_refused_before_it_is_parsed(tmp_path, announced):
    """413, by its header or as soon as it is over."""

    async def pieces():
        for _ in range(100):
            yield b"x" * 1024

    async with open_house(tmp_path, most_body_bytes=4096) as house, await house.client() as client:
        content = b"x" * 100_000 if announced else pieces()
        answer = await client.post(
            "/v1/execute", content=content, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/v1/jobs", 405)])
async def test_even_unknown_places_answer_with_problems(house, method, path, status):
    """What no route answers is a problem as well."""
    async with await house.client() as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_a_hostile_request_id_is_replaced(house):
    """Only plain ids are echoed."""
    async with await house.client() as client:
        answer = await client.get("/healthz", headers={"X-Request-ID": "a b<script>"})
    assert len(answer.headers["x-request-id"]) == 32


async def test_a_full_share_and_a_full_house_say_when_to_come_back(tmp_path):
    """429 is the tenant's own limit, 503 the host's; both have Retry-After."""
    async with open_house(tmp_path, places=4, maximum=2) as house:
        greedy, other = await house.client("greedy"), await house.client("other")
        for _ in range(4):
            assert (await greedy.post("/v1/jobs", json=job(input=60_000))).status_code == 202
        limited = await greedy.post("/v1/jobs", json=job())
        assert (limited.status_code, limited.json()["type"]) == (
            429,
            "urn:sandbox-orch:problem:tenant-limited",
        )
        for _ in range(2):
            await other.post("/v1/jobs", json=job(input=60_000))
        async with await house.client("third") as third:
            full = await third.post("/v1/execute", json=job())
        assert (full.status_code, full.json()["type"]) == (503, "urn:sandbox-orch:problem:host-full")
        for answer in (limited, full):
            assert int(answer.headers["retry-after"]) >= 1
        house.service.abandon()
        for client in (greedy, other):
            await client.aclose()


async def test_a_batch_takes_no_more_places_than_there_are(tmp_path):
    """Jobs that are still being written count: a hundred at once find what is left, and no more."""
    async with open_house(tmp_path, places=20, maximum=1, target=1) as house:
        async with await house.client() as client:
            body = {"runtime": RUNTIME, "code": "1", "inputs": [60_000] * 100}
            results = (await client.post("/v1/jobs/batch", json=body)).json()["results"]
            assert [each["status"] for each in results].count(202) == 10
            assert {each["status"] for each in results} == {202, 429}
        house.service.abandon()


async def test_a_tenants_rate_is_limited(house):
    """Above its burst it is told to wait; another tenant is not."""
    slow = Tenant(name="slow", rate_per_second=0.1, burst=3)
    async with await house.client(slow) as client, await house.client("quick") as quick:
        answers = [await client.post("/v1/execute", json=job()) for _ in range(4)]
        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 30
        assert (await quick.post("/v1/execute", json=job())).status_code == 200
        text = house.monitor.exposition().decode()
    assert 'sandbox_orch_refusals_total{reason="rate"} 1.0' in text


async def test_a_draining_service_takes_nothing_new_and_ends_the_waits(house):
    """Running jobs finish; who waits in the queue is sent away; submitted ones stay queued in the store."""
    async with await house.client() as client:
        ids = await busy(house, client, 8, 400)
        waiting = asyncio.create_task(client.post("/v1/execute", json=job()))
        kept = (await client.post("/v1/jobs", json=job())).json()["id"]
        polling = asyncio.create_task(client.get(f"/v1/jobs/{kept}", params={"wait": 30}))
        await until(lambda: len(house.service.dispatcher.queue) == 2)
        house.service.drain()
        assert (await waiting).status_code == 503
        assert (await polling).json()["state"] == "queued"
        refused = await client.post("/v1/execute", json=job())
        assert refused.json()["type"] == "urn:sandbox-orch:problem:draining"
        assert (await client.get("/readyz")).status_code == 503
        done = [(await client.get(f"/v1/jobs/{each}")).json() for each in ids]
        await until(lambda: house.service.dispatcher.running == 0)
        assert len(done) == 8
        assert (await house.store.get(kept, tenant=None)).state == "queued"


# -- tenants --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "changes", "field"),
    [
        ({"runtimes": ("node",)}, {}, "runtime"),
        ({"priority_ceiling": Priority.BATCH}, {"priority": "normal"}, "priority"),
        ({"ceiling": Limits(memory_bytes=MIB)}, {"limits": {"memory_bytes": 2 * MIB}}, "limits.memory_bytes"),
    ],
)
async def test_a_tenants_settings_bound_its_jobs(house, settings, changes, field):
    """Runtimes, priorities and limits above the tenant's own are refused by name."""
    async with await house.client(Tenant(name="bound", **settings)) as client:
        answer = await client.post("/v1/execute", json=job(**changes))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_defaults_are_cut_to_the_tenants_ceiling(house):
    """Who asks for nothing gets no more than it may have, and its highest class."""
    bound = Tenant(name="bound", ceiling=Limits(memory_bytes=9 * MIB), priority_ceiling=Priority.BATCH)
    async with await house.client(bound) as client:
        shown = (await client.post("/v1/jobs", json=job())).json()
        await client.get(shown["location"], params={"wait": 5})
    assert shown["priority"] == "batch"
    assert house.backend.asked[-1]["limits"]["memory_bytes"] == 9 * MIB


MATRIX = [
    ("GET", "/v1/jobs/{id}"),
    ("GET", "/v1/jobs/{id}?wait=1"),
    ("DELETE", "/v1/jobs/{id}"),
    ("GET", "/v1/jobs/{id}/events"),
    ("GET", "/v1/jobs/{id}/request"),
]


@pytest.mark.parametrize(("method", "path"), MATRIX)
@pytest.mark.parametrize("finished", [True, False])
async def test_another_tenants_job_does_not_exist(house, method, path, finished):
    """404 to the letter as for an id that nobody has, and nothing happens to the job."""
    async with await house.client("alice") as alice, await house.client("mallory") as mallory:
        (job_id,) = await busy(house, alice, 1, 1 if finished else 60_000)
        if finished:
            await alice.get(f"/v1/jobs/{job_id}", params={"wait": 5})
        theirs = await mallory.request(method, path.format(id=job_id), headers={"X-Request-ID": "r"})
        nobodys = await mallory.request(method, path.format(id="0" * 32), headers={"X-Request-ID": "r"})
        assert theirs.status_code == nobodys.status_code == 404
        assert theirs.content == nobodys.content
        shown = (await alice.get(f"/v1/jobs/{job_id}")).json()
        assert shown["state"] == ("finished" if finished else "running")
        await alice.delete(f"/v1/jobs/{job_id}")


async def test_the_matrix_covers_every_endpoint_that_takes_an_id(house):
    """A new endpoint with an id in its path must join the matrix."""
    described = {
        (method.upper(), path.replace("{job_id}", "{id}"))
        for path, methods in document_of(house)["paths"].items()
        for method in methods
        if "{" in path
    }
    assert described == {(method, path.partition("?")[0]) for method, path in MATRIX}


async def test_lists_figures_and_keys_are_the_tenants_own(house):
    """No job, count or idempotency key of another is seen, by any filter."""
    async with await house.client("alice") as alice, await house.client("mallory") as mallory:
        keyed = {"Idempotency-Key": "same"}
        mine = (await alice.post("/v1/execute", json=job(), headers=keyed)).json()
        assert (await mallory.get("/v1/jobs")).json()["jobs"] == []
        assert (await mallory.get("/v1/stats")).json()["total"] == 0
        assert (await mallory.get("/v1/stats", params={"tenant": "alice"})).status_code == 403
        assert (await mallory.get("/v1/pool")).status_code == 403
        assert (await mallory.get("/metrics")).status_code == 403
        theirs = (await mallory.post("/v1/execute", json=job(), headers=keyed)).json()
        assert theirs["id"] != mine["id"]
        assert (await alice.get("/v1/stats")).json()["total"] == 1


async def test_scopes_bound_what_a_key_may_do(house):
    """A reader does not run, a runner does not read; an operator does all, for all tenants."""
    async with (
        await house.client("alice", Scope.READ) as reader,
        await house.client("alice", Scope.EXECUTE) as runner,
        await house.client("root", Scope.ADMIN) as operator,
    ):
        assert (await reader.post("/v1/execute", json=job())).status_code == 403
        result = (await runner.post("/v1/execute", json=job())).json()
        assert (await runner.get(f"/v1/jobs/{result['id']}")).status_code == 403
        assert (await reader.get(f"/v1/jobs/{result['id']}")).status_code == 200
        assert (await operator.get(f"/v1/jobs/{result['id']}")).json()["tenant"] == "alice"
        assert (await operator.get("/v1/pool")).status_code == 200
        assert (await operator.get("/v1/stats", params={"tenant": "alice"})).json()["total"] == 1


@pytest.mark.parametrize("key", [None, "", "so_x_y", "Bearer", "so_" + "a" * 500, "é"])
async def test_no_or_wrong_keys_get_nowhere(house, key):
    """401 everywhere but at the two health endpoints."""
    async with house.client_with(None) as client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}".encode()}
        for method, path in [
            ("POST", "/v1/execute"),
            ("GET", "/v1/jobs"),
            ("GET", "/metrics"),
            ("GET", "/v1/pool"),
        ]:
            answer = await client.request(
                method, path, headers=headers, json=job() if method == "POST" else None
            )
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert (await client.get("/healthz")).status_code == 200
        await until(lambda: house.service.orchestrator.can_check)
        assert (await client.get("/readyz")).status_code == 200


# -- idempotency ----------------------------------------------------------------------------------------------


async def test_a_hundred_duplicates_are_one_job(house):
    """All at once: one runs; every other is told of it, or has its result."""
    async with await house.client() as client:
        ask = {"json": job(input=50), "headers": {"Idempotency-Key": "storm"}}
        answers = await asyncio.gather(*(client.post("/v1/execute", **ask) for _ in range(100)))
        ran = {each.json()["id"] for each in answers if each.status_code == 200}
        told = {each.headers["location"] for each in answers if each.status_code == 409}
        assert {each.status_code for each in answers} <= {200, 409}
        (job_id,) = ran
        assert told <= {f"/v1/jobs/{job_id}"}
        again = await client.post("/v1/execute", **ask)
        assert again.json() == next(each.json() for each in answers if each.status_code == 200)
        assert len((await client.get("/v1/jobs")).json()["jobs"]) == 1


async def test_duplicates_of_a_submission_are_the_same_202(house):
    """The same job each time, queued, running or finished; another body is refused."""
    async with await house.client() as client:
        headers = {"Idempotency-Key": "k"}
        answers = await asyncio.gather(
            *(client.post("/v1/jobs", json=job(), headers=headers) for _ in range(20))
        )
        assert {each.status_code for each in answers} == {202}
        assert len({each.json()["id"] for each in answers}) == 1
        other = await client.post("/v1/jobs", json=job(input=2), headers=headers)
        assert (other.status_code, other.json()["type"]) == (
            422,
            "urn:sandbox-orch:problem:idempotency-key-reused",
        )


async def test_a_refused_request_leaves_its_key_free(house):
    """A key is spent by a job, not by a refusal."""
    async with await house.client() as client:
        headers = {"Idempotency-Key": "k"}
        assert (
            await client.post("/v1/execute", json=job(runtime="cobol"), headers=headers)
        ).status_code == 422
        assert (await client.post("/v1/execute", json=job(), headers=headers)).status_code == 200


async def test_idempotency_and_queue_survive_a_restart(tmp_path):
    """Finished jobs answer with the same result; queued ones are run, once; nothing is lost."""
    headers = {"Idempotency-Key": "k"}
    async with open_house(tmp_path) as house:
        key = await house.key()
        async with house.client_with(key) as client:
            before = (await client.post("/v1/execute", json=job(), headers=headers)).json()
            ids = await busy(house, client, 12, 5)
            house.service.abandon()
    async with open_house(tmp_path) as house, house.client_with(key) as client:
        after = (await client.post("/v1/execute", json=job(), headers=headers)).json()
        assert after == before
        for job_id in ids:
            done = (await client.get(f"/v1/jobs/{job_id}", params={"wait": 10})).json()
            assert (done["outcome"], done["result"]["output"]) == ("succeeded", job_id)
        assert len((await client.get("/v1/jobs")).json()["jobs"]) == 13


async def test_while_the_store_fails_nobody_is_told_what_may_be_forgotten(house, monkeypatch):
    """A submitted job's end is told once it is on disk; a store that comes back in time loses nothing."""
    finish, failures = house.store.finish, [StoreUnavailable("away"), StoreUnavailable("still away")]

    async def stumble(*args, **kwargs):
        if failures:
            raise failures.pop()
        return await finish(*args, **kwargs)

    monkeypatch.setattr(house.store, "finish", stumble)
    async with await house.client() as client:
        location = (await client.post("/v1/jobs", json=job())).json()["location"]
        shown = (await client.get(location, params={"wait": 10})).json()
    assert (shown["outcome"], failures) == ("succeeded", [])


async def test_what_cannot_be_kept_at_all_is_told_as_a_failure_of_the_store(house, monkeypatch):
    """503, one line in the log, and the service goes on."""

    async def broken(*_args, **_kwargs):
        raise StoreConflict("impossible")

    async with await house.client() as client:
        monkeypatch.setattr(house.store, "finish", broken)
        answer = await client.post("/v1/execute", json=job(), headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["type"]) == (
            503,
            "urn:sandbox-orch:problem:store-unavailable",
        )
        monkeypatch.undo()
        assert (await client.post("/v1/execute", json=job())).status_code == 200


async def test_a_job_that_can_no_longer_be_run_is_rejected_by_the_next_start(tmp_path):
    """Its runtime is gone, or its request is unreadable: it has a result that says so, and does not block others."""
    now = time.time()
    record = JobRecord(
        id="old", tenant="alice", runtime="cobol", priority=Priority.NORMAL, state=JobState.QUEUED, accepted_at=now,
        expires_at=now + 60, code_sha256="", input_sha256="", request={"runtime": "cobol"},
    )  # fmt: skip
    async with open_store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        await store.add([record])
    async with open_house(tmp_path) as house, await house.client() as client:
        shown = (await client.get("/v1/jobs/old")).json()
    assert (shown["outcome"], shown["result"]["error"]["name"]) == ("rejected", "InvalidJob")


async def test_a_job_that_cannot_be_written_is_not_accepted(house, monkeypatch):
    """503, no trace of it, and its idempotency key is free."""

    async def away(*_args):
        raise StoreUnavailable("away")

    headers = {"Idempotency-Key": "k"}
    async with await house.client() as client:
        with monkeypatch.context() as patch:
            patch.setattr(house.store, "add", away)
            assert (await client.post("/v1/jobs", json=job(), headers=headers)).status_code == 503
        assert (await client.post("/v1/jobs", json=job(), headers=headers)).status_code == 202
        assert len((await client.get("/v1/jobs")).json()["jobs"]) == 1


async def test_where_authentication_is_off_anybody_may_do_everything(tmp_path):
    """One tenant with all scopes."""
    async with open_house(tmp_path, authentication=False) as house, house.client_with(None) as client:
        result = (await client.post("/v1/execute", json=job())).json()
        assert (await client.get(f"/v1/jobs/{result['id']}")).json()["tenant"] == "anybody"
        assert (await client.get("/metrics")).status_code == 200


async def test_too_many_bodies_at_once_are_refused_before_memory_runs_out(tmp_path):
    """All requests together are bounded: 503, and what they held is free again."""
    async with open_house(tmp_path, most_body_bytes_at_once=2000) as house, await house.client() as client:
        full = await client.post("/v1/execute", json=job(code="#" * 3000))
        assert (full.status_code, full.headers["retry-after"]) == (503, "1")
        assert (await client.post("/v1/execute", json=job())).status_code == 200


async def test_a_length_that_is_no_number_is_refused(house):
    """400 before anything is read."""
    async with await house.client() as client:
        answer = await client.get("/healthz", headers={"Content-Length": "x"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


# -- the host -------------------------------------------------------------------------------------------------


async def test_readiness_says_what_is_in_the_way(house, monkeypatch):
    """Engine, pool, store, disk and the checks of sources each have their word in it."""
    checker = house.service.orchestrator._checks.checker
    await until(lambda: house.service.orchestrator.can_check)
    async with house.client_with(None) as client:
        assert (await client.get("/readyz")).json()["ready"] is True
        for seat in checker._sources.seats:
            await until(lambda seat=seat: seat.process is not None)
            monkeypatch.setattr(seat, "process", None)
        without = await client.get("/readyz")
        assert (without.status_code, without.json()["checks"], without.json()["engine"]) == (503, False, True)
        monkeypatch.undo()

        async def no_engine():
            from orchestrator.domain.errors import EngineUnavailable

            raise EngineUnavailable("gone")

        object.__setattr__(house.state.readiness, "ask_engine", no_engine)
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["engine"], answer.json()["store"]) == (503, False, True)


async def test_metrics_show_jobs_queue_and_containers(house):
    """Outcomes, histograms, depth, containers by state, hits and misses, build; no tenant is named."""
    async with await house.client("alice") as client, await house.client("root", Scope.ADMIN) as operator:
        await client.post("/v1/execute", json=job())
        text = (await operator.get("/metrics")).text
    for line in (
        'sandbox_orch_jobs_total{outcome="succeeded",runtime="python"} 1.0',
        'sandbox_orch_queue_depth{priority="normal"} 0.0',
        'sandbox_orch_pool_leases_total{warm="true"} 1.0',
        'sandbox_orch_job_duration_seconds_count{runtime="python"} 1.0',
        'sandbox_orch_queue_wait_seconds_count{priority="normal"} 1.0',
        "sandbox_orch_build_info{",
    ):
        assert line in text
    assert f'sandbox_orch_containers{{runtime="python",state="{ContainerState.WARM}"}}' in text
    assert "alice" not in text


async def test_runtimes_and_pool_are_told(house):
    """What is on offer, and what is going on."""
    async with await house.client("alice") as client, await house.client("root", Scope.ADMIN) as operator:
        (runtime,) = (await client.get("/v1/runtimes")).json()["runtimes"]
        pool = (await operator.get("/v1/pool")).json()
    assert (runtime["name"], runtime["modes"]) == ("python", ["function", "program"])
    assert pool["queue_depth"] == {"interactive": 0, "normal": 0, "batch": 0}
    assert pool["running"] == 0


async def test_an_error_of_ours_is_a_problem_without_details(house, monkeypatch):
    """500 with the request id; what went wrong inside is for the log."""

    async def explode(*_args, **_kwargs):
        raise RuntimeError("secret")

    monkeypatch.setattr(house.service, "list", explode)
    async with await house.client() as client:
        with contextlib.suppress(RuntimeError):
            answer = await client.get("/v1/jobs")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_tenants_own_policy_decides_what_is_rejected(tmp_path):
    """The same code passes for one and is refused for the other, with rule and place, and without a container."""
    code = "import asyncio\noutput = 1"
    async with open_house(tmp_path) as house:
        strict = await house.client(Tenant(name="strict-one", policy="strict"))
        async with await house.client() as client, strict:
            passed = (await client.post("/v1/execute", json=job(code=code))).json()
            refused = (await strict.post("/v1/execute", json=job(code=code))).json()
            made = await strict.post("/v1/jobs", json=job(code=code))
            shown = (await strict.get(f"/v1/jobs/{made.json()['id']}", params={"wait": 5})).json()
    assert passed["outcome"] == "succeeded"
    assert (refused["outcome"], refused["container"]) == ("rejected", None)
    (finding,) = refused["findings"]
    assert (finding["severity"], finding["line"], finding["column"]) == ("reject", 1, 8)
    assert (made.status_code, shown["outcome"], shown["result"]["findings"]) == (202, "rejected", [finding])


async def test_a_schema_for_the_output_is_kept_to(tmp_path):
    """An output that does not fit is `invalid_output` with its path; a schema that is none is refused by name."""
    async with open_house(tmp_path) as house, await house.client() as client:
        fits = await client.post("/v1/execute", json=job(output_schema={"type": "string"}))
        other = (await client.post("/v1/execute", json=job(output_schema={"type": "integer"}))).json()
        none = await client.post("/v1/execute", json=job(output_schema={"type": "colour"}))
    assert fits.json()["outcome"] == "succeeded"
    assert other["outcome"] == "invalid_output"
    assert none.status_code == 422
    assert "output_schema" in none.text
