# expect: output_limit|timeout
# after: no-procs, logs-flat, daemon-ok; the cap covers stderr as well as stdout
import sys

while True:
    sys.stderr.write("x" * 65536)
