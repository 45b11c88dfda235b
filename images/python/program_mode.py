"""Program mode: the source runs as a script does, from its first line to CPython's order of ending.

Owns arguments, the work folder's part in imports, exit codes and the last flush. Must not know payloads.
"""

from __future__ import annotations

import builtins
import sys
import threading
from _sitebuiltins import Quitter
from atexit import _run_exitfuncs
from builtins import compile, exec
from os import getcwd

import errors
import folder
from namespace import SOURCE_NAME, fresh_main
from pristine import BUILTINS as __builtins__  # noqa: F401

_FLUSH_FAILED = 120
_stdout, _stderr = sys.stdout, sys.stderr
_default_excepthook = sys.excepthook


def run(job: dict[str, object], debugger: object = None) -> int:
    """Run one program to its very end: threads joined, exit handlers called, streams flushed. Its exit code."""
    try:
        folder.place(job["files"])
    except OSError as error:
        _say(f"the given files have no room in the work folder: {error}\n")
        return 1
    sys.argv[:] = [SOURCE_NAME, *job["args"]]
    sys.path.insert(0, getcwd())
    code = _run_main(job, debugger)
    _quietly(threading._shutdown)  # noqa: SLF001 - joins what is no daemon, as the interpreter does
    _quietly(_run_exitfuncs)
    return code if flush_streams() else code or _FLUSH_FAILED


def flush_streams() -> bool:
    """Let out what is buffered, by the streams the job began with and those it put in their place."""
    flushed = [_quietly(stream.flush) for stream in (_stdout, _stderr)]
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name, None)
        if stream is not _stdout and stream is not _stderr and hasattr(stream, "flush"):
            _quietly(stream.flush)
    return all(flushed)


def add_exit_to_builtins() -> None:
    """`exit` and `quit`, which scripts expect and -S leaves out."""
    builtins.exit = Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = Quitter("quit", "Ctrl-D (i.e. EOF)")


def _run_main(job: dict[str, object], debugger: object) -> int:
    try:
        code = compile(job["code"], SOURCE_NAME, "exec", dont_inherit=True)
        if debugger is not None:
            debugger.begin()
        exec(code, fresh_main(job["allowed_globals"]))
    except SystemExit as leaving:
        return _exit_code(SystemExit.code.__get__(leaving))
    except BaseException as error:
        if debugger is not None:
            debugger.failed(error, job["code"])
        _report(error, job["code"])
        return 1
    return 0


def _exit_code(said: object) -> int:
    if said is None:
        return 0
    if issubclass(type(said), int):
        return int.__and__(said, 0xFF)
    _say(f"{errors.text_of(said)}\n")
    return 1


def _report(error: BaseException, source: str) -> None:
    _quietly(_stdout.flush)
    if sys.excepthook is not _default_excepthook:
        _quietly(lambda: sys.excepthook(type(error), error, error.__traceback__))
        return
    _quietly(lambda: _say(f"{errors.describe(error, source)['stack']}\n"))


def _say(text: str) -> None:
    _quietly(lambda: _stderr.write(text))


def _quietly(act: object) -> bool:
    """Whether the act, which may be the tenant's, came through."""
    try:
        act()
    except BaseException:
        return False
    return True
