"""What the Python runner answers, as data: for tests that drive a real container. No container code here.

A case is (name, job, expected). `job` is laid over JOB_DEFAULTS (and its `limits` over those of it). `expected` has
only what must hold: `how`, `exit_code`, `signal`, `payload` (the whole, parsed), `status`, `error` (fields that must be
equal), `message_has`, `stack_has`, `stack_lacks`, `stdout`, `stderr` (whole), `stdout_has`, `stderr_has`, `files`
(name to base64). `how: None` means that no result comes before the test's own deadline. The case of the CPU backstop burns 2 s of CPU time:
on a busy machine that is 10 s by the clock, so give every other case 20 s.
"""

from __future__ import annotations

__all__ = ("CASES", "JOB_DEFAULTS")

JOB_DEFAULTS: dict[str, object] = {
    "type": "job", "job": "case", "mode": "function", "code": "", "input": "null", "entrypoint": None,
    "allowed_globals": None, "stdin": "", "args": [], "files": {},
    "limits": {
        "wall_time_ms": 500, "cpu_time_ms": 2000, "memory_bytes": 16 << 20, "output_bytes": 1 << 20,
        "processes": 16, "disk_bytes": 8 << 20,
    },
}  # fmt: skip

_REACH = """
import fcntl, os, resource, socket, struct
up, hits = os.getppid(), []
r, w = os.pipe()
pair = socket.socketpair()[0]
ACTS = dict(
    kill=lambda: os.kill(up, 0), group=lambda: os.kill(0, 0), everyone=lambda: os.kill(-1, 0), fork=os.fork,
    pidfd=lambda: os.pidfd_open(up), mem=lambda: open(f"/proc/{up}/mem", "rb"), fd=lambda: os.listdir(f"/proc/{up}/fd"),
    environ=lambda: open(f"/proc/{up}/environ"), oom=lambda: open(f"/proc/{up}/oom_score_adj", "w"),
    prlimit=lambda: resource.prlimit(up, resource.RLIMIT_NOFILE, (3, 3)), nice=lambda: os.setpriority(0, up, 19),
    affinity=lambda: os.sched_setaffinity(up, {0}), setown=lambda: fcntl.fcntl(r, 8, up),
    setsig=lambda: fcntl.fcntl(r, 10, 9), pipe_size=lambda: fcntl.fcntl(w, 1031, 1 << 20),
    fiosetown=lambda: fcntl.ioctl(pair.fileno(), 0x8901, struct.pack("i", up)),
    siocspgrp=lambda: fcntl.ioctl(pair.fileno(), 0x8902, struct.pack("i", up)),
    exec=lambda: os.execv("/usr/bin/python3.13", ["x"]), socket=lambda: socket.socket(socket.AF_UNIX),
)
for name, act in ACTS.items():
    try:
        act()
        hits.append(name)
    except OSError:
        pass
output = hits
"""
_FORGE = "import os, struct\np = {payload}\nos.write(4, struct.pack('>Q', {length}) + p)\n"
_OK = "returned"


def _ok(output: object) -> dict[str, object]:
    return {"how": _OK, "payload": {"status": "ok", "output": output}}


def _error(name: str, **more: object) -> dict[str, object]:
    return {"how": _OK, "status": "error", "error": {"name": name}, **more}


def _invalid(name: str, message: str) -> dict[str, object]:
    return {"how": _OK, "status": "invalid_output", "error": {"name": name}, "message_has": message}


def _program(code: str, **job: object) -> dict[str, object]:
    return {"mode": "program", "code": code, **job}


