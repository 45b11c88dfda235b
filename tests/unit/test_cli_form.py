"""What all commands have in common, for every command of the tree: a new one is looked at here without being named.

Help that teaches, `--json`, one form of error, and no colour where none is wanted.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli.exit_codes import MEANINGS, ExitCode
from orchestrator.cli.hints import HINTS, SAY_IT_THEMSELVES, with_hint
from orchestrator.cli.main import OTHERS, SECTIONS, cli, main
from orchestrator.domain.errors import OrchestratorError

# The SDK leaves a socket behind where it could not connect; the garbage collector closes it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

ROOT = Path(__file__).parent.parent.parent
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def tree(command: click.Command, *words: str) -> dict[tuple[str, ...], click.Command]:
    """Every command by its words, groups too."""
    found = {words: command}
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            found |= tree(inner, *words, name)
    return found


COMMANDS = tree(cli)
LEAVES = {words: each for words, each in COMMANDS.items() if not isinstance(each, click.Group)}
WITHOUT_JSON = {
    ("serve",): "prints no data; its log is JSON",
    ("images", "sbom"): "prints nothing but JSON",
    ("images", "compose"): "builds; prints what it does",
    ("engine-proxy",): "prints no data; a program that runs until it is told to end",
    ("debug",): "a walk with a person; `run --json` has what was recorded",
}


@pytest.fixture(autouse=True)
def _no_settings_of_this_host(monkeypatch, tmp_path):
    """Defaults, and a folder of the test's own."""
    for name in [name for name in os.environ if name.startswith("SANDBOX_ORCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("SANDBOX_ORCH_DATA_FOLDER", str(tmp_path / "data"))


@pytest.fixture
def run(capsys):
    """Runs the command line; answers (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        return caught.value.code, *capsys.readouterr()

    return run


# -- help -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_that_says_what_each_option_is_for(words):
    """A sentence for the command, and one for each of its options."""
    command = COMMANDS[words]
    assert command.help
    assert command.get_short_help_str(200).endswith(".")
    context = click.Context(command, info_name=words[-1] if words else "sandbox-orch")
    for option in command.get_params(context):
        if isinstance(option, click.Option):
            assert option.help, f"{option.opts[0]} says nothing"


def test_the_help_of_the_whole_names_every_command_where_it_belongs(run):
    """By what they are for; exit codes from the one table; the steps of the tutorial."""
    code, out, _ = run("--help")
    assert code == 0
    assert f"{OTHERS}:" not in out, "a new command needs its section in cli/main.py"
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(cli.commands)
    for meaning in MEANINGS.values():
        assert meaning.split(";")[0] in " ".join(out.split())
    for step in ("images build", "run double.py", "check double.py", "serve --data"):
        assert step in out


def test_the_steps_of_the_help_are_commands_that_exist():
    """Each line of the tutorial parses: its words are commands, its options are theirs."""
    lines = [line.strip() for line in (cli.help or "").splitlines()]
    typed = [line.partition("  ")[0] for line in lines if line.startswith("sandbox-orch ")]
    assert len(typed) >= 8
    for line in typed:
        words = line.split()[1:]
        command: click.Command = cli
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        known = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_every_exit_code_has_its_meaning():
    """One table for `--help`, the man page and docs/cli.md."""
    assert set(MEANINGS) == set(ExitCode)


# -- JSON -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_that_prints_data_has_json(words):
    """`--json`, but for those with a reason."""
    names = {name for option in LEAVES[words].params for name in option.opts}
    assert ("--json" in names) is (words not in WITHOUT_JSON)


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "create", "--tenant", "acme"),
        ("keys", "list"),
        ("tenants", "set", "acme", "--weight", "2"),
        ("tenants", "list"),
        ("config", "show"),
        ("config", "check"),
        ("check", "examples/math_expression.js"),
        ("attack", "--list"),
    ],
    ids=" ".join,
)
def test_with_json_nothing_but_json_is_printed(run, monkeypatch, arguments):
    """One document on standard output, nothing on standard error. (Those that need an engine or a service have tests of their own.)"""
    monkeypatch.chdir(ROOT)
    code, out, err = run(*arguments, "--json")
    assert (code, err) == (0, "")
    json.loads(out)


def test_a_revoked_key_is_told_in_json(run):
    """Its id, and that it is revoked."""
    made = json.loads(run("keys", "create", "--tenant", "acme", "--json")[1])
    code, out, _ = run("keys", "revoke", made["id"], "--json")
    assert (code, json.loads(out)) == (0, {"id": made["id"], "revoked": True})


def test_problems_of_the_settings_are_told_in_json(run, monkeypatch):
    """The same as in words, with the same exit code."""
    monkeypatch.setenv("SANDBOX_ORCH_WARM_TARGTE", "3")
    code, out, _ = run("config", "check", "--json")
    told = json.loads(out)
    assert (code, told["ok"]) == (2, False)
    assert "SANDBOX_ORCH_WARM_TARGET" in told["problems"][0]


# -- errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_wrong_usage_of_any_command_is_one_line_that_says_where_to_look(run, words):
    """The same form as every other error, exit code 2."""
    code, out, err = run(*words, "--no-such-option")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"error: .*'?--no-such-option'?.*; see `sandbox-orch.* --help`\n", err), err


@pytest.mark.parametrize(
    "arguments",
    [("walk",), ("run",), ("keys", "create"), ("jobs", "cancel"), ("bench", "warm", "-n", "x"), ("jobs", "list", "--state", "x")],
    ids=" ".join,
)  # fmt: skip
def test_what_is_missing_or_impossible_is_one_line_too(run, arguments):
    """Unknown commands, missing arguments, values of the wrong kind."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "--help`" in err


def test_a_file_that_cannot_be_written_is_no_traceback(run, tmp_path, monkeypatch):
    """The line names it."""
    monkeypatch.setenv("SANDBOX_ORCH_DATA_FOLDER", "/proc/nowhere")
    code, out, err = run("keys", "list")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert "/proc/nowhere" in err


def kinds(kind: type[OrchestratorError]) -> list[type[OrchestratorError]]:
    """A class of errors and all below it, the client's too."""
    import orchestrator.client

    assert orchestrator.client
    return [kind, *(each for below in kind.__subclasses__() for each in kinds(below))]


@pytest.mark.parametrize("kind", kinds(OrchestratorError)[1:], ids=lambda kind: kind.__name__)
def test_every_error_says_what_to_do(kind):
    """By its own words, or by the hint of its nearest kind."""
    names = [each.__name__ for each in kind.__mro__]
    nearest = next(name for name in names if name in {*HINTS, *SAY_IT_THEMSELVES})
    error = kind.__new__(kind)
    Exception.__init__(error, "it is so")
    assert with_hint(error) == ("it is so; " + HINTS[nearest] if nearest in HINTS else "it is so")
    Exception.__init__(error, "it is so; do that")
    assert str(error) == with_hint(error)


def test_the_command_alone_shows_its_help(run):
    """Exit code 2: nothing was asked for."""
    code, out, err = run()
    assert code == 2
    assert "1. Once" in out + err


# -- colour ---------------------------------------------------------------------------------------------

SAMPLES = {
    ("run",): ("run", "nothing.py"),
    ("check",): ("check", "tests/programs/rejected/calculator.py"),
    ("attack",): ("attack", "--list"),
    ("keys", "list"): ("keys", "list"),
    ("tenants", "list"): ("tenants", "list"),
    ("tenants", "set"): ("tenants", "set", "acme"),
    ("config", "check"): ("config", "check"),
    ("config", "show"): ("config", "show"),
}
"""Where a call without engine or service prints more than its help."""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("arguments", ["help", "sample"])
def test_no_command_prints_colour_where_none_is_wanted(monkeypatch, words, arguments):
    """Even where the output would take it: NO_COLOR is obeyed by every command of the tree."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("NO_COLOR", "1")
    typed = (*words, "--help") if arguments == "help" else SAMPLES.get(words, (*words, "--no-such-option"))
    shown = CliRunner().invoke(cli, ["--docker-url", "unix:///nonexistent", *typed], color=True)
    assert COLOUR.search(shown.output) is None


def test_the_same_commands_do_print_colour_where_it_is_wanted(monkeypatch):
    """Or the test above would prove nothing."""
    monkeypatch.chdir(ROOT)
    for typed in (("attack", "--list"), ("tenants", "set", "acme"), ("config", "check")):
        assert COLOUR.search(CliRunner().invoke(cli, typed, color=True).output), typed


def test_into_a_pipe_no_colour_goes():
    """Nor anything that would move a terminal."""
    done = subprocess.run(
        [sys.executable, "-c", "from orchestrator.cli.main import main; main()", "attack", "--list"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    assert b"\x1b" not in done.stdout + done.stderr


# -- completion and man pages ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "words", "expected"),
    [
        ("bash", "sandbox-orch ", "images"),
        ("bash", "sandbox-orch im", "images"),
        ("bash", "sandbox-orch jobs li", "list"),
        ("bash", "sandbox-orch run --lim", "--limit"),
        ("bash", "sandbox-orch jobs list --state ", "queued"),
        ("zsh", "sandbox-orch jobs li", "list"),
        ("fish", "sandbox-orch jobs li", "list"),
    ],
)
def test_the_command_completes_itself(monkeypatch, capsys, shell, words, expected):
    """As the shells' scripts ask it: by two variables."""
    typed = words.split(" ")
    monkeypatch.setenv("_SANDBOX_ORCH_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", words if shell != "fish" else " ".join(typed[:-1]))
    monkeypatch.setenv("COMP_CWORD", str(len(typed) - 1) if shell != "fish" else typed[-1])
    with pytest.raises(SystemExit):
        main([])
    assert expected in re.split(r"[\s,:]+", capsys.readouterr().out)


def test_bash_completes_by_the_script_that_is_installed():
    """The real shell, with the file of the package."""
    script = (
        f"source {ROOT}/deploy/completion/sandbox-orch.bash\n"
        "COMP_WORDS=(sandbox-orch jobs can) COMP_CWORD=2\n"
        "_sandbox_orch_completion sandbox-orch 2>/dev/null\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "cancel\n", done.stderr


def test_there_is_a_man_page_for_every_command():
    """And no other; the whole one has the exit codes."""
    there = {page.name for page in (ROOT / "deploy/man").iterdir()}
    assert there == {"-".join(("sandbox-orch", *words)) + ".1" for words in COMMANDS}
    page = (ROOT / "deploy/man/sandbox-orch.1").read_text(encoding="utf-8")
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES"):
        assert f".SH {section}" in page


def test_the_modes_of_attack_are_those_of_the_docs(run):
    """`--mode function`, as docs/attacks.md types it."""
    for mode in ("function", "program", "both"):
        assert run("attack", "--list", "--mode", mode)[0] == 0
