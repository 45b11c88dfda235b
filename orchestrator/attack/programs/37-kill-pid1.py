# expect: contained|crashed
# after: no-procs, slot-fresh, daemon-ok; whether or not PID 1 dies, the orchestrator ends with one verdict and a new container
import os
import signal
import time

got = []
for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGSTOP, signal.SIGKILL):
    try:
        os.kill(1, s)
        got.append(s.name)
    except OSError:
        pass
time.sleep(0.3)
output = "contained: still running after signalling pid 1 with " + (",".join(got) or "nothing allowed")
