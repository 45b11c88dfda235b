"""`client/`: both clients, the one that waits and the one that awaits, against answers of every kind. No sockets."""

from __future__ import annotations

import inspect
import json

import httpx
import pytest

from orchestrator.client import (
    ApiProblem,
    AsyncClient,
    Client,
    Conflict,
    JobRequest,
    NotAllowed,
    NotFound,
    RequestRefused,
    RetryPolicy,
    ServiceBusy,
    ServiceFailed,
    ServiceUnreachable,
)
from orchestrator.domain.errors import CapacityError, ConfigurationError, InvalidJob, RequestError
from orchestrator.domain.job import JobState, Mode
from orchestrator.domain.limits import Limits, Usage
from orchestrator.domain.outcome import (
    ContainerReceipt,
    JobError,
    JobResult,
    LimitHit,
    Outcome,
    StreamText,
    Timing,
)
from orchestrator.domain.tenant import Priority
from orchestrator.policies.statistics import ExecutionMetrics, MemoryBucket
from orchestrator.wire import result_to_wire

KEY = "so_0123456789ab_" + "x" * 43
REQUEST = JobRequest(runtime="python", code="output = input", input=0)
RESULT = JobResult(
    id="j1",
    outcome=Outcome.MEMORY_LIMIT,
    usage=Usage(wall_ms=1.5, cpu_ms=1.0, memory_peak_bytes=7, oom_kills=1),
    error=JobError(name="E", message="m", line=1),
    limit=LimitHit(name="memory_bytes", configured=5, observed=7),
    stdout=StreamText(text="hi", bytes_total=2),
    files={"a.bin": b"\x00\xff"},
    timing=Timing(run_ms=1.5),
    container=ContainerReceipt(id="c", image_digest="i", profile_digest="p", warm=True),
)


def job_wire(state: str = "queued", **more) -> dict[str, object]:
    """A job as the service tells of it, with a field that this client does not know yet."""
    return {"id": "j1", "state": state, "tenant": "acme", "priority": "batch", "new_field": 1, **more}


FINISHED = job_wire("finished", outcome="memory_limit", result=result_to_wire(RESULT))


