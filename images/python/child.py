"""The child's life: prepare, lock down, wait for the job, run it, deliver, end.

Owns the order of these steps and what of the runner stays visible to tenant code (nothing in sys.modules, nothing
on sys.path). Must not know the host or its stream; it has no descriptor for them.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from importlib import import_module
from json import loads
from os import _exit, close, dup2, read, write
from resource import RLIMIT_NOFILE, getrlimit
from signal import pause
from types import ModuleType

import function_mode
import lockdown
import program_mode
from frames import LENGTH
from inbox import PayloadInbox
from job import Job
from prepared_child import JOB, LOCKED, PAYLOAD
from pristine import BUILTINS as __builtins__  # noqa: F401

_READ_BYTES = 64 * 1024
_REHEARSALS = 8
_EXIT_BROKEN = 70
_OURS = os.path.dirname(os.path.abspath(__file__))
_forgotten: dict[str, ModuleType] = {}

# What jobs import most, in memory before they ask. asyncio alone takes 80 ms to import.
_PRELOADED = (
    "asyncio", "base64", "bisect", "collections.abc", "contextlib", "copy", "csv", "dataclasses", "datetime",
    "decimal", "fractions", "functools", "heapq", "io", "itertools", "json", "math", "operator", "random", "re",
    "statistics", "string", "textwrap", "threading", "time", "typing", "zlib",
)  # fmt: skip


def live(supervisor_pid: int) -> None:
    """From the fork to the end of the process; never returns. Raises only before the job is read."""
    _reset_signals()
    _prepare()
    lockdown.lock_child(supervisor_pid)
    write(PAYLOAD, LOCKED)
    frame = _read_job()
    close(JOB)
    try:
        _run(loads(frame))
    finally:
        # INVARIANT: no way out but this; an error here is ours and ends as an exit without a payload.
        _exit(_EXIT_BROKEN)


def _run(job: dict[str, object]) -> None:
    limits = job["limits"]
    lockdown.limit_child(cpu_time_ms=limits["cpu_time_ms"], disk_bytes=limits["disk_bytes"])
    gc.enable()
    if "debug" in job:
        _run_debugged(job)
    elif job["mode"] == "program":
        close(PAYLOAD)
        _exit(program_mode.run(job))
    else:
        result = function_mode.run(job)
        program_mode.flush_streams()
        _deliver(PayloadInbox.HEADER.pack(result.length) + result.text)
        _await_end()


def _run_debugged(job: dict[str, object]) -> None:
    """The same with debug mode, whose records go the way of the payload, before it."""
    if job["mode"] == "program":
        # A program finds descriptor 4 closed, as without debug mode: its records have the last one.
        last = getrlimit(RLIMIT_NOFILE)[0] - 1
        dup2(PAYLOAD, last)
        close(PAYLOAD)
        debugger = _make_debugger(job, last)
        code = program_mode.run(job, debugger)
        debugger.leave()
        _exit(code)
    debugger = _make_debugger(job, PAYLOAD)
    result = function_mode.run(job, debugger)
    program_mode.flush_streams()
    debugger.leave()
    _deliver(PayloadInbox.HEADER.pack(result.length) + result.text)
    _await_end()


def _await_end() -> None:
    # The supervisor kills this process once the result is out. To exit here would tear 20 MB of memory down on the
    # very core that the supervisor was just woken on, before it can write the result.
    while True:
        pause()


def _read_job() -> bytes:
    received = bytearray()
    while len(received) < LENGTH.size or len(received) < LENGTH.size + LENGTH.unpack_from(received)[0]:
        data = read(JOB, _READ_BYTES)
        if not data:  # the supervisor left before there was a job
            _exit(0)
        received += data
    return bytes(memoryview(received)[LENGTH.size :])


def _deliver(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[write(PAYLOAD, left) :]


# -- while warming --------------------------------------------------------------------------------------------------


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _prepare() -> None:
    preload()
    _open_streams()
    program_mode.add_exit_to_builtins()
    _forget_runner()
    for source in (
        "output = input['x'] + 1\nprint(end='')",
        "def f(x):\n    return x / 0\noutput = f(input['x'])",
    ):
        for _ in range(_REHEARSALS):
            # Touches code and memory of a job's path once, so that the first job finds them warm.
            function_mode.run({**Job.SAMPLE, "code": source, "input": '{"x": 1}'})
    program_mode.flush_streams()
    gc.collect()
    gc.freeze()


def preload() -> None:
    """Import what jobs import most. Runs in the supervisor too, before the second child and those after it."""
    # There is no network: asyncio does without TLS, which would cost 5 MB.
    sys.modules["ssl"] = None
    for name in _PRELOADED:
        import_module(name)
    del sys.modules["ssl"]


def _open_streams() -> None:
    # Line by line, so that what was printed is outside of the process when it is killed.
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _forget_runner() -> None:
    # SECURITY: what is not in sys.modules is not found by name (attack 69), and a tenant's own file `job.py` or
    # `errors.py` is imported, not ours. The functions live on through the frames that run them.
    sys.path[:] = [path for path in sys.path if path != _OURS]
    sys.path_importer_cache.pop(_OURS, None)
    for name, module in [*sys.modules.items()]:
        if os.path.dirname(getattr(module, "__file__", None) or "") == _OURS:
            _forgotten[name] = sys.modules.pop(name)
    sys.argv[:] = ["job.py"]


def _make_debugger(job: dict[str, object], descriptor: int) -> object:
    """Loads the files of debug mode, before any tenant code; they are forgotten as all others were."""
    sys.modules.update(_forgotten)
    sys.path.insert(0, _OURS)
    try:
        return import_module("debugging").Debugger(job, descriptor)
    finally:
        _forget_runner()
