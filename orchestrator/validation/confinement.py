"""Validation floor: what a checking process takes from itself before it reads its first hostile byte.

Parsers written in C read what tenants write, on the host and outside of every container. Whoever breaks one of them
finds a process without privileges, files, network or children. On a machine whose call numbers are not in the table,
the filter is left out and the rest stays.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct

from orchestrator.domain.limits import MIB

__all__ = ("MEMORY_BYTES", "confine")

MEMORY_BYTES = 512 * MIB
"""Address space of one checking process."""
NOBODY = 65_534
_SET_SECCOMP, _SET_NO_NEW_PRIVILEGES, _FILTER_MODE = 22, 38, 2
_LOAD, _IF_EQUAL, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _REFUSE, _KILL_PROCESS = 0x7FFF0000, 0x00050001, 0x80000000
_NUMBER_AT, _MACHINE_AT, _PROTECTION_AT = 0, 4, 32
_PROT_EXEC = 4
_INSTRUCTION = struct.Struct("=HBBI")

# read write close fstat pread64 brk munmap mremap madvise futex rt_sigaction rt_sigprocmask rt_sigreturn setitimer
# getitimer getrusage clock_gettime getpid gettid tgkill sched_yield exit exit_group getrandom
_X86_64_CALLS = (
    0,
    1,
    3,
    5,
    17,
    12,
    11,
    25,
    28,
    202,
    13,
    14,
    15,
    38,
    36,
    98,
    228,
    39,
    186,
    234,
    24,
    60,
    231,
    318,
)
_AARCH64_CALLS = (
    63, 64, 57, 80, 67, 214, 215, 216, 233, 98, 134, 135, 139, 103, 102, 165, 113, 172, 178, 131, 124, 93, 94, 278,
)  # fmt: skip
_CALLS = {"x86_64": (0xC000003E, _X86_64_CALLS), "aarch64": (0xC00000B7, _AARCH64_CALLS)}
_MAPPING = {"x86_64": (9, 10), "aarch64": (222, 226)}
"""mmap and mprotect: memory, but none that can be executed."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def confine() -> None:
    """Give up what checking does not need. Raises OSError where a step fails; then nothing may be read."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, 8)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    libc = ctypes.CDLL(None, use_errno=True)
    _prctl(libc, _SET_NO_NEW_PRIVILEGES, 1)
    if (machine := platform.machine()) in _CALLS:
        filter_ = _filter(machine)
        program = _Program(len(filter_) // _INSTRUCTION.size, filter_)
        _prctl(libc, _SET_SECCOMP, _FILTER_MODE, ctypes.byref(program))


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))


def _prctl(libc: ctypes.CDLL, option: int, *arguments: object) -> None:
    given = [*arguments, *(ctypes.c_ulong(0) for _ in range(4 - len(arguments)))]
    values = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in given]
    if libc.prctl(option, *values) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _filter(machine: str) -> bytes:
    """Allow what computing needs; refuse the rest with EPERM, and end a process that calls by another ABI."""
    number, calls = _CALLS[machine]
    steps = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_IF_EQUAL, 1, 0, number),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    for call in calls:
        steps += [(_IF_EQUAL, 0, 1, call), (_RETURN, 0, 0, _ALLOW)]
    for call in _MAPPING[machine]:
        steps += [
            (_IF_EQUAL, 0, 4, call),
            (_LOAD, 0, 0, _PROTECTION_AT),
            (_IF_ANY_BIT, 0, 1, _PROT_EXEC),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ]
    steps.append((_RETURN, 0, 0, _REFUSE))
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)
