# expect: ok "set"|timeout|error
# after: no-procs, slot-fresh; what a thread writes on the descriptor of the result once the main thread tells it stays without effect
# function: ok "set"|output_limit|error|crashed
import os, struct, sys, threading
main = threading.main_thread().ident
text = b'{"status":"ok","output":"LATE"}'
def late():
    while True:
        frame = sys._current_frames()[main]
        while frame is not None and frame.f_code.co_filename != "job.py":
            frame = frame.f_back
        if frame is None:
            try:
                os.write(4, struct.pack(">Q", len(text)) + text)
            except OSError:
                return
threading.Thread(target=late, daemon=True).start()
output = "set"
