"""Backends floor: makes a minimal Debian from its packages, for hosts where no image registry answers.

It runs the bootstrap programs of this host, and knows no engine.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

from orchestrator.domain.errors import ImageBuildFailed

__all__ = ("bootstrap",)

_SUITE = "trixie"
_CLEAN_UP_SECONDS = 20.0
_LAST_LINES = 15
_LONGEST_LINE = 1024 * 1024


async def bootstrap(tar_path: Path, mirror: str, progress: Callable[[str], None]) -> None:
    """Leave the tar of a minimal Debian at `tar_path`, in a folder of its own, with packages from `mirror`.

    An empty `mirror` is the programs' own choice. Raises ImageBuildFailed with the last lines.
    """
    for argv in _commands(tar_path, mirror):
        progress(" ".join(argv))
        await _run(argv, progress)


def _commands(tar_path: Path, mirror: str) -> tuple[tuple[str, ...], ...]:
    """The commands that leave a minimal Debian at `tar_path`, by what is installed here."""
    from_mirror = (mirror,) if mirror else ()
    if shutil.which("mmdebstrap"):
        return (("mmdebstrap", "--variant=minbase", _SUITE, str(tar_path), *from_mirror),)
    if shutil.which("debootstrap"):
        tree = str(tar_path.with_suffix(""))
        return (
            ("debootstrap", "--variant=minbase", _SUITE, tree, *from_mirror),
            ("tar", "--numeric-owner", "--create", f"--file={tar_path}", f"--directory={tree}", "."),
        )
    raise ImageBuildFailed(
        "no registry gave a Debian image, and neither mmdebstrap nor debootstrap is installed to make one;"
        " install either (Debian, Ubuntu: `apt-get install mmdebstrap`)",
        step="base image",
    )


async def _run(argv: tuple[str, ...], progress: Callable[[str], None]) -> None:
    """Run a command to its end, each line of its output as progress. Cancelled, it ends the command."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=_LONGEST_LINE,
        start_new_session=True,
    )
    last: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        async for raw in cast("asyncio.StreamReader", process.stdout):
            last.append(raw.decode(errors="replace").rstrip())
            progress(last[-1])
        code = await process.wait()
    finally:
        await _end(process)
    if code:
        raise ImageBuildFailed("\n".join((f"{argv[0]} ended with {code}:", *last)), step="base image")


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a command that was left running, with its children; as Ctrl-C would, so that it cleans up."""
    if process.returncode is not None:
        return
    for number, seconds in ((signal.SIGINT, _CLEAN_UP_SECONDS), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError, TimeoutError):
            os.killpg(process.pid, number)
            async with asyncio.timeout(seconds):
                await process.wait()
            return
