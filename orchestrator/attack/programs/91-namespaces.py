# expect: contained
# after: slot-fresh; no new user, mount, pid, net, ipc, uts, cgroup or time namespace; none of PID 1's can be joined
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


flags = dict(
    user=0x10000000,
    mnt=0x20000,
    pid=0x20000000,
    net=0x40000000,
    ipc=0x8000000,
    uts=0x4000000,
    cgroup=0x2000000,
    time=0x80,
)
for name, f in flags.items():
    t("unshare-" + name, *sc(272 if X else 97, f))
for name in ("user", "mnt", "net", "pid"):
    try:
        fd = os.open(f"/proc/1/ns/{name}", os.O_RDONLY)
    except OSError as e:
        seen.append(f"open-ns-{name}:{e.errno}")
        continue
    t("setns-" + name, *sc(308 if X else 268, fd, 0))
r, e = sc(56 if X else 220, 0x10000000 | 17, 0, 0, 0, 0)  # clone(CLONE_NEWUSER|SIGCHLD)
if r == 0:
    os._exit(0)
t("clone-newuser", r, e)
a = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0)
r, e = sc(435, a, 88)
if r == 0:
    os._exit(0)
t("clone3-newuser", r, e)
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
