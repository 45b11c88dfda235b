# expect: contained
# after: slot-fresh; no uid change, no capability, no set-id binary helps: no_new_privs is on
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


for name, f in (
    ("setuid", lambda: os.setuid(0)),
    ("setgid", lambda: os.setgid(0)),
    ("setresuid", lambda: os.setresuid(0, 0, 0)),
    ("setgroups", lambda: os.setgroups([0])),
):
    try:
        f()
        hits.append(name)
    except OSError as e:
        seen.append(f"{name}:{e.errno}")
st = dict(l.rstrip().split(":\t", 1) for l in open("/proc/self/status") if ":\t" in l)
for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    if int(st[k], 16):
        hits.append(f"{k}={st[k]}")
if st.get("NoNewPrivs") != "1":
    hits.append("NoNewPrivs=" + str(st.get("NoNewPrivs")))
if st.get("Seccomp") != "2":
    hits.append("Seccomp=" + str(st.get("Seccomp")))
if 0 in (os.getuid(), os.geteuid(), os.getgid()) or 0 in os.getgroups():
    hits.append(f"ids {os.getuid()} {os.getgid()} {os.getgroups()}")
output = "ESCAPED: " + " ".join(map(str, hits)) if hits else "contained: " + " ".join(seen)
