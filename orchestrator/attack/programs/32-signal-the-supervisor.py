# expect: contained
# after: slot-fresh, daemon-ok; no way to signal the process that reports the result: by pid, group, thread or descriptor
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
info = (ctypes.c_int * 32)(0, 0, -1)
for target in (boss, 1, 0, -1, -boss, -os.getpgrp()):
    t(f"kill({target})", *sc(62 if X else 129, target, 0))
for target in (boss, 1):
    t(f"tkill({target})", *sc(200 if X else 130, target, 0))
    t(f"tgkill({target})", *sc(234 if X else 131, target, target, 0))
    t(f"rt_sigqueueinfo({target})", *sc(129 if X else 138, target, 10, info))
    t(f"rt_tgsigqueueinfo({target})", *sc(297 if X else 240, target, target, 10, info))
    r, e = sc(434, target, 0)
    t(f"pidfd_open({target})", r, e)
    if r >= 0:
        t("pidfd_send_signal", *sc(424, r, 0, None, 0))
try:
    fd = os.open(f"/proc/{boss}", os.O_RDONLY | os.O_DIRECTORY)
    t("pidfd_send_signal(/proc)", *sc(424, fd, 0, None, 0))
except OSError as e:
    seen.append(f"proc:{e.errno}")
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
