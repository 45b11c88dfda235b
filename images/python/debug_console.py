"""What a job prints, call by call: print, writes to sys.stdout and sys.stderr, logging, warnings.

Owns the wrappers around these and what they record. What is printed stays what it was. Loaded only for jobs that ask
for the console. Must not know how a record travels.
"""

from __future__ import annotations

import builtins
import logging
import sys
import warnings
from _thread import get_ident
from contextlib import contextmanager
from itertools import islice
from sys import _getframe

import debug_values
from debugging import Records, file_of
from pristine import BUILTINS
from pristine import BUILTINS as __builtins__  # noqa: F401

_MOST_ENTRIES = 1000
_MOST_ARGUMENTS = 10


class Console:
    """Records calls from `begin` to `leave`."""

    def __init__(self, records: Records, _job: dict[str, object]) -> None:
        self._records = records
        self._left = _MOST_ENTRIES
        self._streams = {"stdout": sys.stdout, "stderr": sys.stderr}
        self._within: set[int] = (
            set()
        )  # threads inside a recorded call, whose own writes are no calls of the tenant's
        self._print, self._handle = builtins.print, logging.Logger.handle
        self._warn = warnings._showwarnmsg_impl  # noqa: SLF001 - the last step, behind showwarning

    def begin(self) -> None:
        """Stand between the tenant's code and what prints."""
        printer = self._printer()
        builtins.print = printer
        BUILTINS["print"] = printer  # for jobs with a list of allowed globals
        for name, stream in self._streams.items():
            stream.write = self._writer(name, stream.write)
        logging.Logger.handle = self._logger()
        warnings._showwarnmsg_impl = self._warner()  # noqa: SLF001

    def leave(self) -> None:
        """Give everything back."""
        builtins.print = BUILTINS["print"] = self._print
        for stream in self._streams.values():
            vars(stream).pop("write", None)
        logging.Logger.handle = self._handle
        warnings._showwarnmsg_impl = self._warn  # noqa: SLF001

    # -- the wrappers ---------------------------------------------------------------------------------------------

    def _printer(self) -> object:
        original = self._print

        def print(*args: object, **kwargs: object) -> None:  # noqa: A001
            stream = self._name_of(kwargs.get("file"))
            if stream is None:
                return original(*args, **kwargs)
            with self._call(stream, "print", args, _tenant_place()):
                return original(*args, **kwargs)

        return print

    def _writer(self, name: str, original: object) -> object:
        def write(text: str) -> int:
            place = None if get_ident() in self._within else _tenant_place()
            if place is None:
                return original(text)
            with self._call(name, "write", (text,), place):
                return original(text)

        return write

    def _logger(self) -> object:
        original = self._handle

        def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
            level = f"{logging.getLevelName(record.levelno)}".lower()
            more = record.args if type(record.args) is tuple else (record.args,)
            said = (record.msg, *more) if record.args else (record.msg,)
            with self._call("stderr", level, said, _tenant_place()):
                original(logger, record)

        return handle

    def _warner(self) -> object:
        original = self._warn

        def show_warning(message: object) -> None:
            with self._call("stderr", "warning", (message.message,), _tenant_place()):
                original(message)

        return show_warning

    def _name_of(self, file: object) -> str | None:
        """Which of the two streams a print goes to."""
        if file is None:
            file = sys.stdout
        for name, stream in self._streams.items():
            if file is stream:
                return name
        return None

    # -- one call -------------------------------------------------------------------------------------------------

    @contextmanager
    def _call(self, stream: str, level: str, said: tuple, place: object) -> object:
        """One call, recorded before it does what it always does."""
        thread = get_ident()
        is_within = thread in self._within
        self._record(stream, level, said, place)
        self._within.add(thread)
        try:
            yield
        finally:
            if not is_within:
                self._within.discard(thread)

    def _record(self, stream: str, level: str, said: tuple, place: object) -> None:
        if self._left <= 0:
            self._records.cut("console")
            return
        self._left -= 1
        try:
            record = {
                "kind": "console",
                "ms": self._records.milliseconds(),
                "stream": stream,
                "level": level,
                "args": [debug_values.show(each) for each in said[:_MOST_ARGUMENTS]],
                "at": place,
                "cut": len(said) > _MOST_ARGUMENTS,
            }
            if not self._records.say("console", record):
                self._left = 0
        except BaseException:  # no memory for it: the job goes on
            self._left = 0


def _tenant_place() -> list[object] | None:
    """Where in the tenant's files the innermost call of theirs is."""
    frame = _getframe(2)
    while frame is not None:
        code = frame.f_code
        file = file_of(code)
        if file is not None:
            position = next(islice(code.co_positions(), frame.f_lasti // 2, None), (None,) * 4)
            column = None if position[2] is None else position[2] + 1
            return [file, frame.f_lineno, column, code.co_name]
        frame = frame.f_back
    return None
