"""Guard floor: the rules on JavaScript's syntax tree. Which of them count is the policy's business.

Names are resolved as far as a glance can: a declared name is the tenant's own within its scope. What a program does
with a value once it has it (aliases, computed names) is not followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import tree_sitter_javascript
from tree_sitter import Node

from orchestrator.guard.folding import character_of, folded, is_plain_literal
from orchestrator.guard.rules import RULES, Hit
from orchestrator.guard.text import excerpt
from orchestrator.guard.tree import Grammar, Interests, Scopes, SourceTree, Spot, first_child, hit

__all__ = ("find_hits", "grammar", "known_gap", "without_ambiguity")

_GLOBAL_OBJECTS = frozenset({"globalThis", "global", "window", "self", "frames", "top", "parent"})
_NAMES: dict[str, str] = {
    "require": "js-require",
    "process": "js-process",
    "child_process": "js-child-process",
    "__dirname": "js-file-paths",
    "__filename": "js-file-paths",
    "eval": "js-eval",
    "Function": "js-function-constructor",
    "globalThis": "js-global-object",
    "WebAssembly": "js-wasm",
    "SharedArrayBuffer": "js-shared-memory",
    "Atomics": "js-shared-memory",
    **dict.fromkeys(
        ("setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate"),
        "js-timers",
    ),
    **dict.fromkeys(
        (
            "module", "exports", "global", "Buffer", "window", "document", "self", "fetch", "XMLHttpRequest",
            "WebSocket", "Worker", "navigator", "localStorage", "sessionStorage", "importScripts", "Deno", "Bun",
        ),
        "js-host-global",
    ),
}  # fmt: skip
_PROPERTIES: dict[str, str] = {
    "constructor": "js-constructor-chain",
    "__proto__": "js-prototype",
    "__defineGetter__": "js-prototype",
    "__defineSetter__": "js-prototype",
    "__lookupGetter__": "js-prototype",
    "__lookupSetter__": "js-prototype",
    "callee": "js-caller",
    "caller": "js-caller",
}
_MODULES = frozenset({"child_process", "cluster", "worker_threads"})
_BEHIND_VAR = frozenset({"eval", "Function", "globalThis", "WebAssembly", "SharedArrayBuffer", "Atomics"})
"""Names that exist here: `var` of such a name at the top level leaves the global as it is."""
_LANGUAGE_GLOBALS = frozenset(
    {
        "AggregateError", "Array", "ArrayBuffer", "Atomics", "BigInt", "BigInt64Array", "BigUint64Array",
        "Boolean", "DataView", "Date", "Error", "EvalError", "FinalizationRegistry", "Float16Array",
        "Float32Array", "Float64Array", "Function", "Int16Array", "Int32Array", "Int8Array", "Intl", "Iterator",
        "JSON", "Map", "Math", "Number", "Object", "Promise", "Proxy", "RangeError", "ReferenceError",
        "Reflect", "RegExp", "Set", "SharedArrayBuffer", "String", "Symbol", "SyntaxError", "TypeError",
        "URIError", "Uint16Array", "Uint32Array", "Uint8Array", "Uint8ClampedArray", "WeakMap", "WeakRef",
        "WeakSet", "WebAssembly", "atob", "btoa", "console", "decodeURI", "decodeURIComponent", "encodeURI",
        "encodeURIComponent", "escape", "eval", "globalThis", "isFinite", "isNaN", "parseFloat", "parseInt",
        "unescape",
    }
)  # fmt: skip

_PATTERNS = frozenset({"object_pattern", "array_pattern", "rest_pattern"})
_LEFT_PATTERNS = frozenset({"assignment_pattern", "object_assignment_pattern"})
_FUNCTIONS = frozenset(
    {
        "function_declaration", "function_expression", "arrow_function", "method_definition", "generator_function",
        "generator_function_declaration", "class_static_block",
    }
)  # fmt: skip
_BLOCKS = _FUNCTIONS | {"statement_block", "program", "for_statement", "for_in_statement", "switch_body"}
_DECLARATIONS = frozenset({"function_declaration", "generator_function_declaration", "class_declaration"})
_IMPORTS = frozenset({"import_specifier", "import_clause", "namespace_import"})
_NAMED_EXPRESSIONS = frozenset({"function_expression", "generator_function", "class"})
_DECLARING = _DECLARATIONS | _NAMED_EXPRESSIONS | {"variable_declarator"}
_FUNCTION_LITERALS = frozenset({"function_expression", "generator_function", "arrow_function"})
_COMPARISONS = frozenset({"==", "===", "!=", "!==", "instanceof"})
_UNICODE_ESCAPE = re.compile(r"\\u(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{4}))")
_MISREAD_LINE = re.compile(rb"([})])([ \t]*)\n(?=\s*[\[(])")


_FOLDABLE = frozenset({"string", "template_string", "binary_expression", "parenthesized_expression"})


def _may_fold(subscript: Node) -> bool:
    index = subscript.child_by_field_name("index")
    return index is not None and index.type in _FOLDABLE


_INTERESTS = Interests(
    words={
        "identifier": "name",
        "shorthand_property_identifier": "name",
        "shorthand_property_identifier_pattern": "name",
        "property_identifier": "property",
    },
    shapes={
        "subscript_expression": ("index", _may_fold),
        "import_statement": ("module", None),
        "export_statement": ("module", None),
        "meta_property": ("module", None),
        "import": ("import", None),
        "await_expression": ("outside", None),
        "return_statement": ("outside", None),
    },
    functions=_FUNCTIONS - {"class_static_block"},
    outside=frozenset({"await_expression", "return_statement"}),
)


@cache
def grammar() -> Grammar:
    """The grammar, loaded when it is first used."""
    return Grammar(tree_sitter_javascript.language(), _INTERESTS)


def find_hits(source: SourceTree, allowed_globals: frozenset[str] | None) -> Iterator[Hit]:
    """Every place where a rule applies, whatever the policy says of that rule. Raises TooMuch."""
    watched = _watched(allowed_globals)
    spots = source.spots(_words(allowed_globals), _has_escape)
    yield from _names(source, spots.get("name", []), watched)
    for spot in spots.get("property", []):
        yield from _property(source, spot)
    for spot in spots.get("index", []):
        yield from _index(source, spot)
    for spot in spots.get("module", []):
        yield from _module(source, spot.node)
    for spot in spots.get("import", []):
        yield from _import(source, spot)
    for spot in spots.get("outside", []):
        yield _outside_of_functions(spot.node)


def known_gap(node: Node) -> bool:
    """Whether the grammar is known to be wrong here: a tagged template may hold what is no escape."""
    return node.parent is not None and node.parent.type == "template_string"


def without_ambiguity(data: bytes) -> bytes:
    """`data` with `;` where a line ends in `}` or `)` and the next begins with a bracket.

    The grammar joins such lines even after an arrow function, where the language does not. For telling whether a source
    is valid; the length stays the same.
    """
    return _MISREAD_LINE.sub(rb"\1;\2", data)


@cache
def _watched(allowed_globals: frozenset[str] | None) -> dict[bytes, str]:
    """The names that mean a global, with the rule about each."""
    left_out = frozenset() if allowed_globals is None else _LANGUAGE_GLOBALS - allowed_globals
    return {name.encode(): _NAMES.get(name, "js-global-not-allowed") for name in (*_NAMES, *left_out)}


@cache
def _words(allowed_globals: frozenset[str] | None) -> frozenset[bytes]:
    return frozenset({*_watched(allowed_globals), *(name.encode() for name in _PROPERTIES)})


def _has_escape(word: bytes) -> bool:
    return b"\\" in word


def _names(source: SourceTree, spots: list[Spot], watched: dict[bytes, str]) -> Iterator[Hit]:
    """Identifiers that mean a global."""
    used: dict[str, list[Spot]] = {}
    own: dict[str, list[tuple[int, int]]] = {}
    for spot in spots:
        name = _without_escapes(source.text(spot.node))
        if name.encode() not in watched:
            continue
        binding = _binding_scope(spot, name)
        if binding is None:
            used.setdefault(name, []).append(spot)
        else:
            own.setdefault(name, []).append(binding)
    for name, places in used.items():
        scopes = Scopes(own.get(name, ()))
        for spot in places:
            if spot.node.start_byte not in scopes and not _is_harmless(source, spot, name):
                yield hit(watched[name.encode()], spot.node, name)
                if name == "require":
                    yield from _hosts(source, _first_argument(spot.parent))


def _is_harmless(source: SourceTree, spot: Spot, name: str) -> bool:
    """Asking whether there is such a name, comparing with it, or naming a member that is looked at itself."""
    parent = spot.parent
    if parent is None or _is_asked_for(parent):
        return True
    if name == "globalThis" and _names_a_member(source, parent, spot.node):
        return True
    return name == "Function" and _is_compared_or_prototype(source, parent, spot.node)


def _without_escapes(text: str) -> str:
    return _UNICODE_ESCAPE.sub(lambda match: character_of(int(match[1] or match[2], 16)), text)


def _is_asked_for(parent: Node) -> bool:
    """`typeof name`, by which careful code asks whether there is one."""
    operator = parent.child_by_field_name("operator") if parent.type == "unary_expression" else None
    return operator is not None and operator.type == "typeof"


def _names_a_member(source: SourceTree, parent: Node, node: Node) -> bool:
    """`globalThis.name` or `globalThis["name"]`: the name itself is looked at elsewhere."""
    if parent.child_by_field_name("object") != node:
        return False
    if parent.type == "member_expression":
        return True
    index = parent.child_by_field_name("index")
    return parent.type == "subscript_expression" and index is not None and folded(source, index) is not None


def _is_compared_or_prototype(source: SourceTree, parent: Node, node: Node) -> bool:
    if parent.type == "binary_expression":
        operator = parent.child_by_field_name("operator")
        return operator is not None and operator.type in _COMPARISONS
    member = parent.child_by_field_name("property")
    is_object = parent.type == "member_expression" and parent.child_by_field_name("object") == node
    return is_object and member is not None and source.text(member) == "prototype"


# -- scopes -------------------------------------------------------------------------------------------------


def _binding_scope(spot: Spot, name: str) -> tuple[int, int] | None:
    """The bytes within which this makes the name the tenant's own; None where it only uses the name."""
    current: Spot = spot
    while (around := current.up()) is not None and _is_pattern_part(around.node, current.node):
        current = around
    if around is None:
        return None
    scope = _declared_in(around, current.node)
    if scope is None:
        return None
    # `var` of what is a global already leaves the global as it is.
    is_same = scope.type == "program" and name in _BEHIND_VAR and _is_var(around)
    return (0, 0) if is_same else (scope.start_byte, scope.end_byte)


