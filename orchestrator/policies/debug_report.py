"""Policies floor: what a runner recorded in debug mode, parsed as hostile data. Pure.

Whatever comes in, a report goes out: what is too much is cut, what has no known shape is counted and left out. It
can say nothing but how the tenant's own run looked, so nothing else is ever decided by it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeGuard, TypeVar

from orchestrator.domain.bounds import cut, has_more_nodes_than, is_deeper_than
from orchestrator.domain.debug import (
    EXCERPT_LINES,
    MAX_ARGUMENTS,
    MAX_CONSOLE_ENTRIES,
    MAX_ERRORS,
    MAX_EXCERPT_LINE,
    MAX_FRAMES,
    MAX_MESSAGE,
    MAX_NAME,
    MAX_STEPS,
    MAX_VALUE_DEPTH,
    MAX_VALUE_ENTRIES,
    MAX_VALUE_TEXT,
    MAX_VARIABLES,
    ConsoleEntry,
    DebugOptions,
    DebugReport,
    DebugValue,
    ErrorLink,
    Position,
    Profile,
    SourceLine,
    StackFrame,
    Step,
    Variable,
)
from orchestrator.domain.limits import MIB
from orchestrator.policies.profiles import cpuprofile_of, speedscope_of

__all__ = ("read_debug",)

MAX_LINE_BYTES = 2 * MIB
MAX_LINE_DEPTH = 16
MAX_LINE_NODES = 200_000
MAX_POSITION = 2**31
PARTS = ("console", "errors", "profile", "steps")
STREAMS = ("stdout", "stderr")
RELATIONS = ("thrown", "cause", "context", "member")
EVENTS = ("line", "return", "throw")

_LINE_END = re.compile("\r\n|\r|\n")


_Kept = TypeVar("_Kept")


class _Shapeless(Exception):
    """Raised inside this module for a record of no known shape."""


def read_debug(text: str, asked: DebugOptions, sources: Mapping[str, str], *, cut_off: bool) -> DebugReport:
    """The report in `text`, one JSON record a line. `sources` are the tenant's files, for the excerpts.

    `cut_off` says that there was more of it than was kept. Never raises.
    """
    reader = _Reader(asked=asked, sources=sources)
    for line in text.split("\n"):
        if line:
            reader.read(line)
    if cut_off:
        reader.truncated.update(name for name, wanted in reader.wanted.items() if wanted)
    return reader.report()


@dataclass(slots=True, kw_only=True)
class _Reader:
    asked: DebugOptions
    sources: Mapping[str, str]
    console: list[ConsoleEntry] = field(default_factory=list)
    errors: list[ErrorLink] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    profile: Profile | None = None
    truncated: set[str] = field(default_factory=set)
    unreadable: int = 0
    _lines: dict[str, list[str]] = field(default_factory=dict)

    @property
    def wanted(self) -> dict[str, bool]:
        """The parts by name, and whether they were asked for."""
        asked = self.asked
        return dict(zip(PARTS, (asked.console, asked.stack_traces, asked.profile, asked.steps), strict=True))

    def read(self, line: str) -> None:
        """Take one record, or count it as unreadable."""
        try:
            self._take(_parsed(line))
        except _Shapeless:
            self.unreadable += 1

    def report(self) -> DebugReport:
        """What has come together."""
        return DebugReport(
            console=tuple(self.console) if self.asked.console else None,
            errors=tuple(self.errors) if self.asked.stack_traces else None,
            profile=self.profile,
            steps=tuple(self.steps) if self.asked.steps else None,
            truncated=tuple(name for name in PARTS if name in self.truncated),
            unreadable=self.unreadable,
        )

    def _take(self, record: Mapping[str, object]) -> None:
        kind = record.get("kind")
        if kind == "cut":
            self._cut(record.get("part"))
        elif kind == "console" and self.asked.console:
            self._append("console", self.console, MAX_CONSOLE_ENTRIES, _console_entry(record))
        elif kind == "step" and self.asked.steps:
            self._append("steps", self.steps, MAX_STEPS, _step(record))
        elif kind == "errors" and self.asked.stack_traces:
            self._take_errors(record)
        elif kind == "profile" and self.asked.profile:
            self._take_profile(record)
        else:
            raise _Shapeless

    def _cut(self, part: object) -> None:
        if not isinstance(part, str) or not self.wanted.get(part):
            raise _Shapeless
        self.truncated.add(part)

    def _append(self, part: str, kept: list[_Kept], most: int, value: _Kept) -> None:
        if len(kept) < most:
            kept.append(value)
        else:
            self.truncated.add(part)

    def _take_errors(self, record: Mapping[str, object]) -> None:
        links = _list(record.get("errors"))
        # The last word stands: an error that was described twice ended the job once.
        self.errors = [
            self._error_link(_object(link), index) for index, link in enumerate(links[:MAX_ERRORS])
        ]
        if len(links) > MAX_ERRORS or record.get("cut") is True:
            self.truncated.add("errors")

    def _error_link(self, link: Mapping[str, object], index: int) -> ErrorLink:
        relation, parent = link.get("relation"), link.get("parent")
        if relation not in RELATIONS or (relation == "thrown") != (index == 0):
            raise _Shapeless
        if index and not (_is_whole(parent) and 0 <= parent < index):
            raise _Shapeless
        frames = _list(link.get("frames"))
        return ErrorLink(
            name=_text(link.get("name"), MAX_NAME),
            message=_text(link.get("message"), MAX_MESSAGE),
            relation=relation,
            parent=parent if _is_whole(parent) and index else None,
            frames=tuple(self._frame(frame) for frame in frames[:MAX_FRAMES]),
            truncated=len(frames) > MAX_FRAMES or link.get("cut") is True,
        )

    def _frame(self, value: object) -> StackFrame:
        position = _position(value)
        return StackFrame(position=position, excerpt=tuple(self._excerpt(position)))

    def _excerpt(self, position: Position) -> Iterator[SourceLine]:
        lines = self._lines_of(position.file)
        if position.line > len(lines):
            return
        first = max(1, position.line - EXCERPT_LINES)
        for number in range(first, min(len(lines), position.line + EXCERPT_LINES) + 1):
            yield SourceLine(line=number, text=cut(lines[number - 1], MAX_EXCERPT_LINE))

    def _lines_of(self, file: str) -> list[str]:
        if file not in self._lines:
            self._lines[file] = _LINE_END.split(self.sources.get(file, ""))
        return self._lines[file]

    def _take_profile(self, record: Mapping[str, object]) -> None:
        make: Callable[[Mapping[str, object]], tuple[dict[str, object], bool] | None]
        match record.get("format"):
            case "cpuprofile":
                make = cpuprofile_of
            case "speedscope":
                make = speedscope_of
            case _:
                raise _Shapeless
        made = make(record)
        if made is None:
            raise _Shapeless
        content, whole = made
        complete = whole and record.get("complete") is True
        self.profile = Profile(format=str(record["format"]), content=content, complete=complete)
        if complete:
            self.truncated.discard("profile")
        else:
            self.truncated.add("profile")


def _parsed(line: str) -> Mapping[str, object]:
    raw = line.encode("utf-8", "replace")
    if (
        len(raw) > MAX_LINE_BYTES
        or is_deeper_than(raw, MAX_LINE_DEPTH)
        or has_more_nodes_than(raw, MAX_LINE_NODES)
    ):
        raise _Shapeless
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise _Shapeless from None
    return _object(value)


# -- parts of records ---------------------------------------------------------------------------------------


def _console_entry(record: Mapping[str, object]) -> ConsoleEntry:
    arguments = _list(record.get("args"))
    where, stream = record.get("at"), record.get("stream")
    if stream not in STREAMS:
        raise _Shapeless
    return ConsoleEntry(
        at_ms=_milliseconds(record.get("ms")),
        stream=stream,
        level=_text(record.get("level"), MAX_NAME),
        arguments=tuple(_value(each) for each in arguments[:MAX_ARGUMENTS]),
        position=None if where is None else _position(where),
        truncated=len(arguments) > MAX_ARGUMENTS or record.get("cut") is True,
    )


def _step(record: Mapping[str, object]) -> Step:
    event, depth = record.get("event"), record.get("depth")
    if event not in EVENTS or not _is_whole(depth) or not 0 <= depth < MAX_POSITION:
        raise _Shapeless
    changed, value = _list(record.get("changed")), record.get("value")
    return Step(
        event=event,
        position=_position(record.get("at")),
        depth=depth,
        changed=tuple(_variable(each) for each in changed[:MAX_VARIABLES]),
        value=None if value is None else _value(value),
        truncated=len(changed) > MAX_VARIABLES or record.get("cut") is True,
    )


def _variable(value: object) -> Variable:
    name, shown = _several(value, 2, 2)
    return Variable(name=_text(name, MAX_NAME), value=_value(shown))


def _position(value: object) -> Position:
    """`[file, line, column or null, function or null]`."""
    file, line, column, function = _several(value, 4, 4)
    if not _is_whole(line) or not 0 < line < MAX_POSITION:
        raise _Shapeless
    return Position(
        file=_text(file, MAX_NAME),
        line=line,
        column=column if _is_whole(column) and 0 < column < MAX_POSITION else None,
        function=None if function is None else _text(function, MAX_NAME),
    )


def _value(value: object, depth: int = 0) -> DebugValue:
    """`[type, text]`, `[type, text, [[key, value], …]]`; a fourth item says that there was more."""
    type_, text, *rest = _several(value, 2, 4)
    entries = _list(rest[0]) if rest else []
    too_deep = bool(entries) and depth >= MAX_VALUE_DEPTH
    shown = [] if too_deep else entries[:MAX_VALUE_ENTRIES]
    whole_text = _text(text, MAX_MESSAGE)
    return DebugValue(
        type=_text(type_, MAX_NAME),
        text=cut(whole_text, MAX_VALUE_TEXT),
        entries=tuple(_entry(each, depth + 1) for each in shown),
        truncated=len(rest) > 1 or len(shown) < len(entries) or len(whole_text) > MAX_VALUE_TEXT,
    )


def _entry(value: object, depth: int) -> tuple[str, DebugValue]:
    key, shown = _several(value, 2, 2)
    return _text(key, MAX_NAME), _value(shown, depth)


def _several(value: object, least: int, most: int) -> list[object]:
    found = _list(value)
    if not least <= len(found) <= most:
        raise _Shapeless
    return found


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _Shapeless
    return value


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _Shapeless
    return value


def _text(value: object, most: int) -> str:
    if not isinstance(value, str):
        raise _Shapeless
    # A lone surrogate is no text that could be written anywhere.
    return cut(value.encode("utf-8", "replace").decode(), most)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _milliseconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Shapeless
    number = float(value) if abs(value) < MAX_POSITION else math.inf
    if not 0 <= number < MAX_POSITION:
        raise _Shapeless
    return round(number, 3)
