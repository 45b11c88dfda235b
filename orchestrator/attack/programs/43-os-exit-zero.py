# expect: crashed|error
# after: no-procs, slot-fresh; exit status 0 without a result is not success
# program: ok null; a script that exits with 0 has succeeded, and has told no output
import os
output = "must not be reported"
os._exit(0)
