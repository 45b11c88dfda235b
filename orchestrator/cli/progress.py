"""Command line: one line on stderr that tells what is going on, where somebody may be watching."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ("progress_line",)


@contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """A function that shows its text in place of the last one; silent where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    width = shutil.get_terminal_size().columns - 1

    def tell(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text[:width]}")
        sys.stderr.flush()

    try:
        yield tell
    finally:
        tell("")
