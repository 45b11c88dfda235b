"""`guard/validator.py`: every rule shown both ways, positions, and what is never an error."""

from __future__ import annotations

import pytest

from orchestrator.domain.finding import Severity
from orchestrator.domain.job import MAX_CODE_BYTES, Mode
from orchestrator.guard.policy import load_preset, parse_policy
from orchestrator.guard.report import Source
from orchestrator.guard.rules import JAVASCRIPT, PYTHON, RULES
from orchestrator.guard.validator import MAX_FINDINGS, validate

STRICT = load_preset("strict")
STANDARD = load_preset("standard")


def findings(code: str | bytes, language: str, policy=STRICT, mode=Mode.FUNCTION):
    data = code if isinstance(code, bytes) else code.encode()
    return validate(Source(data=data, language=language, mode=mode), policy).findings


def rules(code, language, policy=STRICT, mode=Mode.FUNCTION) -> set[str]:
    return {finding.rule for finding in findings(code, language, policy, mode)}


BOTH_WAYS = [
    ("source-size", PYTHON, "#" * (MAX_CODE_BYTES + 1), "#" * MAX_CODE_BYTES),
    ("encoding", PYTHON, b"x = '\xff'", "x = 'ÿ'"),
    ("syntax-error", PYTHON, "x = (", "x = ()"),
    ("syntax-error", JAVASCRIPT, "x = (", "let x = ({})"),
    ("nesting-depth", PYTHON, "(" * 1001 + ")" * 1001, "x = '" + "(" * 5000 + "'"),
    ("nesting-depth", JAVASCRIPT, "[" * 100_000, "let x = [[[[]]]]"),
    ("nul-character", PYTHON, "x = '\0'", r"x = '\0'"),
    ("control-character", JAVASCRIPT, "let x = '\x1b[2J'", r"let x = '\x1b[2J'"),
    ("bidi-character", PYTHON, "x = 'a\u202e b'  # c", r"x = 'a\u202e b'"),
    ("bidi-character", JAVASCRIPT, "/* \u2066 */", "/* שלום */"),
    ("invisible-character", JAVASCRIPT, "let a\u200b = 1", "let a = '👩\u200d💻' // \u200b"),
    ("js-script-only", JAVASCRIPT, "await 1", "(async () => { await 1; return 2; })()"),
    ("js-require", JAVASCRIPT, "require('x')", "let a = { require: 1 }; a.require; // require('x')"),
    ("js-import", JAVASCRIPT, "import x from 'y'", "let a = 'import x from y'"),
    ("js-dynamic-import", JAVASCRIPT, "import('x')", "let a = { import: 1 }.import"),
    ("js-process", JAVASCRIPT, "process.env", "let f = (process) => process.env"),
    ("js-child-process", JAVASCRIPT, "child_process.exec('ls')", "let a = 'child_process'"),
    ("js-file-paths", JAVASCRIPT, "output = __dirname", "output = '__dirname'"),
    ("js-timers", JAVASCRIPT, "setTimeout(f, 1)", "let o = { setTimeout() {} }; o.setTimeout()"),
    ("js-host-global", JAVASCRIPT, "fetch('x')", "function fetch() {} fetch()"),
    ("js-eval", JAVASCRIPT, "eval('1')", "let o = { eval: (x) => x }; o.eval('1')"),
    ("js-function-constructor", JAVASCRIPT, "new Function('1')", "input instanceof Function"),
    ("js-constructor-chain", JAVASCRIPT, "[].constructor.constructor('1')()", "input.constructor === Object"),
    ("js-prototype", JAVASCRIPT, "input.__proto__ = 1", "let o = { __proto__: null }"),
    ("js-caller", JAVASCRIPT, "(function () { arguments.callee })()", "let o = {}; o.callee = 1"),
    ("js-global-object", JAVASCRIPT, "globalThis[input]", "globalThis.Math"),
    ("js-wasm", JAVASCRIPT, "WebAssembly.compile", "'WebAssembly'"),
    ("js-shared-memory", JAVASCRIPT, "Atomics.wait", "class Atomics {} Atomics.wait"),
    ("js-global-not-allowed", JAVASCRIPT, "new Proxy({}, {})", "new Map([[1, 2]])"),
    ("py-import", PYTHON, "import numpy", "import json"),
    ("py-relative-import", PYTHON, "from . import x", "from json import loads"),
    ("py-star-import", PYTHON, "from math import *", "from math import sqrt, pi"),
    ("py-dynamic-import", PYTHON, "__import__('os')", "x = '__import__'"),
    ("py-process", PYTHON, "import subprocess", "x = 'subprocess'; system = len; system('x')"),
    ("py-network", PYTHON, "import socket", "class A:\n    socket = 1"),
    ("py-eval", PYTHON, "eval('1')", "def f(eval):\n    return eval('1')"),
    ("py-exec", PYTHON, "exec('1')", "class A:\n    def exec(self): pass"),
    ("py-compile", PYTHON, "compile('1', '', 'eval')", "import re\nre.compile('1')"),
    ("py-builtins", PYTHON, "__builtins__", "x = '__builtins__'"),
    ("py-object-climb", PYTHON, "().__class__.__base__.__subclasses__()", "x.__class__.__name__"),
    ("py-introspection", PYTHON, "f.__code__", "type(f).__name__, f.__doc__, f.__dict__"),
    ("py-native-code", PYTHON, "import ctypes", "ctypes = 1"),
    ("py-open", PYTHON, "open('x')", "f(open=1)"),
]


