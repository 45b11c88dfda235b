"""`client/` against the service itself, on a real port: what the one expects, the other keeps. No engine."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest
from live import live_service

from orchestrator.client import (
    ApiProblem,
    AsyncClient,
    Client,
    JobRequest,
    NotAllowed,
    NotFound,
    RequestRefused,
    RetryPolicy,
    ServiceBusy,
    ServiceUnreachable,
)
from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.tenant import Priority, Scope, Tenant


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with live_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def client(live):
    """A client of a tenant that nobody used before."""
    tenant = Tenant(name=f"tenant{time.monotonic_ns()}")
    with Client(live.url, key=live.key(tenant)) as opened:
        yield opened


def taking(milliseconds: int = 1, **more) -> JobRequest:
    """A job that takes so long; the fake's output is the job's id."""
    return JobRequest(runtime="python", code="output = input", input=milliseconds, **more)


def test_a_job_is_executed_and_remembered(client):
    """The result is all values; the job is in the list and in the statistics."""
    result = client.execute(taking(metadata={"trace": "7"}))
    assert (result.outcome, result.output, result.success) == (Outcome.SUCCEEDED, result.id, True)
    assert (result.stdout.text, result.stderr.text) == ("hello\n", "oh\x1b[2J\n")
    assert result.container.warm
    job = client.get(result.id)
    assert (job.result, job.state, job.metadata) == (result, JobState.FINISHED, {"trace": "7"})
    page = client.list(state=JobState.FINISHED, outcome=Outcome.SUCCEEDED, runtime="python", since=1.0)
    assert [each.id for each in page.jobs] == [result.id]
    metrics = client.statistics(since=1.0)
    assert (metrics.total, metrics.succeeded, metrics.failed) == (1, 1, 0)
    assert metrics.p50_wall_ms == result.usage.wall_ms


def test_a_job_is_submitted_and_waited_for(client):
    """It is known at once, with its priority, and done when `wait` says so."""
    job = client.submit(taking(50, priority=Priority.BATCH, start_within_ms=5000))
    assert (job.priority, job.has_finished) == (Priority.BATCH, False)
    done = client.wait(job.id, within_seconds=10)
    assert (done.outcome, done.result.output) == (Outcome.SUCCEEDED, job.id)


def test_the_same_key_is_the_same_job(client):
    """For submit and for execute; another body is refused."""
    one = client.submit(taking(20), idempotency_key="k1")
    assert client.submit(taking(20), idempotency_key="k1").id == one.id
    first = client.execute(taking(), idempotency_key="k2")
    assert client.execute(taking(), idempotency_key="k2") == first
    with pytest.raises(RequestRefused) as caught:
        client.execute(taking(2), idempotency_key="k2")
    assert caught.value.status == 422


def test_a_request_under_way_is_waited_for(client):
    """Two at once with one key: both have the one result."""
    found = []

    def execute():
        found.append(client.execute(taking(400), idempotency_key="both"))

    threads = [threading.Thread(target=execute) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 2
    assert found[0] == found[1]


def test_a_batch_is_accepted_one_by_one(client):
    """A refused one is a problem, the others are jobs; one code with many inputs is as many jobs."""
    good, bad = client.submit_batch([taking(), JobRequest(runtime="cobol", code="")])
    assert not good.has_finished
    assert isinstance(bad, ApiProblem)
    assert "cobol" in str(bad)
    jobs = client.submit_inputs(JobRequest(runtime="python", code="output = input"), [1, 2, 3])
    assert [client.wait(job.id, within_seconds=10).outcome for job in jobs] == [Outcome.SUCCEEDED] * 3


def test_a_running_job_is_cancelled(client):
    """For real: it ends long before it would have."""
    job = client.submit(taking(60_000))
    began = time.monotonic()
    assert client.cancel(job.id).outcome is Outcome.CANCELLED
    assert client.wait(job.id, within_seconds=10).outcome is Outcome.CANCELLED
    assert time.monotonic() - began < 20


def test_events_are_those_of_the_job(client):
    """Status, what it prints, and its result; from any number on, also afterwards."""
    job = client.submit(taking(100))
    events = list(client.events(job.id))
    assert [event.name for event in events if event.name in ("stdout", "stderr")] == ["stdout", "stderr"]
    assert [event.data["text"] for event in events if event.name == "stdout"] == ["hello\n"]
    assert (events[0].name, events[-1].name) == ("status", "result")
    assert events[-1].data["outcome"] == "succeeded"
    later = list(client.events(job.id, last_event_id=events[-2].id))
    assert [event.name for event in later][-1] == "result"


def test_a_problem_names_the_field(client):
    """As the service says it."""
    with pytest.raises(RequestRefused) as caught:
        client.execute(JobRequest(runtime="python", code="", limits={"wall_time_ms": -1}))
    assert [error.field for error in caught.value.errors] == ["limits.wall_time_ms"]
    assert caught.value.request_id


def test_another_tenants_job_is_no_job(live, client):
    """It cannot be seen, watched or cancelled."""
    job = client.submit(taking())
    with Client(live.url, key=live.key("stranger")) as other:
        for ask in (other.get, other.cancel, lambda job_id: list(other.events(job_id))):
            with pytest.raises(NotFound):
                ask(job.id)


def test_a_wrong_key_is_told(live):
    """No key, a wrong one, and one that may not."""
    for key in (None, "so_0123456789ab_" + "a" * 43):
        with Client(live.url, key=key) as client, pytest.raises(NotAllowed):
            client.list()
    with Client(live.url, key=live.key("reader", Scope.READ)) as client, pytest.raises(NotAllowed):
        client.submit(taking())


def test_a_tenant_above_its_rate_is_let_in_when_its_time_has_come(live):
    """The client waits as long as the service says, and no job is refused in the end."""
    slow = Tenant(name="slow", rate_per_second=4.0, burst=1)
    with Client(live.url, key=live.key(slow)) as client:
        results = [client.execute(taking()) for _ in range(3)]
        assert len({result.id for result in results}) == 3
        assert client.statistics().total == 3
    impatient = Client(live.url, key=live.key(slow), retry=RetryPolicy(attempts=1))
    with impatient as client, pytest.raises(ServiceBusy) as caught:
        [client.execute(taking()) for _ in range(3)]
    assert (caught.value.status, caught.value.retry_after_seconds > 0) == (429, True)


async def test_many_tasks_share_one_client(live):
    """A hundred at once: each has its own result."""
    key = await asyncio.to_thread(live.key, "crowd")
    async with AsyncClient(live.url, key=key) as client:
        results = await asyncio.gather(*(client.execute(taking()) for _ in range(100)))
        assert len({result.output for result in results}) == 100
        assert all(result.output == result.id for result in results)
        job = await client.submit(taking(50))
        names = [event.name async for event in client.events(job.id)]
        assert names[-1] == "result"


def test_the_program_of_the_docs_works_as_printed(live, capsys, monkeypatch):
    """Copied from the page, with this service's address and key."""
    page = (Path(__file__).parent.parent.parent / "docs" / "client.md").read_text(encoding="utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    assert "http://127.0.0.1:8080" in program
    program = program.replace("http://127.0.0.1:8080", live.url)
    monkeypatch.setenv("SANDBOX_ORCH_KEY", live.key("reader-of-docs"))
    exec(compile(program, "docs/client.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("succeeded ")
    assert lines[-1].startswith("result {")


def test_a_job_outlives_the_service_that_took_it(tmp_path):
    """It goes away while the job runs; the next one runs it, and who watches sees its end."""
    with live_service(tmp_path) as first:
        key, url = first.key("acme"), first.url
        with Client(url, key=key) as client:
            job = client.submit(taking(3000))
            while client.get(job.id).state is not JobState.RUNNING:
                time.sleep(0.02)
    with Client(url, key=key, retry=RetryPolicy(attempts=1)) as client, pytest.raises(ServiceUnreachable):
        client.get(job.id)
    with live_service(tmp_path) as second, Client(second.url, key=key) as client:
        events = list(client.events(job.id))
        assert events[-1].data["outcome"] == "succeeded"
        assert client.get(job.id).attempts == 2
