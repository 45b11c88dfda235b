"""`sandbox-orch check`: findings as compilers show them, an exit code, and JSON for machines."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from orchestrator.cli.exit_codes import ExitCode
from orchestrator.cli.main import cli
from orchestrator.cli.render import show_findings
from orchestrator.domain.finding import Finding, Severity


def check(*words: str, code: str | bytes):
    return CliRunner().invoke(cli, ["check", "-", *words], input=code)


def test_a_finding_is_shown_with_its_line_and_a_caret():
    """File, line, column, rule, message; the caret stands below what was found."""
    done = check("--runtime", "node", code="let x = 1;\nlet y = eval('x');\n")
    assert done.exit_code == ExitCode.JOB_FAILED
    first, code, caret = done.output.splitlines()[:3]
    assert first.startswith("-:2:9: error[js-eval]: `eval` runs text as code")
    assert code == "    2 | let y = eval('x');"
    assert caret == "                ^^^^"
    assert "✗ rejected" in done.output


def test_accepted_code_is_exit_code_0():
    """A warning alone rejects nothing."""
    done = check("--runtime", "python", code="output = f.__code__\n")
    assert done.exit_code == ExitCode.OK
    assert "warning[py-introspection]" in done.output
    assert "✓ accepted" in done.output


def test_the_file_ending_tells_the_language(tmp_path):
    """As with `run`."""
    path = tmp_path / "total.py"
    path.write_text("print 'x'", encoding="utf-8")
    done = CliRunner().invoke(cli, ["check", str(path)])
    assert done.exit_code == ExitCode.JOB_FAILED
    assert f"{path}:1:1: error[syntax-error]" in done.output


def test_machines_get_json():
    """One object with everything that is known."""
    done = check("-r", "python", "--json", code="\ufeffimport socket\n")
    found = json.loads(done.output)
    assert done.exit_code == ExitCode.JOB_FAILED
    assert found["accepted"] is False
    assert found["findings"][0]["rule"] == "py-network"
    assert (found["findings"][0]["line"], found["findings"][0]["column"]) == (1, 8)


def test_a_preset_or_a_file_may_be_named(tmp_path):
    """`--policy` comes before the settings."""
    assert check("-r", "python", "--policy", "strict", code="open('x')").exit_code == ExitCode.JOB_FAILED
    assert check("-r", "python", "--policy", "open", code="eval(").exit_code == ExitCode.OK
    path = tmp_path / "own.toml"
    path.write_text('[rules]\npy-eval = "off"\n', encoding="utf-8")
    assert check("-r", "python", "--policy", str(path), code="eval('1')").exit_code == ExitCode.OK
    assert check("-r", "python", "--policy", "lax", code="1").exception is not None


def test_program_mode_has_its_own_rules():
    """`require` is there."""
    assert check("-r", "node", code="require('fs')").exit_code == ExitCode.JOB_FAILED
    assert check("-r", "node", "--program", code="require('fs')").exit_code == ExitCode.OK


def test_bytes_that_are_no_text_are_a_finding():
    """With the place of the first bad byte."""
    done = check("-r", "python", code=b"x = 1\ny = '\xff'\n")
    assert done.exit_code == ExitCode.JOB_FAILED
    assert "-:2:6: error[encoding]: byte 0xff is not UTF-8" in done.output


def finding(**changes) -> Finding:
    values = {"rule": "js-eval", "severity": Severity.REJECT, "message": "no", "line": 1, "column": 1}
    values |= {"end_line": 1, "end_column": 2} | changes
    return Finding(**values)


@pytest.mark.parametrize(
    ("code", "place", "shown", "caret_at"),
    [
        ("\tx = eval", {"column": 6, "end_column": 10}, "    x = eval", 8),
        ("a\u202eb eval", {"column": 5, "end_column": 9}, "a\\u202eb eval", 9),
        ("é eval", {"column": 3, "end_column": 7}, "é eval", 2),
    ],
)
def test_the_caret_stands_below_what_is_shown(capsys, code, place, shown, caret_at):
    """Tabs are widened and control characters are escaped before the caret is placed."""
    show_findings([finding(**place)], code, name="x.js")
    _, line, caret = capsys.readouterr().out.splitlines()
    assert line == f"    1 | {shown}"
    assert caret == " " * (8 + caret_at) + "^^^^"


def test_of_a_long_line_only_the_part_around_the_finding_is_shown(capsys):
    """A line of ten megabytes is no screen."""
    show_findings([finding(column=5001, end_column=5005)], "x" * 5000 + "eval" + "y" * 5000, name="x.js")
    _, line, caret = capsys.readouterr().out.splitlines()
    assert len(line) < 120
    assert line[caret.index("^") : caret.rindex("^") + 1] == "eval"
