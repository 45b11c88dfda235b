# expect: contained
# after: slot-fresh; no limit of its own goes up again, and it does not get ahead of the host in the scheduler or with the OOM killer
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


import resource

for name in ("NOFILE", "FSIZE", "CORE", "MEMLOCK", "MSGQUEUE", "NICE", "RTPRIO", "CPU"):
    which = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(which)
    if hard == resource.RLIM_INFINITY:
        hits.append(f"{name} is unlimited")
        continue
    if hard > {"NOFILE": 4096, "FSIZE": 1 << 30, "CORE": 0, "MEMLOCK": 1 << 20, "MSGQUEUE": 0, "CPU": 600}.get(name, 0):
        hits.append(f"{name} up to {hard}")
    for more in (hard + 1, resource.RLIM_INFINITY):
        try:
            resource.setrlimit(which, (soft, more))
            hits.append(f"{name} raised")
        except (OSError, ValueError) as e:
            seen.append(f"{name}:{getattr(e, 'errno', 'no')}")
try:
    os.nice(-1)
    hits.append("nice -1")
except OSError as e:
    seen.append(f"nice:{e.errno}")
for policy in (1, 2, 6):
    t(f"scheduler-{policy}", *sc(144 if X else 119, 0, policy, (ctypes.c_int * 1)(1)))
t("mlockall", *sc(151 if X else 230, 3))
for value in ("-1000", "-1"):
    try:
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write(value)
        hits.append("oom_score_adj " + value)
    except OSError as e:
        seen.append(f"oom_score_adj:{e.errno}")
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
