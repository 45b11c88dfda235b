# expect: oom
# after: no-procs, mem-back, neighbour-alive; the plainest way to use it all up
keep = []
while True:
    keep.append(bytearray(b"x" * (1 << 20)))
