"""Pool floor: a name that only one living process can hold, so that whoever held it before is known to be dead.

A process in a container cannot see whether one of another container lives: each has its own numbers of processes.
Both see the folder in which the service keeps its data.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ("hold_claim",)

CLAIM_FILE = "claim"
_LONGEST = 64


@contextmanager
def hold_claim(folder: Path) -> Iterator[str]:
    """The claim on `folder`, held until the block is left or the process dies; empty where another has it."""
    descriptor = os.open(folder / CLAIM_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _claim(descriptor) if _is_locked(descriptor) else ""
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        # Critical section: as long as the file is open.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _claim(descriptor: int) -> str:
    name = os.read(descriptor, _LONGEST).decode("ascii", "replace")
    if not name.isalnum():
        name = uuid.uuid4().hex
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, name.encode("ascii"), 0)
    # INVARIANT: a copy of the folder is another claim: whoever holds that of the first one may live.
    return f"{name}-{os.fstat(descriptor).st_ino}"
