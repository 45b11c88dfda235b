# expect: contained
# after: no-procs, slot-fresh; no program takes the place of the one that has locked itself down
import os

seen = []
for path in ("/proc/self/exe", "/usr/bin/python3.13", "/usr/bin/node", "/pause"):
    for act in (lambda p: os.execv(p, [p, "-c", "pass"]), lambda p: os.posix_spawn(p, [p, "-c", "pass"], {})):
        try:
            act(path)
            seen.append("ESCAPED " + path)
        except OSError as e:
            seen.append(str(e.errno))
bad = [s for s in seen if s.startswith("ESC")]
output = "ESCAPED: " + " ".join(bad) if bad else "contained: errno " + " ".join(sorted(set(seen)))
