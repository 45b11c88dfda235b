"""Guard floor: texts that a syntax tree shows without running anything: `"ev" + "al"` is `eval`."""

from __future__ import annotations

import re

from tree_sitter import Node

from orchestrator.guard.tree import SourceTree, first_child

__all__ = ("character_of", "folded", "is_plain_literal")

MAX_PARTS = 64
MAX_CODE_POINT = 0x10FFFF
SURROGATES = range(0xD800, 0xE000)
_ESCAPE = re.compile(
    r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([0-7]{1,3})|(\n)|(.))",
    re.DOTALL,
)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
_WRAPPERS = frozenset({"parenthesized_expression"})
_PIECES = frozenset({"string_fragment", "string_content", "escape_sequence"})


def character_of(number: int) -> str:
    """The character of a code point that a tenant wrote; a mark for what is none."""
    return chr(number) if number <= MAX_CODE_POINT and number not in SURROGATES else "\ufffd"


def folded(source: SourceTree, node: Node, *, depth: int = 0) -> str | None:  # noqa: PLR0911 - a table
    """The text that an expression of literals, `+` and templates has; None where it depends on anything else."""
    if depth > MAX_PARTS:
        return None
    match node.type:
        case "string":
            return _string(source, node, depth)
        case "template_string":
            return _template(source, node, depth)
        case "parenthesized_expression" | "interpolation" | "template_substitution":
            return _only_child(source, node, depth)
        case "concatenated_string":
            return _joined([folded(source, child, depth=depth + 1) for child in _children(node)])
        case "binary_expression" | "binary_operator":
            return _sum(source, node, depth)
        case _:
            return None


def _only_child(source: SourceTree, node: Node, depth: int) -> str | None:
    inner = first_child(node)
    return (
        folded(source, inner, depth=depth + 1) if inner is not None and node.named_child_count == 1 else None
    )


def _children(node: Node) -> list[Node]:
    return node.named_children if node.named_child_count <= MAX_PARTS else []


def is_plain_literal(node: Node) -> bool:
    """Whether a text is written as one ordinary string."""
    return node.type == "string"


def _sum(source: SourceTree, node: Node, depth: int) -> str | None:
    operator, left, right = (node.child_by_field_name(name) for name in ("operator", "left", "right"))
    if operator is None or left is None or right is None or operator.type != "+":
        return None
    return _joined([folded(source, side, depth=depth + 1) for side in (left, right)])


def _string(source: SourceTree, node: Node, depth: int) -> str | None:
    """A string of either language; Python's f-strings are strings with interpolations."""
    first = node.children[0] if node.children else None
    prefix = (
        source.text(first).rstrip("'\"").lower() if first is not None and first.type == "string_start" else ""
    )
    parts: list[str | None] = []
    for child in _children(node):
        if child.type == "interpolation":
            parts.append(folded(source, child, depth=depth + 1))
        elif child.type in _PIECES:
            text = source.text(child)
            parts.append(text if "r" in prefix else _unescaped(text))
    return _joined(parts)


def _template(source: SourceTree, node: Node, depth: int) -> str | None:
    parts: list[str | None] = []
    for child in _children(node):
        if child.type == "template_substitution":
            parts.append(folded(source, child, depth=depth + 1))
        elif child.type in _PIECES:
            parts.append(_unescaped(source.text(child)))
    return _joined(parts)


def _joined(parts: list[str | None]) -> str | None:
    return None if None in parts else "".join(part for part in parts if part is not None)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    braces, four, eight, two, octal, newline, other = match.groups()
    if newline:
        return ""
    if other:
        return _NAMED.get(other, other)
    number = int(octal, 8) if octal else int(braces or four or eight or two, 16)
    return character_of(number)
