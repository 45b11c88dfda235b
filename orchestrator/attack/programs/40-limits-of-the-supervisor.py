# expect: contained
# after: slot-fresh, daemon-ok; limits, priority, CPUs and memory policy of other processes of this uid are out of reach
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
limit = (ctypes.c_uint64 * 2)(0, 0)
mask = (ctypes.c_uint64 * 16)(1)
param = (ctypes.c_int * 1)(0)
attr = (ctypes.c_uint32 * 14)(56, 0)
for target in (boss, 1):
    t(f"prlimit-read({target})", *sc(302 if X else 261, target, 7, None, limit))
    t(f"prlimit-set({target})", *sc(302 if X else 261, target, 7, (ctypes.c_uint64 * 2)(0, 0), None))
    t(f"sched_setaffinity({target})", *sc(203 if X else 122, target, 128, mask))
    t(f"sched_setscheduler({target})", *sc(144 if X else 119, target, 5, param))
    t(f"sched_setparam({target})", *sc(142 if X else 118, target, param))
    t(f"sched_setattr({target})", *sc(314 if X else 274, target, attr, 0))
    t(f"setpriority({target})", *sc(141 if X else 140, 0, target, 19))
    t(f"ioprio_set({target})", *sc(251 if X else 30, 1, target, 0x6000))
    t(f"migrate_pages({target})", *sc(256 if X else 238, target, 64, mask, mask))
    try:
        with open(f"/proc/{target}/oom_score_adj", "w") as f:
            f.write("1000")
        hits.append(f"oom_score_adj({target})")
    except OSError as e:
        seen.append(f"oom_score_adj({target}):{e.errno}")
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
