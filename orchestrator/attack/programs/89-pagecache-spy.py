# expect: contained|error
# after: neighbour-alive; mincore(2) and cachestat(2) do not tell which shared image files other tenants' jobs touched
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]
fd = os.open(os.path.realpath("/proc/self/exe"), os.O_RDONLY)
size = min(os.fstat(fd).st_size, 64 << 20)
a = libc.mmap(None, size, 1, 2, fd, 0)
vec = (ctypes.c_ubyte * ((size + 4095) // 4096))()
r1 = libc.syscall(
    27 if os.uname().machine == "x86_64" else 232, ctypes.c_void_p(a), ctypes.c_size_t(size), vec
)
e1 = ctypes.get_errno()
mixed = r1 == 0 and 0 < sum(v & 1 for v in vec) < len(vec)
rng = (ctypes.c_uint64 * 2)(0, size)
st = (ctypes.c_uint64 * 5)()
ctypes.set_errno(0)
r2 = libc.syscall(451, fd, rng, st, 0)
e2 = ctypes.get_errno()
bad = (["mincore sees residency"] if mixed else []) + (
    [f"cachestat: {st[0]} pages cached"] if r2 == 0 else []
)
output = (
    "ESCAPED: " + "; ".join(bad)
    if bad
    else f"contained: mincore {'uniform' if r1 == 0 else e1}, cachestat errno {e2}"
)
