# expect: contained|oom|crashed|error
# after: no-procs, mem-back, neighbour-alive; the limit is for the whole job, not per process: N children do not get N times the memory
import os

pids, total = [], 0
try:
    r, w = os.pipe()
    for i in range(8):
        pid = os.fork()
        if pid == 0:
            b = bytearray(b"x") * (96 << 20)
            os.write(w, b"1")
            import time

            time.sleep(30)
            os._exit(0)
        pids.append(pid)
    os.close(w)
    os.set_blocking(r, False)
    import time

    time.sleep(1.5)
    try:
        total = len(os.read(r, 64))
    except BlockingIOError:
        total = 0
    output = (
        f"ESCAPED: {total} children hold {total * 96} MiB at once"
        if total == 8
        else f"contained: only {total} of 8 children got 96 MiB"
    )
except OSError as e:
    output = f"contained: fork errno {e.errno}"