class Service:
    """Answers with what it was told to, one after the other, and notes what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def ok(body, status=200, **headers) -> httpx.Response:
    return httpx.Response(status, json=body, headers=headers)


def problem(status, title="Title", headers=None, **more) -> httpx.Response:
    body = {"type": "about:blank", "title": title, "status": status, "request_id": "r1", **more}
    return httpx.Response(
        status, json=body, headers={"content-type": "application/problem+json", **(headers or {})}
    )


class Either:
    """One of the two clients, called the same way."""

    def __init__(self, kind, service, **options):
        self.slept: list[float] = []
        self.client = kind("http://service", key=KEY, transport=httpx.MockTransport(service), **options)
        self.client._sleep = self._sleep if kind is Client else self._sleep_async

    def _sleep(self, seconds):
        self.slept.append(seconds)

    async def _sleep_async(self, seconds):
        self.slept.append(seconds)

    async def call(self, name, *args, **options):
        answer = getattr(self.client, name)(*args, **options)
        return await answer if inspect.isawaitable(answer) else answer

    async def events(self, *args, **options):
        found = self.client.events(*args, **options)
        if inspect.isasyncgen(found):
            return [event async for event in found]
        return list(found)


@pytest.fixture(params=[Client, AsyncClient])
async def ask(request):
    """Makes a client of either kind for a service."""
    made = []

    def make(service, **options):
        made.append(Either(request.param, service, **options))
        return made[-1]

    yield make
    for each in made:
        await each.call("close")


# -- what is sent, what comes back ----------------------------------------------------------------------


async def test_a_result_comes_back_as_it_was(ask):
    """Every part of it is a value again, files too; execute sends the key and no idempotency key of its own."""
    service = Service(ok(result_to_wire(RESULT)))
    assert await ask(service).call("execute", REQUEST) == RESULT
    (request,) = service.asked
    assert (request.method, str(request.url)) == ("POST", "http://service/v1/execute")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "idempotency-key" not in request.headers
    assert json.loads(request.content) == {"runtime": "python", "code": "output = input", "input": 0}


def test_a_request_sends_what_is_set():
    """All of it, under the service's names; what is left out is the service's to choose."""
    assert JobRequest(runtime="r", code="").to_wire() == {"runtime": "r", "code": ""}
    full = JobRequest(
        runtime="r",
        code="c",
        entrypoint="f",
        mode=Mode.PROGRAM,
        stdin="in",
        args=("a",),
        files={"f": b"\xff"},
        allowed_globals=(),
        limits={"wall_time_ms": 5},
        priority=Priority.BATCH,
        metadata={"k": "v"},
        start_within_ms=9,
    )
    assert json.loads(json.dumps(full.to_wire())) == {
        "runtime": "r",
        "code": "c",
        "entrypoint": "f",
        "mode": "program",
        "stdin": "in",
        "args": ["a"],
        "files": {"f": "/w=="},
        "allowed_globals": [],
        "limits": {"wall_time_ms": 5},
        "priority": "batch",
        "metadata": {"k": "v"},
        "start_within_ms": 9,
    }


async def test_a_job_comes_back_as_a_value(ask):
    """Submitted, shown, cancelled, listed: the same value, without what this client does not know."""
    service = Service(
        ok(job_wire(position=3, estimated_start_ms=1.5), 202),
        ok(FINISHED),
        ok(FINISHED),
        ok({"jobs": [FINISHED], "next_cursor": "c2"}),
    )
    client = ask(service)
    queued = await client.call("submit", REQUEST)
    assert (queued.id, queued.state, queued.priority) == ("j1", JobState.QUEUED, Priority.BATCH)
    assert (queued.position, queued.estimated_start_ms, queued.has_finished) == (3, 1.5, False)
    shown = await client.call("get", "j1", wait_seconds=5)
    assert (shown.outcome, shown.result, shown.has_finished) == (Outcome.MEMORY_LIMIT, RESULT, True)
    assert await client.call("cancel", "j1") == shown
    page = await client.call("list", state=JobState.FINISHED, since=1.5, limit=10, cursor="c1")
    assert (page.jobs, page.next_cursor) == ((shown,), "c2")
    assert [(request.method, request.url.raw_path.decode()) for request in service.asked] == [
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs/j1?wait=5"),
        ("DELETE", "/v1/jobs/j1"),
        ("GET", "/v1/jobs?state=finished&since=1.5&limit=10&cursor=c1"),
    ]


async def test_a_batch_tells_of_each(ask):
    """Accepted ones are jobs, refused ones problems, in the order of the request."""
    refusal = {"title": "Bad", "detail": "runtime: unknown", "request_id": "r1"}
    service = Service(
        *[ok({"results": [{"status": 202, "job": job_wire()}, {"status": 422, "problem": refusal}]})] * 2
    )
    client = ask(service)
    accepted, refused = await client.call("submit_batch", [REQUEST, REQUEST])
    assert accepted.id == "j1"
    assert (type(refused), refused.status, refused.request_id) == (RequestRefused, 422, "r1")
    await client.call("submit_inputs", JobRequest(runtime="r", code="c"), [1, None])
    assert json.loads(service.asked[0].content) == {"jobs": [REQUEST.to_wire()] * 2}
    assert json.loads(service.asked[1].content) == {"runtime": "r", "code": "c", "inputs": [1, None]}


async def test_statistics_come_back_as_values(ask):
    """The buckets too."""
    metrics = {"total": 2, "succeeded": 1, "failed": 1, "p50_wall_ms": 1.0, "error_categories": {"error": 1}}
    bucket = {"from_bytes": 0, "to_bytes": 5, "jobs": 2}
    service = Service(ok({**metrics, "memory_distribution": [bucket]}))
    found = await ask(service).call("statistics", since=1.0, runtime="node")
    assert found == ExecutionMetrics(**metrics, memory_distribution=(MemoryBucket(**bucket),))
    assert service.asked[0].url.raw_path == b"/v1/stats?since=1.0&runtime=node"


@pytest.mark.parametrize("job_id", ["../admin", "a/b", "a?b=c", "a#b", "%2e%2e", "ä", "a\nb"])
async def test_an_id_from_elsewhere_stays_one_part_of_the_path(ask, job_id):
    """Whatever it holds, no other endpoint is asked."""
    service = Service(problem(404))
    with pytest.raises(NotFound):
        await ask(service).call("get", job_id)
    path = service.asked[0].url.raw_path.decode()
    assert path.startswith("/v1/jobs/")
    assert path.count("/") == 3
    assert not {"?", "#", "\n"} & set(path)


# -- problems -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "base"),
    [
        (400, RequestRefused, RequestError),
        (401, NotAllowed, RequestError),
        (403, NotAllowed, RequestError),
        (404, NotFound, RequestError),
        (409, Conflict, RequestError),
        (413, RequestRefused, RequestError),
        (422, RequestRefused, RequestError),
        (429, ServiceBusy, CapacityError),
        (503, ServiceBusy, CapacityError),
        (500, ServiceFailed, ApiProblem),
        (302, ServiceFailed, ApiProblem),
    ],
)
async def test_a_problem_is_an_error_that_says_whose_fault(ask, status, kind, base):
    """With everything that the service said."""
    answer = problem(status, "Nope", detail="because", errors=[{"field": "code", "problem": "is empty"}])
    with pytest.raises(kind, match=f"{status} Nope: because; code: is empty") as caught:
        await ask(Service(answer), retry=RetryPolicy(attempts=1)).call("execute", REQUEST)
    assert isinstance(caught.value, base)
    assert [(error.field, error.problem) for error in caught.value.errors] == [("code", "is empty")]
    assert (caught.value.status, caught.value.request_id) == (status, "r1")


@pytest.mark.parametrize(
    "answer",
    [
        (502, b"<h1>Bad Gateway</h1>"),
        (500, b'["no", "object"]'),
        (400, b'{"errors": "none", "title": null}'),
        (404, b"\xff\xfe"),
    ],
)
async def test_a_problem_of_somebody_else_is_told_too(ask, answer):
    """A proxy's page is no JSON; the status says enough."""
    status, body = answer
    with pytest.raises(ApiProblem, match=str(status)):
        await ask(Service(httpx.Response(status, content=body))).call("execute", REQUEST)


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b"{}", b'{"id": "x", "outcome": "later", "usage": {}}', b'{"usage": 1}', b"null"],
)
async def test_an_answer_that_is_none_is_the_services_failure(ask, body):
    """Success that cannot be read is no success, and no traceback of ours."""
    with pytest.raises(ServiceFailed, match="cannot read"):
        await ask(Service(httpx.Response(200, content=body))).call("execute", REQUEST)


