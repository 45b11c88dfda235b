"""The pipe of the payload in debug mode: the records of debug mode come first on it, the payload last. Sans-IO.

Owns how the two are told apart, and both bounds. Loaded only for jobs in debug mode. Must not know what either says.
"""

from __future__ import annotations

from struct import Struct

from inbox import PayloadInbox

MOST_DEBUG_BYTES = 4 * 1024 * 1024

_HEADER = Struct(">4sI")
_MARK = b"\xffDBG"  # no payload is so long that its length begins like this


class DebugInbox:
    """A `PayloadInbox` before which records may come: a mark, a length, that many bytes; then the payload as ever.

    Records pass through, nothing of them is kept but what was not taken yet.
    """

    def __init__(self, limit_bytes: int, *, takes_payload: bool) -> None:
        self._inbox = PayloadInbox(limit_bytes)
        self._takes_payload = takes_payload
        self._header = bytearray()
        self._left = 0  # bytes of the record that is coming in
        self._is_payload = False
        self._room = MOST_DEBUG_BYTES
        self._taken = bytearray()

    @staticmethod
    def of_debug(text: bytes) -> bytes:
        """What the child writes for some records."""
        return _HEADER.pack(_MARK, len(text)) + text

    def feed(self, data: bytes) -> None:
        """Take what came."""
        view = memoryview(data)
        while view and not self._is_payload:
            view = self._text_part(view) if self._left else self._header_part(view)
        if view and self._takes_payload:
            self._inbox.feed(bytes(view))

    def _header_part(self, view: memoryview) -> memoryview:
        part = view[: _HEADER.size - len(self._header)]
        self._header += part
        if len(self._header) == _HEADER.size:
            mark, self._left = _HEADER.unpack(self._header)
            if mark != _MARK:
                self._is_payload, self._left = True, 0
                if self._takes_payload:
                    self._inbox.feed(bytes(self._header))
            self._header.clear()
        return view[len(part) :]

    def _text_part(self, view: memoryview) -> memoryview:
        text = view[: self._left]
        self._left -= len(text)
        kept = text[: self._room]
        self._room -= len(kept)
        self._taken += kept
        return view[len(text) :]

    def take_debug(self) -> bytes:
        """The records that came since the last time."""
        taken = bytes(self._taken)
        self._taken.clear()
        return taken

    @property
    def declared_bytes(self) -> int | None:
        """How long the child says its payload is, once it has said so."""
        return self._inbox.declared_bytes

    @property
    def is_too_large(self) -> bool:
        """Whether the payload is above the limit; it is then not read at all."""
        return self._inbox.is_too_large

    @property
    def is_complete(self) -> bool:
        """Whether all of the payload is here."""
        return self._inbox.is_complete

    @property
    def is_settled(self) -> bool:
        """Whether nothing more need be read."""
        return self._inbox.is_settled

    @property
    def payload(self) -> bytes:
        """The payload, once it is complete."""
        return self._inbox.payload