@pytest.mark.parametrize(("rule", "language", "bad", "good"), BOTH_WAYS, ids=lambda value: str(value)[:20])
def test_every_rule_finds_what_it_is_about_and_nothing_else(rule, language, bad, good):
    """The strict preset rejects the one and says nothing of that rule on the other."""
    found = {finding.rule: finding.severity for finding in findings(bad, language)}
    assert found.get(rule) is Severity.REJECT
    assert rule not in rules(good, language)


def test_every_rule_is_shown_both_ways():
    """A rule without an example is no rule."""
    assert {rule for rule, *_ in BOTH_WAYS} == set(RULES)


@pytest.mark.parametrize(
    ("pattern", "rule", "bad"),
    [
        (r"require\s*\(", "js-require", "const fs = require ('fs')"),
        (r"import\s+", "js-import", "import fs from 'fs'"),
        (r"process\.", "js-process", "process.exit()"),
        ("child_process", "js-child-process", "require('child_process')"),
        ("__dirname", "js-file-paths", "output = __dirname"),
        (r"eval\s*\(", "js-eval", "eval ('1')"),
        (r"Function\s*\(", "js-function-constructor", "new Function ('1')"),
        ("setTimeout", "js-timers", "setTimeout(() => 1)"),
        ("setInterval", "js-timers", "setInterval(() => 1, 5)"),
    ],
)
def test_the_nine_patterns_of_the_concept_are_rules(pattern, rule, bad):
    """Each is found in code by the default policy, and not in a string, a comment or a name of the tenant's own."""
    import re

    assert re.search(pattern, bad)
    assert rule in rules(bad, JAVASCRIPT, STANDARD)
    harmless = [f"output = {bad!r}", f"/* {bad} */ output = 1", f"output = `{bad}`", f"// {bad}\noutput = 1"]
    for code in harmless:
        assert re.search(pattern, code)
        assert rules(code, JAVASCRIPT, STANDARD) == set(), code


@pytest.mark.parametrize(
    ("language", "code", "rule"),
    [
        (JAVASCRIPT, 'globalThis["ev"+"al"]("1")', "js-eval"),
        (JAVASCRIPT, "globalThis[`ev${'a'}l`]('1')", "js-eval"),
        (JAVASCRIPT, "globalThis[('e' + ('v' + 'al'))]", "js-eval"),
        (JAVASCRIPT, r"globalThis['\x65val']", "js-eval"),
        (JAVASCRIPT, r"\u{65}val('1')", "js-eval"),
        (JAVASCRIPT, "window['con'+'structor']", "js-constructor-chain"),
        (JAVASCRIPT, "[]['filter']['constructor']('1')()", "js-constructor-chain"),
        (JAVASCRIPT, "(function () {})['constructor']('1')", "js-constructor-chain"),
        (JAVASCRIPT, "Function.prototype.constructor('1')", "js-constructor-chain"),
        (JAVASCRIPT, "const { process: p } = globalThis", "js-global-object"),
        (JAVASCRIPT, "const run = { eval }", "js-eval"),
        (PYTHON, 'getattr(__builtins__, "ev"+"al")', "py-eval"),
        (PYTHON, "getattr(__builtins__, 'ev' 'al')", "py-eval"),
        (PYTHON, "getattr(x, f'__{\"glob\"}als__')", "py-object-climb"),
        (PYTHON, r"getattr(x, '\x5f_globals__')", "py-object-climb"),
        (PYTHON, "vars(x)['ev' + 'al']", "py-eval"),
        (PYTHON, "globals()['__builtins__']", "py-object-climb"),
        (PYTHON, "import os as o\no.system('x')", "py-process"),
        (PYTHON, "\uff45\uff56\uff41\uff4c('1')", "py-eval"),
        (PYTHON, "sys.modules", "py-introspection"),
    ],
)
def test_simple_disguises_are_seen_through(language, code, rule):
    """What a syntax tree can show without running anything."""
    assert rule in rules(code, language)


