# expect: contained
# after: daemon-ok, neighbour-alive; no named or abstract unix socket: neither the engine's nor another job's
import socket

hits, seen = [], set()
names = [
    "\0sandbox-probe",
    "/tmp/probe.sock",
    "/run/docker.sock",
    "/var/run/docker.sock",
    "\0/containerd-shim/probe",
]
try:
    names += ["\0" + line.split("@", 1)[1].strip() for line in open("/proc/net/unix") if "@" in line]
except OSError:
    pass
for name in names:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        for act in ("bind", "connect"):
            try:
                getattr(socket.socket(socket.AF_UNIX, kind), act)(name)
                hits.append(f"{act} {name!r}")
            except OSError as e:
                seen.add(e.errno or 0)
output = "ESCAPED: " + " ".join(hits)[:400] if hits else f"contained: errno {sorted(seen)}"
