# expect: timeout|output_limit
# after: no-procs, logs-flat, mem-back, daemon-ok; both streams at once, from many threads, for ever: the supervisor drains, bounds and survives
import os
import threading


def flood(fd):
    block = b"\xff\x00" * 32768
    while True:
        os.write(fd, block)


for n in range(8):
    threading.Thread(target=flood, args=(1 + n % 2,), daemon=True).start()
flood(1)
