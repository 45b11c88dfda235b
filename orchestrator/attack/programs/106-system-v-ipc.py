# expect: contained
# after: mem-back, neighbour-alive; no System V or POSIX message queues, semaphores or shared memory
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


t("shmget", *sc(29 if X else 194, 0, 4096, 0o1600))
t("semget", *sc(64 if X else 190, 0, 1, 0o1600))
t("msgget", *sc(68 if X else 186, 0, 0o1600))
t("mq_open", *sc(240 if X else 180, b"probe", 0o102, 0o600, None))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
