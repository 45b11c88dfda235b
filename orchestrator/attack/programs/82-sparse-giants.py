# expect: contained
# after: disk-flat, mem-back; files larger than allowed do not come about: neither sparse nor preallocated
import os

hits, seen = [], []
for folder in ("/work", "/tmp"):
    fd = os.open(f"{folder}/giant", os.O_CREAT | os.O_RDWR, 0o600)
    for name, act in (
        ("truncate", lambda: os.ftruncate(fd, 1 << 40)),
        ("allocate", lambda: os.posix_fallocate(fd, 0, 1 << 30)),
        ("write-far", lambda: os.pwrite(fd, b"x", 1 << 34)),
    ):
        try:
            act()
            hits.append(f"{folder}-{name}")
        except OSError as e:
            seen.append(f"{name}:{e.errno}")
    os.close(fd)
output = "ESCAPED: " + " ".join(hits) if hits else "contained: " + " ".join(seen)
