# expect: ok "set"|timeout|oom|error
# after: no-procs, slot-fresh; exit handlers, finalizers and generators that never end cannot hold the container
import atexit
import threading
import weakref


class Late:
    def __del__(self):
        while True:
            pass


keep = Late()
keep.me = keep
weakref.finalize(keep, lambda: [None for _ in iter(int, 1)])
atexit.register(lambda: [print("late", flush=True) for _ in iter(int, 1)])
threading._register_atexit(lambda: [None for _ in iter(int, 1)])
output = "set"
