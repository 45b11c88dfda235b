# expect: contained|error
# after: no-listeners, daemon-ok; no socket, so nothing to listen on
import socket

hits, seen = [], []
for family, address in (
    (socket.AF_INET, ("127.0.0.1", 0)),
    (socket.AF_INET, ("0.0.0.0", 0)),
    (socket.AF_INET6, ("::1", 0)),
):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            s = socket.socket(family, kind)
            s.bind(address)
            if kind == socket.SOCK_STREAM:
                s.listen()
            hits.append(f"{family.name} {kind.name}")
        except OSError as e:
            seen.append(str(e.errno))
output = "ESCAPED: " + " ".join(hits) if hits else "contained: errno " + " ".join(sorted(set(seen)))
