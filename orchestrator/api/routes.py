"""HTTP floor: the endpoints of jobs. Parse, call the service, render."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from orchestrator.api import examples
from orchestrator.api.answers import describe, event_stream, json_answer
from orchestrator.api.auth import Asker
from orchestrator.api.bodies import BoundedRoute
from orchestrator.api.problems import location_of, problem_of
from orchestrator.api.schemas import (
    BatchIn,
    BatchOut,
    CheckOut,
    JobIn,
    JobOut,
    JobsOut,
    RequestOut,
    ResultOut,
    SourceIn,
    _ManyJobsIn,
    job_to_wire,
    report_to_wire,
    request_to_show,
)
from orchestrator.api.state import state_of
from orchestrator.domain.errors import InvalidJob, OrchestratorError, RequestError
from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import Outcome
from orchestrator.jobs import JobsQuery, JobView, Submission

__all__ = ("jobs_router",)

LONGEST_WAIT_SECONDS = 60.0
CLIENT_GONE = 499
"""Nobody is there to read it."""

jobs_router = APIRouter(prefix="/v1", route_class=BoundedRoute)

_IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$"),
]
_JobId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
_Time = Annotated[float | None, Query(ge=0, le=1e12, description="Unix seconds.", allow_inf_nan=False)]


@jobs_router.post(
    "/execute",
    responses=describe(
        200, ResultOut, examples.RESULT, 400, 401, 403, 409, 413, 415, 422, 429, 503,
        description="The result, whatever its outcome.",
    ),
)  # fmt: skip
async def execute(request: Request, asker: Asker, job: JobIn, key: _IdempotencyKey = None) -> Response:
    """Run a job and wait for its result. When the client goes away the job is cancelled and its container killed."""
    answer = Response(status_code=CLIENT_GONE)
    async with _cancelled_when_gone(request):
        answer = json_answer(await state_of(request).service.execute(asker, job.submission(key)))
    return answer  # noqa: RET504 - the block above may be left without one


@asynccontextmanager
async def _cancelled_when_gone(request: Request) -> AsyncIterator[None]:
    """Cancels what is inside when the client hangs up, and goes on behind it."""
    gone, task = asyncio.Event(), asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not gone.is_set() or task.uncancel() > 0:
            raise
    finally:
        watching.cancel()


@jobs_router.post(
    "/jobs",
    status_code=202,
    responses=describe(
        202, JobOut, examples.ACCEPTED, 400, 401, 403, 413, 415, 422, 429, 503,
        description="Accepted: durable, and run once.",
    ),
)  # fmt: skip
async def submit(request: Request, asker: Asker, job: JobIn, key: _IdempotencyKey = None) -> Response:
    """Accept a job to be run later. It is durable before the answer, and survives a restart."""
    view = await state_of(request).service.submit(asker, job.submission(key))
    return json_answer(job_to_wire(view), 202, {"Location": location_of(view.record.id)})


@jobs_router.post(
    "/jobs/batch",
    responses=describe(
        200, BatchOut, examples.BATCH, 400, 401, 403, 413, 415, 422, 503,
        description="What became of each.",
    ),
)  # fmt: skip
async def submit_batch(
    request: Request,
    asker: Asker,
    batch: Annotated[BatchIn, Body()],
    key: _IdempotencyKey = None,
) -> Response:
    """Accept up to a hundred jobs, each on its own: `jobs: [...]`, or one code with `inputs: [...]`."""
    asked = _submissions(batch, key)
    outcomes = await state_of(request).service.submit_many(asker, asked)
    return json_answer({"results": [_item(each, request.state.request_id) for each in outcomes]})


def _submissions(batch: BatchIn, key: str | None) -> list[Submission | OrchestratorError]:
    if isinstance(batch, _ManyJobsIn):
        pairs = [(job, job.input) for job in batch.jobs]
    else:
        pairs = [(batch, value) for value in batch.inputs]  # type: ignore[misc]  # a job without an input
    asked: list[Submission | OrchestratorError] = []
    for number, (job, value) in enumerate(pairs):
        try:
            asked.append(job.to_submission(value, None if key is None else f"{key}:{number}"))
        except RequestError as error:
            asked.append(error)
    return asked


def _item(outcome: JobView | OrchestratorError, request_id: str) -> dict[str, Any]:
    if isinstance(outcome, JobView):
        return {"status": 202, "job": job_to_wire(outcome, with_result=False)}
    problem = problem_of(outcome)
    return {"status": problem.status, "problem": problem.as_wire(request_id)}


@jobs_router.get("/jobs", responses=describe(200, JobsOut, examples.JOBS, 401, 403, 422, 503))
async def list_jobs(
    request: Request,
    asker: Asker,
    *,
    state: JobState | None = None,
    outcome: Outcome | None = None,
    runtime: Annotated[str | None, Query(max_length=64)] = None,
    since: _Time = None,
    until: _Time = None,
    search: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    tenant: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """The tenant's jobs, newest first, without their results. Times are when they were accepted.

    `search` finds what an id begins with and what is in the metadata. A page of it looks at 10,000 jobs at most:
    it may hold few jobs, or none, and have a next one. An operator may name a `tenant`.
    """
    query = JobsQuery(
        state=state,
        outcome=outcome,
        runtime=runtime,
        since=since,
        until=until,
        search=search,
        tenant=tenant,
        limit=limit,
        cursor=cursor,
    )
    page = await state_of(request).service.list(asker, query)
    jobs = [job_to_wire(view, with_result=False) for view in page.jobs]
    return json_answer({"jobs": jobs, "next_cursor": page.next_cursor})


@jobs_router.get(
    "/jobs/{job_id}", responses=describe(200, JobOut, examples.FINISHED, 401, 403, 404, 422, 503)
)
async def show(
    request: Request,
    asker: Asker,
    job_id: _JobId,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT_SECONDS, allow_inf_nan=False)] = 0.0,
) -> Response:
    """One job; with `wait`, after up to so many seconds, as soon as it has finished."""
    return json_answer(job_to_wire(await state_of(request).service.get(asker, job_id, wait_seconds=wait)))


@jobs_router.get(
    "/jobs/{job_id}/request", responses=describe(200, RequestOut, examples.REQUEST, 401, 403, 404, 422, 503)
)
async def show_request(request: Request, asker: Asker, job_id: _JobId) -> Response:
    """What a job was asked as: there until it has ended, and after that where its tenant has code kept."""
    kept = await state_of(request).service.request_of(asker, job_id)
    return json_answer(request_to_show(kept))


@jobs_router.post(
    "/check",
    responses=describe(
        200, CheckOut, examples.CHECKED, 400, 401, 403, 413, 415, 422, 429, 503,
        description="What was found.",
    ),
)  # fmt: skip
async def check(request: Request, asker: Asker, asked: SourceIn) -> Response:
    """What the validator says of code under the tenant's policy. Nothing is run or kept; it counts as one job."""
    return json_answer(report_to_wire(await state_of(request).service.check(asker, asked.spec())))


@jobs_router.delete(
    "/jobs/{job_id}", responses=describe(200, JobOut, examples.FINISHED, 401, 403, 404, 422, 503)
)
async def cancel(request: Request, asker: Asker, job_id: _JobId) -> Response:
    """Cancel a queued or running job; one that has finished stays as it is. Answers the job as it is after."""
    return json_answer(job_to_wire(await state_of(request).service.cancel(asker, job_id)))


@jobs_router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        **describe(200, JobOut, None, 401, 403, 404, 422, 503),
        200: {
            "description": "Server-sent events: `status`, `stdout`, `stderr`, at the end `result`.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'id: 1\nevent: status\ndata: {"state":"queued"}\n\n',
                }
            },
        },
    },
)
async def events(
    request: Request,
    asker: Asker,
    job_id: _JobId,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=20)] = None,
) -> Response:
    """What happens to a job, as it happens. With `Last-Event-ID`, what came after that number."""
    log = await state_of(request).service.events(asker, job_id, last_id=_event_number(last_event_id))
    return StreamingResponse(
        event_stream(log), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


def _event_number(text: str | None) -> int:
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit():
        raise InvalidJob("Last-Event-ID", "must be the number of an event")
    return int(text)
