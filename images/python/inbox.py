"""Where the child's one payload arrives: a length, then that many bytes. Sans-IO.

Owns the bound: it never holds more than the job may return. Must not know what a payload says.
"""

from __future__ import annotations

from struct import Struct


class PayloadInbox:
    """Collects one payload of at most `limit_bytes`; what follows it is ignored."""

    HEADER = Struct(">Q")

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what came."""
        room = self.HEADER.size + self._limit - len(self._buffer)
        self._buffer += data[:room]

    @property
    def declared_bytes(self) -> int | None:
        """How long the child says its payload is, once it has said so."""
        if len(self._buffer) < self.HEADER.size:
            return None
        return self.HEADER.unpack_from(self._buffer)[0]

    @property
    def is_too_large(self) -> bool:
        """Whether the payload is above the limit; it is then not read at all."""
        return self.declared_bytes is not None and self.declared_bytes > self._limit

    @property
    def is_complete(self) -> bool:
        """Whether all of it is here."""
        return self.declared_bytes is not None and len(self._buffer) >= self.HEADER.size + self.declared_bytes

    @property
    def is_settled(self) -> bool:
        """Whether nothing more need be read."""
        return self.is_complete or self.is_too_large

    @property
    def payload(self) -> bytes:
        """The payload, once it is complete."""
        return bytes(memoryview(self._buffer)[self.HEADER.size : self.HEADER.size + self.declared_bytes])
