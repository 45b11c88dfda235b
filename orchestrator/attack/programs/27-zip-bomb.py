# expect: oom|error:MemoryError|timeout
# after: no-procs, mem-back, slot-fresh; decompression inside the job is bounded by the job's own limits
import zlib

inner = zlib.compress(b"\0" * (64 << 20), 9)
keep = []
while True:
    keep.append(zlib.decompress(inner))
