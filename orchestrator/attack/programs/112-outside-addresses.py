# expect: contained
# after: no-listeners, daemon-ok; neither the metadata service nor a host of the link, nor multicast, is a way out
import socket

hits, seen = [], []
for family, kind, address in (
    (socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80)),
    (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 2375)),
    (socket.AF_INET, socket.SOCK_DGRAM, ("224.0.0.251", 5353)),
    (socket.AF_INET6, socket.SOCK_STREAM, ("::1", 80)),
    (socket.AF_INET6, socket.SOCK_DGRAM, ("ff02::1", 9)),
):
    try:
        s = socket.socket(family, kind)
        s.settimeout(0.3)
        s.connect(address)
        s.send(b"probe")
        hits.append(address[0])
    except OSError as e:
        seen.append(str(e.errno or type(e).__name__))
try:
    socket.getaddrinfo("probe.invalid", 80)
    hits.append("resolved a name")
except OSError as e:
    seen.append(str(e.errno))
output = "ESCAPED: " + " ".join(hits) if hits else "contained: errno " + " ".join(seen)
