"""What the two processes do to themselves before any tenant code: hiding, and the child's own lockdown.

Owns every prctl and rlimit of the runner. Fails closed: a step that does not work raises LockdownError, and then
the runner never says `ready`. Must not know jobs, frames or how a process was made.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

import seccomp_filter

_SET_DEATH_SIGNAL, _SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVILEGES = 1, 4, 22, 38
_FILTER_MODE = 2
_FIRST_TO_DIE = "1000"

_libc = ctypes.CDLL(None, use_errno=True)


class LockdownError(Exception):
    """Raised when a step fails. Its text names the step; nothing may be run after it."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def hide_process() -> None:
    """Close /proc/<pid>/{fd,mem,environ,...} of this process to others of its uid. Raises LockdownError."""
    _prctl("hide the process", _SET_DUMPABLE, 0)


def lock_child(supervisor_pid: int) -> None:
    """Take from this process what tenant code must not have. Raises LockdownError, then nothing may run."""
    # Tenant code may look at its own /proc/self, and oom_score_adj is only ours to write while dumpable.
    _prctl("show the child to itself", _SET_DUMPABLE, 1)
    _offer_to_oom_killer()
    _die_with(supervisor_pid)
    _prctl("no new privileges", _SET_NO_NEW_PRIVILEGES, 1)
    _install_filter()
    _prove(supervisor_pid)


def limit_child(*, cpu_time_ms: int, disk_bytes: int) -> None:
    """The job's own limits as far as the kernel keeps them per process. The host judges; this is the backstop."""
    cpu_seconds = -(-cpu_time_ms // 1000) + 1
    _lower(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    _lower(resource.RLIMIT_FSIZE, disk_bytes, disk_bytes)
    _lower(resource.RLIMIT_CORE, 0, 0)


def is_stacked_on(supervisor_status: str, child_status: str) -> bool:
    """Whether the child, by the kernel's word, has a filter more than the supervisor."""
    if _figure(child_status, "Seccomp:") != _FILTER_MODE:
        return False
    below, above = (_figure(text, "Seccomp_filters:") for text in (supervisor_status, child_status))
    return below is None or above is None or above == below + 1  # kernels before 5.9 do not count


def _lower(which: int, soft: int, hard: int) -> None:
    ceiling = resource.getrlimit(which)[1]
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(which, (soft, hard))


def _prctl(step: str, option: int, *arguments: object) -> None:
    padded = [*arguments, 0, 0, 0, 0][:4]
    longs = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in padded]
    if _libc.prctl(option, *longs) != 0:
        raise LockdownError(f"{step}: {os.strerror(ctypes.get_errno())}")


def _offer_to_oom_killer() -> None:
    # The kernel should end the tenant's process, not the supervisor that has to report it. The tenant can take
    # this back for itself: a help, not a wall (SECURITY-NOTES M14).
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(_FIRST_TO_DIE)
    except OSError as error:
        raise LockdownError(f"oom_score_adj: {error.strerror}") from error


def _die_with(supervisor_pid: int) -> None:
    _prctl("death signal", _SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != supervisor_pid:  # it ended before the kernel was asked to watch it
        raise LockdownError("the supervisor is gone")


def _install_filter() -> None:
    machine = os.uname().machine
    try:
        packed = seccomp_filter.pack(seccomp_filter.assemble(machine, os.getpid()))
    except KeyError:
        raise LockdownError(f"filter: no system call numbers for {machine}") from None
    program = _Program(len(packed) // seccomp_filter.PACKED.size, packed)
    _prctl("filter", _SET_SECCOMP, _FILTER_MODE, ctypes.byref(program))


def _prove(supervisor_pid: int) -> None:
    # SECURITY: asked, not believed: the two acts that would end or outlive the supervisor must fail here.
    if _succeeds(os.kill, supervisor_pid, 0):
        raise LockdownError("proof: the child can still signal the supervisor")
    if _succeeds(_fork_and_leave):
        raise LockdownError("proof: the child can still fork")


def _fork_and_leave() -> None:
    if os.fork() == 0:
        os._exit(0)


def _succeeds(act: object, *arguments: object) -> bool:
    try:
        act(*arguments)  # type: ignore[operator]
    except PermissionError:
        return False
    return True


def _figure(status: str, name: str) -> int | None:
    values = [line.split()[1] for line in status.splitlines() if line.startswith(name)]
    return int(values[0]) if values else None
