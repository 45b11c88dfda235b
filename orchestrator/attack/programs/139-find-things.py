# expect: contained
# after: slot-fresh; the next job finds nothing of the last one
# follows: 138
import builtins
import json
import os
import sys

hits = [
    p
    for p in ("/tmp/left", "/work/left", "/dev/shm/left", "/dev/mqueue/left", "/var/tmp/left")
    if os.path.exists(p)
]
hits += [n for n in ("LEFT",) if n in os.environ]
hits += [m.__name__ for m in (builtins, json, sys) if hasattr(m, "LEFT")]
hits += [f"{d}: {os.listdir(d)}" for d in ("/tmp", "/work") if os.listdir(d)]
output = "ESCAPED: " + " ".join(hits) if hits else "contained: nothing was left"
