"""Engine proxy floor: takes connections on a socket, asks the rules, and passes bytes on. Knows no rule.

One request per connection, to the engine as to the client: what a client sends after its request is read by nobody
but the exec that it has started.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from orchestrator.engine_proxy.requests import MOST_HEAD_BYTES, Refused, Request, read_head
from orchestrator.engine_proxy.rules import LABEL_SCOPE, OLDEST_API, Forward, Rules

__all__ = ("EngineProxy",)

REQUEST_SECONDS = 10.0
"""How long a client may take to say what it wants."""
LOOK_UP_SECONDS = 30.0
MOST_LOOKED_UP_BYTES = 1024 * 1024
CONNECTIONS_AT_ONCE = 512
MOST_KNOWN = 4096
CHUNK = 64 * 1024
LINGER_SECONDS = 1.0
RETRY_SECONDS = 0.1

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([0-9]{3})[^\r\n]*\r\n")
_FULL_ID = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger("orchestrator.engine_proxy")


class _EngineSilent(Exception):
    """The engine cannot be reached, or broke off. The client sees its connection end, as without a proxy."""


class EngineProxy:
    """Serves `rules` in front of the engine at `engine_socket`. Made and ended by `serving`."""

    def __init__(
        self, rules: Rules, engine_socket: str, *, is_bounded: Callable[[], bool] | None = None
    ) -> None:
        """`is_bounded` says whether the parent cgroup keeps its bounds; None where nobody here can know."""
        self._rules = rules
        self._is_bounded = is_bounded
        self._engine = engine_socket
        self._connections: set[asyncio.Task[None]] = set()
        # A container's labels never change and a full id is never given twice: what is ours stays ours.
        self._ours: OrderedDict[str, None] = OrderedDict()

    @asynccontextmanager
    async def serving(self, listener: socket.socket) -> AsyncIterator[None]:
        """Take connections from a listening, non-blocking socket until the block is left."""
        accepting = asyncio.create_task(self._accept(listener), name="engine proxy")
        try:
            yield
        finally:
            tasks = [accepting, *self._connections]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                _log.warning("cannot take a connection: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if len(self._connections) >= CONNECTIONS_AT_ONCE:
                _log.warning("more than %d connections at once", CONNECTIONS_AT_ONCE)
                client.close()
                continue
            client.setblocking(False)
            task = asyncio.create_task(self._serve(client))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    request, body, rest = await _receive(client)
                await self._answer(client, request, body, rest)
            except Refused as refused:
                _log.warning("refused with %d: %s", refused.status, refused)
                with suppress(OSError, TimeoutError):
                    await _refuse(client, refused)
            except _EngineSilent as error:
                _log.warning("the engine is silent: %s", error)
            except (OSError, TimeoutError, EOFError):
                pass  # the client has gone, or said nothing

    async def _answer(self, client: socket.socket, request: Request, body: bytes, rest: bytes) -> None:
        forward = self._rules.judge(request, body)
        if rest and not forward.upgrade:
            raise Refused(400, "engine-proxy: one request per connection, with nothing behind it")
        if forward.makes_container and self._is_bounded is not None and not self._is_bounded():
            raise Refused(503, "engine-proxy: the parent cgroup has lost its bounds; start the proxy anew")
        full_id = await self._full_id(forward)
        target = forward.target(full_id)
        async with _within(LOOK_UP_SECONDS):
            engine = await self._ask(forward.method, target, forward.body, upgrade=forward.upgrade)
        with engine:
            if forward.method == "DELETE":
                self._ours.pop(full_id, None)
            if rest:
                await asyncio.get_running_loop().sock_sendall(engine, rest)
            await _join(client, engine, both_ways=forward.upgrade)

    # -- what is ours -----------------------------------------------------------------------------

    async def _full_id(self, forward: Forward) -> str:
        """The full id that `forward` is about, which means one thing for ever, unlike a name. Raises Refused."""
        if forward.exec_id is not None:
            facts = await self._look_up(f"/exec/{forward.exec_id}/json", f"exec {forward.exec_id[:64]}")
            await self._our_container(str(facts.get("ContainerID")))
            return str(facts.get("ID"))
        if forward.container is not None:
            return await self._our_container(forward.container)
        return ""

    async def _our_container(self, name: str) -> str:
        if name in self._ours:
            self._ours.move_to_end(name)
            return name
        what = f"container {name[:64]}"
        facts = await self._look_up(f"/containers/{name}/json", what)
        labels, full_id = (facts.get("Config") or {}).get("Labels") or {}, str(facts.get("Id"))
        # SECURITY: the same answer as for one that is not there, so that nobody can feel for other people's
        # (tests/e2e/test_engine_proxy.py::test_other_peoples_containers_are_not_there).
        if labels.get(LABEL_SCOPE) != self._rules.scope or _FULL_ID.fullmatch(full_id) is None:
            raise Refused(404, f"No such container of this deployment: {what}")
        self._ours[full_id] = None
        if len(self._ours) > MOST_KNOWN:
            self._ours.popitem(last=False)
        return full_id

    async def _look_up(self, path: str, what: str) -> dict[str, Any]:
        async with _within(LOOK_UP_SECONDS):
            with await self._ask("GET", f"/v1.{OLDEST_API}{path}", None) as engine:
                answer = await _receive_all(engine)
        match = _STATUS_LINE.match(answer)
        if match is None:
            raise _EngineSilent("its answer is no HTTP")
        if match[1] != b"200":
            raise Refused(404, f"No such container of this deployment: {what}")
        try:
            facts = json.loads(_dechunked(answer))
        except (ValueError, RecursionError):
            raise _EngineSilent("its answer is no JSON") from None
        return facts if isinstance(facts, dict) else {}

    async def _ask(self, method: str, target: str, body: Any, *, upgrade: bool = False) -> socket.socket:
        """A connection to the engine on which a request of our own writing has been sent."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {target} HTTP/1.1", "Host: docker", f"Content-Length: {len(content)}"]
        if body is not None:
            lines.append("Content-Type: application/json")
        lines += ["Connection: Upgrade", "Upgrade: tcp"] if upgrade else ["Connection: close"]
        loop = asyncio.get_running_loop()
        engine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            engine.setblocking(False)
            await loop.sock_connect(engine, self._engine)
            await loop.sock_sendall(engine, "\r\n".join((*lines, "", "")).encode("ascii") + content)
        except OSError as error:
            engine.close()
            raise _EngineSilent(str(error)) from None
        except BaseException:
            engine.close()
            raise
        return engine


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise _EngineSilent(f"no answer within {seconds:g} s") from None


