# expect: contained
# after: daemon-ok; kernel memory, logs and addresses are unreadable, sysrq is not openable
import os

hits = []
for p in (
    "/proc/kcore",
    "/proc/kmsg",
    "/dev/kmsg",
    "/dev/mem",
    "/dev/kmem",
    "/dev/port",
    "/proc/vmallocinfo",
    "/proc/slabinfo",
    "/proc/pagetypeinfo",
    "/sys/kernel/debug/kprobes",
    "/sys/kernel/tracing/trace",
    "/proc/config.gz.key",
):
    try:
        fd = os.open(p, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if os.read(fd, 16):
                hits.append(p)
        finally:
            os.close(fd)
    except OSError:
        pass
try:
    if any(int(l.split()[0], 16) for l in open("/proc/kallsyms").readlines()[:50]):
        hits.append("/proc/kallsyms has addresses")
except OSError:
    pass
for p in ("/proc/sysrq-trigger", "/dev/mem"):
    try:
        os.close(os.open(p, os.O_WRONLY))
        hits.append("open for write: " + p)
    except OSError:
        pass
output = "ESCAPED: " + "; ".join(hits) if hits else "contained: kernel memory, log and addresses are closed"
