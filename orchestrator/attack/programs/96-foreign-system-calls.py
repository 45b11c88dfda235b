# expect: contained|crashed
# after: slot-fresh, daemon-ok; numbers of the 32-bit and x32 worlds, which a filter would judge wrongly, end the process
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


import mmap

if X:
    try:
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
        call = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
        if call() == os.getpid():
            hits.append("int 0x80 getpid")
    except OSError as e:
        seen.append(f"wx:{e.errno}")
    for name, nr in (("getpid", 39), ("ptrace", 521), ("execve", 520)):
        t("x32-" + name, *sc(0x40000000 | nr, 0, 0, 0))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
