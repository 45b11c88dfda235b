"""The lines that a job executes, one after the other, with the variables that changed: by `sys.monitoring`.

Owns which moments are recorded, and the bound on them: after it nothing is watched any more and the job runs at full
speed. Only the main thread is watched. Loaded only for jobs that ask for steps. Must not know how a record travels.
"""

from __future__ import annotations

from _thread import get_ident
from sys import _getframe, monitoring
from types import ModuleType

import debug_values
from debugging import Records, file_of
from pristine import BUILTINS as __builtins__  # noqa: F401

_MOST_STEPS = 2000
_MOST_VARIABLES = 30
_MOST_DEPTH = 1
_LOOKED_AT = 100  # variables of one call
_TOOL = monitoring.DEBUGGER_ID
_EVENTS = monitoring.events


class _Call:
    """One call of the tenant's that is under way: how deep it is, and its variables as they were last seen."""

    __slots__ = ("depth", "seen")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.seen: dict[str, object] = {}


class Steps:
    """Records steps from `begin` on, until there are enough of them or `leave`."""

    def __init__(self, records: Records, _job: dict[str, object]) -> None:
        self._records = records
        self._left = _MOST_STEPS
        self._thread = get_ident()
        self._calls: dict[int, _Call] = {}
        self._watching = False

    def begin(self) -> None:
        """Watch the tenant's code."""
        monitoring.use_tool_id(_TOOL, "debug mode")
        self._watching = True
        for event, hear in (
            (_EVENTS.LINE, self._line),
            (_EVENTS.PY_RETURN, self._returned),
            (_EVENTS.RAISE, self._raised),
            (_EVENTS.PY_UNWIND, self._unwound),
        ):
            monitoring.register_callback(_TOOL, event, hear)
        monitoring.set_events(_TOOL, _EVENTS.LINE | _EVENTS.PY_RETURN | _EVENTS.RAISE | _EVENTS.PY_UNWIND)

    def leave(self) -> None:
        """Watch no longer."""
        if not self._watching:
            return
        self._watching = False
        self._calls.clear()
        try:
            monitoring.set_events(_TOOL, 0)
            monitoring.free_tool_id(_TOOL)
        except ValueError:  # the tenant's code gave the tool back itself
            return

    # -- events: what is returned is for the interpreter; DISABLE means never again at this place --------------------

    def _line(self, code: object, line: int) -> object:
        file = file_of(code)
        if file is None:
            return monitoring.DISABLE
        self._record("line", file, line, _getframe(1))
        return None

    def _returned(self, code: object, _offset: int, value: object) -> object:
        file = file_of(code)
        if file is None:
            return monitoring.DISABLE
        frame = _getframe(1)
        self._record("return", file, frame.f_lineno, frame, value)
        self._calls.pop(id(frame), None)
        return None

    def _raised(self, code: object, _offset: int, error: BaseException) -> None:
        file = file_of(code)
        if file is not None:
            frame = _getframe(1)
            self._record("throw", file, frame.f_lineno, frame, error)

    def _unwound(self, code: object, _offset: int, _error: BaseException) -> None:
        if file_of(code) is not None:
            self._calls.pop(id(_getframe(1)), None)

    # -- one step -------------------------------------------------------------------------------------------------

    def _record(self, event: str, file: str, line: int | None, frame: object, *value: object) -> None:
        if get_ident() != self._thread or not self._watching:
            return
        try:
            if self._left <= 0 or not self._say(event, file, line, frame, *value):
                self._records.cut("steps")
                self.leave()
            self._left -= 1
        except BaseException:  # at the end of memory or of the stack: this step is not recorded
            return

    def _say(self, event: str, file: str, line: int | None, frame: object, *value: object) -> bool:
        call = self._calls.get(id(frame)) or self._enter(frame)
        changed, more = _changes(call, frame.f_locals)
        record = {
            "kind": "step",
            "event": event,
            "at": [file, line, None, frame.f_code.co_qualname],
            "depth": call.depth,
            "changed": changed,
            "value": debug_values.show(value[0]) if value else None,
            "cut": more,
        }
        return self._records.say("steps", record)

    def _enter(self, frame: object) -> _Call:
        depth, above = 0, frame.f_back
        while above is not None:
            if (call := self._calls.get(id(above))) is not None:
                depth = call.depth + 1
                break
            above = above.f_back
        call = self._calls[id(frame)] = _Call(depth)
        return call


def _changes(call: _Call, variables: object) -> tuple[list[object], bool]:
    """The variables that look otherwise than they did, and whether there were more than are told."""
    changed: list[object] = []
    more = False
    for number, (name, value) in enumerate([*variables.items()]):
        if number >= _LOOKED_AT:
            return changed, True
        if type(name) is not str or (name[:2] == "__" == name[-2:]) or type(value) is ModuleType:
            continue
        shown = debug_values.show(value, _MOST_DEPTH)
        if call.seen.get(name) == shown:
            continue
        if len(changed) < _MOST_VARIABLES:
            call.seen[name] = shown
            changed.append([name, shown])
        else:
            more = True
    return changed, more
