# expect: contained
# after: slot-fresh, daemon-ok; what no JSON reader can take (1e999, duplicate keys, half a pair) never leaves the host's parser
# function: error; written on the descriptor of the result itself, refused by the host's own parser
import os
import struct

text = b'{"status":"error","status":"ok","output":[1e999,-1e999,"\\ud800"]}'
try:
    os.write(4, struct.pack(">Q", len(text)) + text)
except OSError as e:
    output = f"contained: errno {e.errno}"
else:
    os._exit(0)
