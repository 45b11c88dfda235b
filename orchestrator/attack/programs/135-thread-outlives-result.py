# expect: ok "set"|timeout|error
# after: no-procs, slot-fresh; a non-daemon thread or atexit handler cannot hold the slot after the result, nor write into the next job
import atexit
import threading
import time


def late():
    while True:
        time.sleep(0.2)
        print("late write", flush=True)


threading.Thread(target=late).start()
atexit.register(late)
output = "set"
