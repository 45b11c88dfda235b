"""`sandbox-orch run --debug`, `debug` and `--profile`: what is shown of a recorded run. No engine needed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from orchestrator.cli import debug as debug_command
from orchestrator.cli import run as run_command
from orchestrator.cli.main import cli
from orchestrator.cli.walk import Walk
from orchestrator.domain.debug import (
    ConsoleEntry,
    DebugOptions,
    DebugReport,
    DebugValue,
    ErrorLink,
    Position,
    Profile,
    SourceLine,
    StackFrame,
    Step,
    Variable,
)
from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.limits import Usage
from orchestrator.domain.outcome import JobResult, Outcome

CODE = "def total(n):\n    s = 0\n    for i in range(n):\n        s += i\n    return s\noutput = total(2)\n"


def number(value: int) -> DebugValue:
    return DebugValue(type="int", text=str(value))


def step(line: int, depth: int = 1, *, event="line", function="total", value=None, **changed) -> Step:
    values = tuple(
        Variable(name=name, value=each if isinstance(each, DebugValue) else number(each))
        for name, each in changed.items()
    )
    position = Position(file="job.py", line=line, function=function)
    return Step(event=event, position=position, depth=depth, changed=values, value=value)


LIST = DebugValue(type="list", text="list(1)", entries=(("0", number(7)),), truncated=True)
STEPS = (
    step(6, 0, function="<module>"),
    step(2, n=2),
    step(3, s=0),
    step(4, i=0),
    step(3),
    step(4, i=1, rows=LIST),
    step(3, s=1),
    step(5, event="return", value=number(1)),
    step(6, 0, event="return", function="<module>", output=1, value=DebugValue(type="NoneType", text="None")),
)
ERROR = ErrorLink(
    name="ValueError\x1b[31m",
    message="no\x1b]0;title\x07",
    relation="thrown",
    parent=None,
    frames=(
        StackFrame(
            position=Position(file="job.py", line=2, column=5, function="total"),
            excerpt=(SourceLine(line=1, text="def total(n):"), SourceLine(line=2, text="    s = 0\x9b2J")),
        ),
    ),
    truncated=True,
)
REPORT = DebugReport(
    console=(
        ConsoleEntry(
            at_ms=1.5,
            stream="stderr",
            level="warn",
            arguments=(DebugValue(type="str", text="'\x1b[2J'"), LIST),
            position=Position(file="job.py", line=3, column=2),
            truncated=True,
        ),
        ConsoleEntry(at_ms=2.0, stream="stdout", level="log", arguments=()),
    ),
    errors=(ERROR, ErrorLink(name="E", message="m", relation="cause", parent=0, frames=())),
    steps=STEPS,
    truncated=("steps",),
    unreadable=2,
)


def result(report: DebugReport | None) -> JobResult:
    return JobResult(id="j", outcome=Outcome.SUCCEEDED, usage=Usage(wall_ms=1.0), output=1, debug=report)


@pytest.fixture
def asked(monkeypatch):
    """Commands run no job; what they would have asked for is kept."""
    kept: list[object] = []
    answers = {"report": REPORT}

    async def run_once(_settings, spec):
        kept.append(spec.debug)
        return result(answers["report"])

    monkeypatch.setattr(debug_command, "run_once", run_once)
    monkeypatch.setattr(run_command, "run_once", run_once)
    kept.append(answers)
    return kept


@pytest.fixture
def code_file(tmp_path):
    file = tmp_path / "code.py"
    file.write_text(CODE, encoding="utf-8")
    return str(file)


def walk(code_file: str, *commands: str):
    done = CliRunner().invoke(cli, ["debug", code_file], input="".join(f"{each}\n" for each in commands))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def places(output: str) -> list[str]:
    return [
        line.split("  ")[0]
        for line in output.replace("(debug) ", "").splitlines()
        if line.startswith("step ")
    ]


# -- walking -------------------------------------------------------------------------------------------


def test_a_walk_goes_forwards_and_backwards(asked, code_file):
    """next, back, with numbers, an empty line again the same; beyond an end it stays, and says so."""
    done = walk(code_file, "n", "next 3", "", "b", "back 100", "b", "go 9", "n", "q")
    assert places(done.output) == [f"step {number} of 9" for number in (1, 2, 5, 6, 5, 1, 1, 9, 9)]
    assert done.output.count("this is the first step") == 1
    assert done.output.count("this is the last step") == 1
    assert done.exit_code == 0
    assert asked[1] == DebugOptions(console=True, stack_traces=True, steps=True)


def test_breakpoints_stop_a_walk_in_both_directions(asked, code_file):
    """Set on a line, listed, and taken away by the same command."""
    done = walk(code_file, "br 4", "c", "c", "rc", "br", "br 4", "c", "rc", "br 99", "br")
    assert places(done.output) == [f"step {number} of 9" for number in (1, 4, 6, 4, 9, 1)]
    for words in (
        "breakpoint on line 4\n", "breakpoints: 4", "no breakpoint on line 4 any more", "no breakpoint ahead",
        "no breakpoint behind", "line 99; no recorded step is there", "breakpoints: 99",
    ):  # fmt: skip
        assert words in done.output


def test_variables_are_those_of_the_moment(asked, code_file):
    """Going back brings the old values back; those of the caller are its own."""
    done = walk(code_file, "go 7", "v", "go 4", "v", "w", "go 9", "v", "p s", "go 6", "p rows", "go 1", "v")
    assert "  i = 1\n  n = 2\n  rows = list(1) {0: 7, …}\n  s = 1\n" in done.output
    assert "  i = 0\n  n = 2\n  s = 0\n" in done.output
    assert "  total (job.py:4)\n  <module> (job.py:6)\n" in done.output
    assert "no variable 's' in this call" in done.output
    assert "  rows: list list(1) {0: 7, …}\n    0: int 7\n    … there was more\n" in done.output
    assert "no variables yet" in done.output


def test_a_screen_shows_the_code_around_and_what_changed(asked, code_file):
    """The current line is marked; a return has its value."""
    done = walk(code_file, "go 3", "go 8", "l", "l 1")
    assert ">    3 |     for i in range(n):\n     4 |         s += i\n" in done.output
    assert "  s = 0\n" in done.output
    assert "return total (job.py:5)" in done.output
    assert "  returns 1\n" in done.output
    assert "only the first 9 steps are kept" in done.output


@pytest.mark.parametrize(
    "command", ["dance", "n x", "n -1", "g", "br 0", "p", "l 1e3", "n 99999999999", "\x1b[2J"]
)
def test_a_wrong_command_is_told_and_the_walk_goes_on(asked, code_file, command):
    """No traceback, no step, no terminal code."""
    done = walk(code_file, command, "h", "r", "q")
    assert done.exit_code == 0
    assert "n, next [N]" in done.output
    assert "\x1b[2J" not in done.output
    assert places(done.output) == ["step 1 of 9"]


def test_the_end_of_the_commands_ends_the_walk(asked, code_file):
    """As `quit` does."""
    assert walk(code_file).exit_code == 0


def test_without_steps_there_is_nothing_to_walk(asked, code_file):
    """The result is shown, and the exit code is that of a failed job."""
    asked[0]["report"] = DebugReport(console=(), errors=(), steps=())
    done = walk(code_file)
    assert (done.exit_code, "no steps were recorded" in done.output) == (1, True)
    asked[0]["report"] = None
    assert walk(code_file).exit_code == 1


@pytest.mark.parametrize("options", [["-"], ["code.py", "--stdin", "-", "-p"], ["code.py", "--input", "-"]])
def test_standard_input_is_for_the_commands(options):
    """One clear error where something else would be read from it."""
    with pytest.raises(InvalidJob, match="standard input is for the commands"):
        CliRunner().invoke(cli, ["debug", *options], catch_exceptions=False)


def test_calls_end_where_their_depth_ends():
    """A call after another at the same depth has variables of its own."""
    steps = [step(1, 0, function="m"), step(2, a=1), step(3, function="other", b=2), step(1, 0, function="m")]
    there = Walk(steps)
    assert len(there) == 4
    assert there.move(2)
    assert [list(call.variables) for call in there.calls()] == [[], ["b"]]
    assert there.move(1)
    assert len(there.calls()) == 1
    assert not there.move(1)


# -- run --debug and --profile --------------------------------------------------------------------------


def test_run_shows_the_console_and_stacks_without_obeying_them(asked, code_file):
    """Time, level, arguments, place; frames with their lines; causes; what was cut; escape codes are shown."""
    done = CliRunner().invoke(cli, ["run", code_file, "--debug"], color=False)
    assert done.exit_code == 0, done.output
    assert asked[1] == DebugOptions(console=True, stack_traces=True)
    for words in (
        "console (2 calls)", "1.50 ms", "warn", "'\\x1b[2J' list(1) {0: 7, …} …", "(job.py:3:2)",
        "ValueError\\x1b[31m: no\\x1b]0;title\\x07", "at total (job.py:2:5)", ">    2 |     s = 0\\x9b2J",
        "caused by E: m", "… more frames", "of steps there was more", "2 records could not be read",
    ):  # fmt: skip
        assert words in done.output, words
    assert "\x1b" not in done.output
    assert "\x9b" not in done.output


def test_a_caret_stands_below_the_column(asked, code_file):
    """Where nothing of the line had to be escaped."""
    frame = StackFrame(
        position=Position(file="job.py", line=1, column=5), excerpt=(SourceLine(line=1, text="def total"),)
    )
    asked[0]["report"] = DebugReport(
        errors=(ErrorLink(name="E", message="m", relation="thrown", parent=None, frames=(frame,)),)
    )
    done = CliRunner().invoke(cli, ["run", code_file, "--debug"])
    assert "      >    1 | def total\n             |     ^\n" in done.output


def test_a_profile_is_saved_under_its_languages_name(asked, code_file, tmp_path):
    """The document, and a line on stderr."""
    asked[0]["report"] = DebugReport(profile=Profile(format="speedscope", content={"a": 1}))
    path = tmp_path / "out.speedscope.json"
    done = CliRunner().invoke(cli, ["run", code_file, "--profile", str(path), "--json"])
    assert json.loads(path.read_text()) == {"a": 1}
    assert "profile saved in" in done.stderr
    assert asked[1] == DebugOptions(profile=True)
    asked[0]["report"] = DebugReport(profile=Profile(format="speedscope", content={}, complete=False))
    assert "incomplete" in CliRunner().invoke(cli, ["run", code_file, "--profile", str(path)]).stderr
    asked[0]["report"] = None
    assert "no profile" in CliRunner().invoke(cli, ["run", code_file, "--profile", str(path)]).stderr


@pytest.mark.parametrize(
    ("runtime", "name", "says"),
    [
        ("python", "out.cpuprofile", r"must end in \.speedscope\.json"),
        ("node", "out.speedscope.json", r"must end in \.cpuprofile"),
        ("node", ".cpuprofile", r"must end in \.cpuprofile"),
        ("node", "no/such/folder/out.cpuprofile", "there is no folder"),
    ],
)
def test_a_profile_of_another_format_is_refused_before_anything_runs(asked, code_file, runtime, name, says):
    """One error that says what the name must be."""
    with pytest.raises(InvalidJob, match=says):
        CliRunner().invoke(cli, ["run", code_file, "-r", runtime, "--profile", name], catch_exceptions=False)
    assert len(asked) == 1


def test_a_profile_that_cannot_be_written_is_one_error(asked, code_file, tmp_path):
    """A folder of that name, for example."""
    (tmp_path / "x.speedscope.json").mkdir()
    asked[0]["report"] = DebugReport(profile=Profile(format="speedscope", content={}))
    with pytest.raises(InvalidJob, match="cannot write"):
        CliRunner().invoke(
            cli, ["run", code_file, "--profile", str(tmp_path / "x.speedscope.json")], catch_exceptions=False
        )
