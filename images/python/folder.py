"""Files of a program: the given ones go into the work folder, what it leaves there comes back.

Owns both ways. `place` runs in the child, `collect` in the supervisor after the child has ended. Links are never
followed and reading is bounded. Must not know jobs or frames.
"""

from __future__ import annotations

import os
import stat
from binascii import a2b_base64, b2a_base64

MOST_FILES = 64
_WRITABLE = ("/work", "/tmp")
_MOST_ENTRIES = 4096
_NO_SURPRISES = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def place(files: dict[str, str]) -> None:
    """Write the given files. Raises OSError where the work folder has no room for them."""
    for name, content in files.items():
        if os.path.basename(name) != name or name in ("", ".", ".."):
            raise OSError(f"{name!r} is no plain name")
        with open(name, "wb") as file:
            file.write(a2b_base64(content))


def bytes_used() -> int:
    """How much the fuller one of the job's two file systems holds, by the file system's own count."""
    return max(_used(os.statvfs(path)) for path in _WRITABLE)


def _used(figures: os.statvfs_result) -> int:
    return (figures.f_blocks - figures.f_bfree) * figures.f_frsize


def collect(given: dict[str, str], limit_bytes: int) -> dict[str, str]:
    """Regular files that are new or changed, by name, as base64: at most 64, at most `limit_bytes` together.

    A file that has no room any more is left out; the next smaller one may still fit.
    """
    found: dict[str, str] = {}
    room = limit_bytes
    for name in _names():
        content = _read_regular(name, room)
        if content is None:
            continue
        encoded = b2a_base64(content, newline=False).decode("ascii")
        if given.get(name) == encoded:
            continue
        found[name] = encoded
        room -= len(content)
        if len(found) == MOST_FILES:
            break
    return found


def _names() -> list[str]:
    try:
        with os.scandir(".") as entries:
            names = [entry.name for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False)]
    except OSError:
        return []
    return sorted(name for name in names if name.isprintable() and _is_text(name))


def _is_text(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _read_regular(name: str, room: int) -> bytes | None:
    # SECURITY: judged by the open descriptor; a link, pipe, device or sparse giant is never read.
    try:
        descriptor = os.open(name, _NO_SURPRISES)
    except OSError:
        return None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > room:
            return None
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(room + 1)
        return content if len(content) <= room else None
    except OSError:
        return None
    finally:
        os.close(descriptor)
