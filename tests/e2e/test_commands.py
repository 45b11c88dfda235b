"""The commands, typed as a user types them, on a real engine."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.docker


def type_in(
    *words: str, stdin: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", "from orchestrator.cli.main import main; main()", *words],
        input=stdin, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip


def ours_on_the_engine() -> list[str]:
    found = subprocess.run(
        ["docker", "ps", "--all", "--quiet", "--filter", "label=org.sandbox-orch.owner"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return found.stdout.split()


def test_run_prints_the_whole_result_as_json_and_leaves_nothing():
    """The output is right, the exit code is 0, and no container of this run is left."""
    before = set(ours_on_the_engine())
    done = type_in("run", "examples/math_expression.js", "--input", '{"x": 2, "y": 3, "z": 6}', "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["outcome"], result["output"], result["success"]) == ("succeeded", 7, True)
    assert done.stderr == ""
    assert set(ours_on_the_engine()) <= before


def test_run_takes_source_from_standard_input():
    """`-` is standard input, and the runtime is then named."""
    done = type_in("run", "-", "-r", "python", "-i", "[1, 2, 3]", "--json", stdin="output = sum(input)")
    assert json.loads(done.stdout)["output"] == 6


def test_a_limit_has_an_exit_code_of_its_own():
    """4 says that a limit ended the job."""
    done = type_in("run", "-", "-r", "node", "-l", "wall_time_ms=200", stdin="for (;;) {}")
    assert done.returncode == 4
    assert "wall_time_limit" in done.stdout


def test_a_failing_job_shows_its_error_and_escapes_what_a_terminal_would_obey():
    """Exit code 1; control characters of a tenant are shown, never sent to the terminal."""
    done = type_in("run", "-", "-r", "python", stdin="raise ValueError('\\x1b[31mred\\u202e')")
    assert done.returncode == 1
    assert "\\x1b[31mred\\u202e" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_program_saves_its_files(tmp_path):
    """Files that a program leaves land in the folder that was asked for."""
    done = type_in(
        "run", "-", "-r", "python", "--program", "--stdin", "hi", "--arg", "x", "--save-files", str(tmp_path),
        stdin="import sys; open('out.txt', 'w').write(sys.stdin.read() + sys.argv[1])",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "out.txt").read_text() == "hix"


@pytest.mark.parametrize(
    ("words", "environment", "exit_code", "says"),
    [
        (("run", "x.pl"), {}, 2, "--runtime"),
        (("run", "-", "-r", "cobol"), {}, 2, "unknown runtime 'cobol'; this host has: bash, c, go, lua, node, python, ruby"),
        (("run", "no-such-file.py"), {}, 2, "cannot read 'no-such-file.py'"),
        (("run", "README.md", "-r", "python", "-i", "{"), {}, 2, "is no JSON"),
        (("run", "README.md", "-r", "python", "-l", "wall_time_ms=-1"), {}, 2, "must be above 0"),
        (("run", "README.md", "-r", "python", "-l", "memory_bytes=9e9"), {}, 2, "NAME=NUMBER"),
        (("run", "README.md", "-r", "python", "-l", f"memory_bytes={10**30}"), {}, 2, "above this host's maximum"),
        (("run", "README.md", "-r", "python", "-l", "speed=1"), {}, 2, "unknown limit"),
        (("run", "README.md", "-r", "python"), {"DOCKER_HOST": "unix:///nowhere.sock"}, 3, "is the Docker Engine running"),
        (("run", "README.md", "-r", "python"), {"SANDBOX_ORCH_WARM_TARGET": "-4"}, 2, "SANDBOX_ORCH_WARM_TARGET"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_clear_line(words, environment, exit_code, says):
    """What is wrong and what to do, an exit code, no traceback, no container."""
    done = type_in(*words, environment=environment)
    assert done.returncode == exit_code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_source_that_is_not_utf_8_is_refused(tmp_path):
    """The place of the first wrong byte is named."""
    source = tmp_path / "latin.py"
    source.write_bytes(b"x = '\xe9'")
    done = type_in("run", str(source))
    assert done.returncode == 2
    assert "not UTF-8: byte 5 is 0xe9" in done.stderr


def test_a_missing_image_is_named_with_the_command_that_makes_it(tmp_path):
    """A runtime whose image is not there is refused before anything is made."""
    folder = tmp_path / "images" / "python"
    folder.mkdir(parents=True)
    definition = (ROOT / "images/python/runtime.toml").read_text()
    (folder / "runtime.toml").write_text(
        re.sub(r'image = "[^"]*"', 'image = "sandbox-orch/absent:1"', definition)
    )
    done = type_in(
        "run", "-", "-r", "python", stdin="1",
        environment={"SANDBOX_ORCH_IMAGES_FOLDER": str(folder.parent), "SANDBOX_ORCH_RUNTIMES": "python"},
    )  # fmt: skip
    assert done.returncode == 3
    assert "sandbox-orch images build python" in done.stderr


def test_an_image_is_verified_against_an_operators_own_list(tmp_path):
    """Its bill of materials names the digests; one of them on the list of bad ones is a finding, exit code 1."""
    bill = json.loads(type_in("images", "sbom", "node").stdout)
    (pause,) = (row for row in bill["components"] if row["name"] == "/pause")
    listed = tmp_path / "bad.txt"
    listed.write_text(f"{pause['hashes'][0]['content']}  an idle program\n")
    done = type_in("images", "verify", "node", "--known-bad", str(listed))
    assert done.returncode == 1
    assert "/pause: known bad, an idle program in bad.txt" in done.stdout
    listed.write_text("nonsense\n")
    done = type_in("images", "verify", "node", "--known-bad", str(listed))
    assert (done.returncode, done.stdout) == (2, "")
    assert "bad.txt:1: is no line of sha256sum" in done.stderr


def test_the_examples_are_right():
    """Three use cases in two languages, through the library, as ./quickstart runs them."""
    done = subprocess.run(
        [sys.executable, "examples/run_all.py"],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 6


def test_the_library_block_of_the_readme_runs():
    """What the README shows is what works."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 1
    done = subprocess.run(
        [sys.executable, "-c", blocks[0]], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False
    )
    assert done.stdout == "succeeded 42\n", done.stderr


