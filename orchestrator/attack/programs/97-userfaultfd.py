# expect: contained
# after: daemon-ok; no userfaultfd (widens kernel race windows), neither by syscall nor by device
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


t("userfaultfd", *sc(323 if X else 282, 1))
t("userfaultfd-kernel", *sc(323 if X else 282, 0))
try:
    os.open("/dev/userfaultfd", os.O_RDWR)
    hits.append("/dev/userfaultfd")
except OSError as e:
    seen.append(f"dev:{e.errno}")
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
