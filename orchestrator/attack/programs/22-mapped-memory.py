# expect: oom|error:OSError
# after: no-procs, mem-back, neighbour-alive; anonymous mappings count, also those shared with nobody
import mmap

keep = []
while True:
    m = mmap.mmap(-1, 4 << 20)
    for page in range(0, 4 << 20, 4096):
        m[page] = 1
    keep.append(m)
