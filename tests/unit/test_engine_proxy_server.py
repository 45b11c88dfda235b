"""`engine_proxy/server.py`: bytes both ways, over real sockets, in front of an engine that only this test has."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orchestrator.backends.runtime_files import images_folder, load_runtimes
from orchestrator.engine_proxy.privileges import listen
from orchestrator.engine_proxy.rules import LABEL_SCOPE, Rules
from orchestrator.engine_proxy.server import EngineProxy
from orchestrator.policies.hardening import HardeningSettings

OURS, THEIRS = "a" * 64, "b" * 64
FACTS = {
    "/v1.41/containers/ours/json": {"Id": OURS, "Config": {"Labels": {LABEL_SCOPE: "mine"}}},
    f"/v1.41/containers/{OURS}/json": {"Id": OURS, "Config": {"Labels": {LABEL_SCOPE: "mine"}}},
    "/v1.41/containers/theirs/json": {"Id": THEIRS, "Config": {"Labels": {LABEL_SCOPE: "other"}}},
    "/v1.41/containers/plain/json": {"Id": THEIRS, "Config": {"Labels": None}},
    "/v1.41/exec/e1/json": {"ID": "e1", "ContainerID": OURS},
}


class FakeEngine:
    """Answers look-ups, notes what it is asked, and hands everything else to the test."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.streams: asyncio.Queue = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *headers = head.split("\r\n")
        method, path, _ = line.split(" ")
        self.asked.append(f"{method} {path}")
        length = next(int(each.partition(":")[2]) for each in headers if each.startswith("Content-Length"))
        await reader.readexactly(length)
        if method == "GET" and path in FACTS:
            content = json.dumps(FACTS[path]).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
            )
            writer.close()
        elif path.endswith("/missing/json"):
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            writer.close()
        else:
            await self.streams.put((reader, writer))


@asynccontextmanager
async def house():
    """A proxy, its engine, and a way to connect."""
    runtimes = {"python": load_runtimes(images_folder())["python"]}
    rules = Rules(
        scope="mine", runtimes=runtimes, profiles={"python": "{}"}, uid_count=1000,
        hardening=HardeningSettings(init_uid=2_000_000, cpus=1.0, open_files=256),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="proxy-", dir="/tmp") as folder:
        engine, behind, front = FakeEngine(), Path(folder, "behind"), Path(folder, "front")
        server = await asyncio.start_unix_server(engine.serve, behind)
        async with server:
            with listen(front) as listener:
                async with EngineProxy(rules, str(behind)).serving(listener):
                    yield engine, front
            while not engine.streams.empty():
                engine.streams.get_nowait()[1].close()


async def ask(front: Path, line: str, body: bytes = b"", *headers: str):
    """A connection on which a request has been sent."""
    reader, writer = await asyncio.open_unix_connection(front)
    head = "\r\n".join((f"{line} HTTP/1.1", "Host: d", f"Content-Length: {len(body)}", *headers, "", ""))
    writer.write(head.encode() + body)
    return reader, writer


async def within(awaitable):
    async with asyncio.timeout(20):
        return await awaitable


START = (
    "POST /v1.41/exec/e1/start",
    b'{"Tty": false, "Detach": false}',
    "Connection: Upgrade",
    "Upgrade: tcp",
)


async def test_a_name_becomes_the_full_id_that_was_looked_at():
    """Between the look and the call a name could come to mean another container."""
    async with house() as (engine, front):
        _, writer = await ask(front, "DELETE /v1.41/containers/ours?force=True")
        _, behind = await within(engine.streams.get())
        behind.close()
        writer.close()
        assert engine.asked == [
            "GET /v1.41/containers/ours/json",
            f"DELETE /v1.41/containers/{OURS}?v=1&force=1",
        ]


