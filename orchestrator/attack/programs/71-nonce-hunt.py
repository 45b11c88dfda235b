# expect: any
# after: slot-fresh; even code that finds the nonce can only say what assigning `output` could say: time, memory and exit status stay host-measured
# check: min_wall_ms=250
import gc
import json
import os
import re
import sys
import time

t = time.monotonic()
while time.monotonic() - t < 0.3:
    pass
found = set()
f = sys._getframe()
while f:
    for v in list(f.f_locals.values()) + list(f.f_globals.values()):
        for s in v.values() if isinstance(v, dict) else [v]:
            if isinstance(s, (bytes, str)):
                for m in re.findall(r"[0-9a-f]{16,64}", s if isinstance(s, str) else s.decode("latin1")):
                    found.add(m)
    f = f.f_back
for o in gc.get_objects():
    if type(o) is dict:
        for v in list(o.values()):
            if isinstance(v, str) and re.fullmatch(r"[0-9a-f]{16,64}", v):
                found.add(v)
for n in list(found)[:64]:
    b = (
        json.dumps(
            {
                "nonce": n,
                "status": "ok",
                "output": "FORGED",
                "duration_ms": 0,
                "wall_ms": 0,
                "memory_bytes": 1,
                "job_id": "another-tenant",
            }
        )
        + "\n"
    ).encode()
    for fd in range(3, 32):
        try:
            os.write(fd, b)
        except OSError:
            pass
os._exit(0)
