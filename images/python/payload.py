"""What a function job delivers: strict JSON of its output, or the sentence that says why there is none.

Owns which Python values have a JSON form. Calls nothing that tenant code could have put into a value: methods are
taken from the builtin types, and the encoder is C. Must not know how a payload travels.
"""

from __future__ import annotations

from json.encoder import c_make_encoder, encode_basestring
from typing import NamedTuple

import errors
from pristine import BUILTINS as __builtins__  # noqa: F401

MOST_LEVELS = 128
_LONGEST_PATH = 300

_CONTAINERS = frozenset((list, tuple, dict))
_TEXT = frozenset((str,))
_ROOT: tuple = ()
_PLAIN = frozenset((str, int, float, bool, type(None))) | _CONTAINERS
_ADVICE = {
    "Decimal": "use str(...) or float(...)",
    "Fraction": "use str(...) or float(...)",
    "NoneType": "use another key",
    "UUID": "use str(...)",
    "async_generator": "collect its items in a list",
    "bytearray": "use base64.b64encode(...).decode()",
    "bytes": "use base64.b64encode(...).decode() or .decode()",
    "complex": "use [value.real, value.imag]",
    "date": "use its isoformat()",
    "datetime": "use its isoformat()",
    "frozenset": "use sorted(...) or list(...)",
    "function": "call it and use what it returns",
    "generator": "use list(...)",
    "memoryview": "use base64.b64encode(...).decode()",
    "range": "use list(...)",
    "set": "use sorted(...) or list(...)",
    "time": "use its isoformat()",
    "timedelta": "use its total_seconds()",
}


class Payload(NamedTuple):
    """The text to deliver; where it is above the limit, only how long it would be at least."""

    length: int
    text: bytes


class InvalidOutput(Exception):
    """Raised for a value without a JSON form: its type's name, the path to it, and what to do instead."""


class _TooLarge(Exception):
    """Raised when the output cannot fit: with how many bytes it has at least."""


def _no_default(value: object) -> object:
    raise InvalidOutput(errors.type_name(type(value)), "output", "it changed while it was read")


_encode = c_make_encoder(None, _no_default, encode_basestring, None, ":", ",", False, False, False)


def of_output(value: object, limit: int) -> Payload:
    """The payload for a job that ended well with `value`, which may still be no JSON."""
    try:
        return _bounded(b'{"status":"ok","output":' + _to_json(value, limit) + b"}", limit)
    except _TooLarge as error:
        return Payload(max(error.args[0], limit + 1), b"")
    except InvalidOutput as error:
        return _of_invalid(*error.args)


def of_error(description: dict[str, object], limit: int) -> Payload:
    """The payload for a job that raised. Its texts shrink until they fit `limit`."""
    for message_bytes, stack_bytes in ((4096, 16_384), (1024, 2048), (256, 0)):
        shrunk = {
            **description,
            "message": errors.cut(description["message"], message_bytes),
            "stack": errors.cut_front(description["stack"], stack_bytes) or None,
        }
        text = _text({"status": "error", "error": shrunk})
        if len(text) <= limit:
            break
    return Payload(len(text), text)


def _of_invalid(name: str, path: str, advice: str) -> Payload:
    error = {"name": name, "message": errors.cut(f"{path}: {advice}", 2048)}
    text = _text({"status": "invalid_output", "error": error})
    return Payload(len(text), text)


def _bounded(text: bytes, limit: int) -> Payload:
    return Payload(len(text), text if len(text) <= limit else b"")


def _text(value: object) -> bytes:
    return "".join(_encode(value, 0)).encode("utf-8", "replace")


# Built before there is a tenant: for when there is no memory left to describe what happened.
_LAST_WORDS = {"name": "MemoryError", "message": "the error could not be described", "stack": ""}
OF_LAST_RESORT = of_error({**_LAST_WORDS, "line": None, "column": None}, MOST_LEVELS * 1024)


def _to_json(value: object, limit: int) -> bytes:
    if _is_plain(value, limit):
        try:
            return _strict(value)
        except ValueError:  # NaN, too many digits, half a surrogate pair: the slow way finds where
            pass
    return _strict(_Plainer(limit).convert(value, _ROOT, 0))


def _strict(value: object) -> bytes:
    return "".join(_encode(value, 0)).encode()


# -- the quick way: nothing but plain types -------------------------------------------------------------------------


def _is_plain(value: object, limit: int) -> bool:
    """Whether `value` is made of the plain types only, level by level at the speed of C.

    Raises _TooLarge as soon as the text must be longer than `limit`, before anything is encoded.
    """
    size = 0
    level: list[object] = [[value]]
    for _ in range(MOST_LEVELS + 1):
        deeper: list[object] = []
        for node in level:
            found = _look_at(node, deeper)
            if found is None:
                return False
            size += found
            if size > limit:
                raise _TooLarge(size)
        if not deeper:
            return True
        level = deeper
    return False


