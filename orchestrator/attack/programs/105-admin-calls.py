# expect: contained
# after: daemon-ok; clock, host name, modules, kexec, reboot, swap, quota, accounting, syslog and file handles are out of reach (all with harmless arguments)
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


ts = (ctypes.c_int64 * 2)(0, 0)
t("sethostname", *sc(170 if X else 161, b"sandbox", 7))
t("clock_settime", *sc(227 if X else 112, 0, None))
t("init_module", *sc(175 if X else 105, ctypes.create_string_buffer(4), 0, b""))
t("finit_module", *sc(313 if X else 273, -1, b"", 0))
t("kexec_load", *sc(246 if X else 104, 0, 0, None, 0))
t("reboot", *sc(169 if X else 142, 0x12345678, 0x12345678, 0, None))
t("swapon", *sc(167 if X else 224, b"/tmp/none", 0))
t("acct", *sc(163 if X else 89, b"/tmp/none"))
t("syslog", *sc(103 if X else 116, 10, None, 0))
t(
    "name_to_handle",
    *sc(303 if X else 264, -100, b"/", ctypes.create_string_buffer(b"\x80", 256), (ctypes.c_int * 1)(), 0),
)
t(
    "open_by_handle",
    *sc(
        304 if X else 265,
        -100,
        ctypes.create_string_buffer(b"\x08\0\0\0\1\0\0\0" + b"\2" + bytes(64), 256),
        0,
    ),
)
t("fanotify_init", *sc(300 if X else 262, 0, 0))
t("lookup_dcookie", *sc(212 if X else 18, 0, ctypes.create_string_buffer(64), 64))
t("move_pages-other", *sc(279 if X else 239, 1, 0, None, None, None, 0))
t("quotactl", *sc(179 if X else 60, 0x800001 << 8, None, 0, None))
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
