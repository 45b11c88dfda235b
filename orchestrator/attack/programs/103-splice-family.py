# expect: contained
# after: host-file-intact; vmsplice, splice and tee (Dirty Pipe class) are not reachable
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


a, b = os.pipe()
os.write(b, b"0123456789abcdef")
c, d = os.pipe()
t("tee", *sc(276 if X else 77, a, d, 4, 0))
t("splice", *sc(275 if X else 76, a, 0, d, 0, 4, 0))
buf = ctypes.create_string_buffer(16)
iov = (ctypes.c_uint64 * 2)(ctypes.addressof(buf), 16)
t("vmsplice", *sc(278 if X else 75, d, iov, 1, 0))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
