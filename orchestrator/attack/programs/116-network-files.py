# expect: contained
# after: no-listeners; the network namespace holds a loopback device and nothing else, by the kernel's own files
import os

hits = []
devices = [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]
if [d for d in devices if d != "lo"]:
    hits.append("devices " + ",".join(devices))
for name in ("tcp", "tcp6", "udp", "udp6", "raw", "packet", "unix", "arp", "route"):
    try:
        rows = open(f"/proc/net/{name}").read().splitlines()[1:]
    except OSError:
        continue
    if rows:
        hits.append(f"{name}: {rows[0][:60]}")
try:
    extra = [d for d in os.listdir("/sys/class/net") if d != "lo"]
    if extra:
        hits.append("sys " + ",".join(extra))
except OSError:
    pass
output = "ESCAPED: " + "; ".join(hits) if hits else "contained: lo and nothing else"
