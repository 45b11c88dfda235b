"""Backends floor: one process of this host, held by a descriptor that can never come to mean another."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = ("HostProcess",)

FLAGS_FIELD = 6
"""Place of the task's flags behind the name in /proc/<pid>/stat; see proc_pid_stat(5)."""
PF_EXITING = 0x4
"""The task is getting shut down (include/linux/sched.h)."""


class HostProcess:
    """A process that we may signal, by its pidfd (pidfd_open(2), Linux 5.3)."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self._pid = pid
        self._pidfd = pidfd
        self._watch = -1

    @classmethod
    def open(cls, pid: int) -> HostProcess | None:
        """The process `pid`, None where it is gone or is not ours to signal."""
        with suppress(OSError):
            process = cls(pid, os.pidfd_open(pid))
            if process.signal(0):
                return process
            process.close()
        return None

    def signal(self, number: int) -> bool:
        """Send a signal; False where that is not allowed. A process that has ended is no error."""
        if self._pidfd < 0:
            return True
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return True

    async def kill(self, *, within_seconds: float) -> bool:
        """SIGKILL, and wait for the end; False where that was not allowed or not seen in time.

        For PID 1 of a PID namespace the end comes after that of all others in it (pid_namespaces(7)).
        """
        return self.signal(signal.SIGKILL) and await self.has_ended(within_seconds=within_seconds)

    @property
    def is_ending(self) -> bool:
        """Whether the process has ended or has begun to, which PID 1 does before all others of its namespace."""
        try:
            figures = Path(f"/proc/{self._pid}/stat").read_text(encoding="utf-8", errors="replace")
            flags = int(figures.rpartition(")")[2].split()[FLAGS_FIELD])
        except (OSError, IndexError, ValueError):
            return True
        # A number that was given to another process is caught by the descriptor, which stays with the old one.
        return bool(flags & PF_EXITING) or not self._is_there()

    def _is_there(self) -> bool:
        try:
            signal.pidfd_send_signal(self._pidfd, 0)
        except OSError:
            return False
        return True

    async def has_ended(self, *, within_seconds: float) -> bool:
        """Whether the process ends within so long."""
        if self._pidfd < 0:
            return True
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._pidfd, ended.set)
        try:
            async with asyncio.timeout(within_seconds):
                await ended.wait()
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._pidfd)
        return True

    def on_end(self, act: Callable[[], None]) -> None:
        """Call `act` once, from the running loop, when the process ends; not at all after `close`."""
        loop = asyncio.get_running_loop()
        # A descriptor of its own: the loop keeps one reader per descriptor, and `has_ended` needs that one.
        self._watch = os.dup(self._pidfd)

        def tell() -> None:
            self._unwatch()
            act()

        loop.add_reader(self._watch, tell)

    def _unwatch(self) -> None:
        if self._watch >= 0:
            asyncio.get_running_loop().remove_reader(self._watch)
            os.close(self._watch)
            self._watch = -1

    def close(self) -> None:
        """Let go of the descriptors. Safe to call again."""
        self._unwatch()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
