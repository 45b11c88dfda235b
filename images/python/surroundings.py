"""What a job could have left behind in its container, as seen from inside between two jobs of one tenant.

Owns the looking; what is too much is the host's to judge. Runs in the supervisor, after the child was buried. Whatever
cannot be looked at counts as left behind. Must not know frames or jobs.
"""

from __future__ import annotations

import os
import stat

_FOLDERS = ("/work", "/tmp")
_MOST_NAMES = 16
_MOST_ENTRIES = 4096
_OURS = ("1", "self", "thread-self")
_SYSTEM_V = ("shm", "sem", "msg")
_SHARED_FOLDERS = ("/dev/shm", "/dev/mqueue")


class Surroundings:
    """The container as it was before its first job."""

    def __init__(self) -> None:
        self._modes = {folder: _mode(folder) for folder in _FOLDERS}

    def inspect(self, expected_descriptors: int) -> dict[str, object]:
        """The field `inspection` of a `kept` frame, see docs/protocol.md."""
        files = self._files()
        return {
            "processes": _count(_other_processes),
            "threads": _count(os.listdir, "/proc/self/task") - 1,
            "files": files[:_MOST_NAMES],
            "files_count": len(files),
            "descriptors": max(0, _count(_open_descriptors) - expected_descriptors),
            "shared_memory": sum(_count(_segments, kind) for kind in _SYSTEM_V)
            + sum(_count(_entries, folder) for folder in _SHARED_FOLDERS if os.path.isdir(folder)),
        }

    def _files(self) -> list[str]:
        """Every entry of the two folders, and the folders themselves where they are no longer as they were."""
        found = []
        for folder, mode in self._modes.items():
            try:
                found += [f"{folder}/{name}" for name in _entries(folder)]
                if _mode(folder) != mode:
                    found.append(folder)
            except OSError:
                found.append(folder)
        return [_plain(name) for name in found]


def _mode(folder: str) -> int:
    return stat.S_IMODE(os.stat(folder).st_mode)


def _entries(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry, _ in zip(entries, range(_MOST_ENTRIES), strict=False)]


def _plain(name: str) -> str:
    # A name is the tenant's: bounded, and nothing in it that a frame or a log could mistake.
    return ascii(name)[1:-1][:80]


def _other_processes() -> list[str]:
    mine = {*_OURS, str(os.getpid())}
    return [name for name in os.listdir("/proc") if name.isdigit() and name not in mine]


def _open_descriptors() -> list[str]:
    listed = os.listdir("/proc/self/fd")
    return listed[1:]  # but for the one that lists


def _segments(kind: str) -> list[str]:
    try:
        with open(f"/proc/sysvipc/{kind}", encoding="ascii", errors="replace") as file:
            return file.read().splitlines()[1:]
    except FileNotFoundError:  # a kernel without them
        return []


def _count(look: object, *arguments: str) -> int:
    try:
        return len(look(*arguments))  # type: ignore[operator]
    except OSError:
        return 1
