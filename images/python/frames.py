"""The codec of the runner protocol, runner's side (`docs/protocol.md`). Sans-IO: bytes in, frames out.

Owns the bounds of a frame and how tenant bytes become opaque text inside one. Must not know what a frame means.
"""

from __future__ import annotations

import json
from _codecs import utf_8_decode
from struct import Struct

MAX_FRAME_FROM_HOST = 64 * 1024 * 1024
MAX_FRAME_TO_HOST = 32 * 1024 * 1024

LENGTH = Struct(">L")
_CHUNK_BYTES = 64 * 1024
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_quote = json.encoder.encode_basestring

# JSON text has no control characters but these; what else a hostile payload holds would grow sixfold when quoted.
_BLANKED = bytes(byte if byte >= 0x20 or byte in b"\t\n\r" else 0x20 for byte in range(256))


class ProtocolError(Exception):
    """Raised when the host says something that is no frame, or not this one now. It ends the runner."""


class FrameDecoder:
    """Feed it bytes of the host's stream; it answers with the bodies of the frames that are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Bodies that `data` completes. Raises ProtocolError where a length is above the limit."""
        self._buffer += data
        bodies = []
        while (body := self._next_body()) is not None:
            bodies.append(body)
        return bodies

    def _next_body(self) -> bytes | None:
        if len(self._buffer) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._buffer)
        if length > MAX_FRAME_FROM_HOST:
            raise ProtocolError(f"a frame of {length} bytes")
        end = LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(memoryview(self._buffer)[LENGTH.size : end])
        del self._buffer[:end]
        return body


def parse(body: bytes) -> dict[str, object]:
    """The fields of a frame. Raises ProtocolError where it is no JSON object with a text `type`."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"no JSON: {type(error).__name__}") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        raise ProtocolError("no object with a type")
    return fields


def encode(fields: dict[str, object], *, payload: bytes | None = None) -> bytes:
    """One frame, with `payload` embedded as text where there is one."""
    body = _encode(fields).encode("utf-8", "replace")
    if payload is not None:
        body = b"".join((body[:-1], b',"payload":"', _opaque(payload), b'"}'))
    return LENGTH.pack(len(body)) + body


def _opaque(payload: bytes) -> bytes:
    # SECURITY: no byte of `payload` can end the text it is put in. By chunks, because the text of 8 MiB of
    # UTF-8 may take 32 MiB, and the supervisor shares the tenant's memory limit.
    blanked = payload.translate(_BLANKED)
    pieces, pending = [], b""
    for start in range(0, len(blanked), _CHUNK_BYTES):
        chunk = pending + blanked[start : start + _CHUNK_BYTES]
        text, used = utf_8_decode(chunk, "replace", start + _CHUNK_BYTES >= len(blanked))
        pending = chunk[used:]
        pieces.append(_quote(text)[1:-1].encode())
    return b"".join(pieces)
