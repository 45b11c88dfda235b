# expect: contained
# after: mem-back, neighbour-alive; there is no /dev/shm to share or to fill
import os

hits = []
for path in ("/dev/shm/probe", "/run/shm/probe"):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        hits.append(path)
        os.unlink(path)
    except OSError:
        pass
try:
    from multiprocessing import shared_memory

    shared_memory.SharedMemory(create=True, size=4096).unlink()
    hits.append("shm_open")
except (OSError, ImportError):
    pass
output = "ESCAPED: " + " ".join(hits) if hits else "contained: no shared memory"
