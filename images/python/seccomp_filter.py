"""The child's own system-call filter, as a list of BPF instructions. Pure: nothing is installed here.

Owns which call is refused inside the child, with which errno, and why. It stands on top of the container's
profile, which is default-deny; this one is default-allow and closes what concerns *processes*, because it alone
is loaded after the fork. Must not know how a filter is loaded (`lockdown.py`).
"""

from __future__ import annotations

from errno import EAFNOSUPPORT, ENOSYS, ENOTTY, EPERM
from struct import Struct

from syscalls import MACHINES, NEWEST, NUMBERS

Instruction = tuple[int, int, int, int]
"""One sock_filter: code, jump if true, jump if false, constant."""

PACKED = Struct("=HBBI")

# struct seccomp_data: number, architecture, instruction pointer, six 64-bit arguments
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_AT_LEAST = 0x15, 0x35

_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_X32_BIT = 0x40000000

_CLONE_THREAD = 0x00010000
_CLONE_NEW_NAMESPACES = 0x7E020000

# What is refused whatever its arguments are. Each group: why, the errno, the calls.
REFUSED: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    (
        "A second process or program: bombs, daemons and shells end here; glibc falls back from clone3 to clone",
        ENOSYS,
        ("clone3", "execveat"),
    ),
    ("The same, where no library has a fallback", EPERM, ("fork", "vfork", "execve")),
    (
        "Another process of the same uid (the supervisor): its memory, descriptors, signals and priority",
        EPERM,
        (
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "process_madvise",
            "process_mrelease",
            "pidfd_open",
            "pidfd_getfd",
            "pidfd_send_signal",
            "kcmp",
            "setpriority",
            "ioprio_set",
            "migrate_pages",
            "move_pages",
            "perf_event_open",
        ),
    ),
    (
        "Other rules for itself: filters, namespaces, execution domain, i386 segments, I/O ports",
        EPERM,
        ("seccomp", "unshare", "setns", "personality", "modify_ldt", "iopl", "ioperm"),
    ),
    (
        "Mounts and roots",
        EPERM,
        (
            "mount",
            "umount2",
            "pivot_root",
            "chroot",
            "move_mount",
            "open_tree",
            "fsopen",
            "fsconfig",
            "fsmount",
            "fspick",
            "mount_setattr",
            "name_to_handle_at",
            "open_by_handle_at",
        ),
    ),
    (
        "What containers of one kernel share: keys, page cache residency, programs in the kernel, fault handling",
        EPERM,
        (
            "keyctl",
            "add_key",
            "request_key",
            "bpf",
            "userfaultfd",
            "mincore",
            "cachestat",
            "fanotify_init",
            "fanotify_mark",
            "lookup_dcookie",
        ),
    ),
    (
        "Kernel features with a record of holes; libraries fall back when they are missing",
        ENOSYS,
        (
            "io_uring_setup",
            "io_uring_enter",
            "io_uring_register",
            "memfd_create",
            "memfd_secret",
            "splice",
            "tee",
            "vmsplice",
        ),
    ),
    (
        "The machine: clock, name, modules, swap, quota, accounting, log",
        EPERM,
        (
            "acct",
            "adjtimex",
            "clock_adjtime",
            "clock_settime",
            "delete_module",
            "finit_module",
            "init_module",
            "kexec_file_load",
            "kexec_load",
            "quotactl",
            "quotactl_fd",
            "reboot",
            "setdomainname",
            "sethostname",
            "settimeofday",
            "swapoff",
            "swapon",
            "syslog",
            "vhangup",
        ),
    ),
    ("No network, of any family", EAFNOSUPPORT, ("socket",)),
)

