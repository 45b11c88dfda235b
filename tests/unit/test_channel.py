"""`backends/channel.py` over a socket pair: frames to and from one runner."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from orchestrator.backends import channel as channel_module
from orchestrator.backends.channel import MAX_DIAGNOSTICS, RunnerChannel
from orchestrator.backends.docker import ExecStream
from orchestrator.backends.frames import encode_frame
from orchestrator.backends.streams import StreamName
from orchestrator.domain.errors import ProtocolError

READY = {"type": "ready"}
PONG = {"type": "pong", "nonce": "é"}


def chunk(data: bytes, name: StreamName = StreamName.STDOUT) -> bytes:
    return struct.pack(">BxxxL", name, len(data)) + data


def frame(fields: dict[str, object]) -> bytes:
    """A frame as the engine passes it on."""
    return chunk(encode_frame(fields))


class Engine:
    """The other end of the connection."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)

    async def adopt(self, early: bytes = b"") -> RunnerChannel:
        self.ours.setblocking(False)
        return await RunnerChannel.adopt(ExecStream(socket=self.ours, early=early))

    async def says(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.theirs, data)

    async def hears(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self.theirs, 65_536)

    def hangs_up(self) -> None:
        self.theirs.close()


@pytest.fixture
async def engine():
    end = Engine()
    channels = []
    adopt = end.adopt

    async def remember(early: bytes = b"") -> RunnerChannel:
        channels.append(await adopt(early))
        return channels[-1]

    end.adopt = remember
    yield end
    for each in channels:
        each.close()
    end.theirs.close()
    await asyncio.sleep(0)


async def until(condition) -> None:
    """Give the loop its turns until the socket's bytes have come through."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_frames_are_received_in_order(engine):
    """One after the other, as they were sent."""
    channel = await engine.adopt()
    await engine.says(frame(READY) + frame(PONG))
    assert [await channel.receive(), await channel.receive()] == [READY, PONG]


async def test_what_was_read_before_adoption_comes_first(engine):
    """Bytes that came along with the HTTP header are not lost, even half a frame of them."""
    data = frame(READY) + frame(PONG)
    channel = await engine.adopt(early=data[:30])
    assert await channel.receive() == READY
    await engine.says(data[30:])
    assert await channel.receive() == PONG


async def test_split_chunks_are_put_together(engine):
    """Wherever the network cuts, the frame is the same."""
    channel = await engine.adopt()
    body = encode_frame(PONG)
    for byte in chunk(body[:5]) + chunk(body[5:]):
        await engine.says(bytes([byte]))
        await asyncio.sleep(0)
    assert await channel.receive() == PONG


async def test_a_reader_that_waits_is_woken(engine):
    """receive() returns as soon as its frame is whole."""
    channel = await engine.adopt()
    reader = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    await engine.says(frame(READY))
    assert await asyncio.wait_for(reader, 5) == READY


async def test_a_cancelled_reader_loses_no_frame(engine):
    """The next reader gets what the cancelled one waited for."""
    channel = await engine.adopt()
    reader = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await engine.says(frame(READY))
    assert await channel.receive() == READY


async def test_what_is_sent_arrives(engine):
    """send() writes the frame as it is, without an engine's header."""
    channel = await engine.adopt()
    channel.send(encode_frame({"type": "ping", "nonce": "1"}))
    assert await engine.hears() == encode_frame({"type": "ping", "nonce": "1"})


async def test_the_end_of_the_stream_is_none_for_ever(engine):
    """Frames that came before it are received first; sending after it does nothing."""
    channel = await engine.adopt()
    await engine.says(frame(READY))
    engine.hangs_up()
    await until(lambda: channel.has_ended)
    assert [await channel.receive() for _ in range(3)] == [READY, None, None]
    channel.send(b"nobody is there")


async def test_the_end_wakes_the_reader(engine):
    """A reader that waits learns of the end at once."""
    channel = await engine.adopt()
    reader = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    engine.hangs_up()
    assert await asyncio.wait_for(reader, 5) is None


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 500", chunk(b"\xff\xff\xff\xff"), chunk(struct.pack(">L", 2) + b"[]")]
)
async def test_garbage_is_a_protocol_error_for_ever(engine, garbage):
    """Whatever comes after it is not looked at, but still read."""
    channel = await engine.adopt()
    await engine.says(garbage)
    await until(lambda: channel.has_ended)
    await engine.says(frame(READY))
    for _ in range(2):
        with pytest.raises(ProtocolError):
            await channel.receive()


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 500", chunk(struct.pack(">L", 2) + b"[]")], ids=["stream", "frame"]
)
async def test_garbage_right_behind_a_frame_is_noticed_at_once(engine, garbage):
    """The frame is received, and the container counts as ended without waiting for more bytes."""
    channel = await engine.adopt()
    await engine.says(frame(READY) + garbage)
    await until(lambda: channel.has_ended)
    assert await channel.receive() == READY
    with pytest.raises(ProtocolError):
        await channel.receive()


async def test_too_much_unread_is_a_protocol_error(engine, monkeypatch):
    """A runner cannot fill the host's memory with frames that nobody has asked for."""
    monkeypatch.setattr(channel_module, "MAX_UNREAD", 100)
    channel = await engine.adopt()
    for _ in range(5):
        await engine.says(frame(PONG))
    await until(lambda: channel.has_ended)
    for _ in range(len(channel._frames)):
        assert await channel.receive() == PONG
    with pytest.raises(ProtocolError, match="unread"):
        await channel.receive()


async def test_reading_makes_room(engine, monkeypatch):
    """The bound is on what is unread, not on what was ever sent."""
    monkeypatch.setattr(channel_module, "MAX_UNREAD", 100)
    channel = await engine.adopt()
    for _ in range(20):
        await engine.says(frame(PONG))
        assert await channel.receive() == PONG


async def test_diagnostics_are_kept_and_bounded(engine):
    """The last of the runner's stderr is there for the operator; it never becomes a frame."""
    channel = await engine.adopt()
    await engine.says(chunk(b"x" * 20_000 + b"the last words", StreamName.STDERR) + frame(READY))
    assert await channel.receive() == READY
    assert len(channel.diagnostics) == MAX_DIAGNOSTICS
    assert channel.diagnostics.endswith(b"the last words")


async def test_deaf_it_reads_and_discards(engine):
    """After stop_listening the socket is still drained, so that the engine's kill is not held up."""
    channel = await engine.adopt()
    await engine.says(frame(READY))
    await until(lambda: channel._frames)
    channel.stop_listening()
    async with asyncio.timeout(10):
        for _ in range(50):
            await engine.says(chunk(b"\xff" * 65_536))
    engine.hangs_up()
    assert await channel.receive() is None


async def test_closing_ends_the_stream(engine):
    """A reader gets None, closing again does nothing, and so does sending."""
    channel = await engine.adopt()
    reader = asyncio.create_task(channel.receive())
    await asyncio.sleep(0)
    channel.close()
    channel.close()
    assert await asyncio.wait_for(reader, 5) is None
    channel.send(b"x")


async def test_a_channel_that_was_never_connected_can_be_closed():
    """Undoing a launch that failed early needs no connection."""
    channel = RunnerChannel()
    channel.send(b"x")
    channel.close()
    assert not channel.has_ended
