"""HTTP floor: what is done to every request before it is understood. Bodies are bounded before they are parsed."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.problems import BodyRefused, problem_of, problem_response
from orchestrator.domain.bounds import ForeignJsonError, has_more_nodes_than, parse_foreign_json

__all__ = ("MAX_NODES", "BoundedBodies", "BoundedRoute", "RequestIds")

MAX_NODES = 500_000
"""Values in one body. Each costs a hundred bytes of memory or more, whatever it is."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestIds:
    """Gives every request an id, the client's own where it is a plain one, and echoes it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


class BoundedBodies:
    """Refuses a body that is too large: by its header before a byte is read, else as soon as it is over.

    Of all requests together no more than `most_bytes_at_once` are held: who comes then is told to come back.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int, most_bytes_at_once: int) -> None:
        self._app = app
        self._most = most_bytes
        self._most_at_once = most_bytes_at_once
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken = 0

        async def receive_bounded() -> Message:
            nonlocal taken
            message = await receive()
            size = len(message.get("body", b""))
            taken += size
            self._held += size
            self._check(taken)
            return message

        try:
            self._check_announced(Headers(scope=scope))
            await self._app(scope, receive_bounded, send)
        except BodyRefused as error:
            # Only where it was refused before anything could answer: above the app, its handlers are not.
            await problem_response(problem_of(error), scope["state"]["request_id"])(scope, receive, send)
        finally:
            self._held -= taken

    def _check_announced(self, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            raise BodyRefused(400, "the Content-Length is no number")
        if int(length) > self._most:
            raise self._too_large()

    def _check(self, taken: int) -> None:
        if taken > self._most:
            raise self._too_large()
        if self._held > self._most_at_once:
            problem = "too many bodies are being received"
            raise BodyRefused(503, problem, headers={"Retry-After": "1", "Connection": "close"})

    def _too_large(self) -> BodyRefused:
        problem = f"a body may have {self._most} bytes at most"
        return BodyRefused(413, problem, headers={"Connection": "close"})


class _BoundedRequest(Request):
    """A request whose JSON is bounded in depth and in number of values before it is parsed."""

    async def json(self) -> Any:
        """The body. Raises BodyRefused saying what is wrong with it."""
        raw = await self.body()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BodyRefused(400, f"the body is not UTF-8: byte {error.start}") from None
        if has_more_nodes_than(raw, MAX_NODES):
            raise BodyRefused(400, f"the body holds more than {MAX_NODES} values")
        try:
            return parse_foreign_json(text)
        except ForeignJsonError as error:
            raise BodyRefused(400, f"the body {error}") from None


class BoundedRoute(APIRoute):
    """A route that takes JSON only, bounded."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own handler, over our request."""
        handle = super().get_route_handler()
        wants_body = self.body_field is not None

        async def handle_bounded(request: Request) -> Response:
            if wants_body:
                _require_json(request.headers)
            return await handle(_BoundedRequest(request.scope, request.receive))

        return handle_bounded


def _require_json(headers: Headers) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise BodyRefused(415, "the body must be JSON: Content-Type: application/json")
