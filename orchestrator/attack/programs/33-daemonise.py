# expect: ok "left a daemon"|error|contained
# after: no-procs, slot-fresh; a double-forked setsid daemon does not outlive the job
import os
import time

try:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(256):
                try:
                    os.close(fd)
                except OSError:
                    pass
            try:
                with open("/tmp/.daemon-was-here", "w") as f:
                    f.write(str(os.getpid()))
            except OSError:
                pass
            time.sleep(600)
        os._exit(0)
    time.sleep(0.2)
    output = "left a daemon"
except OSError as e:
    output = f"contained: errno {e.errno}"
