# expect: contained
# after: disk-flat; core dumps are off and open files are few
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

if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
    hits.append("core hard limit %d" % resource.getrlimit(resource.RLIMIT_CORE)[1])
n, keep = 0, []
try:
    while n < 20000:
        keep.append(os.open("/dev/null", os.O_RDONLY))
        n += 1
    hits.append("20000 descriptors")
except OSError as e:
    seen.append(f"{n} descriptors then {e.errno}")
for fd in keep:
    os.close(fd)
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