# prctl: what reads, and names for threads and mappings. Not: dumpable, death signal, seccomp, ptracer, timing.
_HARMLESS_PRCTL = (2, 3, 7, 15, 16, 21, 23, 27, 30, 39, 0x53564D41)
# fcntl: duplicate, flags, record locks, pipe size (read).
# SECURITY: not F_SETOWN, F_SETSIG, F_SETOWN_EX: with O_ASYNC they send any signal to any process of this uid,
# past the rules for kill. Not F_SETPIPE_SZ: the supervisor drains a pipe in one read of its usual size.
_HARMLESS_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)
# ioctl: TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX.
# SECURITY: not FIOSETOWN and SIOCSPGRP, which do for a socket pair what F_SETOWN does.
_HARMLESS_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_AF_UNIX = 1


def assemble(machine: str, own_pid: int) -> list[Instruction]:
    """The filter for one process on one machine. Raises KeyError where the machine is unknown."""
    architecture, column = MACHINES[machine]
    rules = [*_refusals(), *_argument_rules(own_pid).items()]
    body = [step for name, verdict in rules for step in _when(NUMBERS[name][column], verdict)]
    return [*_same_world(architecture), *body, (_RETURN, 0, 0, _ALLOW)]


def pack(instructions: list[Instruction]) -> bytes:
    """The instructions as the kernel reads them."""
    return b"".join(PACKED.pack(*instruction) for instruction in instructions)


def _same_world(architecture: int) -> list[Instruction]:
    # SECURITY: numbers mean something else under another ABI (int 0x80, x32), so there is no judging them.
    # Calls newer than the table are answered as an older kernel would.
    return [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, 0, 1, _X32_BIT),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_IF_AT_LEAST, 0, 1, NEWEST + 1),
        _refuse(ENOSYS),
    ]


def _refusals() -> list[tuple[str, list[Instruction]]]:
    return [(name, [_refuse(errno)]) for _, errno, names in REFUSED for name in names]


def _argument_rules(own_pid: int) -> dict[str, list[Instruction]]:
    myself = (0, own_pid)
    return {
        # threads only, and none in a namespace of its own
        "clone": _masked(0, _CLONE_NEW_NAMESPACES | _CLONE_THREAD, _CLONE_THREAD, EPERM),
        # SECURITY: 0 and negative pids mean groups, which hold the supervisor
        "kill": _only(0, (own_pid,), EPERM),
        "tkill": _only(0, (own_pid,), EPERM),
        "tgkill": _only(0, (own_pid,), EPERM),
        "rt_sigqueueinfo": _only(0, (own_pid,), EPERM),
        "rt_tgsigqueueinfo": _only(0, (own_pid,), EPERM),
        "prlimit64": _only(0, myself, EPERM),
        "sched_setaffinity": _only(0, myself, EPERM),
        "sched_setattr": _only(0, myself, EPERM),
        "sched_setparam": _only(0, myself, EPERM),
        "sched_setscheduler": _only(0, myself, EPERM),
        "prctl": _only(0, _HARMLESS_PRCTL, EPERM),
        "fcntl": _only(1, _HARMLESS_FCNTL, EPERM),
        "ioctl": _only(1, _HARMLESS_IOCTL, ENOTTY),
        # asyncio wakes itself through a pair
        "socketpair": _only(0, (_AF_UNIX,), EAFNOSUPPORT),
    }


def _when(number: int | None, verdict: list[Instruction]) -> list[Instruction]:
    return [] if number is None else [(_IF_EQUAL, 0, len(verdict), number), *verdict]


def _only(argument: int, allowed: tuple[int, ...], errno: int) -> list[Instruction]:
    matches = [step for value in allowed for step in _allow_if(value)]
    return [_load_argument(argument), *matches, _refuse(errno)]


def _masked(argument: int, mask: int, wanted: int, errno: int) -> list[Instruction]:
    return [_load_argument(argument), (_AND, 0, 0, mask), *_allow_if(wanted), _refuse(errno)]


def _allow_if(value: int) -> list[Instruction]:
    return [(_IF_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]


def _load_argument(index: int) -> Instruction:
    # The low half: the kernel itself looks at 32 bits of every argument judged here (both machines are little
    # endian).
    return _LOAD, 0, 0, _ARGUMENTS_AT + 8 * index


def _refuse(errno: int) -> Instruction:
    return _RETURN, 0, 0, _ERRNO | errno
