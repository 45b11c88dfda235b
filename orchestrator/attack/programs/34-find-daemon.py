# expect: contained
# after: slot-fresh; nothing the previous job started is visible
# follows: 33
import os

mine = {os.getpid(), os.getppid(), 1}
others = []
for p in os.listdir("/proc"):
    if p.isdigit() and int(p) not in mine:
        try:
            cmd = open(f"/proc/{p}/cmdline", "rb").read().replace(b"\0", b" ")[:80]
        except OSError:
            cmd = b"?"
        others.append((int(p), cmd.decode("latin1")))
left = os.path.exists("/tmp/.daemon-was-here")
output = (
    f"ESCAPED: {others[:5]} file={left}"
    if left or any("600" in c or "daemon" in c for _, c in others) or len(others) > 2
    else f"contained: {len(others)} other process(es) in the namespace"
)
