# expect: contained
# after: slot-fresh; only stdio (and at most one result pipe) is open: no leaked directory or socket of the engine (CVE-2024-21626 class)
import os
import stat

bad = []
for fd in range(1024):
    try:
        st = os.fstat(fd)
    except OSError:
        continue
    try:
        link = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        link = "?"
    if (
        stat.S_ISDIR(st.st_mode)
        or stat.S_ISSOCK(st.st_mode)
        or stat.S_ISBLK(st.st_mode)
        or (fd > 7 and not link.startswith(("anon_inode", "pipe")))
    ):
        bad.append(f"{fd}->{link}")
if not os.getcwd().startswith("/") or "unreachable" in os.getcwd():
    bad.append("cwd " + os.getcwd())
output = "ESCAPED: " + " ".join(bad) if bad else "contained: only pipes"
