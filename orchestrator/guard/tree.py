"""Guard floor: a source as a syntax tree, and what both languages ask of one. Only here is tree-sitter's parser called.

Trees may be a million levels deep: nothing in this package recurses into one without a bound.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import cast

from tree_sitter import Language, Node, Parser, Query, QueryCursor, Tree

from orchestrator.domain.errors import InternalError
from orchestrator.domain.finding import Severity
from orchestrator.guard.rules import RULES, Hit
from orchestrator.guard.text import excerpt

__all__ = (
    "MAX_DEPTH",
    "MAX_NESTING",
    "Grammar",
    "Interests",
    "Scopes",
    "SourceTree",
    "Spot",
    "TooMuch",
    "ancestors",
    "first_child",
    "hit",
    "nesting_hit",
    "syntax_hits",
)

MAX_NESTING = 1000
"""How deep brackets may nest; CPython's own parser stops at 200, V8 at the end of its stack."""
MAX_DEPTH = 20_000
"""Levels of a tree; tree-sitter's queries become slow above some 65,000."""
MAX_SPOTS = 50_000
MAX_SYNTAX_HITS = 3
"""Errors after the first few are echoes of those."""
MAX_LEAVES = 20_000
MAX_CLIMB = 256
"""How many ancestors of a node are looked at."""

ERROR_KIND = 0xFFFF

_OPENING = {"(": ")", "[": "]", "{": "}", "${": "}"}
_CLOSING = frozenset(_OPENING.values())
_QUOTES = frozenset({"'", '"', "`", "string_start"})
_PLAIN_STRING = re.compile(rb"'(?:[^'\\\n]|\\.)*+'|\"(?:[^\"\\\n]|\\.)*+\"", re.DOTALL)
_STEPS = bytes.maketrans(b"([{)]}", b"\x01\x01\x01\xff\xff\xff")
_NOT_BRACKETS = bytes(sorted(set(range(256)) - set(b"()[]{}")))


class TooMuch(Exception):
    """Raised when a source has more of something than is looked at; its text says what."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A node and those around it, nearest first, as far as MAX_CLIMB.

    A node's own `parent` searches from the root, which is slow in wide and deep trees.
    """

    node: Node
    above: tuple[Node, ...]

    @property
    def parent(self) -> Node | None:
        """The node around it."""
        return self.above[0] if self.above else None

    def up(self) -> Spot | None:
        """The spot around it."""
        return Spot(self.above[0], self.above[1:]) if self.above else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interests:
    """What a language's rules want to see of a tree, by kind of node."""

    words: Mapping[str, str]
    """Kinds whose text is a name, to the group they are collected in."""
    shapes: Mapping[str, tuple[str, Callable[[Node], bool] | None]]
    """Kinds that matter by themselves, to group and condition."""
    functions: frozenset[str]
    outside: frozenset[str]
    """Kinds of `shapes` that matter only outside of every function."""


class Grammar:
    """One language's parser, and what its rules look at; loaded once per process."""

    def __init__(self, pointer: object, interests: Interests) -> None:
        self.language = Language(pointer)
        self._parser = Parser(self.language)
        self._errors = Query(self.language, "(ERROR) @error (MISSING) @missing")
        self.words = {self._id(kind): group for kind, group in interests.words.items()}
        self.shapes = {self._id(kind): value for kind, value in interests.shapes.items()}
        self.functions = frozenset({self._id(kind) for kind in interests.functions} | {ERROR_KIND})
        self.outside = frozenset(self._id(kind) for kind in interests.outside)

    def _id(self, kind: str) -> int:
        number = self.language.id_for_node_kind(kind, True)
        if number is None:
            raise InternalError(f"the grammar has no {kind}")
        return number

    def parse(self, data: bytes) -> Tree:
        """The tree of UTF-8 `data`: there is one for any bytes whatever."""
        return self._parser.parse(data)

    def errors(self, tree: Tree) -> list[Node]:
        """What is missing or could not be understood, in the order of the text."""
        captures = QueryCursor(self._errors).captures(tree.root_node)
        nodes = [node for group in captures.values() for node in group]
        return sorted(nodes, key=lambda node: node.start_byte)


class SourceTree:
    """One parsed source: its bytes, its tree, and the spots that rules look at."""

    def __init__(self, grammar: Grammar, data: bytes) -> None:
        self.data = data
        self.grammar = grammar
        self.tree = grammar.parse(data)
        self.root = self.tree.root_node

    def text(self, node: Node) -> str:
        """The source of a node."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")

    def spots(  # noqa: C901 - one loop over every node: the time of a check is spent here
        self, watched: Container[bytes], is_odd: Callable[[bytes], bool]
    ) -> dict[str, list[Spot]]:
        """One walk over the whole tree: the spots of interest, by group, in order.

        Words are kept where `watched` has them or they are odd. Raises TooMuch for trees deeper than MAX_DEPTH and for
        more spots than MAX_SPOTS.
        """
        data, words, shapes, functions = (
            self.data,
            self.grammar.words,
            self.grammar.shapes,
            self.grammar.functions,
        )
        found: dict[str, list[Spot]] = {}
        stack: list[Node] = []
        inside: list[int] = []
        count = 0
        cursor = self.tree.walk()
        while True:
            node = cast("Node", cursor.node)
            kind = node.kind_id
            group = words.get(kind)
            if group is not None:
                raw = data[node.start_byte : node.end_byte]
                keep = raw in watched or is_odd(raw)
            elif kind in shapes:
                group, condition = shapes[kind]
                keep = (condition is None or condition(node)) and not (
                    inside and kind in self.grammar.outside
                )
            else:
                keep = False
            if keep and group is not None:
                found.setdefault(group, []).append(Spot(node, tuple(stack[: -MAX_CLIMB - 1 : -1])))
                count += 1
                if count > MAX_SPOTS:
                    raise TooMuch(f"more than {MAX_SPOTS:,} places that rules would have to look at")
            if cursor.goto_first_child():
                stack.append(node)
                if kind in functions:
                    inside.append(len(stack))
                if len(stack) > MAX_DEPTH:
                    raise TooMuch(f"code nested deeper than {MAX_DEPTH:,} levels")
                continue
            while not cursor.goto_next_sibling():
                if not cursor.goto_parent():
                    return found
                if inside and inside[-1] == len(stack):
                    inside.pop()
                stack.pop()


class Scopes:
    """Where a name is the tenant's own: ranges of bytes, merged, asked by offset."""

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(ranges):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._starts.append(start)
                self._ends.append(end)

    def __contains__(self, offset: int) -> bool:
        at = bisect_right(self._starts, offset) - 1
        return at >= 0 and offset < self._ends[at]


