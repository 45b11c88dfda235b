# expect: timeout|oom
# after: no-procs, slot-fresh; one C call that takes minutes and never lets go of the interpreter's lock
import sys

sys.set_int_max_str_digits(0)
output = len(str(7**6_000_000))
