"""Where a job's time goes, function by function: deterministic, by `sys.monitoring`, from nanoseconds on.

Owns the tree of calls: for each path through the tenant's functions the time that was spent there itself, what they
called of others' included. Loaded only for jobs that ask for a profile. Must not know how a record travels.
"""

from __future__ import annotations

import signal
from _thread import get_ident
from itertools import pairwise
from sys import monitoring
from time import perf_counter_ns

from debugging import Records, file_of
from pristine import BUILTINS as __builtins__  # noqa: F401

_MOST_NODES = 5000
_MOST_DEPTH = 100  # deeper calls count for their caller at this depth
_FIRST_WORDS_AT = (
    0.2,
    0.4,
    0.7,
)  # of the time limit: a job that is killed then has shown some of its profile
_AGAIN_SECONDS = 0.01
_TOOL = monitoring.PROFILER_ID
_EVENTS = monitoring.events
_OUTSIDE = 0


class Profile:
    """Counts from `begin` to `leave`; says what it has at the end, and a few times before the time limit."""

    def __init__(self, records: Records, job: dict[str, object]) -> None:
        self._records = records
        limits = job["limits"]
        patience = min(limits["wall_time_ms"], limits["cpu_time_ms"]) / 1000
        self._waits = [patience * (after - before) for before, after in pairwise((0.0, *_FIRST_WORDS_AT))]
        # By node: parent, frame, nanoseconds, {id of a code: node}. The first stands for what is not the tenant's.
        self._nodes: list[list[object]] = [[None, None, 0, {}]]
        self._frames: dict[int, tuple[int, object]] = {}
        self._stacks: dict[int, list[int]] = {}
        self._last: dict[int, int] = {}
        self._whole = True
        self._watching = False

    def begin(self) -> None:
        """Watch the tenant's code."""
        monitoring.use_tool_id(_TOOL, "debug mode")
        self._watching = True
        entered = (_EVENTS.PY_START, _EVENTS.PY_RESUME)
        left = (_EVENTS.PY_RETURN, _EVENTS.PY_YIELD)
        for events, hear in (
            (entered, self._entered),
            (left, self._left),
            ((_EVENTS.PY_THROW,), self._thrown_into),
            ((_EVENTS.PY_UNWIND,), self._unwound),
        ):
            for event in events:
                monitoring.register_callback(_TOOL, event, hear)
        # INVARIANT: the process's CPU time, which no sleep uses: a handler here interrupts nothing that waits.
        signal.signal(signal.SIGPROF, self._time_is_short)
        signal.setitimer(signal.ITIMER_PROF, self._waits.pop(0))
        monitoring.set_events(
            _TOOL,
            _EVENTS.PY_START | _EVENTS.PY_RESUME | _EVENTS.PY_RETURN | _EVENTS.PY_YIELD
            | _EVENTS.PY_THROW | _EVENTS.PY_UNWIND,
        )  # fmt: skip

    def leave(self) -> None:
        """Watch no longer, and say what there is."""
        if not self._watching:
            return
        self._watching = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        try:
            monitoring.set_events(_TOOL, 0)
            monitoring.free_tool_id(_TOOL)
        except ValueError:  # the tenant's code gave the tool back itself
            self._whole = False
        self._say(complete=True)

    def _time_is_short(self, _signal: int, _frame: object) -> None:
        if self._records.is_busy:
            signal.setitimer(signal.ITIMER_PROF, _AGAIN_SECONDS)
        else:
            self._count(self._stacks.get(get_ident(), [_OUTSIDE]))
            self._say(complete=False)
            signal.setitimer(signal.ITIMER_PROF, self._waits.pop(0) if self._waits else 0)

    # -- events: what is returned is for the interpreter; DISABLE means never again at this place --------------------

    def _entered(self, code: object, _offset: int) -> object:
        if file_of(code) is None:
            return monitoring.DISABLE
        self._push(code)
        return None

    def _left(self, code: object, _offset: int, _value: object) -> object:
        if file_of(code) is None:
            return monitoring.DISABLE
        self._pop()
        return None

    def _thrown_into(self, code: object, _offset: int, _error: BaseException) -> None:
        if file_of(code) is not None:
            self._push(code)

    def _unwound(self, code: object, _offset: int, _error: BaseException) -> None:
        if file_of(code) is not None:
            self._pop()

    # -- the tree -------------------------------------------------------------------------------------------------

    def _push(self, code: object) -> None:
        stack = self._stacks.get(get_ident())
        if stack is None:
            stack = self._stacks[get_ident()] = [_OUTSIDE]
        self._count(stack)
        stack.append(self._node_below(stack[-1], code, len(stack)))

    def _pop(self) -> None:
        stack = self._stacks.get(get_ident())
        if stack is not None and len(stack) > 1:
            self._count(stack)
            stack.pop()

    def _count(self, stack: list[int]) -> None:
        now, thread = perf_counter_ns(), get_ident()
        self._nodes[stack[-1]][2] += now - self._last.get(thread, now)
        self._last[thread] = now

    def _node_below(self, parent: int, code: object, depth: int) -> int:
        children = self._nodes[parent][3]
        node = children.get(id(code))
        if node is not None:
            return node
        if depth > _MOST_DEPTH or len(self._nodes) > _MOST_NODES:
            self._whole = self._whole and depth > _MOST_DEPTH
            return parent
        # The code is kept with its number, so that no other can have its id.
        frame, _ = self._frames.setdefault(id(code), (len(self._frames), code))
        children[id(code)] = len(self._nodes)
        self._nodes.append([parent or None, frame, 0, {}])
        return children[id(code)]

    def _say(self, *, complete: bool) -> None:
        try:
            codes = [code for _, code in self._frames.values()]
            frames = [[code.co_qualname, file_of(code), code.co_firstlineno] for code in codes]
            # The node outside is not told: the indexes of the others go down by one.
            nodes = [
                [None if parent is None else parent - 1, frame, nanoseconds]
                for parent, frame, nanoseconds, _ in self._nodes[1:]
            ]
            record = {"kind": "profile", "format": "speedscope", "complete": complete and self._whole}
            self._records.say("profile", {**record, "frames": frames, "nodes": nodes})
        except BaseException:  # no memory for it
            self._records.cut("profile")