def ancestors(node: Node) -> Iterator[Node]:
    """The nodes around a node, nearest first; at most MAX_CLIMB. Slow: for few nodes only."""
    current: Node | None = node.parent
    for _ in range(MAX_CLIMB):
        if current is None:
            return
        yield current
        current = current.parent


def first_child(node: Node) -> Node | None:
    """The first named child, where there is one."""
    return node.named_child(0) if node.named_child_count else None


def hit(rule: str, node: Node, name: str, at_most: Severity = Severity.REJECT) -> Hit:
    """A rule that applies to a node."""
    return Hit(rule, node.start_byte, node.end_byte, RULES[rule].message.format(name=name), at_most)


def nesting_hit(data: bytes) -> Hit | None:
    """Where brackets get deeper than MAX_NESTING, seen without parsing; brackets in plain strings do not count."""
    if sum(data.count(bracket) for bracket in (b"(", b"[", b"{")) <= MAX_NESTING:
        return None
    blanked = _PLAIN_STRING.sub(lambda match: b" " * len(match[0]), data)
    steps = blanked.translate(_STEPS, _NOT_BRACKETS)
    depths = accumulate(memoryview(steps).cast("b"))
    number = next((n for n, depth in enumerate(depths) if depth > MAX_NESTING), None)
    if number is None:
        return None
    brackets = re.finditer(rb"[()\[\]{}]", blanked)
    at = next(match.start() for n, match in enumerate(brackets) if n == number)
    return Hit("nesting-depth", at, at + 1, RULES["nesting-depth"].message.format(name=f"{MAX_NESTING:,}"))


def syntax_hits(source: SourceTree, language: str, is_gap: Callable[[Node], bool]) -> list[Hit]:
    """What the grammar could not make sense of, outermost first; at most a warning where `is_gap`."""
    found: list[Hit] = []
    covered = -1
    for node in source.grammar.errors(source.tree):
        if node.start_byte < covered:
            continue
        problem = _missing(node) if node.is_missing else _error(source, node, language)
        found.append(replace(problem, at_most=Severity.WARN) if is_gap(node) else problem)
        covered = max(covered, node.end_byte)
        if len(found) == MAX_SYNTAX_HITS:
            break
    return found


def _missing(node: Node) -> Hit:
    return Hit("syntax-error", node.start_byte, node.start_byte + 1, f"`{node.type}` is missing here")


def _error(source: SourceTree, node: Node, language: str) -> Hit:
    leaf, problem = _unbalanced(node)
    if leaf is not None:
        return Hit("syntax-error", leaf.start_byte, leaf.end_byte, problem)
    start = _start_of_trouble(node)
    near = excerpt(source.data[start:])
    what = f"near `{near}`" if near else "at the end of the text"
    end = min(max(node.end_byte, start + 1), start + max(1, len(near.encode())))
    return Hit("syntax-error", start, end, f"this is not valid {language}: {what}")


def _start_of_trouble(node: Node) -> int:
    """An error's node may begin with much that was understood; its last child is nearer to the trouble."""
    if node.parent is None or node.start_byte == 0:
        last = node.children[-1] if 0 < node.child_count < MAX_LEAVES else None
        if last is not None:
            return last.start_byte
    return node.start_byte


def _unbalanced(node: Node) -> tuple[Node | None, str]:
    """The bracket or quote in an error that has no partner, with words for it."""
    open_: list[Node] = []
    quote: Node | None = None
    for leaf in _direct_tokens(node):
        kind = leaf.type
        if kind in _QUOTES:
            quote = None if quote is not None and quote.type == kind and kind != "string_start" else leaf
        elif kind == "string_end":
            quote = None
        elif kind in _OPENING:
            open_.append(leaf)
        elif kind in _CLOSING:
            if not open_ or _OPENING[open_[-1].type] != kind:
                return leaf, f"`{kind}` closes nothing that is open here"
            open_.pop()
    if quote is not None:
        return quote, "this string is never closed"
    if open_:
        return open_[-1], f"`{open_[-1].type}` is never closed"
    return None, ""


def _direct_tokens(node: Node) -> Iterator[Node]:
    """The tokens that an error's node has itself; those of its children are balanced, or errors of their own."""
    if node.child_count > MAX_LEAVES:
        return
    yield from node.children
