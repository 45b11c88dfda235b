# expect: contained
# after: host-file-intact, slot-fresh; only the job's own tmpfs mounts accept writes
import os

allowed = ("/tmp", "/dev/shm", "/dev/mqueue", "/proc", "/work", "/job", "/run/job")
hits = []
for root in (
    "/",
    "/etc",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/var",
    "/var/tmp",
    "/run",
    "/home",
    "/root",
    "/opt",
    "/srv",
    "/dev",
    "/sys",
    "/boot",
    "/mnt",
    "/media",
    "/runner",
    os.getcwd(),
):
    if root.startswith(allowed):
        continue
    p = os.path.join(root, ".probe")
    try:
        with open(p, "w") as f:
            f.write("x")
        os.unlink(p)
        hits.append(root)
    except OSError:
        pass
for p in ("/etc/passwd", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/ld.so.preload"):
    try:
        os.close(os.open(p, os.O_WRONLY | os.O_APPEND))
        hits.append(p)
    except OSError:
        pass
output = (
    "ESCAPED: writable " + " ".join(hits)
    if hits
    else "contained: nothing outside the job's tmpfs is writable"
)
