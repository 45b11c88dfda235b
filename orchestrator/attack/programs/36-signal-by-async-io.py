# expect: contained
# after: slot-fresh; owner of asynchronous input (F_SETOWN, FIOSETOWN, SIOCSPGRP) would send any signal past the rules for kill
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
import socket
import struct

boss = os.getppid()
r, w = os.pipe()
a, b = socket.socketpair()
for fd, kind in ((r, "pipe"), (a.fileno(), "pair")):
    for name, act in (
        ("F_SETOWN", lambda fd: fcntl.fcntl(fd, fcntl.F_SETOWN, boss)),
        ("F_SETOWN-group", lambda fd: fcntl.fcntl(fd, fcntl.F_SETOWN, -boss)),
        ("F_SETSIG", lambda fd: fcntl.fcntl(fd, 10, 9)),
        ("F_SETOWN_EX", lambda fd: fcntl.fcntl(fd, 15, struct.pack("ii", 1, boss))),
        ("FIOSETOWN", lambda fd: fcntl.ioctl(fd, 0x8901, struct.pack("i", boss))),
        ("SIOCSPGRP", lambda fd: fcntl.ioctl(fd, 0x8902, struct.pack("i", boss))),
        ("F_NOTIFY", lambda fd: fcntl.fcntl(os.open("/work", os.O_RDONLY), 1026, 4)),
        ("F_SETLEASE", lambda fd: fcntl.fcntl(os.open("/work/x", os.O_RDWR | os.O_CREAT), 1024, 1)),
    ):
        try:
            act(fd)
            hits.append(f"{kind}-{name}")
        except OSError as e:
            seen.append(f"{kind}-{name}:{e.errno}")
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
