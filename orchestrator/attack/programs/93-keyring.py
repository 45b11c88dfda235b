# expect: contained
# after: slot-fresh; the kernel keyrings (shared by every process of the same host uid, across containers) are unreachable
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


t("add_key", *sc(248 if X else 217, b"user", b"sandbox-probe", b"secret", 6, -4))
t("request_key", *sc(249 if X else 218, b"user", b"sandbox-probe", None, -4))
t("keyctl", *sc(250 if X else 219, 0, -4, 1, 0, 0))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
