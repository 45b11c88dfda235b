# expect: contained
# after: slot-fresh; native code put into a writable place can be neither loaded nor mapped to be run
import ctypes
import glob
import mmap
import os

hits, seen = [], []
source = next(
    iter(
        glob.glob("/usr/lib/*-linux-gnu/libz.so*")
        + glob.glob("/lib/*-linux-gnu/libz.so*")
        + glob.glob("/usr/lib/*-linux-gnu/lib*.so*")
    )
)
data = open(source, "rb").read()
for folder in ("/tmp", "/work", "/dev/shm", "/dev/mqueue"):
    path = folder + "/probe.so"
    try:
        with open(path, "wb") as f:
            f.write(data)
    except OSError as e:
        seen.append(f"{folder}:{e.errno}")
        continue
    try:
        ctypes.CDLL(path)
        hits.append("loaded from " + folder)
    except OSError:
        seen.append(f"{folder} not loaded")
    fd = os.open(path, os.O_RDONLY)
    try:
        mmap.mmap(fd, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
        hits.append("mapped from " + folder)
    except OSError as e:
        seen.append(f"{folder} not mapped:{e.errno}")
    os.close(fd)
output = "ESCAPED: " + " ".join(hits) if hits else "contained: " + " ".join(seen)
