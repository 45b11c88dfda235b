# expect: crashed|contained
# after: no-procs, slot-fresh, daemon-ok; kill(-1) reaches only this job's own processes
import os
import signal
import time

try:
    os.kill(-1, signal.SIGKILL)
except OSError as e:
    output = f"contained: errno {e.errno}"
else:
    time.sleep(0.3)
    output = "contained: survived kill(-1)"
