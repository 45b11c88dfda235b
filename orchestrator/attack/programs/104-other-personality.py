# expect: contained
# after: slot-fresh; execution domain, segments and I/O ports stay as they are
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


t("no-randomize", *sc(135 if X else 92, 0x0040000))
t("read-implies-exec", *sc(135 if X else 92, 0x0400000))
t("linux32", *sc(135 if X else 92, 8))
t("modify_ldt", *sc(154 if X else None, 1, (ctypes.c_uint32 * 4)(0, 0, 0xFFFFF, 0x51), 16))
t("iopl", *sc(172 if X else None, 3))
t("ioperm", *sc(173 if X else None, 0x80, 1, 1))
t("vm86", *sc(None))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
