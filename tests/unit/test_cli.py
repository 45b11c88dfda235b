"""`cli/`: whatever is wrong is one line on stderr and an exit code, never a traceback. No engine needed."""

from __future__ import annotations

import gc
import json
import os

import pytest
from click.testing import CliRunner

from orchestrator.backends.fake import FakeBackend
from orchestrator.cli.exit_codes import ExitCode, exit_code_of_error, exit_code_of_result
from orchestrator.cli.main import main
from orchestrator.cli.render import harmless, show_result
from orchestrator.domain.errors import (
    ConfigurationError,
    EngineUnavailable,
    InternalError,
    InvalidJob,
    OrchestratorError,
    PoolTimeout,
    UnknownRuntime,
)
from orchestrator.domain.limits import Usage
from orchestrator.domain.outcome import JobError, JobResult, Outcome, StreamText
from orchestrator.wire import result_to_wire

# The SDK leaves a socket behind where it could not connect; the garbage collector closes it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

NO_ENGINE = "unix:///nonexistent/docker.sock"


@pytest.fixture(autouse=True)
def _no_settings_of_this_host(monkeypatch):
    """Tests see the defaults, and take their litter along."""
    for name in [name for name in os.environ if name.startswith("SANDBOX_ORCH_")]:
        monkeypatch.delenv(name)
    yield
    gc.collect()


@pytest.fixture
def code_file(tmp_path):
    """A file of Python that would run."""
    file = tmp_path / "code.py"
    file.write_text("output = input", encoding="utf-8")
    return str(file)


@pytest.fixture
def sandbox_orch(capsys):
    """Runs the command line as a shell would; answers (exit code, stdout, stderr)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["--docker-url", NO_ENGINE, *arguments])
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return run


def assert_one_line(answer: tuple[int, str, str], code: int, *words: str) -> None:
    """Exit code, nothing on stdout, one line on stderr with these words in it, and no traceback."""
    exit_code, out, err = answer
    assert (exit_code, out) == (code, ""), err
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    for word in words:
        assert word in err


# -- bad requests: exit code 2 --------------------------------------------------------------------------


def test_an_unknown_runtime_is_named_with_the_known_ones(sandbox_orch, code_file):
    """The line says what this host has."""
    assert_one_line(sandbox_orch("run", code_file, "--runtime", "cobol"), 2, "'cobol'", "node", "python")


@pytest.mark.parametrize("file", ["missing.py", ".", "a\0b.py", "x" * 5000])
def test_a_file_that_cannot_be_read_is_named(sandbox_orch, tmp_path, monkeypatch, file):
    """No such file, a folder, an impossible name: each with the reason."""
    monkeypatch.chdir(tmp_path)
    assert_one_line(sandbox_orch("run", file, "--runtime", "python"), 2, "FILE: cannot read")


def test_a_file_that_is_not_utf8_is_told_with_the_byte(sandbox_orch, tmp_path):
    """The offset and the byte are in the line."""
    file = tmp_path / "latin1.py"
    file.write_bytes(b"# caf\xe9")
    assert_one_line(sandbox_orch("run", str(file)), 2, "not UTF-8", "byte 5 is 0xe9")


def test_a_file_above_the_limit_is_refused(sandbox_orch, tmp_path):
    """A megabyte of code is the bound."""
    file = tmp_path / "large.py"
    file.write_bytes(b"#" * (2**20 + 1))
    assert_one_line(sandbox_orch("run", str(file)), 2, "above the limit of 1048576 bytes")


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "NaN", "1e999", '"\\ud800"', "[" * 200, "9" * 5000])
def test_an_input_that_is_no_json_is_told_with_the_place(sandbox_orch, code_file, text):
    """The reason, and that a path would do too."""
    assert_one_line(sandbox_orch("run", code_file, "--input", text), 2, "--input: ", "path of a file")


def test_an_input_file_that_is_no_json_is_named(sandbox_orch, code_file, tmp_path):
    """The line says which file, and where in it."""
    file = tmp_path / "in.json"
    file.write_text("{\n  'a': 1}", encoding="utf-8")
    assert_one_line(sandbox_orch("run", code_file, "--input", str(file)), 2, str(file), "line 2, column 3")


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("wall_time_ms=-1", "above 0"),
        ("wall_time_ms=0", "above 0"),
        ("wall_time_ms", "NAME=NUMBER"),
        ("wall_time_ms=", "NAME=NUMBER"),
        ("wall_time_ms=1.5", "NAME=NUMBER"),
        ("wall_time_ms=1e3", "NAME=NUMBER"),
        ("wall_time_ms=²", "NAME=NUMBER"),
        ("wall_time_ms=--1", "NAME=NUMBER"),
        ("speed=3", "unknown limit; known are wall_time_ms"),
        ("=3", "unknown limit"),
    ],
)
def test_an_impossible_limit_is_refused(sandbox_orch, code_file, limit, words):
    """Negative, no number, unknown: each with what is wrong."""
    assert_one_line(sandbox_orch("run", code_file, "--limit", limit), 2, words)


@pytest.mark.parametrize(
    "limit", ["memory_bytes=" + "9" * 18, "memory_bytes=" + "9" * 5000, "memory_bytes=-" + "9" * 5000]
)
def test_an_absurd_limit_is_one_line_too(sandbox_orch, code_file, limit):
    """Numbers of any length end in a line, by the request's fault or for want of an engine."""
    exit_code, out, err = sandbox_orch("run", code_file, "--limit", limit)
    assert exit_code in (2, 3)
    assert (out, err.count("\n")) == ("", 1)
    assert len(err) < 1000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--entrypoint", "f()"], "entrypoint"),
        (["--stdin", "x"], "mode=program"),
        (["--arg", "x"], "mode=program"),
        (["--program", "--input", "1"], "mode"),
        (["--program", "--file", "/nonexistent"], "--file: cannot read"),
        (["--program", "--file", "/proc/self/.hidden"], "--file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(sandbox_orch, code_file, options, words):
    """Before any container is made."""
    assert_one_line(sandbox_orch("run", code_file, *options), 2, words)


def test_a_setting_that_is_wrong_is_named_with_its_variable(sandbox_orch, code_file, monkeypatch):
    """The environment is the operator's: the line names the variable to change."""
    monkeypatch.setenv("SANDBOX_ORCH_WARM_TARGET", "lots")
    assert_one_line(sandbox_orch("run", code_file), 2, "SANDBOX_ORCH_WARM_TARGET")


def test_an_images_folder_without_a_definition_is_named(sandbox_orch, code_file, monkeypatch, tmp_path):
    """A wrong folder is a wrong setting."""
    monkeypatch.setenv("SANDBOX_ORCH_IMAGES_FOLDER", str(tmp_path))
    assert_one_line(sandbox_orch("run", code_file), 2, str(tmp_path))


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "code.txt"],
        ["walk"],
        ["run", "x.py", "--fast"],
        ["bench", "warm", "-n", "0"],
        ["bench", "warm", "-n", "x"],
        ["bench", "throughput", "--callers", "0"],
    ],
)
def test_wrong_usage_is_one_line_as_well(sandbox_orch, arguments):
    """Exit code 2, and where it says what would be right."""
    assert_one_line(sandbox_orch(*arguments), 2)