@pytest.mark.parametrize("url", ["", "service:80", "ftp://service", "http://", "http://a:b:c"])
def test_a_url_that_is_none_is_refused(url):
    """Before anything is asked."""
    with pytest.raises(ConfigurationError, match="server"):
        Client(url)


@pytest.mark.parametrize("key", ["", "two\nlines", "blank ", "é", "x" * 600])
def test_a_key_that_is_none_is_refused_unseen(key):
    """It is not repeated in the error: a wrong key may be the right one of something else."""
    with pytest.raises(ConfigurationError, match="key") as caught:
        Client("http://service", key=key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"bytes", object(), [[]] * 2])
async def test_an_input_that_json_cannot_carry_is_refused_here(ask, value):
    """Nothing is sent."""
    if value == [[]] * 2:
        value[0].append(value)  # a cycle
    service = Service()
    with pytest.raises(InvalidJob, match="JSON cannot carry it"):
        await ask(service).call("execute", JobRequest(runtime="python", code="", input=value))
    assert service.asked == []


def test_no_service_is_one_line():
    """Whoever is not there, by whatever name."""
    for url in ("http://127.0.0.1:1", "http://" + "x" * 80 + ".example"):
        client = Client(url, retry=RetryPolicy(attempts=1))
        with pytest.raises(ServiceUnreachable, match="no answer from"):
            client.get("j1")
        client.close()


# -- patience -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_service_is_asked_again_when_it_says(ask, status):
    """Also to execute: nothing was done yet."""
    service = Service(problem(status, headers={"retry-after": "7"}), ok(result_to_wire(RESULT)))
    client = ask(service)
    assert await client.call("execute", REQUEST) == RESULT
    assert client.slept == [7.0]


