"""Guard floor: positions in a source, and how hidden characters are named."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right

__all__ = ("Places", "character_name", "excerpt")

MOST_SHOWN = 60


class Places:
    """Lines and columns of byte offsets in UTF-8 `data`; both count from 1, columns in characters."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts: list[int] | None = None

    def at(self, offset: int) -> tuple[int, int]:
        """The line and column of one offset."""
        starts = self._line_starts()
        row = bisect_right(starts, offset) - 1
        return row + 1, len(self._data[starts[row] : offset].decode("utf-8", "replace")) + 1

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0]
            at = self._data.find(b"\n")
            while at >= 0:
                self._starts.append(at + 1)
                at = self._data.find(b"\n", at + 1)
        return self._starts


def character_name(character: str) -> str:
    """`U+202E (RIGHT-TO-LEFT OVERRIDE)`."""
    name = unicodedata.name(character, "")
    return f"U+{ord(character):04X}{f' ({name})' if name else ''}"


def excerpt(data: bytes) -> str:
    """What is shown of a piece of source inside a message: its first line, cut."""
    line = data[: MOST_SHOWN * 4].decode("utf-8", "replace").lstrip().partition("\n")[0].rstrip()
    return line if len(line) <= MOST_SHOWN else line[: MOST_SHOWN - 1] + "…"