def _is_var(around: Spot) -> bool:
    return around.parent is not None and around.parent.type == "variable_declaration"


def _is_pattern_part(parent: Node, child: Node) -> bool:
    if parent.type in _PATTERNS:
        return True
    if parent.type in _LEFT_PATTERNS:
        return parent.child_by_field_name("left") == child
    return parent.type == "pair_pattern" and parent.child_by_field_name("value") == child


def _declared_in(around: Spot, child: Node) -> Node | None:  # noqa: PLR0911 - one for each form
    parent, kind = around.node, around.node.type
    if kind == "formal_parameters":
        return around.parent
    if kind in ("arrow_function", "catch_clause"):
        return parent if parent.child_by_field_name("parameter") == child else None
    if kind in _IMPORTS:
        return _nearest(around, frozenset({"program"}))
    if kind == "for_in_statement" and parent.child_by_field_name("left") == child:
        return _of_keyword(around, parent.child_by_field_name("kind"))
    if kind not in _DECLARING or parent.child_by_field_name("name") != child:
        return None
    if kind == "variable_declarator" and around.parent is not None:
        return _var_scope(around) if _is_var(around) else _nearest(around, _BLOCKS)
    return parent if kind in _NAMED_EXPRESSIONS else _nearest(around, _BLOCKS)