@pytest.mark.parametrize("name", ["theirs", "plain", "missing", THEIRS])
async def test_what_is_not_ours_is_not_there(name):
    """The same answer, whether it exists or not."""
    FACTS[f"/v1.41/containers/{THEIRS}/json"] = FACTS["/v1.41/containers/theirs/json"]
    async with house() as (engine, front):
        reader, writer = await ask(front, f"POST /v1.41/containers/{name}/start")
        said = await within(reader.read())
        writer.close()
        assert said.startswith(b"HTTP/1.1 404 ")
        message = json.loads(said.partition(b"\r\n\r\n")[2])["message"]
        assert message == f"No such container of this deployment: container {name}"
        assert engine.asked == [f"GET /v1.41/containers/{name}/json"]


async def test_what_is_known_to_be_ours_is_not_asked_again():
    """By its full id, which is never given twice."""
    async with house() as (engine, front):
        for _ in range(2):
            _, writer = await ask(front, f"POST /v1.41/containers/{OURS}/start")
            _, behind = await within(engine.streams.get())
            behind.close()
            writer.close()
        assert engine.asked.count(f"GET /v1.41/containers/{OURS}/json") == 1


async def test_an_execs_stream_is_passed_on_both_ways():
    """As it comes, also what came with the request, to the end of either side."""
    async with house() as (engine, front):
        line, body, *headers = START
        reader, writer = await ask(front, line, body, *headers)
        writer.write(b"early ")
        behind_reader, behind = await within(engine.streams.get())
        behind.write(b"HTTP/1.1 101 UPGRADED\r\n\r\nready")
        assert await within(reader.readuntil(b"ready"))
        writer.write(b"job")
        assert await within(behind_reader.readexactly(9)) == b"early job"
        large = bytes(3_000_000)
        behind.write(large)
        assert await within(reader.readexactly(len(large))) == large
        writer.write_eof()
        assert await within(behind_reader.read()) == b""
        behind.write(b"last")
        behind.close()
        assert await within(reader.read()) == b"last"
        writer.close()


async def test_who_stops_listening_is_not_kept_at_the_engine():
    """A stream of events has no end of its own."""
    async with house() as (engine, front):
        filters = '{"type":["container"],"event":["die"]}'
        quoted = filters.replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
        reader, writer = await ask(front, f"GET /v1.41/events?filters={quoted}")
        behind_reader, behind = await within(engine.streams.get())
        behind.write(b"HTTP/1.1 200 OK\r\n\r\n{}")
        assert await within(reader.readexactly(21)) == b"HTTP/1.1 200 OK\r\n\r\n{}"
        writer.close()
        assert await within(behind_reader.read()) == b""
        behind.close()


async def test_an_engine_that_is_silent_ends_the_connection():
    """Nothing is made up for it: the client sees what it would see without the proxy."""
    async with house() as (engine, front):
        reader, writer = await ask(front, "GET /v1.41/info")
        _, behind = await within(engine.streams.get())
        behind.close()
        assert await within(reader.read()) == b""
        writer.close()
    with tempfile.TemporaryDirectory(prefix="proxy-", dir="/tmp") as folder:
        rules = Rules(
            scope="mine", runtimes={}, profiles={}, uid_count=1000,
            hardening=HardeningSettings(init_uid=2_000_000, cpus=1.0, open_files=256),
        )  # fmt: skip
        with listen(Path(folder, "front")) as listener:
            async with EngineProxy(rules, f"{folder}/nobody").serving(listener):
                reader, writer = await ask(Path(folder, "front"), "GET /v1.41/info")
                assert await within(reader.read()) == b""
                writer.close()


async def test_a_second_request_behind_the_first_is_refused():
    """And the first one is not made."""
    async with house() as (engine, front):
        reader, writer = await asyncio.open_unix_connection(front)
        writer.write(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\nGET /v1.41/info HTTP/1.1\r\nHost: d\r\n\r\n")
        assert (await within(reader.read())).startswith(b"HTTP/1.1 400 ")
        writer.close()
        assert engine.asked == []


def test_its_socket_is_for_owner_and_group():
    """One that a killed proxy left is replaced."""
    with tempfile.TemporaryDirectory(prefix="proxy-", dir="/tmp") as folder:
        place = Path(folder, "s")
        listen(place).close()
        with listen(place) as listener:
            assert listener.family == socket.AF_UNIX
            assert place.stat().st_mode & 0o777 == 0o660
