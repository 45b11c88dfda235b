"""Guard floor: the rules on Python's syntax tree. Which of them count is the policy's business.

Names are resolved as far as a glance can: a name that a function binds is the tenant's own in there. What a program
does with a value once it has it (aliases, computed names) is not followed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache

import tree_sitter_python
from tree_sitter import Node

from orchestrator.guard.folding import folded
from orchestrator.guard.rules import Hit
from orchestrator.guard.tree import Grammar, Interests, Scopes, SourceTree, Spot, ancestors, first_child, hit

__all__ = ("find_hits", "grammar", "known_gap")

_NAMES: dict[str, str] = {
    "eval": "py-eval",
    "exec": "py-exec",
    "compile": "py-compile",
    "__import__": "py-dynamic-import",
    "__builtins__": "py-builtins",
    "__loader__": "py-introspection",
    "__spec__": "py-introspection",
    "open": "py-open",
}
_CLIMBING = frozenset(
    {
        "__subclasses__", "__globals__", "__builtins__", "f_globals", "f_builtins", "f_locals", "f_back", "gi_frame",
        "cr_frame", "ag_frame", "tb_frame", "tb_next", "func_globals",
    }
)  # fmt: skip
_INTROSPECTING = frozenset(
    {"__bases__", "__base__", "__mro__", "__code__", "__closure__", "__loader__", "__spec__"}
)
_ATTRIBUTES = dict.fromkeys(_CLIMBING, "py-object-climb") | dict.fromkeys(_INTROSPECTING, "py-introspection")
_OF_SYS = frozenset(
    {"_getframe", "_current_frames", "modules", "settrace", "setprofile", "meta_path", "path_hooks"}
)
_OF_OS = frozenset(
    {
        "system", "popen", "fork", "forkpty", "kill", "killpg", "posix_spawn", "posix_spawnp", "startfile",
        "pidfd_open",
        "execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe", "spawnl", "spawnle", "spawnlp",
        "spawnlpe", "spawnv", "spawnve", "spawnvp", "spawnvpe",
    }
)  # fmt: skip
_OF_MODULES = {
    "os": dict.fromkeys(_OF_OS, "py-process"),
    "posix": dict.fromkeys(_OF_OS, "py-process"),
    "sys": dict.fromkeys(_OF_SYS, "py-introspection"),
    "builtins": {name: rule for name, rule in _NAMES.items() if rule != "py-open"},
    "asyncio": dict.fromkeys(("create_subprocess_exec", "create_subprocess_shell"), "py-process"),
    "io": {"open": "py-open"},
}
_MODULES = {
    **dict.fromkeys(("subprocess", "multiprocessing", "pty", "posix", "_posixsubprocess", "popen2"), "py-process"),
    **dict.fromkeys(
        (
            "socket", "ssl", "socketserver", "http.client", "http.server", "urllib.request", "ftplib", "smtplib",
            "imaplib",
            "poplib", "nntplib", "telnetlib", "xmlrpc", "requests", "httpx", "aiohttp", "urllib3", "_socket",
        ),
        "py-network",
    ),
    **dict.fromkeys(("ctypes", "_ctypes", "cffi", "_cffi_backend"), "py-native-code"),
    **dict.fromkeys(("importlib", "imp", "pkgutil", "runpy", "zipimport"), "py-dynamic-import"),
    "builtins": "py-builtins",
    "concurrent.futures.process": "py-process",
}  # fmt: skip
_BY_NAME = frozenset({"getattr", "setattr", "hasattr", "delattr", "attrgetter", "methodcaller"})
_ALWAYS_TELLING = frozenset({"__builtins__", "__import__", "__subclasses__", "__globals__"})
_MAPPINGS = frozenset({"globals", "locals", "vars"})
_WATCHED = {
    name.encode() for name in (*_NAMES, *_ATTRIBUTES, *_BY_NAME, *_OF_OS, *_OF_SYS, *_OF_MODULES["asyncio"])
}

_NOWHERE = (0, 0)
_FUNCTIONS = frozenset({"function_definition", "lambda"})
_COMPREHENSIONS = frozenset(
    {"list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression"}
)
_PATTERNS = frozenset(
    {"pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern", "dictionary_splat_pattern"}
)
_DEFINITIONS = frozenset({"function_definition", "class_definition"})
_TARGET_FIELDS = {
    "assignment": "left",
    "augmented_assignment": "left",
    "for_statement": "left",
    "for_in_clause": "left",
    "named_expression": "name",
    "aliased_import": "alias",
}
_PARAMETERS = frozenset({"parameters", "lambda_parameters"})
_DEFAULTED = frozenset({"default_parameter", "typed_default_parameter", "typed_parameter"})


_FOLDABLE = frozenset({"string", "concatenated_string", "binary_operator", "parenthesized_expression"})


def _may_fold(subscript: Node) -> bool:
    index = subscript.child_by_field_name("subscript")
    return index is not None and index.type in _FOLDABLE


_INTERESTS = Interests(
    words={"identifier": "name"},
    shapes={
        "subscript": ("index", _may_fold),
        "import_statement": ("import", None),
        "import_from_statement": ("from", None),
        "print_statement": ("old", None),
        "exec_statement": ("old", None),
    },
    functions=frozenset(),
    outside=frozenset(),
)


@cache
def grammar() -> Grammar:
    """The grammar, loaded when it is first used."""
    return Grammar(tree_sitter_python.language(), _INTERESTS)


def find_hits(source: SourceTree, allowed_modules: frozenset[str] | None) -> Iterator[Hit]:
    """Every place where a rule applies, whatever the policy says of that rule. Raises TooMuch."""
    spots = source.spots(_WATCHED, _is_foreign)
    imports = _Imports(source, allowed_modules)
    for spot in spots.get("import", []):
        imports.take_import(spot.node)
    for spot in spots.get("from", []):
        imports.take_from(spot.node)
    yield from imports.hits
    yield from _names(source, spots.get("name", []), imports.aliases)
    for spot in spots.get("index", []):
        yield from _index(source, spot.node)
    for spot in spots.get("old", []):
        yield _old_statement(spot.node)


def _is_foreign(word: bytes) -> bool:
    return not word.isascii()


def known_gap(node: Node) -> bool:
    """Whether the grammar is known to be wrong here: it does not know defaults of type parameters (3.13)."""
    return any(above.type == "type_parameter" for above in (node, *ancestors(node)))


# -- imports ------------------------------------------------------------------------------------------------


class _Imports:
    """What the import statements bring in; `aliases` says by which names the watched modules are known."""

    def __init__(self, source: SourceTree, allowed: frozenset[str] | None) -> None:
        self._source = source
        self._allowed = allowed
        self.aliases = {module: module for module in _OF_MODULES}
        self.hits: list[Hit] = []

    def take_import(self, statement: Node) -> None:
        for child in statement.named_children:
            name = child.child_by_field_name("name") if child.type == "aliased_import" else child
            alias = child.child_by_field_name("alias")
            if name is None or name.type != "dotted_name":
                continue
            module = self._source.text(name)
            if alias is not None and module in _OF_MODULES:
                self.aliases[self._source.text(alias)] = module
            self._judge(name, module)

    def take_from(self, statement: Node) -> None:
        origin = statement.child_by_field_name("module_name")
        if origin is None:
            return
        if origin.type == "relative_import":
            self.hits.append(hit("py-relative-import", origin, f"from {self._source.text(origin)}"))
            return
        module = self._source.text(origin)
        if not self._judge(origin, module):
            for child in statement.children_by_field_name("name"):
                self._judge_member(child, module)
        for child in statement.named_children:
            if child.type == "wildcard_import":
                self.hits.append(hit("py-star-import", child, f"from {module} import *"))

    def _judge_member(self, child: Node, module: str) -> None:
        node = child.child_by_field_name("name") if child.type == "aliased_import" else child
        if node is None:
            return
        name = self._source.text(node)
        rule = _OF_MODULES.get(module, {}).get(name) or _MODULES.get(f"{module}.{name}")
        if rule is not None:
            self.hits.append(hit(rule, node, f"{module}.{name}"))

    def _judge(self, node: Node, module: str) -> bool:
        top = module.partition(".")[0]
        rule = _MODULES.get(module) or _MODULES.get(top)
        if rule is None and self._allowed is not None and top not in self._allowed:
            rule = "py-import"
        if rule is not None:
            self.hits.append(hit(rule, node, module))
        return rule is not None


# -- names and attributes -----------------------------------------------------------------------------------


def _names(source: SourceTree, spots: list[Spot], aliases: dict[str, str]) -> Iterator[Hit]:
    used: dict[str, list[Node]] = {}
    own: dict[str, list[tuple[int, int]]] = {}
    for spot in spots:
        # Python reads identifiers in this form: a mathematical bold `eval` is `eval`.
        name = unicodedata.normalize("NFKC", source.text(spot.node))
        node, parent = spot.node, spot.parent
        if parent is None or name.encode() not in _WATCHED or _is_keyword(parent, node):
            continue
        if parent.type == "attribute" and parent.child_by_field_name("attribute") == node:
            yield from _attribute(source, spot, name, aliases)
        elif name in _BY_NAME:
            yield from _by_name(source, spot, aliases)
        elif name in _NAMES:
            scope = _binding_scope(spot)
            if scope is None:
                used.setdefault(name, []).append(node)
            else:
                own.setdefault(name, []).append(scope)
    for name, nodes in used.items():
        scopes = Scopes(own.get(name, ()))
        yield from (hit(_NAMES[name], node, name) for node in nodes if node.start_byte not in scopes)


def _is_keyword(parent: Node, node: Node) -> bool:
    """`f(open=1)`: the name of an argument."""
    return parent.type == "keyword_argument" and parent.child_by_field_name("name") == node


def _attribute(source: SourceTree, spot: Spot, name: str, aliases: dict[str, str]) -> Iterator[Hit]:
    target = spot.above[0].child_by_field_name("object")
    module = aliases.get(source.text(target)) if target is not None and target.type == "identifier" else None
    rule = _OF_MODULES[module].get(name) if module is not None else None
    if name in _BY_NAME:
        yield from _by_name(source, spot, aliases)
    elif rule is not None:
        yield hit(rule, spot.node, f"{module}.{name}")
    elif name in _ATTRIBUTES:
        yield hit(_ATTRIBUTES[name], spot.node, name)
    elif target is not None and name in _NAMES and source.text(target) == "__builtins__":
        yield hit(_NAMES[name], spot.node, name)


def _by_name(source: SourceTree, spot: Spot, aliases: dict[str, str]) -> Iterator[Hit]:
    """`getattr(x, "__subclasses__")` and the like: the attribute that the folded text names."""
    around = spot.up()
    if around is not None and around.node.type == "attribute":
        around = around.up()
    call = around.node if around is not None else None
    arguments = call.child_by_field_name("arguments") if call is not None and call.type == "call" else None
    if arguments is None or arguments.named_child_count == 0:
        return
    given = arguments.named_children[:8]
    module = aliases.get(source.text(given[0])) if given[0].type == "identifier" else None
    for argument in given:
        text = folded(source, argument)
        for name in text.split(".") if text else ():
            rule = _ATTRIBUTES.get(name) or (_OF_MODULES[module].get(name) if module else None)
            rule = rule or (_NAMES.get(name) if source.text(given[0]) == "__builtins__" else None)
            if rule is not None:
                yield hit(rule, argument, name)


def _index(source: SourceTree, subscript: Node) -> Iterator[Hit]:
    """`globals()["__builtins__"]`, `vars(os)["system"]`, `x.__dict__["eval"]`."""
    index, target = (subscript.child_by_field_name(field) for field in ("subscript", "value"))
    name = folded(source, index) if index is not None else None
    if index is None or target is None or name is None or name.encode() not in _WATCHED:
        return
    if name in _ALWAYS_TELLING:
        yield hit(_ATTRIBUTES.get(name) or _NAMES[name], index, name)
    elif _is_namespace(source, target):
        rule = _NAMES.get(name) or _ATTRIBUTES.get(name)
        rule = rule or next((rules[name] for rules in _OF_MODULES.values() if name in rules), None)
        if rule is not None and rule != "py-open":
            yield hit(rule, index, name)


def _is_namespace(source: SourceTree, target: Node) -> bool:
    text = source.text(target)
    if target.type == "call":
        return text.partition("(")[0] in _MAPPINGS
    return text == "__builtins__" or (target.type == "attribute" and text.endswith(".__dict__"))


def _old_statement(node: Node) -> Hit:
    """`print "x"` and `exec "x"` of Python 2, which the grammar still knows."""
    word = node.type.partition("_")[0]
    message = f"`{word}` is a function in Python 3: write {word}(…) with parentheses"
    return Hit("syntax-error", node.start_byte, node.start_byte + len(word), message)


# -- scopes -------------------------------------------------------------------------------------------------


def _binding_scope(spot: Spot) -> tuple[int, int] | None:
    """The bytes within which this makes the name the tenant's own; None where it only uses the name.

    At the level of a module only `def` and `class` count, from there on: an assignment may never be reached. What binds
    a name elsewhere (in a class, say) is no use of it, and makes it the tenant's own NOWHERE.
    """
    current: Spot = spot
    while (around := current.up()) is not None and around.node.type in _PATTERNS:
        current = around
    if around is None:
        return None
    kind, child = around.node.type, current.node
    if kind in _DEFAULTED:
        holder = around.up()
        return _extent(holder.parent) if holder is not None and _names_parameter(around.node, child) else None
    if kind in _PARAMETERS:
        return _extent(around.parent)
    if kind in _DEFINITIONS:
        return _after_definition(around) if around.node.child_by_field_name("name") == child else None
    return _within_function(around) or _NOWHERE if _is_target(around.node, child) else None


def _names_parameter(parameter: Node, child: Node) -> bool:
    if parameter.type == "typed_parameter":
        return first_child(parameter) == child
    return parameter.child_by_field_name("name") == child


def _is_target(parent: Node, child: Node) -> bool:
    field = _TARGET_FIELDS.get(parent.type)
    if field is not None:
        return parent.child_by_field_name(field) == child
    return parent.type == "as_pattern_target"


def _after_definition(definition: Spot) -> tuple[int, int]:
    around = definition.up()
    if around is not None and around.node.type == "decorated_definition":
        definition, around = around, around.up()
    if around is not None and around.node.type == "module":
        return definition.node.start_byte, around.node.end_byte
    return _within_function(definition) or _NOWHERE


def _within_function(spot: Spot) -> tuple[int, int] | None:
    for above in spot.above:
        if above.type in _FUNCTIONS or above.type in _COMPREHENSIONS:
            return _extent(above)
        if above.type == "class_definition":
            return None
    return None


def _extent(node: Node | None) -> tuple[int, int] | None:
    return None if node is None else (node.start_byte, node.end_byte)
