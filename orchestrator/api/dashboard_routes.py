"""HTTP floor: the page at `/`, its files, and the stream that it listens to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from orchestrator import __version__
from orchestrator.api.answers import describe
from orchestrator.api.auth import Asker
from orchestrator.api.schemas import HealthOut
from orchestrator.api.state import state_of
from orchestrator.dashboard.files import SECURITY_HEADERS, page_files
from orchestrator.domain.tenant import Principal, Scope
from orchestrator.jobs import require_scope

__all__ = ("dashboard_router",)

dashboard_router = APIRouter()
_EVENT = {
    "type": "object",
    "description": "One event; `data` is JSON text.",
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["hello", "history", "sample"]},
        "data": {"type": "string"},
    },
    "required": ["event", "data"],
    "additionalProperties": False,
}
_EXAMPLE = {"id": "5f0d9c1c0f4a-17", "event": "sample", "data": '{"at":1767225600.25,"jobs":null}'}


@dashboard_router.get("/", include_in_schema=False)
async def page(request: Request) -> Response:
    """The dashboard."""
    return _file(request, "index.html")


@dashboard_router.get("/dashboard/{name}", include_in_schema=False)
async def page_file(request: Request, name: str) -> Response:
    """One of its files."""
    return _file(request, name)


def _file(request: Request, name: str) -> Response:
    file = page_files().get(name)
    if file is None:
        raise HTTPException(404)
    headers = {**SECURITY_HEADERS, "ETag": file.tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.data, headers=headers, media_type=file.media_type)


@dashboard_router.get(
    "/v1/dashboard/stream",
    response_class=StreamingResponse,
    responses={
        **describe(200, HealthOut, None, 401, 403, 422, 503),
        200: {
            "description": "Server-sent events: `hello`, `history`, then a `sample` each second, for a minute.",
            "content": {
                "text/event-stream": {"schema": _EVENT, "example": _EXAMPLE},
            },
        },
    },
)
async def stream(
    request: Request,
    asker: Asker,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)] = None,
) -> Response:
    """The service, second by second: all of it for an operator, a tenant's own jobs for a tenant."""
    require_scope(asker, Scope.READ)
    state = state_of(request)
    state.sampler.require_room()
    events = state.sampler.stream(
        asker, _hello(asker), last_id=last_event_id, seconds=state.settings.stream_seconds
    )
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _hello(asker: Principal) -> dict[str, object]:
    return {
        "tenant": asker.tenant.name,
        "scopes": sorted(scope.value for scope in asker.scopes),
        "version": __version__,
        # Where this version and the tenant's settings know of debug mode.
        "debug": bool(getattr(asker.tenant, "debug", False)),
    }