@pytest.mark.parametrize(
    ("language", "code", "line", "column", "says"),
    [
        (PYTHON, "y = (", 1, 5, "`(` is never closed"),
        (PYTHON, "a = 1\nprint 'x'", 2, 1, "write print(…) with parentheses"),
        (PYTHON, "x = 'abc", 1, 5, "this string is never closed"),
        (PYTHON, "é = 'ü'; }", 1, 10, "closes nothing"),
        (PYTHON, "def f(:\n  pass", 1, 7, "`)` is missing here"),
        (JAVASCRIPT, "f(1, 2", 1, 2, "`(` is never closed"),
        (JAVASCRIPT, "let s = `abc", 1, 9, "this string is never closed"),
        (JAVASCRIPT, "/* 🙂 */ let x = [1;", 1, 19, "`]` is missing here"),
        (JAVASCRIPT, "function f() {\n  g();\n", 2, 7, "`}` is missing here"),
    ],
)
def test_an_error_of_syntax_has_a_place_and_words(language, code, line, column, says):
    """Lines and columns count from 1, in characters of the tenant's own text."""
    first = findings(code, language, STANDARD)[0]
    assert (first.rule, first.line, first.column) == ("syntax-error", line, column)
    assert says in first.message


@pytest.mark.parametrize(
    ("language", "code"),
    [
        (PYTHON, "def f[T: int = str, *Ts](a: T) -> T: ..."),
        (JAVASCRIPT, "output = String.raw`C:\\unicode`"),
    ],
)
def test_what_a_grammar_is_known_to_get_wrong_is_at_most_a_warning(language, code):
    """The runner is asked instead."""
    assert {finding.severity for finding in findings(code, language, STANDARD)} == {Severity.WARN}


def test_a_line_that_begins_with_a_bracket_after_an_arrow_function_is_valid():
    """The language ends the statement there; the grammar does not."""
    assert rules("const f = () => {\n  return 1\n}\n\n[1].map(f)\n", JAVASCRIPT, STANDARD) == set()


def test_rules_are_found_behind_such_a_line_too():
    """The second reading is the one that is judged."""
    code = "const f = () => {\n}\n\n[1].map(eval)\n"
    (found,) = findings(code, JAVASCRIPT, STANDARD)
    assert (found.rule, found.line, found.column) == ("js-eval", 4, 9)


def test_program_mode_allows_what_it_offers():
    """`require`, `process` and timers are there; another process still is not."""
    code = "const fs = require('fs'); process.exit(0); setTimeout(f, 1); __dirname; module.exports"
    assert rules(code, JAVASCRIPT, STANDARD, Mode.PROGRAM) == set()
    assert rules("require('node:child_process')", JAVASCRIPT, STANDARD, Mode.PROGRAM) == {"js-child-process"}


def test_a_module_that_the_tenant_gives_along_is_allowed():
    """Program mode imports from the files of the job."""
    source = Source(data=b"import helper, other", language=PYTHON, own_modules=frozenset({"helper"}))
    (found,) = validate(source, STANDARD).findings
    assert "other" in found.message


def test_rejections_are_never_crowded_out_by_warnings():
    """The number of findings is bounded; those that reject come first into it."""
    policy = parse_policy("[rules]\npy-eval = 'warn'", where="test")
    report = validate(Source(data=b"eval(1)\n" * 500 + b"exec(1)", language=PYTHON), policy)
    assert len(report.findings) == MAX_FINDINGS
    assert report.is_rejected
    assert report.findings[-1].line == 501


def test_open_checks_nothing():
    """Whatever the source is, it goes to the runner as it came."""
    policy = load_preset("open")
    assert policy.checks_nothing
    assert findings("eval(", JAVASCRIPT, policy) == ()


def test_names_in_wide_and_deep_code_cost_linear_time():
    """A million characters of what rules look at end in an answer that rejects."""
    for code in ("eval;" * 60_000, "a.constructor" * 1 + ".constructor" * 60_000, "x" + "[0]" * 100_000):
        assert validate(Source(data=code.encode(), language=JAVASCRIPT), STANDARD).is_rejected
