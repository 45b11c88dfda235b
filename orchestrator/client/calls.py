"""Client floor: the requests of the service's HTTP interface and the reading of its answers. No I/O.

Both clients, the one that waits and the one that awaits, are made of these.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from httpx_sse import ServerSentEvent

from orchestrator.client.problems import ApiProblem, ServiceFailed, problem_of, problem_of_wire
from orchestrator.client.values import Event, Job, JobRequest, JobsPage

__all__ = (
    "BETWEEN_POLLS_SECONDS",
    "LONGEST_POLL_SECONDS",
    "Call",
    "cancel_job",
    "execute_job",
    "get_job",
    "job_id_of",
    "list_jobs",
    "look_at",
    "read_batch",
    "read_event",
    "read_page",
    "read_value",
    "submit_batch",
    "submit_inputs",
    "submit_job",
    "watch_job",
)

LONGEST_POLL_SECONDS = 20
"""How long one request waits for a job to finish; several make up a longer wait."""
BETWEEN_POLLS_SECONDS = 0.1
"""So that a service which does not wait is not asked without a pause."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    """How much later than usual its answer may come."""

    @property
    def is_idempotent(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return self.method != "POST" or "Idempotency-Key" in self.headers


def execute_job(request: JobRequest, idempotency_key: str | None, wait_seconds: float) -> Call:
    """Run a job and wait for its result."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    return Call(
        method="POST",
        path="/v1/execute",
        body=request.to_wire(),
        headers=headers,
        wait_seconds=wait_seconds,
    )


def submit_job(request: JobRequest, idempotency_key: str | None) -> Call:
    """Hand in a job. It gets an idempotency key in any case, so that a lost answer is no second job."""
    headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    return Call(method="POST", path="/v1/jobs", body=request.to_wire(), headers=headers)


def submit_batch(requests: Sequence[JobRequest], idempotency_key: str | None) -> Call:
    """Hand in many jobs, each accepted or refused on its own."""
    headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    body = {"jobs": [request.to_wire() for request in requests]}
    return Call(method="POST", path="/v1/jobs/batch", body=body, headers=headers)


def submit_inputs(request: JobRequest, inputs: Sequence[Any], idempotency_key: str | None) -> Call:
    """Hand in one code with many inputs: a job each."""
    headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    body = {**request.to_wire(), "inputs": list(inputs)}
    return Call(method="POST", path="/v1/jobs/batch", body=body, headers=headers)


def get_job(job_id: str, wait_seconds: float = 0) -> Call:
    """One job, once it has finished or after `wait_seconds`."""
    wait = min(wait_seconds, LONGEST_POLL_SECONDS)
    params = {"wait": f"{wait:g}"} if wait > 0 else {}
    return Call(method="GET", path=_path(job_id), params=params, wait_seconds=wait)


def cancel_job(job_id: str) -> Call:
    """End a job, queued or running."""
    return Call(method="DELETE", path=_path(job_id))


def list_jobs(**wanted: object) -> Call:
    """Jobs, newest first; what is None is not asked for."""
    params = {name: f"{value}" for name, value in wanted.items() if value is not None}
    return Call(method="GET", path="/v1/jobs", params=params)


def watch_job(job_id: str, last_event_id: int | None) -> Call:
    """The events of a job, those after one that was seen already."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = str(last_event_id)
    return Call(method="GET", path=f"{_path(job_id)}/events", headers=headers)


def look_at(what: str, **params: object) -> Call:
    """One of the read-only pages: `runtimes`, `pool`, `stats`."""
    given = {name: f"{value}" for name, value in params.items() if value is not None}
    return Call(method="GET", path=f"/v1/{what}", params=given)


def _path(job_id: str) -> str:
    # SECURITY: an id from elsewhere stays one part of the path (tests/unit/test_client.py).
    return f"/v1/jobs/{quote(job_id, safe='')}"


def job_id_of(location: str) -> str | None:
    """The job that a `Location` names; None where it names none."""
    head, _, job_id = location.partition("?")[0].rstrip("/").rpartition("/")
    return job_id if job_id and head.endswith("/v1/jobs") else None


def read_value(response: httpx.Response, read: Callable[[Any], _T]) -> _T:
    """What a successful response holds. Raises ApiProblem for any other, ServiceFailed for what is no answer."""
    if not response.is_success:
        raise problem_of(response)
    try:
        return read(response.json())
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        problem = f"an answer that this client cannot read ({type(error).__name__}: {str(error)[:100]})"
        raise ServiceFailed(response.status_code, "no answer of this service", problem) from None


def read_page(wire: Mapping[str, Any]) -> JobsPage:
    """A page of jobs."""
    return JobsPage(
        jobs=tuple(Job.from_wire(job) for job in wire["jobs"]), next_cursor=wire.get("next_cursor")
    )


def read_batch(wire: Mapping[str, Any]) -> list[Job | ApiProblem]:
    """What became of each job of a batch."""
    return [
        problem_of_wire(item["status"], item["problem"])
        if item.get("problem")
        else Job.from_wire(item["job"])
        for item in wire["results"]
    ]


def read_event(event: ServerSentEvent) -> Event | None:
    """One event of a job; None for what keeps the connection alive, and for what this client does not know."""
    if not event.data or not event.id.isdecimal():
        return None
    try:
        data = json.loads(event.data)
    except ValueError:
        raise ServiceFailed(200, "no answer of this service", "an event that is no JSON") from None
    return Event(id=int(event.id), name=event.event, data=data if isinstance(data, dict) else {"value": data})
