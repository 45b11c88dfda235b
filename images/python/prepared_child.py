"""The supervisor's side of the child: the fork, our ends of its five pipes, its end.

Owns descriptors and pids. Must not know jobs or frames, and nothing of the tenant's side but how to enter it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

LOCKED = b"+"
FAILED = b"-"
_FAILURE_BYTES = 1000
_HIGHEST_DESCRIPTOR = 65_536

# The child's descriptors. SECURITY: these five pipes are all it has; the host's stream is not among them.
STDIN, STDOUT, STDERR, JOB, PAYLOAD = range(5)


class ChildFailed(Exception):
    """Raised when the child could not prepare itself. The runner must not say ready."""


class PreparedChild:
    """A forked child that waits for its job. All our ends are non-blocking."""

    __slots__ = ("job", "payload", "pid", "stderr", "stdin", "stdout")

    def __init__(self, pid: int, ours: dict[int, int]) -> None:
        self.pid: int | None = pid
        self.stdin, self.stdout, self.stderr = ours[STDIN], ours[STDOUT], ours[STDERR]
        self.job, self.payload = ours[JOB], ours[PAYLOAD]

    def await_lock(self) -> None:
        """Return when the child has locked itself down. Raises ChildFailed with its own words."""
        os.set_blocking(self.payload, True)
        verdict = os.read(self.payload, 1)
        if verdict != LOCKED:
            reason = os.read(self.payload, _FAILURE_BYTES).decode("utf-8", "replace")
            raise ChildFailed(reason or "the child ended while it was prepared")
        os.set_blocking(self.payload, False)

    def status(self) -> str:
        """The kernel's word on the child."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self) -> None:
        """End the child if it is not known to have ended."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)

    def bury(self) -> None:
        """End the child and wait until it has gone: the supervisor leaves no zombie to PID 1."""
        self.kill()
        if self.pid is not None:
            os.waitpid(self.pid, 0)
            self.pid = None

    def reap(self) -> int | None:
        """The child's wait status once it has ended, else None. Ends the use of its pid."""
        if self.pid is None:
            return None
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        self.pid = None
        return status


def fork_child(live: Callable[[int], None]) -> PreparedChild:
    """Fork now; the child calls `live` with the supervisor's pid and never comes back."""
    os.closerange(STDERR + 1, _HIGHEST_DESCRIPTOR)
    supervisor_pid = os.getpid()
    # INVARIANT: nothing above 2 is open, so the first pipe is 3 (read) and 4 (write): the child's job descriptor is
    # in its place at once, and 4 is free for the child once our end of that pipe is replaced.
    pipes = {number: os.pipe() for number in (JOB, PAYLOAD, STDIN, STDOUT, STDERR)}
    theirs = {number: ends[0 if number in (JOB, STDIN) else 1] for number, ends in pipes.items()}
    pid = os.fork()
    if pid == 0:
        _enter(live, supervisor_pid, theirs)
    return PreparedChild(pid, _keep_ours(pipes, theirs))


def _keep_ours(pipes: dict[int, tuple[int, int]], theirs: dict[int, int]) -> dict[int, int]:
    ours = {number: ends[0] + ends[1] - theirs[number] for number, ends in pipes.items()}
    for number, descriptor in ours.items():
        os.close(theirs[number])
        os.set_blocking(descriptor, False)
    return ours


def _enter(live: Callable[[int], None], supervisor_pid: int, theirs: dict[int, int]) -> None:
    try:
        _take_places(theirs)
        live(supervisor_pid)
    except BaseException as error:  # whatever it is, this process must not return into the supervisor's code
        reason = f"{type(error).__name__}: {error}"
        os.write(PAYLOAD, FAILED + reason.encode("utf-8", "replace")[:_FAILURE_BYTES])
    finally:
        os._exit(71)


def _take_places(theirs: dict[int, int]) -> None:
    if theirs[JOB] != JOB:
        raise ChildFailed(f"the job pipe is descriptor {theirs[JOB]}")
    for place in (PAYLOAD, STDIN, STDOUT, STDERR):
        os.dup2(theirs[place], place)
    os.closerange(PAYLOAD + 1, _HIGHEST_DESCRIPTOR)