def test_bench_prints_every_row():
    """The figures of both runtimes, next to the bare stream and to docker run."""
    done = type_in("bench", "warm", "--samples", "2", "--docker-samples", "2", "--json")
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout)
    assert [report["runtime"] for report in reports] == ["node", "python"]
    for report in reports:
        assert 0 < report["round_trip"]["p50"] < report["docker_run"]["p50"]


def test_bench_measures_languages_that_have_programs_only():
    """What is printed is the answer; a compiled program waits for its word in between."""
    environment = {"SANDBOX_ORCH_RUNTIMES": "lua,c", "SANDBOX_ORCH_WARM_TARGET": "1"}
    done = type_in("bench", "warm", "-n", "2", "--docker-samples", "2", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout)
    assert [each["runtime"] for each in reports] == ["lua", "c"]
    assert all(
        each[row]["p50"] > 0 for each in reports for row in ("execute", "runner", "round_trip", "docker_run")
    )
    done = type_in("bench", "deadline", "-n", "2", "--json", environment=environment)
    assert json.loads(done.stdout).keys() == {"lua", "c"}


def test_bench_check_measures_both_languages_and_every_size():
    """No engine is needed; a megabyte takes longer than two kilobytes."""
    done = type_in("bench", "check", "--samples", "2", "--json")
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout)
    assert [report["language"] for report in reports] == ["JavaScript", "Python"]
    for report in reports:
        assert list(report["by_kib"]) == ["1", "4", "16", "64", "256", "1023"]
        assert 0 < report["small"]["p50"] < report["by_kib"]["1023"]["p50"]


def test_a_rejected_job_is_shown_with_its_place(tmp_path):
    """`run` shows what `check` shows, and the exit code is that of a failed job."""
    path = tmp_path / "bad.py"
    path.write_text("import subprocess\n", encoding="utf-8")
    done = type_in("run", str(path))
    assert done.returncode == 1
    assert f"{path}:1:8: error[py-process]" in done.stdout
    assert "✗ rejected" in done.stdout


def test_bench_counts_jobs_per_second(monkeypatch):
    """Of both runtimes, under the policy that the environment names."""
    monkeypatch.setenv("SANDBOX_ORCH_RECYCLE", "leak")
    done = type_in("bench", "throughput", "--seconds", "1", "--callers", "2", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert list(figures) == ["node", "python"]
    assert all(figure > 0 for figure in figures.values())


@pytest.mark.parametrize("words", [("--runtime", "lua"), ("--arg", "me")], ids=["by name", "by ending"])
def test_run_takes_a_runtime_that_is_not_on_offer(tmp_path, words):
    """`run` needs no setting: the language is named, or the file's ending tells; its only mode needs no --program."""
    file = tmp_path / "hello.lua"
    file.write_text('print("hello " .. (arg[1] or "you"))')
    done = type_in("run", str(file), "--json", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stdout"]["text"] == f"hello {'me' if '--arg' in words else 'you'}\n"


def test_check_says_where_it_has_no_rules(tmp_path):
    """A language without rules is not parsed as another one; 2 says that it was asked for in vain."""
    file = tmp_path / "hello.lua"
    file.write_text("print(1)")
    done = type_in("check", str(file))
    assert done.returncode == 2
    assert "there are no rules for Lua" in done.stderr
