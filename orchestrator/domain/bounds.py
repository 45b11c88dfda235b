"""Domain floor: bounds on foreign JSON, checked before or while it is parsed."""

from __future__ import annotations

import json
import re
from itertools import accumulate

from orchestrator.domain.limits import KIB

__all__ = (
    "MAX_JSON_DEPTH",
    "MAX_JSON_NODES",
    "ForeignJsonError",
    "cut",
    "has_more_nodes_than",
    "is_deeper_than",
    "parse_foreign_json",
)

MAX_JSON_DEPTH = 128
"""How deep a tenant's input and output may nest."""
MAX_JSON_NODES = 1_000_000
"""How many values a tenant's input or output may have, counting those inside of others."""

# The closing quote is optional: a string that never ends is taken out once, not searched again from each.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_MAY_BE_INFINITE = re.compile(rb"[0-9][eE][+0-9]|(?<![0-9])[0-9]{309}")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NOT_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))


class ForeignJsonError(ValueError):
    """Raised when foreign text is no JSON, or none that every client can read; says what is wrong."""


def parse_foreign_json(text: str) -> object:
    """The JSON value that `text` is.

    Raises ForeignJsonError for text that is no JSON, nests deeper than MAX_JSON_DEPTH, has more than MAX_JSON_NODES
    values, holds NaN or Infinity, whole numbers above Python's own bound of 4300 digits, or a lone surrogate.
    """
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise ForeignJsonError(f"holds a lone surrogate at character {error.start}") from None
    if is_deeper_than(raw, MAX_JSON_DEPTH):
        raise ForeignJsonError(f"is nested deeper than {MAX_JSON_DEPTH} levels")
    if has_more_nodes_than(raw, MAX_JSON_NODES):
        raise ForeignJsonError(f"has more than {MAX_JSON_NODES:,} values")
    try:
        value = _decode(text)
    except json.JSONDecodeError as error:
        raise ForeignJsonError(
            f"is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise ForeignJsonError(f"is nested deeper than {MAX_JSON_DEPTH} levels") from None
    except ValueError as error:
        raise ForeignJsonError(str(error)[:200]) from None
    if b"\\ud" in raw or b"\\uD" in raw or _MAY_BE_INFINITE.search(raw):
        _refuse_what_cannot_be_written(value)
    return value


def _refuse_constant(name: str) -> object:
    raise ForeignJsonError(f"holds {name}, which JSON does not have")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _refuse_what_cannot_be_written(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise ForeignJsonError("holds a lone surrogate, which UTF-8 does not have") from None
    except ValueError:
        raise ForeignJsonError("holds a number too large for any client, as 1e999 is") from None


def is_deeper_than(text: bytes, most: int) -> bool:
    """Whether JSON `text` nests deeper than `most`, found without parsing it.

    Strings are taken out first, so brackets inside them do not count. All of it runs at C speed, in time
    linear in the length of `text`, whatever is in it. In text that is no JSON, no parser gets deeper
    before it sees that.
    """
    if text.count(b"[") + text.count(b"{") <= most:
        return False
    steps = _STRING.sub(b"", text).translate(_STEPS, _NOT_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0) > most


def has_more_nodes_than(text: bytes, most: int) -> bool:
    """Whether JSON `text` has more values than `most`, found without parsing it: all but one follow `,` `[` or `{`."""
    if len(text) <= most or _count(text) <= most:
        return False
    return _count(_STRING.sub(b"", text)) > most


def _count(text: bytes) -> int:
    # A pair's key is no value of its own: `{` and the commas between pairs count for its value.
    return 1 + sum(text.count(mark) for mark in (b",", b"[", b"{"))


def cut(text: str, most: int = 4 * KIB) -> str:
    """`text`, or its first `most` characters and an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"