def _of_keyword(loop: Spot, keyword: Node | None) -> Node | None:
    if keyword is None:
        return None
    return _var_scope(loop) if keyword.type == "var" else loop.node


def _var_scope(spot: Spot) -> Node | None:
    return _nearest(spot, _FUNCTIONS | {"program"})


def _nearest(spot: Spot, kinds: frozenset[str]) -> Node | None:
    return next((above for above in spot.above if above.type in kinds), None)


# -- properties ---------------------------------------------------------------------------------------------


def _property(source: SourceTree, spot: Spot) -> Iterator[Hit]:
    """`object.name`."""
    name = _without_escapes(source.text(spot.node))
    if spot.parent is not None and spot.parent.type == "member_expression":
        yield from _member(source, spot, name, plain=True)


def _index(source: SourceTree, subscript: Spot) -> Iterator[Hit]:
    """`object["name"]`, the name written out or put together."""
    index = subscript.node.child_by_field_name("index")
    name = folded(source, index) if index is not None else None
    if index is not None and (name in _PROPERTIES or name in _NAMES):
        inside = Spot(index, (subscript.node, *subscript.above))
        yield from _member(source, inside, name or "", plain=is_plain_literal(index))


def _member(source: SourceTree, spot: Spot, name: str, *, plain: bool) -> Iterator[Hit]:
    """`plain` where the name is written as it is."""
    member = spot.up()
    target = _unwrapped(member.node.child_by_field_name("object")) if member is not None else None
    if member is None or target is None:
        return
    if name in _NAMES and (
        _is_global_object(source, target, member) or (name in ("eval", "Function") and not plain)
    ):
        yield hit(_NAMES[name], spot.node, name)
    elif name == "constructor":
        if not plain or _leads_to_function(source, target) or _is_called(member):
            shown = excerpt(source.data[target.start_byte : target.end_byte])
            yield hit("js-constructor-chain", spot.node, f"{shown}.constructor")
    elif name == "caller" or (name == "callee" and source.text(target) == "arguments"):
        yield hit("js-caller", spot.node, name)
    elif name in _PROPERTIES and name != "callee":
        yield hit(_PROPERTIES[name], spot.node, name)


