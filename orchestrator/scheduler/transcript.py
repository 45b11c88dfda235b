"""Scheduler floor: what a job printed, kept as it comes: head and tail, never more than allowed."""

from __future__ import annotations

import base64
import binascii
from collections import deque

from orchestrator.domain.errors import ProtocolError
from orchestrator.domain.outcome import StreamText

__all__ = ("Transcript", "decode_files")


class Transcript:
    """The two output streams of one job, fed with `stream` frames, which are foreign data."""

    def __init__(self, *, most_bytes: int) -> None:
        self._streams = {name: _HeadAndTail(most_bytes) for name in ("stdout", "stderr")}

    def add(self, frame: dict[str, object]) -> None:
        """Take one `stream` frame. Raises ProtocolError where it is none."""
        stream = self._streams.get(str(frame.get("name")))
        text, size, skipped = frame.get("text"), frame.get("bytes"), frame.get("skipped", 0)
        if stream is None or not isinstance(text, str):
            raise ProtocolError("a stream frame without name or text", step="collect")
        if not isinstance(size, int) or not isinstance(skipped, int) or size < 0 or skipped < 0:
            raise ProtocolError("a stream frame without sizes", step="collect")
        stream.add(text, size, skipped)

    def text_of(self, name: str) -> StreamText:
        """What is kept of `stdout` or `stderr`."""
        return self._streams[name].kept()


class _HeadAndTail:
    """The first half of what may be kept as it came, and the last half of what came after.

    Both are without gaps: what came before bytes that the runner left out is no part of the tail.
    """

    def __init__(self, most: int) -> None:
        self._head: list[str] = []
        self._head_room = most // 2
        self._tail_most = most - self._head_room
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._left_out = 0
        self._total = 0

    def add(self, text: str, size: int, skipped: int) -> None:
        self._total += size + skipped
        self._left_out += skipped
        if skipped:
            self._head_room = 0
            while self._tail:
                self._drop(self._tail.popleft())
        if self._head_room:
            self._head.append(text[: self._head_room])
            text = text[self._head_room :]
            self._head_room -= len(self._head[-1])
        if text:
            self._add_to_tail(text)

    def _add_to_tail(self, text: str) -> None:
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail_size - len(self._tail[0]) >= self._tail_most:
            self._drop(self._tail.popleft())
        if (excess := self._tail_size - self._tail_most) > 0:
            first = self._tail.popleft()
            self._tail.appendleft(first[excess:])
            self._drop(first[:excess])

    def _drop(self, text: str) -> None:
        self._tail_size -= len(text)
        self._left_out += len(text.encode("utf-8", "replace"))

    def kept(self) -> StreamText:
        # A runner's JSON can escape lone surrogates, which nobody could print or send on.
        head, tail = (_writable("".join(part)) for part in (self._head, self._tail))
        mark = f"\n… {self._left_out} bytes left out …\n" if self._left_out else ""
        return StreamText(text=head + mark + tail, bytes_total=self._total, truncated=bool(self._left_out))


def _writable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def decode_files(value: object) -> dict[str, bytes]:
    """The `files` of a result frame. Raises ProtocolError where they are malformed."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ProtocolError("files is no object", step="collect")
    try:
        return {str(name): base64.b64decode(data, validate=True) for name, data in value.items()}
    except (binascii.Error, TypeError, ValueError):
        raise ProtocolError("a file is no base64", step="collect") from None
