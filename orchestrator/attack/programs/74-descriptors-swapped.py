# expect: contained|error
# after: slot-fresh; stdout in the place of the result, and the other way round, is noise in both
# function: output_limit|error|crashed|timeout
import os

try:
    os.dup2(4, 9)
    os.dup2(1, 4)
    os.dup2(9, 1)
except OSError as e:
    output = f"contained: errno {e.errno}"
else:
    print('{"status":"ok","output":"FORGED"}' * 64, flush=True)
    output = "ordinary"