def _unwrapped(node: Node | None) -> Node | None:
    for _ in range(16):
        if node is None or node.type != "parenthesized_expression" or node.named_child_count != 1:
            return node
        node = node.named_children[0]
    return node


def _is_global_object(source: SourceTree, target: Node, member: Spot) -> bool:
    if target.type == "this":
        return not any(above.type in _FUNCTIONS or above.type == "class_body" for above in member.above)
    if target.type == "member_expression":
        last = target.child_by_field_name("property")
        return last is not None and source.text(last) == "globalThis"
    return target.type == "identifier" and source.text(target) in _GLOBAL_OBJECTS


def _leads_to_function(source: SourceTree, target: Node) -> bool:
    """Whether `target.constructor` is a constructor of functions."""
    if target.type in _FUNCTION_LITERALS or target.type == "class":
        return True
    if target.type == "member_expression":
        last = target.child_by_field_name("property")
        if last is None:
            return False
        word = source.text(last)
        return word == "constructor" or source.text(target) == "Function.prototype"
    if target.type == "subscript_expression":
        index = target.child_by_field_name("index")
        return index is not None and folded(source, index) is not None
    called = target.child_by_field_name("function") if target.type == "call_expression" else None
    return called is not None and source.text(called).endswith(".getPrototypeOf")


def _is_called(member: Spot) -> bool:
    parent = member.parent
    if parent is None or parent.type != "call_expression":
        return False
    return parent.child_by_field_name("function") == member.node


# -- modules, await, return ---------------------------------------------------------------------------------


def _module(source: SourceTree, node: Node) -> Iterator[Hit]:
    word = "import.meta" if node.type == "meta_property" else node.type.partition("_")[0]
    if node.type != "meta_property" or source.text(node).startswith("import"):
        yield hit("js-import", node, word)
        yield from _hosts(source, node.child_by_field_name("source"))


def _import(source: SourceTree, spot: Spot) -> Iterator[Hit]:
    if spot.parent is not None and spot.parent.type == "call_expression":
        yield hit("js-dynamic-import", spot.node, "import()")
        yield from _hosts(source, _first_argument(spot.parent))


def _first_argument(call: Node | None) -> Node | None:
    arguments = (
        call.child_by_field_name("arguments") if call is not None and call.type == "call_expression" else None
    )
    return first_child(arguments) if arguments is not None else None


def _hosts(source: SourceTree, argument: Node | None) -> Iterator[Hit]:
    name = folded(source, argument) if argument is not None else None
    if argument is not None and name is not None and name.removeprefix("node:") in _MODULES:
        yield hit("js-child-process", argument, name)


def _outside_of_functions(node: Node) -> Hit:
    word = node.type.partition("_")[0]
    message = RULES["js-script-only"].message.format(name=word)
    return Hit("js-script-only", node.start_byte, node.start_byte + len(word), message)
