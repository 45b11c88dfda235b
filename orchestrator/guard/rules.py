"""Guard floor: every rule as data. Presets (`presets/*.toml`) say how severe each is; nothing here decides."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.finding import Severity

__all__ = ("JAVASCRIPT", "LANGUAGES", "PYTHON", "RULES", "UNCHECKED", "Hit", "Rule")

JAVASCRIPT = "JavaScript"
PYTHON = "Python"
LANGUAGES = (JAVASCRIPT, PYTHON)

UNCHECKED = "unchecked-source"
"""The rule that says: no answer was found within the bounds. It has no severity; it always rejects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `message` is a format string with `{name}`, and says what to use instead."""

    id: str
    finds: str
    message: str
    languages: tuple[str, ...] = LANGUAGES


@dataclass(frozen=True, slots=True)
class Hit:
    """A place in the source (byte offsets) where a rule applies; `at_most` softens it whatever the policy says."""

    rule: str
    start: int
    end: int
    message: str
    at_most: Severity = Severity.REJECT


def _rule(id_: str, finds: str, message: str, *languages: str) -> Rule:
    return Rule(id=id_, finds=finds, message=message, languages=languages or LANGUAGES)


RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        _rule(
            "source-size",
            "a source above 1 MiB",
            "the source has {name} bytes, above the limit of 1 MiB; pass data as input",
        ),
        _rule(
            "encoding",
            "bytes that are not UTF-8",
            "byte {name} is not UTF-8; save the source as UTF-8",
        ),
        _rule(
            "syntax-error",
            "text that is not of the language",
            "{name}",
        ),
        _rule(
            "nesting-depth",
            "brackets nested deeper than 1,000",
            "brackets are nested deeper than {name}; build such data in a loop, or pass it as input",
        ),
        _rule(
            "nul-character",
            "a NUL character",
            r"a NUL character does not belong in a source; write \0 or \x00 inside a string",
        ),
        _rule(
            "control-character",
            "a control character other than tab, line feed, carriage return and form feed",
            "the control character {name} cannot be seen; in a string, write its escape instead",
        ),
        _rule(
            "bidi-character",
            "a character that reorders what is read (CVE-2021-42574), also in strings and comments",
            "{name} makes the text read otherwise than it runs; in a string, write its escape instead",
        ),
        _rule(
            "invisible-character",
            "an invisible character outside of strings and comments",
            "the invisible character {name} stands in the code; delete it",
        ),
        _rule(
            "js-script-only",
            "`await` or `return` outside of every function",
            "`{name}` needs a function around it; put the code into an (async) function, and name it as the "
            "entrypoint or assign its result to `output`",
            JAVASCRIPT,
        ),
        _rule(
            "js-require",
            "`require`",
            "there is no `{name}` here: all of the code has to be in this source; data comes in as `input`",
            JAVASCRIPT,
        ),
        _rule(
            "js-import",
            "`import` and `export` statements, `import.meta`",
            "`{name}` is for modules, and this runs as a script: put all of the code into this source",
            JAVASCRIPT,
        ),
        _rule(
            "js-dynamic-import",
            "`import()`",
            "`import()` finds no modules here: put all of the code into this source",
            JAVASCRIPT,
        ),
        _rule(
            "js-process",
            "`process`",
            "there is no `{name}` here; what the code needs comes in as `input`, what it gives is `output`",
            JAVASCRIPT,
        ),
        _rule(
            "js-child-process",
            "`child_process`, `cluster`, `worker_threads`, by name or as a module",
            "`{name}`: no other process can be started here; do the work in this code",
            JAVASCRIPT,
        ),
        _rule(
            "js-file-paths",
            "`__dirname`, `__filename`",
            "there is no `{name}` here: the code is not in a file; use `input` for data",
            JAVASCRIPT,
        ),
        _rule(
            "js-timers",
            "`setTimeout`, `setInterval`, `setImmediate`",
            "there is no `{name}` in function mode: nothing waits here; call the function directly, or use a promise",
            JAVASCRIPT,
        ),
        _rule(
            "js-host-global",
            "what browsers, Node.js, Deno or Bun add to the language: `module`, `Buffer`, `fetch`, `window`, …",
            "`{name}` is not part of the language and is missing here; there is no network, data comes in as `input`",
            JAVASCRIPT,
        ),
        _rule(
            "js-eval",
            "`eval`",
            "`{name}` runs text as code; use JSON.parse for data, and a function for code",
            JAVASCRIPT,
        ),
        _rule(
            "js-function-constructor",
            "`Function` called or passed on",
            "`{name}` makes code from text; write the function out, or choose one from a table of functions",
            JAVASCRIPT,
        ),
        _rule(
            "js-constructor-chain",
            "`constructor` used to reach `Function`",
            "`{name}` leads to the Function constructor, which makes code from text; name the class instead",
            JAVASCRIPT,
        ),
        _rule(
            "js-prototype",
            "`__proto__`, `__defineGetter__` and the like as properties",
            "`{name}` reaches into prototypes; use Object.getPrototypeOf, Object.create or Object.defineProperty",
            JAVASCRIPT,
        ),
        _rule(
            "js-caller",
            "`arguments.callee`, `caller`",
            "`{name}` reaches the calling function; give the function a name and use that",
            JAVASCRIPT,
        ),
        _rule(
            "js-global-object",
            "the global object used otherwise than as `globalThis.name`",
            "`{name}` used as a value gives access to every global by a computed name; use the global's own name",
            JAVASCRIPT,
        ),
        _rule(
            "js-wasm",
            "`WebAssembly`",
            "`{name}` brings code that no rule can read; write it in JavaScript",
            JAVASCRIPT,
        ),
        _rule(
            "js-shared-memory",
            "`SharedArrayBuffer`, `Atomics`",
            "`{name}` is for threads, which are missing here; use ArrayBuffer",
            JAVASCRIPT,
        ),
        _rule(
            "js-global-not-allowed",
            "a global of the language that the policy's `allowed_globals` leaves out",
            "the global `{name}` is not among those allowed here",
            JAVASCRIPT,
        ),
        _rule(
            "py-import",
            "a module that is not among the policy's `allowed_modules`",
            "the module `{name}` is not among those allowed here",
            PYTHON,
        ),
        _rule(
            "py-relative-import",
            "`from . import …`",
            "`{name}` needs a package around it, and this source has none: put all of the code into it",
            PYTHON,
        ),
        _rule(
            "py-star-import",
            "`from … import *`",
            "`{name}` hides which names come in; list the names",
            PYTHON,
        ),
        _rule(
            "py-dynamic-import",
            "`__import__`, `importlib`",
            "`{name}` imports by a computed name; use an import statement",
            PYTHON,
        ),
        _rule(
            "py-process",
            "`subprocess`, `multiprocessing`, `os.system`, `os.fork` and their kin",
            "`{name}`: no other process can be started or signalled here; do the work in this code",
            PYTHON,
        ),
        _rule(
            "py-network",
            "`socket`, `ssl`, `http.client`, `urllib.request` and their kin",
            "`{name}`: there is no network here; pass the data as input",
            PYTHON,
        ),
        _rule(
            "py-eval",
            "`eval`",
            "`{name}` runs text as code; use json.loads or ast.literal_eval for data",
            PYTHON,
        ),
        _rule(
            "py-exec",
            "`exec`",
            "`{name}` runs text as code; write a function",
            PYTHON,
        ),
        _rule(
            "py-compile",
            "`compile` of the builtins",
            "`{name}` makes code from text; write a function (re.compile is fine)",
            PYTHON,
        ),
        _rule(
            "py-builtins",
            "`__builtins__`, the module `builtins`",
            "`{name}` gives every builtin by a computed name; use the builtin's own name",
            PYTHON,
        ),
        _rule(
            "py-object-climb",
            "attributes that lead from any object to all others: `__subclasses__`, `__globals__`, `f_globals`, …",
            "`{name}` climbs out of the object at hand; use the class or the value itself",
            PYTHON,
        ),
        _rule(
            "py-introspection",
            "`__bases__`, `__mro__`, `__code__`, `__closure__`, `sys._getframe`, `sys.modules`, …",
            "`{name}` looks into the interpreter; isinstance, type and dataclasses.fields are usually what is meant",
            PYTHON,
        ),
        _rule(
            "py-native-code",
            "`ctypes`, `cffi`, `_ctypes`",
            "`{name}`: native code cannot be called from here; use Python",
            PYTHON,
        ),
        _rule(
            "py-open",
            "`open`",
            "`{name}`: there are no files here; data comes in as `input`",
            PYTHON,
        ),
    )
}
