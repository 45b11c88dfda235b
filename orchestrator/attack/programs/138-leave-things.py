# expect: ok "left"
# after: no-procs, slot-fresh; what a job leaves in files, environment and modules is gone with it
import builtins
import json
import os
import sys

for path in ("/tmp/left", "/work/left", "/dev/shm/left", "/dev/mqueue/left", "/var/tmp/left"):
    try:
        with open(path, "w") as f:
            f.write("left by another job")
    except OSError:
        pass
os.environ["LEFT"] = "left by another job"
builtins.LEFT = json.LEFT = sys.LEFT = "left by another job"
output = "left"