CASES: list[tuple[str, dict[str, object], dict[str, object]]] = [
    ("output is what the code assigned", {"code": 'output = input["x"] + 1', "input": '{"x": 41}'}, _ok(42)),
    ("output that is never set is null", {"code": "1"}, _ok(None)),
    ("entrypoint is called with input", {"code": "def f(i): return i * 2", "entrypoint": "f", "input": "4"}, _ok(8)),
    ("a coroutine is awaited", {"code": "async def f(i): return i", "entrypoint": "f", "input": "4"}, _ok(4)),
    ("await at top level", {"code": "import asyncio\nawait asyncio.sleep(0)\noutput = 5"}, _ok(5)),
    ("an entrypoint that is missing", {"entrypoint": "f"}, _error("NameError")),
    ("subclasses count by value", {"code": "import collections, enum\nclass E(enum.IntEnum):\n  A = 1\n"
     "output = collections.OrderedDict(a=E.A, b=(True, 1.5))"}, _ok({"a": 1, "b": [True, 1.5]})),
    ("only listed builtins stay", {"code": "output = len('abc')\nsum([1])", "allowed_globals": ["len"]},
     _error("NameError")),
    ("threads do not hold the result", {"code": "import threading, time\n"
     "threading.Thread(target=time.sleep, args=(60,)).start()\noutput = 1"}, _ok(1)),
    ("nothing of the runner has a name", {"code": "import sys\noutput = [n for n in ('runner', 'child', 'payload',"
     "'errors', 'job', 'frames', 'lockdown', 'supervisor', 'pristine') if n in sys.modules]"}, _ok([])),
    # values without a JSON form
    ("a set", {"code": "output = {'rows': [0, {1}]}"}, _invalid("set", "output.rows[1]: a set has no JSON form")),
    ("NaN", {"code": "output = [float('nan')]"}, _invalid("float", "output[0]: nan")),
    ("a key that is no text", {"code": "output = {1: 2}"}, _invalid("int", "a key must be text")),
    ("a cycle", {"code": "output = {}\noutput['self'] = output"}, _invalid("dict", "output.self: a cycle")),
    ("too deep", {"code": "output = []\nfor _ in range(200000): output = [output]"}, _invalid("list", "128 levels")),
    ("half a surrogate pair", {"code": "output = '\\ud800'"}, _invalid("str", "surrogate")),
    ("too many digits", {"code": "output = 10 ** 5000"}, _invalid("int", "digits")),
    ("an output above the limit", {"code": "output = 'x' * (64 << 20)"}, {"how": "output_limit"}),
    # errors
    ("an error's place", {"code": "def f(x):\n    return 1 / x\nf(0)"}, {
        "how": _OK, "status": "error", "error": {"name": "ZeroDivisionError", "line": 2, "column": 12},
        "stack_has": 'File "job.py", line 2, in f\n    return 1 / x', "stack_lacks": "/runner"}),
    ("a syntax error's place", {"code": "x = 1\nprint('never'"},
     {"how": _OK, "status": "error", "error": {"name": "SyntaxError", "line": 2, "column": 6}}),
    ("NUL in the source", {"code": "output = 1\n\0"}, _error("SyntaxError")),
    ("sys.exit in function mode", {"code": "import sys\nsys.exit(0)"}, _error("SystemExit", message_has="sys.exit(0)")),
    ("recursion without end", {"code": "def f(): f()\nf()"}, _error("RecursionError")),
    ("a hostile exception", {"code": "class E(Exception):\n  def __str__(self): raise KeyboardInterrupt\nraise E"},
     _error("E")),
    ("builtins emptied before an error", {"code": "import builtins\nvars(builtins).clear()\n1 / 0"},
     _error("ZeroDivisionError")),
    # the wall between child and supervisor
    ("the supervisor is out of reach", {"code": _REACH}, _ok([])),
    ("garbage as a payload", {"code": "import os\nos.write(4, b'\\xff' * 1000)"},
     {"how": "output_limit"}),
    ("half a payload", {"code": _FORGE.format(payload="b'{'", length=1000) + "os._exit(3)"},
     {"how": "exited", "exit_code": 3}),
    ("a payload that never comes", {"code": _FORGE.format(payload="b'{'", length=1000) + "import time\ntime.sleep(99)"},
     {"how": None}),
    ("exit without a payload", {"code": "import os\noutput = 1\nos._exit(0)"}, {"how": "exited", "exit_code": 0}),
    ("killed by itself", {"code": "import os\nprint('seen')\nos.kill(os.getpid(), 9)"},
     {"how": "signalled", "signal": 9, "stdout": "seen\n"}),
    ("cpu time's backstop", {"code": "while True: pass", "limits": {"cpu_time_ms": 100}},
     {"how": "signalled", "signal": 24}),
    # programs
    ("stdin, args and exit code", _program("import sys\nprint(sys.argv[1:], input())\nsys.exit(7)", stdin="hi\n",
     args=["a b"]), {"how": "exited", "exit_code": 7, "stdout": "['a b'] hi\n"}),
    ("stdin that is never read", _program("print(1)", stdin="x" * 3_000_000),
     {"how": "exited", "exit_code": 0, "stdout": "1\n"}),
    ("sys.exit with text", _program("import sys\nsys.exit('oops')"), {"how": "exited", "exit_code": 1,
     "stderr": "oops\n"}),
    ("an uncaught error", _program("1 / 0"), {"how": "exited", "exit_code": 1, "stderr_has": 'File "job.py", line 1'}),
    ("threads and exit handlers end first", _program("import atexit, threading, time\n"
     "atexit.register(lambda: print('bye'))\nthreading.Thread(target=lambda: (time.sleep(.1), print('thread'))).start()"),
     {"how": "exited", "exit_code": 0, "stdout": "thread\nbye\n"}),
    ("new and changed files come back", _program("import helper, os\nopen('out', 'w').write('new')\n"
     "os.symlink('/etc/passwd', 'link')\nos.mkdir('folder')\n"
     "try:\n  os.mkfifo('pipe')\nexcept PermissionError: pass  # the profile's word",
     files={"helper.py": "WD01"}), {"how": "exited", "exit_code": 0, "files": {"out": "bmV3"}}),
    ("a tenant's own job.py is imported", _program("import job", files={"job.py": "cHJpbnQoJ21pbmUnKQ=="}),
     {"how": "exited", "exit_code": 0, "stdout": "mine\n"}),
]  # fmt: skip
