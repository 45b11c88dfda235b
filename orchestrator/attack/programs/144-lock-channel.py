# expect: contained
# after: neighbour-alive; no lock on an inode that other containers see too (their namespaces' files): a channel between tenants
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
X = os.uname().machine == "x86_64"


def sc(nr, *args):
    if nr is None:
        return -1, 38
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return r, ctypes.get_errno()


hits, seen = [], []


def t(name, r, e):
    (hits if r >= 0 else seen).append(name if r >= 0 else f"{name}:{e}")


import fcntl
import struct

for name in ("user", "time", "cgroup", "pid"):
    try:
        fd = os.open(f"/proc/self/ns/{name}", os.O_RDONLY)
    except OSError as e:
        seen.append(f"ns-{name}:{e.errno}")
        continue
    t(f"flock-{name}", *sc(73 if X else 32, fd, 6))
    for command, what in (
        (6, "setlk"),
        (5, "getlk"),
        (37, "ofd-setlk"),
        (36, "ofd-getlk"),
        (1024, "setlease"),
    ):
        try:
            fcntl.fcntl(fd, command, struct.pack("hhqqi4x", 0, 0, 0, 1, 0) if command != 1024 else 0)
            hits.append(f"{what}-{name}")
        except OSError as e:
            seen.append(f"{what}-{name}:{e.errno}")
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