async def test_retry_after_may_be_a_date(ask):
    """By the service's own clock."""
    headers = {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:50 GMT"}
    client = ask(Service(problem(503, headers=headers), ok(result_to_wire(RESULT))))
    await client.call("execute", REQUEST)
    assert client.slept == [9.0]


@pytest.mark.parametrize(
    "header", [{}, {"retry-after": "soon"}, {"retry-after": "-5"}, {"retry-after": "nan"}]
)
async def test_without_a_time_the_client_backs_off(ask, header):
    """A header that says nothing is no reason to fail, or to hurry for ever."""
    client = ask(Service(*[problem(503, headers=header)] * 3, ok(job_wire(), 202)))
    assert (await client.call("submit", REQUEST)).id == "j1"
    assert len(client.slept) == 3
    assert all(0 <= seconds <= 10 for seconds in client.slept)


async def test_a_wait_that_outlasts_the_patience_is_not_begun(ask):
    """The error comes at once, and says when to come back."""
    client = ask(Service(problem(429, headers={"retry-after": "3600"})))
    with pytest.raises(ServiceBusy) as caught:
        await client.call("execute", REQUEST)
    assert (client.slept, caught.value.retry_after_seconds) == ([], 3600.0)


async def test_patience_ends(ask):
    """After so many attempts the last problem is told."""
    client = ask(Service(*[problem(503)] * 3), retry=RetryPolicy(attempts=3))
    with pytest.raises(ServiceBusy):
        await client.call("execute", REQUEST)
    assert len(client.slept) == 2


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), 502])
async def test_a_job_that_may_have_run_is_not_run_again(ask, failure):
    """A lost answer to a plain execute is an error, at once."""
    service = Service(problem(failure) if failure == 502 else failure)
    with pytest.raises((ServiceUnreachable, ServiceFailed)):
        await ask(service).call("execute", REQUEST)
    assert len(service.asked) == 1


async def test_an_idempotency_key_makes_a_lost_answer_harmless(ask):
    """The same key and body go again: of execute with one, and of every submit."""
    lost = httpx.ReadError("lost")
    service = Service(lost, ok(result_to_wire(RESULT)), lost, ok(job_wire(), 202), ok(job_wire(), 202))
    client = ask(service)
    assert await client.call("execute", REQUEST, idempotency_key="mine") == RESULT
    await client.call("submit", REQUEST)
    await client.call("submit", REQUEST)
    keys = [request.headers["idempotency-key"] for request in service.asked]
    assert keys[:2] == ["mine", "mine"]
    assert keys[2] == keys[3] != keys[4]
    assert service.asked[2].content == service.asked[3].content


async def test_a_request_under_way_is_waited_for(ask):
    """409 with the job's location: its result is the answer."""
    service = Service(
        problem(409, headers={"location": "/v1/jobs/j1"}), ok(job_wire("running")), ok(FINISHED)
    )
    assert await ask(service).call("execute", REQUEST, idempotency_key="k") == RESULT
    assert [request.url.path for request in service.asked] == ["/v1/execute", "/v1/jobs/j1", "/v1/jobs/j1"]


@pytest.mark.parametrize("location", [None, "", "/v1/jobs/", "/elsewhere/j1"])
async def test_a_conflict_without_a_job_is_told(ask, location):
    """There is nothing to wait for."""
    headers = {} if location is None else {"location": location}
    with pytest.raises(Conflict):
        await ask(Service(problem(409, headers=headers))).call("execute", REQUEST)


async def test_waiting_is_many_short_waits(ask):
    """Until it has finished; a service that does not wait itself is not asked without a pause."""
    service = Service(ok(job_wire()), ok(job_wire("running")), ok(FINISHED))
    client = ask(service)
    assert (await client.call("wait", "j1")).result == RESULT
    assert [dict(request.url.params) for request in service.asked] == [{"wait": "20"}] * 3
    assert len(client.slept) == 2


async def test_waiting_ends_when_told(ask):
    """With the job as it is then."""
    client = ask(Service(ok(job_wire("running"))))
    assert (await client.call("wait", "j1", within_seconds=0)).state is JobState.RUNNING