def _look_at(node: object, deeper: list[object]) -> int | None:
    """The least bytes a container's own items take, or None where it is not plain; containers go to `deeper`."""
    size = 2 * len(node)
    kids = node
    if type(node) is dict:
        if not _TEXT.issuperset(map(type, node)):
            return None
        size += sum(map(len, node)) + 3 * len(node)
        kids = node.values()
    kinds = {*map(type, kids)}
    if not kinds <= _PLAIN:
        return None
    if str in kinds:
        size += sum(map(len, kids if len(kinds) == 1 else [kid for kid in kids if type(kid) is str]))
    if not kinds.isdisjoint(_CONTAINERS):
        deeper += kids if kinds <= _CONTAINERS else [kid for kid in kids if type(kid) in _CONTAINERS]
    return size


# -- the slow way: subclasses by value, and the path to what has no JSON form ----------------------------------------


class _Plainer:
    """Copies a value into plain types, or says what stands in the way. Bounded in depth and in size."""

    def __init__(self, limit: int) -> None:
        self._limit = self._room = limit
        self._above: set[int] = set()

    def convert(self, value: object, path: tuple, level: int) -> object:
        """`value` in plain types. Raises InvalidOutput or _TooLarge."""
        self._spend(2)
        kind = type(value)
        if value is None or kind is bool:
            return value
        if issubclass(kind, str):
            return self._text(value, path)
        if issubclass(kind, int):
            return _whole(value, path)
        if issubclass(kind, float):
            return _finite(value, path)
        if issubclass(kind, (dict, list, tuple)):
            return self._container(value, path, level + 1)
        raise _without_json(value, path)

    def _container(self, value: object, path: tuple, level: int) -> object:
        if id(value) in self._above:
            raise _invalid(value, path, "a cycle has no JSON form")
        if level > MOST_LEVELS:
            raise _invalid(value, path, f"it is nested deeper than {MOST_LEVELS} levels")
        self._above.add(id(value))
        if issubclass(type(value), dict):
            plain = {
                self._key(key, path): self.convert(kid, (path, key), level) for key, kid in dict.items(value)
            }
        else:
            items = list.__iter__(value) if issubclass(type(value), list) else tuple.__iter__(value)
            plain = [self.convert(kid, (path, index), level) for index, kid in enumerate(items)]
        self._above.discard(id(value))
        return plain

    def _key(self, key: object, path: tuple) -> str:
        if not issubclass(type(key), str):
            raise _invalid(
                key, path, f"a key must be text, not {_with_article(key)}; use str(...) as the key"
            )
        return self._text(key, path)

    def _text(self, value: str, path: tuple) -> str:
        text = str.__str__(value)
        self._spend(len(text))
        try:
            if not text.isascii():
                text.encode()
        except UnicodeEncodeError:
            raise _invalid(value, path, "half a surrogate pair has no UTF-8 form") from None
        return text

    def _spend(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise _TooLarge(self._limit + 1)


def _whole(value: int, path: tuple) -> int:
    plain = int.__int__(value)
    try:
        int.__repr__(plain)
    except ValueError:
        raise _invalid(value, path, "it has too many digits for a JSON number; use hex(...)") from None
    return plain


def _finite(value: float, path: tuple) -> float:
    plain = float.__float__(value)
    if plain - plain != 0:
        raise _invalid(value, path, f"{plain!r} has no JSON form; use None")
    return plain


def _without_json(value: object, path: tuple) -> InvalidOutput:
    return _invalid(value, path, f"{_with_article(value)} has no JSON form; {_advice(value)}")


def _invalid(value: object, path: tuple, sentence: str) -> InvalidOutput:
    return InvalidOutput(errors.type_name(type(value)), _written(path), sentence)


def _with_article(value: object) -> str:
    name = errors.type_name(type(value))
    return f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}"


def _advice(value: object) -> str:
    for kind in type.mro(type(value)):
        name = errors.type_name(kind)
        if name in _ADVICE:
            return _ADVICE[name]
        if "__dataclass_fields__" in kind.__dict__:
            return "use dataclasses.asdict(...)"
        if name == "Enum":
            return "use its value"
    return "use text, a number, a bool, None, a list or a dict"


def _written(path: tuple) -> str:
    steps = []
    while path is not _ROOT:
        path, step = path
        steps.append(_step(step))
    return errors.cut("output" + "".join(reversed(steps)), _LONGEST_PATH)


def _step(step: object) -> str:
    if type(step) is int:
        return f"[{step}]"
    text = str.__str__(step)[:_LONGEST_PATH]
    return f".{text}" if text.isidentifier() else f"[{text!r}]"