# -- no engine: exit code 3 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "CODE"],
        ["bench", "warm"],
        ["bench", "throughput"],
        ["images", "list"],
        ["images", "build"],
        ["images", "verify"],
    ],
    ids=" ".join,
)
def test_without_an_engine_every_command_says_so(sandbox_orch, code_file, arguments):
    """One line with what to do, exit code 3."""
    arguments = [code_file if argument == "CODE" else argument for argument in arguments]
    assert_one_line(sandbox_orch(*arguments), 3, "is the Docker Engine running")


@pytest.mark.parametrize(
    "url", ["unix:///nonexistent", "tcp://127.0.0.1:1", "nonsense://x", "unix:///dev/null"]
)
def test_whatever_the_engines_url_is(code_file, capsys, url):
    """An address that leads nowhere, or to no engine, is one line as well."""
    with pytest.raises(SystemExit) as caught:
        main(["--docker-url", url, "run", code_file])
    assert_one_line((caught.value.code, *capsys.readouterr()), 3)


def test_an_interrupt_is_no_traceback(monkeypatch, capsys):
    """Ctrl-C ends with an exit code that is no success."""

    def interrupt(**_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.cli.main.cli.main", interrupt)
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 3
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_needs_no_engine(sandbox_orch, arguments):
    """It is printed on stdout, with exit code 0."""
    exit_code, out, err = sandbox_orch(*arguments)
    assert (exit_code, err) == (0, "")
    assert out


# -- exit codes and what is shown -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidJob("code", "x"), ExitCode.USAGE),
        (UnknownRuntime("x", ()), ExitCode.USAGE),
        (ConfigurationError("x"), ExitCode.USAGE),
        (EngineUnavailable("x"), ExitCode.ENGINE),
        (PoolTimeout("x"), ExitCode.ENGINE),
        (InternalError("x"), ExitCode.ENGINE),
        (OrchestratorError("x"), ExitCode.ENGINE),
    ],
)
def test_the_exit_code_tells_whose_fault_it_was(error, code):
    """2 for the request and the settings, 3 for everything on our side."""
    assert exit_code_of_error(error) is code


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_exit_code(outcome):
    """0 for success alone; 4 for limits; 3 for what is ours; 1 for the job's own failure."""
    code = exit_code_of_result(JobResult(id="1", outcome=outcome, usage=Usage(wall_ms=0)))
    ours = {Outcome.INTERNAL_ERROR, Outcome.EXPIRED}
    expected = {
        outcome is Outcome.SUCCEEDED: ExitCode.OK,
        outcome in ours: ExitCode.ENGINE,
        outcome.value.endswith("_limit"): ExitCode.LIMIT,
    }.get(True, ExitCode.JOB_FAILED)
    assert code is expected


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\r", "\x9b", "\u202e", "\u200b", "\x00", "\x7f", "\ufeff"])
def test_tenant_text_cannot_act_on_a_terminal(hostile):
    """Control and direction characters are shown, not obeyed."""
    assert harmless(f"a{hostile[0]}b") == "a" + hostile[0].encode("unicode_escape").decode() + "b"
    assert harmless("é\tx\n") == "é\tx\n"


