# expect: contained
# after: no-procs, slot-fresh; no library's way to a program works: subprocess, system, popen, spawn, pty, multiprocessing
import multiprocessing
import os
import pty
import subprocess
import sys

hits, seen = [], []


def tried(name, act):
    try:
        value = act()
        (seen if value in (-1, 127 << 8) else hits).append(f"{name}={value}")
    except BaseException as e:
        seen.append(f"{name}:{type(e).__name__}")


tried(
    "subprocess", lambda: subprocess.run([sys.executable or "/usr/bin/python3.13", "-c", "pass"]).returncode
)
tried("system", lambda: os.system("true"))
tried("popen", lambda: os.popen("true").read())
tried("spawn", lambda: os.spawnv(os.P_WAIT, "/usr/bin/python3.13", ["python", "-c", "pass"]))
tried("forkpty", lambda: pty.fork())
tried("process", lambda: multiprocessing.get_context("fork").Process(target=print).start())
output = "ESCAPED: " + " ".join(hits) if hits else "contained: " + " ".join(seen)
