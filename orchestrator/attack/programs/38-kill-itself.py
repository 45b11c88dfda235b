# expect: crashed
# after: no-procs, slot-fresh; a job that kills itself is reported as just that, with its signal
import os
import signal

output = "must not be reported"
os.kill(os.getpid(), signal.SIGKILL)
