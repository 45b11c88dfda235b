"""HTTP floor: the one place where errors become statuses. Bodies are problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from orchestrator.domain.errors import (
    BackendError,
    CapacityError,
    Draining,
    HostFull,
    InvalidJob,
    JobInProgress,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    OrchestratorError,
    RefusedForNow,
    RequestError,
    StoreError,
    TenantLimited,
    UnknownJob,
    UnknownRuntime,
)

__all__ = (
    "MEDIA_TYPE",
    "BodyRefused",
    "Problem",
    "install_problems",
    "location_of",
    "problem_of",
    "problem_response",
)

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 5


class BodyRefused(HTTPException):
    """Raised when a body cannot be taken: too large, of another type, or no JSON that we would parse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong, as the client is told."""

    status: int
    type: str
    detail: str
    errors: tuple[dict[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)

    def as_wire(self, request_id: str) -> dict[str, Any]:
        """The body."""
        body: dict[str, Any] = {
            "type": f"urn:sandbox-orch:problem:{self.type}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return body


def location_of(job_id: str) -> str:
    """Where a job is."""
    return f"/v1/jobs/{job_id}"


def _plain(status: int, name: str, **headers: str) -> Callable[[Any], Problem]:
    return lambda error: Problem(status=status, type=name, detail=str(error), headers=headers)


def _field(error: InvalidJob) -> Problem:
    errors = ({"field": error.field, "problem": error.problem},)
    return Problem(status=422, type="invalid-job", detail=str(error), errors=errors)


def _runtime(error: UnknownRuntime) -> Problem:
    errors = ({"field": "runtime", "problem": str(error)},)
    return Problem(status=422, type="unknown-runtime", detail=str(error), errors=errors)


def _later(status: int, name: str) -> Callable[[RefusedForNow], Problem]:
    return lambda error: Problem(
        status=status,
        type=name,
        detail=str(error),
        headers={"Retry-After": str(error.retry_after_seconds)},
    )


def _in_progress(error: JobInProgress) -> Problem:
    headers = {"Location": location_of(error.job_id), "Retry-After": "1"}
    return Problem(status=409, type="job-in-progress", detail=str(error), headers=headers)


def _ours(status: int, name: str, detail: str) -> Callable[[Any], Problem]:
    # What the engine or the database said is for the operator's log, not for tenants.
    headers = {"Retry-After": str(_RETRY_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return lambda _error: Problem(status=status, type=name, detail=detail, headers=headers)


_PROBLEMS: dict[type[BaseException], Callable[[Any], Problem]] = {
    NotAuthenticated: _plain(401, "not-authenticated", **{"WWW-Authenticate": "Bearer"}),
    NotAllowed: _plain(403, "not-allowed"),
    UnknownJob: _plain(404, "unknown-job"),
    JobInProgress: _in_progress,
    KeyReused: _plain(422, "idempotency-key-reused"),
    InvalidJob: _field,
    UnknownRuntime: _runtime,
    RequestError: _plain(422, "invalid-request"),
    TenantLimited: _later(429, "tenant-limited"),
    HostFull: _later(503, "host-full"),
    Draining: _later(503, "draining"),
    CapacityError: _ours(503, "no-capacity", "there is no room for it now"),
    StoreError: _ours(503, "store-unavailable", "the store does not answer"),
    BackendError: _ours(503, "engine-unavailable", "the container engine does not answer"),
    OrchestratorError: _ours(500, "internal-error", "an error of ours; the log has it under the request id"),
}


def problem_of(error: BaseException) -> Problem:
    """The problem that an error is, by the nearest of its classes."""
    if isinstance(error, HTTPException):
        return _http(error)
    if isinstance(error, RequestValidationError):
        return _validation(error)
    for kind in type(error).__mro__:
        if kind in _PROBLEMS:
            return _PROBLEMS[kind](error)
    return _PROBLEMS[OrchestratorError](error)


def _http(error: HTTPException) -> Problem:
    name = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return Problem(
        status=error.status_code, type=name, detail=str(error.detail), headers=dict(error.headers or {})
    )


def _validation(error: RequestValidationError) -> Problem:
    errors = tuple(
        {"field": _field_name(each["loc"]), "problem": str(each["msg"])} for each in error.errors()[:20]
    )
    detail = "; ".join(f"{each['field']}: {each['problem']}" for each in errors[:3])
    return Problem(status=422, type="invalid-request", detail=detail, errors=errors)


def _field_name(place: tuple[int | str, ...]) -> str:
    # The first part says where the field was: body, query, path or header.
    parts = place[1:] if len(place) > 1 else place
    return ".".join(str(part)[:64] for part in parts)


def problem_response(problem: Problem, request_id: str) -> Response:
    """The answer that carries a problem."""
    body = json.dumps(problem.as_wire(request_id), ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, problem.status, problem.headers, MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Have every error of `app` answered with a problem."""

    async def answer(request: Request, error: Exception) -> Response:
        return problem_response(problem_of(error), request.state.request_id)

    for kind in (OrchestratorError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, answer)
