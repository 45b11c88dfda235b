"""Programs as tenants write them, each with what the validator must say of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.domain.finding import Severity
from orchestrator.domain.job import Mode
from orchestrator.guard.policy import load_preset
from orchestrator.guard.report import Source
from orchestrator.guard.rules import JAVASCRIPT, PYTHON, RULES
from orchestrator.guard.validator import validate

PROGRAMS = Path(__file__).parent.parent / "programs"
ACCEPTED = sorted((PROGRAMS / "accepted").iterdir())
REJECTED = sorted((PROGRAMS / "rejected").iterdir())
EXPECTED = re.compile(r"(?://|#) expect: (\S+) @ (\d+):(\d+)\n")
ROOT = PROGRAMS.parent.parent


def header(text: str, name: str, default: str) -> str:
    found = re.search(rf"^(?://|#) {name}: (\w+)$", text, re.MULTILINE)
    return found[1] if found else default


def report_on(path: Path):
    text = path.read_text(encoding="utf-8")
    language = JAVASCRIPT if path.suffix == ".js" else PYTHON
    source = Source(data=text.encode(), language=language, mode=Mode(header(text, "mode", "function")))
    return validate(source, load_preset(header(text, "policy", "standard")))


def test_the_corpus_is_large_enough():
    """At least 60 programs that are accepted and 60 that are not, in both languages."""
    assert len(ACCEPTED) >= 60
    assert len(REJECTED) >= 60
    for folder in (ACCEPTED, REJECTED):
        assert min(sum(path.suffix == suffix for path in folder) for suffix in (".js", ".py")) >= 25


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.name)
def test_an_honest_program_is_accepted_unchanged(path):
    """No finding at all, not even a warning, and not one byte is changed."""
    report = report_on(path)
    assert report.findings == ()
    if not path.read_bytes().startswith(b"#!") or path.suffix == ".py":
        assert report.text is None


@pytest.mark.parametrize("path", REJECTED, ids=lambda path: path.name)
def test_a_bad_program_is_rejected_where_it_is_bad(path):
    """By the rule, at the line and column that its first line names."""
    expected = EXPECTED.match(path.read_text(encoding="utf-8"))
    places = [
        (finding.rule, str(finding.line), str(finding.column))
        for finding in report_on(path).findings
        if finding.severity is Severity.REJECT
    ]
    assert expected is not None
    assert expected.groups() in places


def test_every_rule_about_a_language_rejects_a_program_of_the_corpus():
    """Rules on characters and sizes have tests of their own."""
    shown = {EXPECTED.match(path.read_text(encoding="utf-8"))[1] for path in REJECTED}
    assert {rule for rule in RULES if rule.startswith(("js-", "py-"))} | {"syntax-error"} <= shown


@pytest.mark.parametrize(
    "path", [*ROOT.glob("examples/[!r]*.js"), *ROOT.glob("examples/[!r]*.py")], ids=lambda path: path.name
)
def test_the_examples_are_accepted_by_every_preset(path):
    """What the README shows works whatever the policy is."""
    language = JAVASCRIPT if path.suffix == ".js" else PYTHON
    for preset in ("strict", "standard", "open"):
        assert validate(Source(data=path.read_bytes(), language=language), load_preset(preset)).findings == ()


@pytest.mark.parametrize("name", ["everyday.js", "everyday.py"])
def test_what_the_runners_document_is_no_error_of_syntax(name):
    """The widest programs of the suite use every construct that the grammars must know."""
    language = JAVASCRIPT if name.endswith(".js") else PYTHON
    source = Source(data=(PROGRAMS / name).read_bytes(), language=language, mode=Mode.PROGRAM)
    assert "syntax-error" not in {
        finding.rule for finding in validate(source, load_preset("standard")).findings
    }
