# expect: contained
# after: slot-fresh; a job cannot put filters of its own in place, be traced, hide, or take its death signal off
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


allow = (ctypes.c_uint64 * 1)(0x7FFF000000000006)
prog = (ctypes.c_uint64 * 2)(1, ctypes.addressof(allow))
t("seccomp-listener", *sc(317 if X else 277, 1, 8, prog))
t("seccomp-filter", *sc(317 if X else 277, 1, 0, prog))
for name, option, a, b in (
    ("SET_SECCOMP", 22, 2, prog),
    ("SET_DUMPABLE", 4, 0, 0),
    ("SET_PTRACER", 0x59616D61, -1, 0),
    ("SET_PDEATHSIG", 1, 0, 0),
    ("SET_CHILD_SUBREAPER", 36, 1, 0),
    ("SET_MM", 35, 8, 0),
    ("SET_TSC", 26, 2, 0),
    ("SET_TIMERSLACK", 29, 1, 0),
    ("CAP_AMBIENT", 47, 2, 0),
    ("SET_KEEPCAPS", 8, 1, 0),
    ("SET_SYSCALL_USER_DISPATCH", 59, 1, 0),
    ("SCHED_CORE", 62, 1, 0),
):
    t(name, *sc(157 if X else 167, option, a, b, 0, 0))
hits = [h for h in hits if h != "SET_TIMERSLACK"]
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
