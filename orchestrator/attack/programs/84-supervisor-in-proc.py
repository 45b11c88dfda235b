# expect: contained
# after: slot-fresh; memory, descriptors and environment of the supervisor and of PID 1 are closed under /proc
import os

hits, seen = [], set()
for pid in (os.getppid(), 1):
    for name in (
        "mem",
        "environ",
        "maps",
        "smaps",
        "auxv",
        "syscall",
        "stack",
        "pagemap",
        "fd/0",
        "fd/1",
        "cwd/x",
        "root/etc/passwd",
        "io",
        "personality",
        "timers",
        "map_files",
        "task/%d/mem" % pid,
        "task/%d/environ" % pid,
    ):
        for flags in (os.O_RDONLY, os.O_RDWR):
            try:
                fd = os.open(f"/proc/{pid}/{name}", flags | os.O_NONBLOCK)
            except OSError as e:
                seen.add(e.errno)
                continue
            try:
                if os.read(fd, 16):
                    hits.append(f"{pid}/{name}")
            except OSError as e:
                seen.add(e.errno)
            os.close(fd)
    for name in ("fd", "fdinfo", "map_files", "ns/net", "cwd", "root", "exe"):
        try:
            hits.append(
                f"{pid}/{name} -> {os.readlink(f'/proc/{pid}/{name}') if name not in ('fd', 'fdinfo', 'map_files') else os.listdir(f'/proc/{pid}/{name}')[:4]}"
            )
        except OSError as e:
            seen.add(e.errno)
output = "ESCAPED: " + "; ".join(hits)[:500] if hits else f"contained: errno {sorted(seen)}"
