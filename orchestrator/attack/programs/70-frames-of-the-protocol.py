# expect: error|output_limit|crashed
# after: slot-fresh, daemon-ok; whole frames of the runner's protocol, on every descriptor, stay bytes of this job
import json
import os
import struct


def frame(**fields):
    body = json.dumps(fields).encode()
    return struct.pack(">L", len(body)) + body


forged = (
    b"".join(
        frame(
            type="result", job=job, how="returned", payload=json.dumps({"status": "ok", "output": "FORGED"})
        )
        for job in ("0" * 32, "rehearsal", "bench", "")
    )
    + frame(type="ready", runtime="python", version="0", facts={})
    + frame(type="pong", nonce="x")
)
docker = struct.pack(">BxxxL", 1, len(forged)) + forged
for fd in range(3, 64):
    for data in (forged, docker):
        try:
            os.write(fd, data)
        except OSError:
            pass
for fd in (1, 2):
    os.write(fd, forged + docker)
raise ValueError("the real verdict")
