# expect: contained
# after: slot-fresh, disk-flat, daemon-ok; folders nested as deep as can be are gone with their tmpfs, and nobody has to walk them
import os

n = 0
try:
    for n in range(20_000):
        os.mkdir("d")
        os.chdir("d")
    output = "ESCAPED: 20000 levels"
except OSError as e:
    output = f"contained: {n} levels then errno {e.errno}"
