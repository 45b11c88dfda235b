"""Scheduler floor: what a job printed, kept as it comes: head and tail, never more than allowed."""

from __future__ import annotations

import base64
import binascii
from collections import deque

from orchestrator.domain.debug import MAX_DEBUG_BYTES
from orchestrator.domain.errors import ProtocolError
from orchestrator.domain.outcome import StreamText

__all__ = ("DebugText", "Transcript", "decode_files")


class Transcript:
    """The two output streams of one job, fed with `stream` frames, which are foreign data.

    `debug` takes its `debug` frames, where it asked for debug mode.
    """

    def __init__(self, *, most_bytes: int, debug: bool = False) -> None:
        self._streams = {name: _HeadAndTail(most_bytes) for name in ("stdout", "stderr")}
        self.debug = DebugText() if debug else None

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


class DebugText:
    """What a job's `debug` frames say, up to a bound. Foreign data: nothing in them is an error."""

    def __init__(self, *, most: int = MAX_DEBUG_BYTES) -> None:
        self._pieces: list[str] = []
        self._room = most
        self.cut_off = False
        """Whether there was more, or something else than text."""

    def add(self, frame: dict[str, object]) -> None:
        """Take one `debug` frame."""
        payload = frame.get("payload")
        if not isinstance(payload, str) or len(payload) > self._room:
            self.cut_off, self._room = True, 0
            return
        self._room -= len(payload)
        self._pieces.append(payload)

    def text(self) -> str:
        """All that was kept."""
        return "".join(self._pieces)


class _HeadAndTail:
    """The first half of what may be kept as it came, and the last of what came after, together `most` bytes.

    Neither is cut inside a character. Both are without gaps: what came before bytes that the runner left out is
    no part of the tail. What the head leaves of its half is the tail's.
    """

    def __init__(self, most: int) -> None:
        self._head: list[bytes] = []
        self._head_room = most // 2
        self._tail_most = most
        self._tail: deque[bytes] = deque()
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
        # A runner's JSON can escape lone surrogates, which nobody could print or send on.
        data = text.encode("utf-8", "replace")
        if self._head_room:
            data = self._add_to_head(data)
        if data:
            self._add_to_tail(data)

    def _add_to_head(self, data: bytes) -> bytes:
        """Keep what there is room for; answers the rest, and with one the head is closed."""
        cut = _start_of_character(data, self._head_room)
        self._head.append(data[:cut])
        self._tail_most -= cut
        self._head_room = self._head_room - cut if cut == len(data) else 0
        return data[cut:]

    def _add_to_tail(self, data: bytes) -> None:
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) >= self._tail_most:
            self._drop(self._tail.popleft())
        if (excess := self._tail_size - self._tail_most) > 0:
            first = self._tail.popleft()
            cut = _end_of_character(first, excess)
            self._tail.appendleft(first[cut:])
            self._drop(first[:cut])

    def _drop(self, data: bytes) -> None:
        self._tail_size -= len(data)
        self._left_out += len(data)

    def kept(self) -> StreamText:
        head, tail = (b"".join(part).decode() for part in (self._head, self._tail))
        mark = f"\n… {self._left_out} bytes left out …\n" if self._left_out else ""
        return StreamText(text=head + mark + tail, bytes_total=self._total, truncated=bool(self._left_out))


def _start_of_character(data: bytes, most: int) -> int:
    """The last place up to `most` where UTF-8 `data` can be cut."""
    if most >= len(data):
        return len(data)
    while _is_continuation(data[most]):
        most -= 1
    return most


def _end_of_character(data: bytes, least: int) -> int:
    """The first place from `least` on where UTF-8 `data` can be cut."""
    while least < len(data) and _is_continuation(data[least]):
        least += 1
    return least


def _is_continuation(byte: int) -> bool:
    return byte & 0xC0 == 0x80  # noqa: PLR2004 - 10xxxxxx, as UTF-8 has it


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
