# expect: contained
# after: slot-fresh; the descriptor of the result says what assigning `output` could say, once; time stays the host's
# function: ok "FORGED"; the documented residue: a job chooses its own output, by whatever way
# check: min_wall_ms=250
import os
import struct
import time

t = time.monotonic()
while time.monotonic() - t < 0.3:
    pass


def payload(text):
    return struct.pack(">Q", len(text)) + text


try:
    os.write(
        4,
        payload(b'{"status":"ok","output":"FORGED","wall_ms":0,"how":"returned","usage":{"wall_ms":0}}')
        + payload(b'{"status":"ok","output":"TWICE"}'),
    )
except OSError as e:
    output = f"contained: errno {e.errno}"
else:
    output = "THE LAST WORD"
