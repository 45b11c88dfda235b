# expect: contained
# after: no-procs, slot-fresh; no file that exists in memory only, and none to run: neither exec nor library
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


r, e = sc(319 if X else 279, b"probe", 0)
t("memfd_create", r, e)
if r >= 0:
    os.write(r, b"\x7fELF" + bytes(60))
    t("execveat", *sc(322 if X else 281, r, b"", (ctypes.c_char_p * 2)(b"x", None), None, 0x1000))
t("memfd_secret", *sc(447, 0))
fd = os.open("/proc/self/exe", os.O_RDONLY)
argv = (ctypes.c_char_p * 4)(b"python", b"-c", b"pass", None)
t("execveat-self", *sc(322 if X else 281, fd, b"", argv, None, 0x1000))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
