"""Backends floor: takes an engine's multiplexed `exec` stream apart. Sans-IO: bytes in, chunks out.

Without a terminal, the engine sends stdout and stderr of an `exec` over one connection as chunks with a
header of 8 bytes: stream number, three zero bytes, big-endian length (Docker Engine API, "attach").
"""

from __future__ import annotations

import struct
from enum import IntEnum

from orchestrator.domain.errors import ProtocolError

__all__ = ("StreamDemultiplexer", "StreamName")

_HEADER = struct.Struct(">BxxxL")
_PADDING = b"\0\0\0"


class StreamName(IntEnum):
    """The engine's numbers for the streams of a process."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2


_NAMES = tuple(StreamName)


class StreamDemultiplexer:
    """Feed it what the socket gives; it answers with (stream, bytes) chunks as soon as they are there.

    Chunks are passed on in pieces as they come, so nothing is buffered but an incomplete header.
    Any byte sequence gives chunks or one ProtocolError, which it then repeats for ever; chunks that came
    before what spoiled the stream are passed on first.
    """

    def __init__(self) -> None:
        self._header = b""
        self._stream = StreamName.STDOUT
        self._left = 0
        self._error: ProtocolError | None = None

    def feed(self, data: bytes) -> list[tuple[StreamName, bytes]]:
        """Chunks that `data` completes. Raises ProtocolError where it is no such stream."""
        if self._error is not None:
            raise self._error
        chunks: list[tuple[StreamName, bytes]] = []
        position = 0
        try:
            while position < len(data):
                if self._left:
                    piece = data[position : position + self._left]
                    self._left -= len(piece)
                    chunks.append((self._stream, piece))
                else:
                    piece = data[position : position + _HEADER.size - len(self._header)]
                    self._take_header(piece)
                position += len(piece)
        except ProtocolError as error:
            self._error = error
            if not chunks:
                raise
        return chunks

    def _take_header(self, piece: bytes) -> None:
        self._header += piece
        if len(self._header) < _HEADER.size:
            return
        header, self._header = self._header, b""
        number, self._left = _HEADER.unpack(header)
        if number >= len(_NAMES) or header[1:4] != _PADDING:
            raise ProtocolError(f"no stream header: {header.hex()}", step="demultiplex")
        self._stream = _NAMES[number]
