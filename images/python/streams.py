"""The tenant's stdout and stderr on their way to the host: the head passes, of a flood the tail is kept. Sans-IO.

Owns the rule of `docs/protocol.md`, "Streams and floods", and the decoding. Its memory is bounded whatever comes.
Must not know descriptors, clocks or frames' lengths.
"""

from __future__ import annotations

from _codecs import utf_8_decode

TAIL_BYTES = 64 * 1024
_LONGEST_CHARACTER = 4

Piece = dict[str, object]
"""The fields `name`, `text`, `bytes`, `skipped` of one stream frame."""


class OutputStream:
    """One stream of one job.

    INVARIANT: the `bytes` and `skipped` of all pieces, in order, add up to what was fed, but for what is held.
    """

    def __init__(self, name: str, head_bytes: int) -> None:
        self.name = name
        self._room = head_bytes  # what may still pass at once
        self._held = b""  # the undecoded rest of the head, or the tail
        self._skipped = 0

    @property
    def has_tail(self) -> bool:
        """Whether something waits for its time to be forwarded."""
        return self._room == 0 and bool(self._held)

    def feed(self, data: bytes) -> Piece | None:
        """Take what came; answers with what may pass at once."""
        head, rest = data[: self._room], data[self._room :]
        self._room -= len(head)
        self._held += head
        piece = self._release(final=False) if head else None
        self._keep_tail(rest)
        return piece

    def release_tail(self, *, final: bool = False) -> Piece | None:
        """What is held, when its time has come; with `final`, an incomplete character as well."""
        return self._release(final=final)

    def _keep_tail(self, data: bytes) -> None:
        if not data:
            return
        self._held += data
        surplus = len(self._held) - TAIL_BYTES
        if surplus > 0:
            self._drop(surplus + self._broken_bytes_at(surplus))

    def _broken_bytes_at(self, start: int) -> int:
        # a cut inside a character leaves up to three bytes that stand for nothing
        after = self._held[start : start + _LONGEST_CHARACTER - 1]
        return len(after) - len(after.lstrip(bytes(range(0x80, 0xC0))))

    def _drop(self, count: int) -> None:
        self._held = self._held[count:]
        self._skipped += count

    def _release(self, *, final: bool) -> Piece | None:
        text, used = utf_8_decode(self._held, "replace", final)
        if used == 0 and not (final and self._skipped):
            return None
        piece: Piece = {"name": self.name, "text": text, "bytes": used, "skipped": self._skipped}
        self._held, self._skipped = self._held[used:], 0
        return piece
