# expect: crashed|error
# after: no-procs, slot-fresh; exit status 0 without a result is not success
import os

output = "must not be reported"
os._exit(0)
