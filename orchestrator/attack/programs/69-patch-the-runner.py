# expect: error:ValueError
# after: slot-fresh; patching everything the runner might call after user code does not hide the failure
# program: error; it took the exception hook away, so its trace is its own affair; the exit code is not
import builtins, io, json, os, sys, threading, traceback
fake = json.dumps({"status": "ok", "output": "FORGED"})
json.dumps = lambda *a, **k: fake
json.dump = lambda o, f, *a, **k: f.write(fake)
json.JSONEncoder.encode = lambda self, o: fake
json.JSONEncoder.iterencode = lambda self, o, _one_shot=False: iter([fake])
traceback.format_exc = traceback.format_exception_only = lambda *a, **k: ""
sys.excepthook = threading.excepthook = lambda *a, **k: None
sys.exit = builtins.exit = lambda *a: os._exit(0)
builtins.type = lambda *a: dict
for m in list(sys.modules.values()):
    for name in ("emit", "send", "send_result", "report", "write_result", "finish", "fail"):
        if callable(getattr(m, name, None)) and getattr(m, "__name__", "") in ("__main__", "runner", "child"):
            setattr(m, name, lambda *a, **k: None)
sys.stdout = sys.stderr = io.StringIO()
raise ValueError("the real verdict")
