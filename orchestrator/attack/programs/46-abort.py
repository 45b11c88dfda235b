# expect: crashed
# after: no-procs, slot-fresh, disk-flat; SIGABRT leaves no core file, whatever its handlers say
import faulthandler
import os
import signal

faulthandler.enable()
signal.signal(signal.SIGABRT, signal.SIG_DFL)
os.abort()
