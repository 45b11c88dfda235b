# expect: crashed
# after: no-procs, slot-fresh, disk-flat; no core file is written anywhere, also not by a host core_pattern helper
try:
    import ctypes

    ctypes.string_at(0)
except ImportError:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGSEGV)
