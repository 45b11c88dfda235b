"""Backends floor: the codec of the runner protocol (`docs/protocol.md`). Sans-IO: bytes in, frames out.

What comes from a runner is bounded before it is parsed: length first, depth next, JSON last.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

from orchestrator.domain.bounds import is_deeper_than
from orchestrator.domain.errors import ProtocolError
from orchestrator.domain.limits import MIB

__all__ = ("MAX_FRAME_FROM_RUNNER", "FrameDecoder", "encode_frame", "parse_object")

MAX_FRAME_FROM_RUNNER = 32 * MIB
MAX_FRAME_TO_RUNNER = 64 * MIB
MAX_FRAME_DEPTH = 32

_LENGTH = struct.Struct(">L")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode_frame(fields: Mapping[str, object]) -> bytes:
    """One frame. Raises ValueError where it would be longer than a runner accepts."""
    body = _encode(fields).encode()
    if len(body) > MAX_FRAME_TO_RUNNER:
        raise ValueError(f"a frame of {len(body)} bytes is above the limit of {MAX_FRAME_TO_RUNNER}")
    return _LENGTH.pack(len(body)) + body


class FrameDecoder:
    """Feed it bytes of a runner's stdout; it answers with the frames that are complete.

    Any byte sequence gives frames or one ProtocolError, which it then repeats for ever.
    """

    def __init__(self, *, max_frame_bytes: int = MAX_FRAME_FROM_RUNNER) -> None:
        self._max = max_frame_bytes
        self._buffer = bytearray()
        self._error: ProtocolError | None = None

    def feed(self, data: bytes) -> list[dict[str, object]]:
        """Frames that `data` completes. Raises ProtocolError where it is no sequence of frames."""
        if self._error is not None:
            raise self._error
        self._buffer += data
        frames: list[dict[str, object]] = []
        try:
            while (body := self._next_body()) is not None:
                frames.append(parse_object(body))
        except ProtocolError as error:
            self._error = error
            self._buffer.clear()
            if not frames:
                raise
        return frames

    def _next_body(self) -> bytes | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > self._max:
            raise ProtocolError(f"a frame of {length} bytes is above the limit of {self._max}", step="decode")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        return body


def parse_object(body: bytes) -> dict[str, object]:
    """The JSON object with a text `type` that `body` is. Raises ProtocolError where it is none."""
    if is_deeper_than(body, MAX_FRAME_DEPTH):
        raise ProtocolError(f"a frame is nested deeper than {MAX_FRAME_DEPTH}", step="decode")
    try:
        # Decoded here: left to itself, json would take UTF-16 and surrogates too.
        fields = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a frame is no JSON: {type(error).__name__}", step="decode") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        raise ProtocolError("a frame is no object with a type", step="decode")
    return fields