# -- events ---------------------------------------------------------------------------------------------


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Bytes, and then the end, or a lost connection."""

    def __init__(self, *parts, end=None):
        self._parts, self._end, self.closed = parts, end, False

    def __iter__(self):
        yield from self._parts
        if self._end:
            raise self._end

    async def __aiter__(self):
        for part in self:
            yield part

    def close(self):
        self.closed = True

    async def aclose(self):
        self.closed = True


def stream(*parts, end=None) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Stream(*parts, end=end))


def sse(number, name, data) -> bytes:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()


async def test_events_come_as_they_happen_up_to_the_result(ask):
    """In order, with their numbers, whatever the chunks; comments that keep the line alive are none."""
    text = (
        sse(1, "status", {"state": "queued"}) + b": still here\n\n" + sse(2, "stdout", {"text": "hi\n"})
        + sse(3, "result", result_to_wire(RESULT)) + sse(4, "stdout", {"text": "never"})
    )  # fmt: skip
    parts = [text[n : n + 7] for n in range(0, len(text), 7)]
    found = await ask(Service(stream(*parts))).events("j1")
    assert [(event.id, event.name) for event in found][:3] == [(1, "status"), (2, "stdout"), (3, "result")]
    assert found[1].data == {"text": "hi\n"}


async def test_a_lost_connection_loses_no_event(ask):
    """It goes on after the last number that was seen, and gives none out twice."""
    service = Service(
        stream(sse(5, "status", {}), sse(6, "stdout", {"text": "a"}), end=httpx.ReadError("lost")),
        httpx.ConnectError("still away"),
        stream(sse(6, "stdout", {"text": "a"}), sse(7, "stdout", {"text": "b"})),
        stream(sse(8, "result", {})),
    )
    found = await ask(service).events("j1", last_event_id=4)
    assert [event.id for event in found] == [5, 6, 7, 8]
    assert [request.headers["last-event-id"] for request in service.asked] == ["4", "6", "6", "7"]


async def test_a_service_that_only_hangs_up_is_given_up(ask):
    """After so many connections without anything new."""
    client = ask(Service(*[stream(sse(1, "status", {})) for _ in range(9)]), retry=RetryPolicy(attempts=3))
    with pytest.raises(ServiceUnreachable, match="before its result"):
        await client.events("j1")
    assert client.slept == [0.5, 1.0]


async def test_a_quiet_job_is_watched_on(ask):
    """Nothing happens for long in a queue; a timeout then is no failure."""
    quiet = [stream(end=httpx.ReadTimeout("quiet")) for _ in range(20)]
    client = ask(Service(*quiet, stream(sse(1, "result", {}))), retry=RetryPolicy(attempts=3))
    assert [event.id for event in await client.events("j1")] == [1]


async def test_events_of_no_job_are_a_problem(ask):
    """As everywhere else, with what the service said."""
    with pytest.raises(NotFound, match="no such job"):
        await ask(Service(problem(404, detail="no such job"))).events("j1")


async def test_events_that_are_none_are_the_services_failure(ask):
    """A page instead of a stream, or an event that is no JSON."""
    with pytest.raises(ServiceFailed):
        await ask(Service(stream(b"id: 1\nevent: x\ndata: {\n\n"))).events("j1")
    pages = [httpx.Response(200, html="<h1>") for _ in range(3)]
    with pytest.raises(ServiceUnreachable):
        await ask(Service(*pages), retry=RetryPolicy(attempts=3)).events("j1")


async def test_who_stops_watching_leaves_nothing_open(ask):
    """The connection is closed with the generator."""
    body = Stream(sse(1, "status", {}), sse(2, "result", {}))
    answer = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=body)
    client = ask(Service(answer)).client
    events = client.events("j1")
    if isinstance(client, AsyncClient):
        await anext(events)
        await events.aclose()
    else:
        next(events)
        events.close()
    assert body.closed


# -- the two of them ------------------------------------------------------------------------------------


def test_both_clients_are_the_same():
    """Every method, its parameters and what it promises."""
    names = [name for name in vars(Client) if not name.startswith("_")]
    assert names == [name for name in vars(AsyncClient) if not name.startswith("_")]
    for name in names:
        one, other = getattr(Client, name), getattr(AsyncClient, name)
        assert inspect.signature(one).parameters == inspect.signature(other).parameters, name
        assert one.__doc__ == other.__doc__


def test_the_key_is_in_no_repr():
    """A client in a traceback or a log tells nothing."""
    client = Client("http://service", key=KEY)
    assert KEY not in repr(client) + repr(client._connection) + str(vars(client))
    client.close()


def test_limits_are_named_as_in_the_domain():
    """A misspelled limit is the service's to refuse; these are the ones there are."""
    assert JobRequest(runtime="r", code="", limits={"wall_time_ms": 1}).to_wire()["limits"].keys() <= set(
        Limits.__dataclass_fields__
    )
