# expect: contained
# after: host-file-intact; links planted by the job lead nowhere inside, and nobody outside follows them
import os

hits = []
targets = [
    "/etc/shadow",
    "/proc/1/root/etc/shadow",
    "/proc/1/cwd",
    "/proc/1/environ",
    "/proc/self/root/root",
    "/var/run/docker.sock",
    "/proc/sys/kernel/core_pattern",
]
for i, t in enumerate(targets):
    link = f"/tmp/l{i}"
    try:
        os.symlink(t, link)
        fd = os.open(link, os.O_RDWR if "core_pattern" in t else os.O_RDONLY)
        os.close(fd)
        if t == "/proc/1/environ" and b"SECRET" not in open(link, "rb").read().upper():
            continue
        hits.append(t)
    except OSError:
        pass
for i, t in enumerate(("/etc/passwd", "/usr/bin/passwd")):
    try:
        os.link(t, f"/tmp/h{i}")
        hits.append("hardlink " + t)
    except OSError:
        pass
output = "ESCAPED: " + " ".join(hits) if hits else "contained: no link led anywhere"
