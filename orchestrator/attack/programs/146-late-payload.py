# expect: ok "set"|timeout|error
# after: no-procs, slot-fresh; what a thread writes on the descriptor of the result while or after it is told stays without effect
# function: ok "set"|output_limit|error|crashed
import os
import struct
import threading

text = b'{"status":"ok","output":"LATE"}'


def late():
    while True:
        try:
            os.write(5, b"")
        except OSError:
            pass
        if done:
            try:
                os.write(4, struct.pack(">Q", len(text)) + text)
            except OSError:
                return


done = []
threading.Thread(target=late, daemon=True).start()


class Now(dict):
    pass


output = "set"
