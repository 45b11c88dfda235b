"""`guard/sanitizer.py`: what is changed, what never is, and where a place of the changed text is in the tenant's own."""

from __future__ import annotations

import pytest

from orchestrator.domain.finding import Severity
from orchestrator.guard.policy import load_preset, parse_policy
from orchestrator.guard.report import Shift, Source, unshifted
from orchestrator.guard.rules import JAVASCRIPT, PYTHON
from orchestrator.guard.validator import validate

STANDARD = load_preset("standard")
ESCAPING = parse_policy("escape_hidden_characters = true", where="test")
STRICT_CODE = parse_policy("javascript_strict_mode = true", where="test")


def report_on(code: str, language=PYTHON, policy=STANDARD):
    return validate(Source(data=code.encode(), language=language), policy)


@pytest.mark.parametrize(
    ("code", "plain"),
    [
        ("\ufeffx = 1", "x = 1"),
        ("x = 1\r\ny = 2\r\n", "x = 1\ny = 2\n"),
        ("x = 1\ry = 2", "x = 1\ny = 2"),
        ("x = '''a\r\nb'''", "x = '''a\nb'''"),
    ],
)
def test_marks_and_line_endings_are_normalised_and_told(code, plain):
    """The byte-order mark goes, every line ends in a line feed, and the report says so."""
    report = report_on(code)
    assert report.text == plain
    assert len(report.changes) == 1
    assert report.shifts == ()


def test_clean_code_is_not_touched():
    """Not one byte: there is no new text at all."""
    assert report_on("x = 'é \\u202e'\n# ok\n").text is None


def test_code_behind_a_lone_carriage_return_is_code():
    """An editor shows one comment; the interpreter, and therefore the validator, sees a second line."""
    (finding,) = report_on("# harmless\reval('1')").findings
    assert (finding.rule, finding.line, finding.column) == ("py-eval", 2, 1)


def test_a_mark_takes_no_column():
    """Positions are those that editors show."""
    (finding,) = report_on("\ufeffeval('1')").findings
    assert (finding.line, finding.column) == (1, 1)


@pytest.mark.parametrize(
    ("language", "code", "plain"),
    [
        (PYTHON, "x = 'a\u202eb'", "x = 'a\\u202eb'"),
        (PYTHON, "x = 1  # \u2066 note", "x = 1  # \\u2066 note"),
        (JAVASCRIPT, 'let x = "a\u202eb"', 'let x = "a\\u202eb"'),
        (JAVASCRIPT, "let x = '\\\\\u202e'", "let x = '\\\\\\u202e'"),
    ],
)
def test_a_policy_may_have_hidden_characters_escaped(language, code, plain):
    """In plain strings and comments an escape means the same."""
    report = report_on(code, language, ESCAPING)
    assert report.text == plain
    assert report.findings == ()
    assert "escaped 1 hidden characters" in report.changes


@pytest.mark.parametrize(
    ("language", "code"),
    [
        (PYTHON, "x = r'a\u202eb'"),
        (PYTHON, "x = 'a\\\u202eb'"),
        (PYTHON, "x\u202e = 1"),
        (JAVASCRIPT, "let x = String.raw`a\u202eb`"),
        (JAVASCRIPT, "let x = /a\u202eb/"),
    ],
)
def test_where_an_escape_would_mean_something_else_the_code_is_rejected(language, code):
    """Raw strings, templates, behind a backslash, and in the code itself."""
    report = report_on(code, language, ESCAPING)
    assert "bidi-character" in {f.rule for f in report.findings if f.severity is Severity.REJECT}


def test_strict_code_is_asked_for_and_keeps_its_lines():
    """The directive stands on the first line, so only that line's columns move."""
    report = report_on("x = 1\ny = 2", JAVASCRIPT, STRICT_CODE)
    assert report.text == '"use strict";x = 1\ny = 2'
    assert unshifted(report.shifts, 1, 14) == 1
    assert unshifted(report.shifts, 2, 5) == 5


def test_a_shebang_does_not_stand_in_the_way_of_strict_code():
    """It becomes a comment of the same length."""
    report = report_on("#!/usr/bin/env node\nx = 1", JAVASCRIPT, STRICT_CODE)
    assert report.text == '"use strict";///usr/bin/env node\nx = 1'


def test_python_is_never_made_strict():
    """There is no such thing."""
    assert report_on("x = 1", PYTHON, STRICT_CODE).text is None


def test_columns_map_back_across_several_changes_of_a_line():
    """Each change moves what stands behind it."""
    shifts = (Shift(2, 4, 1, 6), Shift(2, 10, 1, 6))
    assert [unshifted(shifts, 2, column) for column in (1, 4, 9, 10, 15, 20, 21)] == [1, 4, 4, 5, 10, 10, 11]
    assert unshifted(shifts, 3, 20) == 20


def test_rejected_code_is_not_rewritten():
    """There is nothing to run."""
    assert report_on("\ufeffeval('1')").text is None
