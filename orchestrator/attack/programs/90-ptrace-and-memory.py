# expect: contained
# after: slot-fresh; memory, registers and descriptors of other processes are out of reach, in every way there is
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


boss = os.getppid()
buf = ctypes.create_string_buffer(64)
iov = (ctypes.c_uint64 * 2)(ctypes.addressof(buf), 64)
for target in (boss, 1):
    for name, request in (("attach", 16), ("seize", 0x4206), ("peek", 2)):
        t(f"ptrace-{name}({target})", *sc(101 if X else 117, request, target, 0, 0))
    t(f"process_vm_readv({target})", *sc(310 if X else 270, target, iov, 1, iov, 1, 0))
    t(f"process_vm_writev({target})", *sc(311 if X else 271, target, iov, 1, iov, 1, 0))
    t(f"kcmp({target})", *sc(312 if X else 272, target, os.getpid(), 1, 0, 0))
    r, e = sc(434, target, 0)
    t(f"pidfd_open({target})", r, e)
    if r >= 0:
        t("pidfd_getfd", *sc(438, r, 0, 0))
        t("process_madvise", *sc(440, r, iov, 1, 4, 0))
        t("process_mrelease", *sc(448, r, 0))
t("ptrace-traceme", *sc(101 if X else 117, 0, 0, 0, 0))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