# -- bytes ------------------------------------------------------------------------------------------------


async def _receive(client: socket.socket) -> tuple[Request, bytes, bytes]:
    """One request with its body, and what came behind it. Raises Refused, or EOFError where nothing came."""
    loop = asyncio.get_running_loop()
    held = b""
    while (end := held.find(b"\r\n\r\n")) < 0:
        if len(held) > MOST_HEAD_BYTES:
            raise Refused(431, f"the head has more than {MOST_HEAD_BYTES} bytes")
        held += await _some(loop, client)
    if end > MOST_HEAD_BYTES:
        raise Refused(431, f"the head has more than {MOST_HEAD_BYTES} bytes")
    request, body = read_head(held[:end]), bytearray(held[end + 4 :])
    while len(body) < request.body_bytes:
        body += await _some(loop, client)
    return request, bytes(body[: request.body_bytes]), bytes(body[request.body_bytes :])


async def _some(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes:
    data = await loop.sock_recv(connection, CHUNK)
    if not data:
        raise EOFError
    return data


async def _receive_all(engine: socket.socket) -> bytes:
    loop, held = asyncio.get_running_loop(), bytearray()
    while data := await loop.sock_recv(engine, CHUNK):
        held += data
        if len(held) > MOST_LOOKED_UP_BYTES:
            raise _EngineSilent(f"its answer is above {MOST_LOOKED_UP_BYTES} bytes")
    return bytes(held)


def _dechunked(answer: bytes) -> bytes:
    """The body of a whole answer of the engine."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return body
    parts: list[bytes] = []
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return b"".join(parts)
        parts.append(body[:length])
        body = body[length + 2 :]


async def _refuse(client: socket.socket, refused: Refused) -> None:
    content = json.dumps({"message": str(refused)}).encode()
    head = (
        f"HTTP/1.1 {refused.status} Refused\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(LINGER_SECONDS):
        await loop.sock_sendall(client, head.encode("ascii") + content)
        client.shutdown(socket.SHUT_WR)
        # A socket that is closed with something unread in it takes the answer with it.
        while await loop.sock_recv(client, CHUNK):
            pass


async def _join(client: socket.socket, engine: socket.socket, *, both_ways: bool) -> None:
    """Pass bytes on until the engine ends its side, or the client leaves."""
    upstream = asyncio.create_task(_pump(client, engine) if both_ways else _until_gone(client))
    downstream = asyncio.create_task(_pump(engine, client))
    waiting = {upstream, downstream}
    try:
        # A client that has said all it had to say still hears the rest.
        await asyncio.wait({downstream} if both_ways else waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await loop.sock_recv(source, CHUNK):
            await loop.sock_sendall(sink, data)
    finally:
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


async def _until_gone(client: socket.socket) -> None:
    """Return when the client goes away, or says what it was not asked."""
    await asyncio.get_running_loop().sock_recv(client, CHUNK)
