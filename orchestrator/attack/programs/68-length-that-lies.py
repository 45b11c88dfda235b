# expect: contained
# after: slot-fresh, mem-back; a length of 2**64-1 is neither believed nor waited for
# function: output_limit; it said so itself
import os
import time

try:
    os.write(4, b"\xff" * 8 + b"{}")
except OSError as e:
    output = f"contained: errno {e.errno}"
else:
    time.sleep(60)
