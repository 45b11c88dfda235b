"""HTTP floor: how answers are written and described: JSON, problems, server-sent events, and their examples."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from orchestrator.api.problems import MEDIA_TYPE
from orchestrator.api.schemas import ProblemOut
from orchestrator.scheduler.events import JobEvent

__all__ = ("describe", "event_stream", "json_answer")

KEEP_ALIVE_SECONDS = 15.0
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

_EXAMPLES: dict[int, tuple[str, str, str]] = {
    400: ("Bad Request", "bad-request", "the body is no JSON: Expecting value at line 1, column 1"),
    401: ("Unauthorized", "not-authenticated", "send an API key: Authorization: Bearer so_…"),
    403: ("Forbidden", "not-allowed", "this key lacks the scope execute"),
    404: ("Not Found", "unknown-job", "no such job"),
    409: ("Conflict", "job-in-progress", "the job of this idempotency key has not finished yet"),
    413: ("Content Too Large", "content-too-large", "a body may have 16777216 bytes at most"),
    415: ("Unsupported Media Type", "unsupported-media-type", "the body must be JSON: Content-Type: application/json"),
    422: ("Unprocessable Entity", "invalid-job", "limits.wall_time_ms: must be above 0, not -1"),
    429: ("Too Many Requests", "tenant-limited", "this tenant's rate of jobs is used up"),
    503: ("Service Unavailable", "host-full", "all 10000 places of the queue are taken"),
}  # fmt: skip


def describe(
    status: int, model: type[BaseModel], example: object, *problems: int, description: str = "Done."
) -> dict[int | str, dict[str, Any]]:
    """What a route answers, for the OpenAPI document: its success and its problems, each with an example."""
    content = {"application/json": {"example": example}}
    answers: dict[int | str, dict[str, Any]] = {
        status: {"model": model, "description": description, "content": content}
    }
    for problem in sorted(problems):
        answers[problem] = _describe_problem(problem)
    return answers


def _describe_problem(status: int) -> dict[str, Any]:
    title, name, detail = _EXAMPLES[status]
    example: dict[str, Any] = {
        "type": f"urn:sandbox-orch:problem:{name}", "title": title, "status": status, "detail": detail,
        "request_id": "4b5f0d9c1c0f4ac8a7b3f6f0a5b0c9de",
    }  # fmt: skip
    if status == 422:  # noqa: PLR2004 - the one that names fields
        field, _, problem = detail.partition(": ")
        example["errors"] = [{"field": field, "problem": problem}]
    schema = {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}
    return {"description": title + ".", "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}


def json_answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer. What a tenant printed may hold what UTF-8 has not; it is made writable."""
    return Response(_encode(value).encode("utf-8", "replace"), status, headers, "application/json")


async def event_stream(events: AsyncIterator[JobEvent]) -> AsyncIterator[bytes]:
    """Events as server-sent events, with a comment now and then so that nobody thinks the line is dead."""
    coming: asyncio.Future[JobEvent] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({coming}, timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            yield f"id: {event.id}\nevent: {event.name}\ndata: {_encode(event.data)}\n\n".encode(
                "utf-8", "replace"
            )
    finally:
        if coming is not None:
            coming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await coming
