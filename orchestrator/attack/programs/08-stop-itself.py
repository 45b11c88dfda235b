# expect: timeout
# after: no-procs, slot-fresh; a stopped process is killed as well: SIGKILL needs no cooperation
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
output = "went on"
