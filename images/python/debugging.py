"""Debug mode of one job, in the child: which parts were asked for, where they start and stop, how they are told.

Owns the records that go to the supervisor, and their bounds. All of it is the tenant's own word, as its output is: it
is written by the process that runs its code. Loaded only for jobs in debug mode. Must not know frames.
"""

from __future__ import annotations

import os
from _thread import RLock
from builtins import __import__ as load
from json.encoder import c_make_encoder, encode_basestring_ascii
from time import perf_counter_ns

from debug_inbox import DebugInbox
from namespace import SOURCE_NAME
from pristine import BUILTINS as __builtins__  # noqa: F401

MOST_BYTES = {"console": 512 * 1024, "steps": 1536 * 1024, "errors": 128 * 1024, "profile": 1536 * 1024}
_WORK_FOLDER = f"{os.getcwd()}/"


def _no_default(value: object) -> object:
    raise TypeError(f"{type(value).__name__} in a record")


_encode = c_make_encoder(None, _no_default, encode_basestring_ascii, None, ":", ",", False, False, False)


def file_of(code: object) -> str | None:
    """The name to show for the file of a code object of the tenant's, None for anybody else's."""
    name = code.co_filename
    if name == SOURCE_NAME:
        return name
    return name.removeprefix(_WORK_FOLDER) if name.startswith(_WORK_FOLDER) else None


class Records:
    """The way of records to the supervisor: bounded, whole, one after the other, from whichever thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._room = dict(MOST_BYTES)
        self._turn = RLock()
        self._writing = False
        self._began = 0

    def start_clock(self) -> None:
        """The code begins to run now."""
        self._began = perf_counter_ns()

    def milliseconds(self) -> float:
        """Since the code began to run."""
        return round((perf_counter_ns() - self._began) / 1e6, 3)

    @property
    def is_busy(self) -> bool:
        """Whether a record is being written; one that a signal handler wrote now would cut it in two."""
        return self._writing

    def say(self, part: str, record: dict[str, object]) -> bool:
        """Hand out one record; False once the part has had its share, which is then said too."""
        text = "".join(_encode(record, 0)).encode("ascii") + b"\n"
        if self._room[part] < len(text):
            self.cut(part)
            return False
        self._room[part] -= len(text)
        self._write(text)
        return True

    def cut(self, part: str) -> None:
        """Say, once, that there was more of a part."""
        if self._room[part] >= 0:
            self._room[part] = -1
            self._write(f'{{"kind":"cut","part":"{part}"}}\n'.encode("ascii"))

    def _write(self, text: bytes) -> None:
        with self._turn:
            if self._writing:
                return
            self._writing = True
            try:
                left = memoryview(DebugInbox.of_debug(text))
                while left:
                    left = left[os.write(self._descriptor, left) :]
            except OSError:
                self._room = dict.fromkeys(self._room, -1)  # the tenant closed the pipe: nothing more is said
            finally:
                self._writing = False


class Debugger:
    """The parts of debug mode that a job asked for."""

    def __init__(self, job: dict[str, object], descriptor: int) -> None:
        wanted = job["debug"]
        self._records = Records(descriptor)
        self._tells_errors = wanted["stack_traces"] is True
        self._parts = []
        # The one that slows the job most starts last and stops first.
        for name, module, kind in (
            ("console", "debug_console", "Console"),
            ("profile", "debug_profile", "Profile"),
            ("steps", "debug_steps", "Steps"),
        ):
            if wanted[name] is True:
                self._parts.append(getattr(load(module), kind)(self._records, job))
        if self._tells_errors:
            self._describe = load("debug_errors").describe

    def begin(self) -> None:
        """From here on the tenant's code runs."""
        self._records.start_clock()
        for part in self._parts:
            part.begin()

    def leave(self) -> None:
        """The tenant's code has ended; may be called again."""
        for part in reversed(self._parts):
            part.leave()
        self._parts = []

    def failed(self, error: BaseException, source: str) -> None:
        """The job ends by this error. Its trace is read after everything else was stopped."""
        if not self._tells_errors:
            return
        try:
            self._records.say("errors", {"kind": "errors", **self._describe(error, source)})
        except BaseException:  # a hostile exception that nothing can describe
            self._records.cut("errors")
