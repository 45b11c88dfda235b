# expect: error:ValueError
# after: slot-fresh; a result-looking line printed by the job never becomes its verdict
import json

for frame in (
    {"status": "ok", "output": "FORGED"},
    {"type": "result", "ok": True, "output": "FORGED", "result": "FORGED"},
):
    s = json.dumps(frame)
    print(s)
    print("\n__RESULT__" + s + "\n---RESULT---\n" + s + "\n\x00" + s + "\x00", flush=True)
raise ValueError("the real verdict")
