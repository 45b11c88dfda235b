"""`sandbox-orch serve` as a process of its own on the real engine, for tests that are not asynchronous."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ("Served", "environment", "served")

ROOT = Path(__file__).parent.parent
SECONDS = 120


@dataclass(frozen=True)
class Served:
    """A serving process, and how to reach it."""

    url: str
    data: Path

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    @property
    def key(self) -> str:
        return (self.data / "admin.key").read_text(encoding="ascii").strip()


def environment(**more: str) -> dict[str, str]:
    """This process' environment without settings of this host, with the tested command on its PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_ORCH_")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}


@contextmanager
def served(data: Path, **settings: str) -> Iterator[Served]:
    """A server over `data` on a free port, ended with SIGTERM."""
    process = subprocess.Popen(
        ["sandbox-orch", "serve", "--port", "0", "--data", str(data)],
        stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment(**settings),
    )  # fmt: skip
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    lines: list[str] = []
    try:
        while not (found := re.search(r"listening on (http://\S+)", lines[-1] if lines else "")):
            line = process.stderr.readline()
            assert line, "serve ended: " + "".join(lines)
            lines.append(line)
        watchdog.cancel()
        # Somebody has to read its log, or it stands still.
        reader = threading.Thread(target=process.stderr.read)
        reader.start()
        yield Served(found[1], data)
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.wait(90)
        finally:
            process.kill()
            process.wait()
        if "reader" in locals():
            reader.join(10)
        process.stderr.close()
