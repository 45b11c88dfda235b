"""Backends floor: the held-open stream of one runner, adopted by the event loop.

Owns the socket and the two codecs over it. It knows frames, not what they mean.
"""

from __future__ import annotations

import asyncio
from collections import deque
from secrets import token_hex

from orchestrator.backends.docker import ExecStream
from orchestrator.backends.frames import FrameDecoder, encode_frame
from orchestrator.backends.streams import StreamDemultiplexer, StreamName
from orchestrator.domain.errors import ProtocolError
from orchestrator.domain.limits import KIB, MIB

__all__ = ("RunnerChannel",)

MAX_DIAGNOSTICS = 8 * KIB
MAX_UNREAD = 64 * MIB


class RunnerChannel(asyncio.Protocol):
    """Frames to and from one runner. `receive` has one reader at a time.

    INVARIANT: the socket is read until it ends or is closed, also after an error and while the container
    is being killed. The engine's kill takes 10 seconds on an unread stream (SECURITY-NOTES, M9).
    """

    def __init__(self) -> None:
        self._demultiplexer = StreamDemultiplexer()
        self._decoder = FrameDecoder()
        self._frames: deque[dict[str, object]] = deque()
        self._unread = 0
        self._error: ProtocolError | None = None
        self._transport: asyncio.Transport | None = None
        self._reader: asyncio.Future[None] | None = None
        self._ended = False
        self._deaf = False
        self._pings: dict[str, asyncio.Future[None]] = {}
        self.diagnostics = b""
        """The last of what the runner wrote on its own stderr: for the operator, never for a tenant."""

    @classmethod
    async def adopt(cls, stream: ExecStream) -> RunnerChannel:
        """Take over the connection of an `exec`."""
        loop = asyncio.get_running_loop()
        try:
            _, channel = await loop.connect_accepted_socket(cls, stream.socket)
        except BaseException:
            stream.socket.close()
            raise
        if stream.early:
            channel.data_received(stream.early)
        return channel

    @property
    def has_ended(self) -> bool:
        """Whether no frame can come any more."""
        return self._ended or self._error is not None

    def send(self, frame: bytes) -> None:
        """Write without waiting; after the end it does nothing."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    async def receive(self) -> dict[str, object] | None:
        """The next frame, None at the end of the stream. Raises ProtocolError."""
        while not self._frames:
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        self._unread = 0 if len(self._frames) == 1 else self._unread
        return self._frames.popleft()

    async def ping(self) -> None:
        """Send a ping and wait for its pong. Raises ProtocolError where the stream ends before.

        A pong that comes after the caller has given up is taken in silence: it is nobody's frame.
        """
        nonce = token_hex(8)
        waiter = self._pings[nonce] = asyncio.get_running_loop().create_future()
        if self.has_ended:
            raise ProtocolError("the stream has ended", step="ping")
        self.send(encode_frame({"type": "ping", "nonce": nonce}))
        await waiter

    def stop_listening(self) -> None:
        """From now on read and discard: whatever still comes belongs to nobody."""
        self._deaf = True
        self._frames.clear()

    def close(self) -> None:
        """Close the connection. Safe to call again."""
        if self._transport is not None:
            self._transport.abort()

    # -- called by the event loop -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what the loop gives for a stream socket
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes came; decode what is complete and wake the reader."""
        if self._deaf or self._error is not None:
            return
        try:
            for name, chunk in self._demultiplexer.feed(data):
                self._take(name, chunk)
            # Each codec passes on what was good before what was not; only then it says so.
            self._demultiplexer.feed(b"")
            self._decoder.feed(b"")
        except ProtocolError as error:
            self._error = error
        self._wake()

    def _take(self, name: StreamName, chunk: bytes) -> None:
        if name is StreamName.STDERR:
            self.diagnostics = (self.diagnostics + chunk)[-MAX_DIAGNOSTICS:]
            return
        self._unread += len(chunk)
        if self._unread > MAX_UNREAD:
            raise ProtocolError(f"more than {MAX_UNREAD} bytes came unread", step="receive")
        self._frames += [frame for frame in self._decoder.feed(chunk) if not self._is_expected_pong(frame)]

    def _is_expected_pong(self, frame: dict[str, object]) -> bool:
        waiter = self._pings.pop(str(frame.get("nonce")), None) if frame["type"] == "pong" else None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        return waiter is not None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the end is the end
        """The stream is over."""
        self._ended = True
        for waiter in self._pings.values():
            if not waiter.done():
                waiter.set_exception(ProtocolError("the stream has ended", step="ping"))
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
