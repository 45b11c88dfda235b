"""The guard on any text: an answer, never an exception, and clean code is never touched."""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.job import Mode
from orchestrator.guard.policy import load_preset, parse_policy
from orchestrator.guard.report import Source, unshifted
from orchestrator.guard.rules import LANGUAGES, PYTHON
from orchestrator.guard.sanitizer import Edit, applied, normalised, shifts_of
from orchestrator.guard.validator import validate

PROGRAMS = sorted((Path(__file__).parent.parent / "programs" / "accepted").iterdir())
POLICIES = [
    load_preset("standard"),
    load_preset("strict"),
    parse_policy("escape_hidden_characters = true\njavascript_strict_mode = true", where="test"),
]
HOSTILE = st.text(
    st.sampled_from("(){}[]'\"`\\$/*#+-=.,:;<> \n\r\tabexval\u202e\u200b\ufeff\u2028é\U0001d41e\0\x1b"),
    max_size=80,
)

PIECES = st.lists(
    st.sampled_from(
        [
            "import(", ")", "x", "[", "]", "'a'", "+", "`${", "}", "`", "require(", "getattr(", ",", ".constructor", "(", " = ",
            "{eval}", "function f(", "=>", "class A", "{", "var eval", "for (", " of ", "import ", "from . ", "as y", "def f(",
            ":\n ", "*", "eval", "f'{", "'", "typeof ", "new ", "return ", "await ", "lambda ", "print ", "\n", "process.",
            "[T=", "tag`", "\\u", "globalThis[", "this.", "static {", "export ", "x: ", "**", "with ", "match x:\n case ",
        ]
    ),
    max_size=25,
).map(lambda pieces: "".join(pieces).encode())  # fmt: skip

sources = st.one_of(
    st.binary(max_size=80), HOSTILE.map(str.encode), PIECES, st.text(max_size=80).map(str.encode)
)


@settings(max_examples=400, deadline=None)
@given(
    data=sources,
    language=st.sampled_from(LANGUAGES),
    mode=st.sampled_from(Mode),
    policy=st.sampled_from(POLICIES),
)
def test_any_bytes_get_a_report(data, language, mode, policy):
    """Every finding lies within the text, and a rejected source is not rewritten."""
    report = validate(Source(data=data, language=language, mode=mode), policy)
    text = data.decode("utf-8", "replace")
    lines = len(normalised(text)[0].split("\n")) if policy.normalise else text.count("\n") + 1
    for finding in report.findings:
        assert 1 <= finding.line <= lines
        assert finding.column >= 1
        assert (finding.end_line, finding.end_column) >= (finding.line, finding.column)
        assert "{name}" not in finding.message
    assert not (report.is_rejected and report.text is not None)


@settings(max_examples=60, deadline=None)
@given(path=st.sampled_from(PROGRAMS), data=st.data())
def test_marks_and_line_endings_are_all_that_a_dirty_copy_differs_by(path, data):
    """A real program, saved with a byte-order mark or other line endings, becomes itself again."""
    clean = path.read_text(encoding="utf-8")
    ending = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    mark = data.draw(st.sampled_from(["", "\ufeff"]))
    dirty = mark + clean.replace("\n", ending)
    assert normalised(dirty)[0] == clean


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.sampled_from("ab é\u202e\u2066\u200b'\\\n"), max_size=20))
def test_an_escaped_python_string_is_the_same_string(text):
    """Wherever the sanitizer escapes instead of rejecting, the value stays."""
    code = f"x = '{text}'  # {text}".replace("\n", " ")
    report = validate(Source(data=code.encode(), language=PYTHON), POLICIES[2])
    if report.is_rejected or report.text is None:
        return
    try:
        before = ast.literal_eval(code.partition("x = ")[2])
    except (SyntaxError, ValueError):
        return  # what the grammar lets through, and the interpreter does not
    assert ast.literal_eval(report.text.partition("x = ")[2]) == before


@given(
    line=st.text(st.sampled_from("abé\U0001d41e"), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 29), max_size=3, unique=True),
    column=st.integers(0, 29),
)
def test_every_untouched_character_maps_back_to_its_own_column(line, cuts, column):
    """Whatever was replaced before it on the line."""
    offsets = [len(line[:n].encode()) for n in range(len(line) + 1)]
    edits = [Edit(offsets[n], offsets[n + 1], "\\u202e") for n in sorted(cuts) if n < len(line)]
    touched = {n for n in cuts if n < len(line)}
    if column >= len(line) or column in touched:
        return
    data = line.encode()
    before = sum(5 for n in touched if n < column)
    changed = applied(data, edits)
    assert changed[column + before] == line[column]
    assert unshifted(shifts_of(data, edits), 1, column + before + 1) == column + 1
