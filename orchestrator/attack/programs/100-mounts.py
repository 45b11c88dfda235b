# expect: contained
# after: host-file-intact, slot-fresh; no mount, no new root, by the old calls or the new
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


try:
    os.mkdir("/tmp/m")
except OSError:
    pass
t("mount-tmpfs", *sc(165 if X else 40, b"none", b"/tmp/m", b"tmpfs", 0, None))
t("mount-bind", *sc(165 if X else 40, b"/", b"/tmp/m", None, 4096, None))
t("mount-remount", *sc(165 if X else 40, b"none", b"/", None, 32 | 4096, None))
t("umount-proc", *sc(166 if X else 39, b"/proc/kcore", 2))
t("pivot_root", *sc(155 if X else 41, b"/tmp/m", b"/tmp/m"))
t("chroot", *sc(161 if X else 51, b"/tmp/m"))
t("fsopen", *sc(430, b"tmpfs", 0))
t("open_tree", *sc(428, -100, b"/", 1))
t("move_mount", *sc(429, -100, b"/tmp/m", -100, b"/tmp/m", 0))
t("fspick", *sc(433, -100, b"/", 0))
t("mount_setattr", *sc(442, -100, b"/tmp/m", 0, (ctypes.c_uint64 * 4)(), 32))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
