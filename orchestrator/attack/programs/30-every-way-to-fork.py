# expect: contained
# after: no-procs, daemon-ok; no way to a second process: fork, clone with and without flags, clone3
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


def forked(name, r, e):
    if r == 0:
        os._exit(0)
    t(name, r, e)


forked("fork", *sc(57 if X else None))
forked("clone", *sc(56 if X else 220, 17, 0, 0, 0, 0))
forked("clone-parent", *sc(56 if X else 220, 0x8000 | 17, 0, 0, 0, 0))
forked("clone-untraced", *sc(56 if X else 220, 0x800000 | 17, 0, 0, 0, 0))
for flags in (0, 0x100000000, 0x200000000):
    forked(f"clone3-{flags:x}", *sc(435, (ctypes.c_uint64 * 11)(flags, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
