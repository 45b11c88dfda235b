# expect: timeout
# after: no-procs, slot-fresh, neighbour-alive; a regular expression that backtracks for ever never looks at signals
import re

re.fullmatch(r"(a|a|aa)+b", "a" * 64)
output = "matched"
