"""Guard floor: a source made plain before it runs, with a map back to the tenant's own text. Pure.

Clean code comes out byte for byte as it went in. What is changed keeps its meaning, with one exception that a policy
must ask for: strict mode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from orchestrator.guard.report import Shift
from orchestrator.guard.rules import JAVASCRIPT, RULES, Hit
from orchestrator.guard.text import Places, character_name
from orchestrator.guard.tree import SourceTree, ancestors

__all__ = ("Edit", "applied", "escapes", "hidden_hits", "normalised", "prefix_edits", "shifts_of")

STRICT = '"use strict";'
MAX_HIDDEN = 200
MAX_SHORT_ESCAPE = 0xFFFF
_BOM = "\ufeff"
_BIDI = "\u202a-\u202e\u2066-\u2069"
_CONTROL = "\x01-\x08\x0b\x0e-\x1f\x7f-\x9f"
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028\u2029\u2060-\u2065\u206a-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HIDDEN = re.compile(f"(\x00)|([{_CONTROL}])|([{_BIDI}])|([{_INVISIBLE}])")
_KINDS = ("nul-character", "control-character", "bidi-character", "invisible-character")
_QUOTING = frozenset(
    {
        "comment",
        "string",
        "template_string",
        "string_content",
        "string_fragment",
        "regex",
        "hash_bang_line",
        "html_comment",
    }
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in a text, by byte offsets; edits of one text do not overlap."""

    start: int
    end: int
    replacement: str


def normalised(text: str) -> tuple[str, list[str]]:
    """`text` without byte-order mark, every line ending a line feed, and what was changed.

    Neither moves anything to another line or column: a mark takes no column, and both languages read
    a carriage return, alone or with a line feed, as the one end of a line.
    """
    changes = []
    if text.startswith(_BOM):
        text = text[1:]
        changes.append("removed the byte-order mark")
    if returns := text.count("\r"):
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        changes.append(f"made {returns} line endings line feeds")
    return text, changes


# -- hidden characters --------------------------------------------------------------------------------------


def hidden_hits(text: str, source: SourceTree) -> Iterator[Hit]:
    """Characters that are not seen, or that reorder what is; at most MAX_HIDDEN."""
    for offset, character, rule in _hidden(text):
        if rule == "invisible-character" and _is_quoted(_node_at(source, offset)):
            continue
        message = RULES[rule].message.format(name=character_name(character))
        yield Hit(rule, offset, offset + len(character.encode()), message)


def _hidden(text: str) -> Iterator[tuple[int, str, str]]:
    if (first := _HIDDEN.search(text)) is None:
        return
    offset, seen = 0, 0
    for number, match in enumerate(_HIDDEN.finditer(text, first.start())):
        if number == MAX_HIDDEN:
            return
        offset += len(text[seen : match.start()].encode())
        seen = match.start()
        yield offset, match[0], _KINDS[(match.lastindex or 1) - 1]


def _node_at(source: SourceTree, offset: int) -> Node | None:
    return source.root.descendant_for_byte_range(offset, offset + 1)


def _is_quoted(node: Node | None) -> bool:
    return node is not None and any(each.type in _QUOTING for each in (node, *ancestors(node)))


def escapes(text: str, source: SourceTree) -> list[Edit]:
    """Escapes for hidden characters where an escape means the same: in plain strings and in comments."""
    edits = []
    for offset, character, rule in _hidden(text):
        if rule in ("bidi-character", "invisible-character") and ord(character) <= MAX_SHORT_ESCAPE:
            node = _node_at(source, offset)
            if node is not None and _takes_escapes(source, node, offset):
                edits.append(Edit(offset, offset + len(character.encode()), f"\\u{ord(character):04x}"))
    return edits


def _takes_escapes(source: SourceTree, node: Node, offset: int) -> bool:
    if node.type == "comment":
        return True
    if (
        node.type not in ("string_fragment", "string_content")
        or node.parent is None
        or node.parent.type != "string"
    ):
        return False
    opening = source.text(node.parent.children[0])
    if opening.rstrip("'\"").lower() not in ("", "u"):
        return False
    before = source.data[node.start_byte : offset]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 0


# -- edits --------------------------------------------------------------------------------------------------


def prefix_edits(data: bytes, language: str, *, strict_mode: bool) -> tuple[list[Edit], list[str]]:
    """What is done to the first line of JavaScript: a shebang becomes a comment, a policy may ask for strict code."""
    edits: list[Edit] = []
    changes: list[str] = []
    if language != JAVASCRIPT:
        return edits, changes
    if strict_mode:
        edits.append(Edit(0, 0, STRICT))
        changes.append("made it strict code")
    if strict_mode and data.startswith(b"#!"):
        edits.append(Edit(0, 2, "//"))
        changes.append("made the shebang a comment")
    return edits, changes


def applied(data: bytes, edits: list[Edit]) -> str:
    """`data` with its edits, which are in order."""
    parts, at = [], 0
    for edit in edits:
        parts += [data[at : edit.start], edit.replacement.encode()]
        at = edit.end
    return b"".join([*parts, data[at:]]).decode()


def shifts_of(data: bytes, edits: list[Edit]) -> tuple[Shift, ...]:
    """The edits as positions; those that keep the length shift nothing."""
    places = Places(data)
    shifts = []
    for edit in edits:
        own, new = len(data[edit.start : edit.end].decode()), len(edit.replacement)
        if own != new:
            line, column = places.at(edit.start)
            shifts.append(Shift(line, column, own, new))
    return tuple(shifts)
