# expect: timeout
# after: no-procs, slot-fresh; a job that burns no CPU is still ended by wall clock
import time

time.sleep(3600)
output = "woke"
