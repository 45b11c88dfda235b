"""What a tenant's exception says: name, message, place, and a trace of the tenant's own frames.

Owns the form of `error` in a payload and of a program's trace on stderr. Exceptions are hostile: their attributes
are read through the builtin types, and the one call into them (`str`) is guarded. Must not know what becomes of it.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from os import getcwd
from typing import NamedTuple

from namespace import SOURCE_NAME
from pristine import BUILTINS as __builtins__  # noqa: F401

_LONGEST_NAME = 128
_LONGEST_LINE = 200
_MOST_FRAMES_EACH_END = 15
_MOST_LINKS = 8
_MOST_GROUPED = 8
_MESSAGE_IN_STACK = 1024

_WORK_FOLDER = f"{getcwd()}/"
_HEADING = "Traceback (most recent call last):"
_CAUSED = "\nThe above exception was the direct cause of the following exception:\n"
_MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n"

# SECURITY: a subclass may define properties of these names; the builtin's own answer is asked for.
_name_of = type.__dict__["__name__"].__get__
_traceback_of = BaseException.__dict__["__traceback__"].__get__
_cause_of = BaseException.__dict__["__cause__"].__get__
_context_of = BaseException.__dict__["__context__"].__get__
_hides_context = BaseException.__dict__["__suppress_context__"].__get__
_grouped_in = BaseExceptionGroup.__dict__["exceptions"].__get__
_syntax = {
    name: SyntaxError.__dict__[name].__get__ for name in ("msg", "filename", "lineno", "offset", "end_offset")
}
_exit_said = SystemExit.__dict__["code"].__get__


class Place(NamedTuple):
    """Where in the tenant's files something happened. Lines and columns count from 1."""

    file: str
    line: int | None
    column: int | None = None
    end_column: int | None = None
    function: str | None = None


def describe(error: BaseException, source: str) -> dict[str, object]:
    """The fields of an error, not yet cut to size, but bounded."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    place = _last_place(error, lines)
    return {
        "name": type_name(type(error)),
        "message": message_of(error),
        "stack": "\n".join(_chained(error, lines)),
        "line": place and place.line,
        "column": place and place.column,
    }


def type_name(kind: type) -> str:
    """The bare name of a type."""
    return cut(_name_of(kind), _LONGEST_NAME)


def message_of(error: BaseException) -> str:
    """What the exception says, without the place that Python adds for a syntax error."""
    if issubclass(type(error), SystemExit):
        return (
            f"the code called sys.exit({cut(text_of(_exit_said(error), repr), 100)}); assign `output` instead"
        )
    if _is_in_source(error) and type(_syntax["msg"](error)) is str:
        return _syntax["msg"](error)
    return text_of(error)


def text_of(value: object, form: type = str) -> str:
    """`str(value)`, whatever the tenant's own method does."""
    try:
        return str.__str__(form(value))
    except BaseException:
        return f"<{type_name(type(value))} without a text: its own method failed>"


def cut(text: str, limit_bytes: int) -> str:
    """`text` in at most so many bytes of UTF-8, with … where its end is missing."""
    data = text[:limit_bytes].encode("utf-8", "replace")
    if len(data) <= limit_bytes and len(text) <= limit_bytes:
        return data.decode()
    return data[: limit_bytes - 3].decode("utf-8", "ignore") + "…"


def cut_front(text: str, limit_bytes: int) -> str:
    """`text` in at most so many bytes of UTF-8, with … where its beginning is missing: a trace ends with the news."""
    if limit_bytes == 0:
        return ""
    data = text[-limit_bytes:].encode("utf-8", "replace")
    if len(data) <= limit_bytes and len(text) <= limit_bytes:
        return data.decode()
    return "…" + data[3 - limit_bytes :].decode("utf-8", "ignore")


# -- one trace ------------------------------------------------------------------------------------------------------


def _chained(error: BaseException, lines: list[str]) -> list[str]:
    """The trace of an exception after those of what led to it, oldest first."""
    text: list[str] = []
    for link, bridge in reversed(_links(error)):
        text += _trace(link, lines)
        if bridge:
            text.append(bridge)
    return text


def _links(error: BaseException) -> list[tuple[BaseException, str]]:
    """The exception and what led to it, newest first, each with the sentence that leads on from it."""
    links, seen, bridge = [], set(), ""
    while error is not None and id(error) not in seen and len(links) < _MOST_LINKS:
        links.append((error, bridge))
        seen.add(id(error))
        cause = _cause_of(error)
        bridge = _MEANWHILE if cause is None else _CAUSED
        error = cause if cause is not None or _hides_context(error) else _context_of(error)
    return links


def _trace(error: BaseException, lines: list[str]) -> list[str]:
    frames = [row for place in _places(error, lines) for row in _rows(place, lines)]
    last = f"{type_name(type(error))}: {cut(message_of(error), _MESSAGE_IN_STACK)}".removesuffix(": ")
    return [*([_HEADING] if frames else []), *frames, *_syntax_rows(error, lines), last, *_grouped(error)]


