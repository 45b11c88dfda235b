"""Client floor: what can go wrong between a program and the service, and whose fault each one is.

ApiProblem                  the service answered with a problem (RFC 9457); it has all of it
├── RequestRefused          the request cannot be carried out; asking again will not help
│   ├── NotAllowed          no key, a wrong one, or one without the scope
│   ├── NotFound            there is no such job, or it is another tenant's
│   └── Conflict            an idempotency key in use; `location` is its job
├── ServiceBusy             this tenant's own limit, or a full host; `retry_after_seconds` says when
└── ServiceFailed           the service's own failure
ServiceUnreachable          no answer at all
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from orchestrator.domain.errors import CapacityError, OrchestratorError, RequestError

__all__ = (
    "ApiProblem",
    "Conflict",
    "FieldProblem",
    "NotAllowed",
    "NotFound",
    "RequestRefused",
    "ServiceBusy",
    "ServiceFailed",
    "ServiceUnreachable",
    "problem_of",
    "problem_of_wire",
    "retry_after_of",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """What is wrong with one field of the request."""

    field: str
    problem: str


class ApiProblem(OrchestratorError):
    """Base: the service answered with a problem instead of what was asked for."""

    def __init__(self, status: int, title: str, detail: str = "", **more: Any) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.type: str = more.get("type", "about:blank")
        self.errors: tuple[FieldProblem, ...] = more.get("errors", ())
        self.request_id: str | None = more.get("request_id")
        self.location: str | None = more.get("location")
        self.retry_after_seconds: float | None = more.get("retry_after_seconds")
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        text = f"{self.status} {self.title}" + (f": {self.detail}" if self.detail else "")
        # A problem of one field is the detail already, mostly.
        wrong = [f"{one.field}: {one.problem}" for one in self.errors if one.problem not in self.detail]
        return "; ".join([text, *wrong])


class RequestRefused(ApiProblem, RequestError):
    """Raised when the service refuses a request for good; `errors` names the fields."""


class NotAllowed(RequestRefused):
    """Raised when there is no key, a wrong one, or one without the scope."""


class NotFound(RequestRefused):
    """Raised when there is no such job, or it is another tenant's."""


class Conflict(RequestRefused):
    """Raised when the request of an idempotency key is under way; `location` is its job."""


class ServiceBusy(ApiProblem, CapacityError):
    """Raised when a tenant's limit is reached or the host is full, and waiting would outlast the patience."""


class ServiceFailed(ApiProblem):
    """Raised when the service failed, or answered what is no answer."""


class ServiceUnreachable(OrchestratorError):
    """Raised when the service cannot be reached, or the connection ended before its answer."""


_KINDS: Mapping[int, type[ApiProblem]] = {
    HTTPStatus.UNAUTHORIZED: NotAllowed,
    HTTPStatus.FORBIDDEN: NotAllowed,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.TOO_MANY_REQUESTS: ServiceBusy,
    HTTPStatus.SERVICE_UNAVAILABLE: ServiceBusy,
}


def problem_of(response: httpx.Response) -> ApiProblem:
    """The problem that a response which is no success tells of, whatever its body is."""
    return problem_of_wire(
        response.status_code,
        {"title": response.reason_phrase, **_body_of(response)},
        location=response.headers.get("location"),
        retry_after_seconds=retry_after_of(response),
    )


def problem_of_wire(status: int, body: Mapping[str, Any], **more: Any) -> ApiProblem:
    """The problem that one JSON object tells of."""
    is_ours = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    kind = _KINDS.get(status, RequestRefused if is_ours else ServiceFailed)
    return kind(
        status,
        str(body.get("title") or "no reason given"),
        str(body.get("detail") or ""),
        type=str(body.get("type") or "about:blank"),
        errors=tuple(_field_problems(body.get("errors"))),
        request_id=body.get("request_id"),
        **more,
    )


def _body_of(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}  # a proxy's page, for example
    return body if isinstance(body, dict) else {}


def _field_problems(errors: object) -> list[FieldProblem]:
    if not isinstance(errors, list):
        return []
    found = [error for error in errors if isinstance(error, dict)]
    return [
        FieldProblem(field=str(error.get("field", "")), problem=str(error.get("problem", "")))
        for error in found
    ]


def retry_after_of(response: httpx.Response) -> float | None:
    """How many seconds the service asks to wait, said as a number or as a date; None where it says nothing."""
    text = response.headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        # By the service's own clock, where it tells it: ours may be wrong.
        then, now = (parsedate_to_datetime(value) for value in (text, response.headers.get("date", "")))
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError):
        return None
