# expect: ok "set"|timeout|error
# after: no-procs, slot-fresh; exactly one result: the first payload counts, the other stays without effect, and both are this job's own words
# function: ok "set"|ok "LATE"|output_limit|error|crashed; a thread that is faster than the runner's own delivery says what assigning `output` could say
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