def _grouped(error: BaseException) -> list[str]:
    if not issubclass(type(error), BaseExceptionGroup):
        return []
    members = _grouped_in(error)
    shown = [
        f"  | {type_name(type(one))}: {cut(message_of(one), _LONGEST_LINE)}"
        for one in members[:_MOST_GROUPED]
    ]
    return (
        shown if len(members) <= _MOST_GROUPED else [*shown, f"  | … and {len(members) - _MOST_GROUPED} more"]
    )


def _rows(place: Place | int, lines: list[str]) -> list[str]:
    if type(place) is int:
        return [f"  [… {place} frames left out]"]
    within = "" if place.function is None else f", in {cut(place.function, _LONGEST_NAME)}"
    return [f'  File "{place.file}", line {place.line}{within}', *_excerpt(place, lines)]


def _excerpt(place: Place, lines: list[str]) -> list[str]:
    if place.file != SOURCE_NAME or place.line is None or not 0 < place.line <= len(lines):
        return []
    line = lines[place.line - 1]
    code = line.strip()
    if not code:
        return []
    rows = [f"    {cut(code, _LONGEST_LINE)}"]
    if place.column is not None:
        start = place.column - 1 - (len(line) - len(line.lstrip()))
        width = max(1, (place.end_column or place.column + 1) - place.column)
        if start >= 0 and start + width <= _LONGEST_LINE and width < len(code):
            rows.append(f"    {' ' * start}{'^' * width}")
    return rows


# -- places ---------------------------------------------------------------------------------------------------------


def related_to(error: BaseException) -> list[tuple[str, BaseException]]:
    """What led to an exception: its cause, else the one being handled; and the members of a group."""
    cause, context = _cause_of(error), _context_of(error)
    related = [("cause", cause)] if cause is not None else []
    if cause is None and context is not None and not _hides_context(error):
        related = [("context", context)]
    if issubclass(type(error), BaseExceptionGroup):
        related += [("member", one) for one in _grouped_in(error)[:_MOST_GROUPED]]
    return related


def places_of(error: BaseException, lines: list[str]) -> list[Place | int]:
    """The tenant's frames, outermost first, that of a syntax error included; of a long middle only the number."""
    found = _places(error, lines)
    return [*found, _syntax_place(error)] if _is_in_source(error) else found


def _last_place(error: BaseException, lines: list[str]) -> Place | None:
    if _is_in_source(error):
        return _syntax_place(error)
    inside = [place for place in _places(error, lines) if type(place) is Place and place.file == SOURCE_NAME]
    return inside[-1] if inside else None


def _places(error: BaseException, lines: list[str]) -> list[Place | int]:
    """The tenant's frames, outermost first; of a long trace's middle only the number is left."""
    first: list[object] = []
    last: deque[object] = deque(maxlen=_MOST_FRAMES_EACH_END)
    count = 0
    entry = _traceback_of(error)
    while entry is not None:
        if _shown_file(entry) is not None:
            (first if count < _MOST_FRAMES_EACH_END else last).append(entry)
            count += 1
        entry = entry.tb_next
    missing = count - len(first) - len(last)
    before, after = ([_place(entry, lines) for entry in part] for part in (first, last))
    return [*before, *([missing] if missing else []), *after]


def _shown_file(entry: object) -> str | None:
    """The name to show for a frame of the tenant's, None for anybody else's."""
    name = entry.tb_frame.f_code.co_filename
    if name == SOURCE_NAME:
        return name
    return name.removeprefix(_WORK_FOLDER) if name.startswith(_WORK_FOLDER) else None


def _place(entry: object, lines: list[str]) -> Place:
    code, number = entry.tb_frame.f_code, entry.tb_lineno
    positions = next(islice(code.co_positions(), entry.tb_lasti // 2, None), (None,) * 4)
    line, end_line, start, end = positions
    file = _shown_file(entry)
    if file != SOURCE_NAME or None in positions or line != number or not 0 < number <= len(lines):
        return Place(file, number, function=code.co_name)
    text = lines[number - 1].encode("utf-8", "replace")
    column, end_column = (len(text[:offset].decode("utf-8", "replace")) + 1 for offset in (start, end))
    return Place(file, number, column, end_column if end_line == line else None, code.co_name)


# -- errors of the source's own syntax --------------------------------------------------------------------------------


def _is_in_source(error: BaseException) -> bool:
    return issubclass(type(error), SyntaxError) and _syntax["filename"](error) == SOURCE_NAME


def _syntax_place(error: BaseException) -> Place:
    line, offset, end = (_positive(_syntax[name](error)) for name in ("lineno", "offset", "end_offset"))
    return Place(SOURCE_NAME, line, offset, end)


def _syntax_rows(error: BaseException, lines: list[str]) -> list[str]:
    return _rows(_syntax_place(error), lines) if _is_in_source(error) else []


def _positive(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None
