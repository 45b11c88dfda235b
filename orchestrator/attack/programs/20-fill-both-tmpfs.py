# expect: contained|oom|error
# after: disk-flat, mem-back, neighbour-alive; files in the job's own tmpfs count as its memory, and their size is bounded
written, why = 0, []
for folder in ("/work", "/tmp"):
    try:
        for n in range(64):
            with open(f"{folder}/f{n}", "wb", buffering=0) as f:
                for _ in range(16):
                    written += f.write(b"x" * 65536)
    except OSError as e:
        why.append(str(e.errno))
output = (
    f"ESCAPED: wrote {written >> 20} MiB"
    if written > 48 << 20
    else f"contained: {written >> 20} MiB then errno " + ",".join(why)
)
