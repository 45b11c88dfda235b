# expect: contained|oom|crashed|error
# after: no-procs, daemon-ok, neighbour-alive; threads count against the job's pids limit
import threading
import time

n = 0
try:
    while n < 5000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        n += 1
    output = f"ESCAPED: {n} threads started"
except (RuntimeError, MemoryError) as e:
    output = f"contained: {n} threads then {type(e).__name__}"