def test_a_result_can_be_shown(capsys):
    """Outcome, error, streams and files are there, with control characters made harmless."""
    result = JobResult(
        id="1",
        outcome=Outcome.ERROR,
        usage=Usage(wall_ms=1.0, cpu_ms=2.0, memory_peak_bytes=2**20),
        error=JobError(name="E\x1b", message="m", stack="at job.py"),
        stdout=StreamText(text="out\x1b[2J", bytes_total=99, truncated=True),
        files={"a": b"123"},
        exit_code=3,
    )
    show_result(result, files_folder="/tmp/x")
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    for words in (
        "error",
        r"E\x1b: m",
        "at job.py",
        r"out\x1b[2J",
        "99 bytes, cut",
        "a (3 bytes)",
        "exit code 3",
    ):
        assert words in shown


def test_a_result_on_the_wire_is_json():
    """Files are base64, and success is said."""
    result = JobResult(
        id="1", outcome=Outcome.SUCCEEDED, usage=Usage(wall_ms=1.0), output=[1], files={"a": b"\0"}
    )
    wire = json.loads(json.dumps(result_to_wire(result)))
    assert (wire["success"], wire["outcome"], wire["output"]) == (True, "succeeded", [1])
    assert wire["files"] == {"a": "AA=="}


# -- with an engine in memory ---------------------------------------------------------------------------


@pytest.fixture
def with_fake_engine(monkeypatch):
    """The command line over `FakeBackend`: only the door to the engine is another one."""
    backend = FakeBackend()

    class NoEngine:
        async def image_inspect(self, reference):
            return {"Id": "sha256:fake"}

        async def info(self):
            return await backend.info()

        async def close(self):
            pass

    async def open_nothing(_settings):
        return NoEngine()

    monkeypatch.setattr("orchestrator.bootstrap.Engine.open", open_nothing)
    monkeypatch.setattr("orchestrator.bootstrap.DockerBackend", lambda _engine, **_options: backend)
    return backend


def test_a_job_is_run_and_shown(with_fake_engine, sandbox_orch, code_file):
    """`run` prints the output, exits with 0 and leaves no container."""
    exit_code, out, err = sandbox_orch("run", code_file, "--input", '{"x": "é"}')
    assert (exit_code, err) == (0, "")
    assert "✓ succeeded" in out
    assert '"x": "é"' in out
    assert with_fake_engine.containers == {}
    assert len(with_fake_engine.launched) == 1


def test_a_job_is_printed_as_json(with_fake_engine, sandbox_orch, code_file):
    """`--json` prints the whole result as one object."""
    exit_code, out, _ = sandbox_orch(
        "run", code_file, "--input", "[1]", "--json", "--limit", "wall_time_ms=2000"
    )
    assert exit_code == 0
    assert json.loads(out)["output"] == [1]
    (spec,) = with_fake_engine.launched
    assert spec.labels["org.sandbox-orch.runtime"] == "python"


def test_an_absurd_limit_is_a_bad_request(with_fake_engine, sandbox_orch, code_file):
    """Above the host's maximum is exit code 2, and no container is made."""
    answer = sandbox_orch("run", code_file, "--limit", "memory_bytes=" + "9" * 18)
    assert_one_line(answer, 2, "limits.memory_bytes", "maximum")
    assert with_fake_engine.launched == []


def test_code_can_come_from_standard_input(with_fake_engine):
    """`run -` reads the code from stdin; without a runtime its language cannot be told."""
    from orchestrator.cli.main import cli

    result = CliRunner().invoke(cli, ["run", "-", "--runtime", "python", "--json"], input="output = 1")
    assert result.exit_code == 0, result.output
    assert CliRunner().invoke(cli, ["run", "-"], input="output = 1").exit_code == 2


def test_files_are_saved_only_under_plain_names(with_fake_engine, sandbox_orch, code_file, tmp_path):
    """Names come from the container: one with a path in it is not followed."""
    with_fake_engine.answer = lambda job: [
        {
            "type": "result",
            "job": job["job"],
            "how": "exited",
            "exit_code": 0,
            "files": {"ok.txt": "aGk=", "../evil.txt": "aGk=", "..": "aGk="},
        }
    ]
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "ok.txt").symlink_to(tmp_path / "elsewhere.txt")
    exit_code, *_ = sandbox_orch("run", code_file, "--program", "--save-files", str(folder))
    assert exit_code == 0
    assert [(file.name, file.is_symlink()) for file in folder.iterdir()] == [("ok.txt", False)]
    assert (folder / "ok.txt").read_bytes() == b"hi"
    assert not (tmp_path / "evil.txt").exists()
    assert not (tmp_path / "elsewhere.txt").exists()
