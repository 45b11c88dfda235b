# expect: contained
# after: daemon-ok, host-file-intact; no device but the harmless few, and none can be made
# threat: Filesystem and information
import os
import stat

hits, found = [], []
harmless = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "core"}
for name in sorted(os.listdir("/dev")):
    try:
        mode = os.stat(f"/dev/{name}").st_mode
    except OSError:
        continue
    if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and name not in harmless):
        hits.append(name)
for name in (
    "mem",
    "kmem",
    "port",
    "kmsg",
    "kvm",
    "fuse",
    "loop-control",
    "loop0",
    "sda",
    "vda",
    "nvme0n1",
    "mapper/control",
    "net/tun",
    "vhost-net",
    "uinput",
    "snapshot",
    "rtc0",
    "hpet",
    "userfaultfd",
    "dri/card0",
    "watchdog",
):
    try:
        os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK))
        hits.append("open " + name)
    except OSError:
        pass
for kind in (stat.S_IFCHR, stat.S_IFBLK):
    for folder in ("/tmp", "/work", "/dev"):
        try:
            os.mknod(f"{folder}/probe", kind | 0o600, os.makedev(1, 1))
            hits.append(f"mknod {folder}")
        except OSError as e:
            found.append(e.errno)
output = "ESCAPED: " + " ".join(hits) if hits else f"contained: mknod errno {sorted(set(found))}"
