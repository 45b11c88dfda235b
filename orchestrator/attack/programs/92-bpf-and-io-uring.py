# expect: contained
# after: daemon-ok; no programs in the kernel, and no ring that makes system calls past the filter
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


attr = (ctypes.c_uint32 * 32)(2, 4, 4, 1)
t("bpf-map", *sc(321 if X else 280, 0, attr, 128))
t("bpf-prog", *sc(321 if X else 280, 5, attr, 128))
params = (ctypes.c_uint32 * 30)()
t("io_uring_setup", *sc(425, 2, params))
r, e = sc(426, 0, 0, 0, 0, None, 0)
seen.append(f"io_uring_enter:{e}")
if e not in (1, 38):
    hits.append(f"io_uring_enter reached the kernel:{e}")
r, e = sc(427, 0, 0, None, 0)
seen.append(f"io_uring_register:{e}")
if e not in (1, 38):
    hits.append(f"io_uring_register reached the kernel:{e}")
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
