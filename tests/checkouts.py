"""A copy of this checkout for tests that build it, and ports for servers that cannot choose their own."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

__all__ = ("checkout", "free_port")

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def checkout(folder: Path) -> Path:
    """What git would give somebody else, with what is changed here."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder
