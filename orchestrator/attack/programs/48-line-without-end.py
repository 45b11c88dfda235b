# expect: output_limit|timeout
# after: no-procs, logs-flat, mem-back; a line that never ends is cut like any other
import sys

for _ in range(48):
    sys.stdout.write("x" * (1 << 20))
sys.stdout.flush()
output = "contained: wrote 48 MiB without a newline"
