"""A value as the author of a job may see it: type, text, and the entries of containers, all bounded.

Owns what is shown of a value. Calls no method of the tenant's: what a value holds is read through the builtin types.
Loaded only for jobs in debug mode. Must not know what the value was seen for.
"""

from __future__ import annotations

from itertools import islice
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)

import errors
from pristine import BUILTINS as __builtins__  # noqa: F401

MOST_DEPTH = 3
MOST_ENTRIES = 20
MOST_TEXT = 200
_MOST_BITS = 1024

Shown = list
"""`[type, text]`, `[type, text, [[key, value], …]]`; a fourth item, true, says that there was more."""

_mro_of = type.__dict__["__mro__"].__get__
_names_of = type.__dict__["__dict__"].__get__
_arguments_of = BaseException.__dict__["args"].__get__
# Written in C or plain Python of the standard library, and short: what they say of themselves is shown.
_SPEAK_FOR_THEMSELVES = frozenset(
    ("datetime", "decimal", "fractions", "ipaddress", "pathlib", "pathlib._local", "re", "uuid", "zoneinfo")
)


def show(value: object, depth: int = MOST_DEPTH) -> Shown:
    """What is shown of `value`. Never raises."""
    try:
        return _show(value, depth)
    except BaseException:  # no memory, or a recursion that was at its limit already
        return ["object", "<cannot be shown>", [], True]


def _show(value: object, depth: int) -> Shown:
    kind = type(value)
    name = errors.type_name(kind)
    if value is None or kind is bool:
        return [name, repr(value)]
    if issubclass(kind, int):
        return [name, _text_of_int(value)]
    if issubclass(kind, float):
        return [name, float.__repr__(value)]
    if issubclass(kind, (str, bytes, bytearray)):
        return _text(name, value)
    if kind in (list, tuple, set, frozenset, dict) or issubclass(kind, (list, tuple, set, frozenset, dict)):
        return _container(value, name, depth)
    return _object(value, kind, name, depth)


def _text_of_int(value: int) -> str:
    bits = int.bit_length(value)
    return int.__repr__(value) if bits <= _MOST_BITS else f"<a whole number of {bits} bits>"


def _text(name: str, value: str | bytes | bytearray) -> Shown:
    base = str if issubclass(type(value), str) else bytes if issubclass(type(value), bytes) else bytearray
    length = base.__len__(value)
    text = base.__repr__(base.__getitem__(value, slice(0, MOST_TEXT)))
    return [name, text] if length <= MOST_TEXT else [name, f"{text}… ({length} in all)", [], True]


def _container(value: object, name: str, depth: int) -> Shown:
    for base in (list, tuple, set, frozenset, dict):
        if issubclass(type(value), base):
            length = base.__len__(value)
            if base is dict:
                pairs = ((_key(key), item) for key, item in islice(dict.items(value), MOST_ENTRIES))
            else:
                items = islice(base.__iter__(value), MOST_ENTRIES)
                pairs = ((f"{number}", item) for number, item in enumerate(items))
            return _with_entries([name, f"{name}({length})"], pairs, length, depth)
    return [name, name]


def _with_entries(shown: Shown, pairs: object, length: int, depth: int) -> Shown:
    if length == 0:
        return shown
    if depth == 0:
        return [*shown, [], True]
    entries = [[key, _show(item, depth - 1)] for key, item in pairs]
    return [*shown, entries] if length <= MOST_ENTRIES else [*shown, entries, True]


def _key(key: object) -> str:
    shown = _show(key, 0)
    return errors.cut(shown[1], 100)


def _object(value: object, kind: type, name: str, depth: int) -> Shown:
    if kind is FunctionType:
        return ["function", f"<function {errors.cut(value.__qualname__, MOST_TEXT)}>"]
    if kind in (BuiltinFunctionType, MethodType, ModuleType) or issubclass(kind, type):
        return [name, _plain(value, kind)]
    if issubclass(kind, BaseException):
        arguments = _arguments_of(value)
        return _with_entries(
            [name, name],
            ((f"{number}", each) for number, each in enumerate(arguments[:MOST_ENTRIES])),
            len(arguments),
            depth,
        )
    if kind.__module__ in _SPEAK_FOR_THEMSELVES or kind in (complex, range):
        return _text_only(name, repr(value))
    fields = _fields(value, kind)
    pairs = ((errors.cut(f"{key}", 100), item) for key, item in islice(dict.items(fields), MOST_ENTRIES))
    return _with_entries([name, name], pairs, len(fields), depth)


def _plain(value: object, kind: type) -> str:
    if issubclass(kind, type):
        return f"<class {errors.type_name(value)}>"
    if kind is MethodType:
        return "<method>"
    return errors.cut(kind.__repr__(value), MOST_TEXT)


def _text_only(name: str, text: str) -> Shown:
    short = errors.cut(text, MOST_TEXT)
    return [name, short] if short == text else [name, short, [], True]


def _fields(value: object, kind: type) -> dict[object, object]:
    """What an instance holds, in its own dict and in slots; no property is asked."""
    found: dict[object, object] = {}
    for base in _mro_of(kind):
        for key, descriptor in _names_of(base).items():
            if key == "__dict__" and type(descriptor) is GetSetDescriptorType:
                found.update(descriptor.__get__(value))
            elif type(descriptor) is MemberDescriptorType and kind.__module__ != "builtins":
                try:
                    found[key] = descriptor.__get__(value)
                except AttributeError:
                    continue
    return found
