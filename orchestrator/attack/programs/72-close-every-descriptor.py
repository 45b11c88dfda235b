# expect: crashed|error
# after: no-procs, slot-fresh; without a way to answer there is no success
import os

os.closerange(0, 1024)
output = "must not be reported"
