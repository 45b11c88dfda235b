# expect: contained
# after: neighbour-alive, mem-back; /dev/mqueue takes no queue: kernel memory that outlives its process
# threat: Cross-job and transport
import os

hits, seen = [], []
for n in range(4):
    try:
        os.close(os.open(f"/dev/mqueue/probe{n}", os.O_CREAT | os.O_RDWR, 0o600))
        hits.append(f"queue {n}")
    except OSError as e:
        seen.append(str(e.errno))
output = "ESCAPED: " + " ".join(hits) if hits else "contained: errno " + " ".join(seen)
