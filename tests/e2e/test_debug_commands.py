"""`sandbox-orch debug`, `run --debug` and `--profile` as a user types them, on a real engine."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_commands import type_in

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.docker

PYTHON = "def total(n):\n    s = 0\n    for i in range(n):\n        s += i\n    print('\\x1b[2Jsum', s)\n    return s\noutput = total(input)\n"


@pytest.fixture
def source(tmp_path):
    file = tmp_path / "total.py"
    file.write_text(PYTHON)
    return str(file)


class Terminal:
    """A command on a terminal of its own: what it shows is read, what is typed is written."""

    def __init__(self, *words: str) -> None:
        self._mine, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from orchestrator.cli.main import main; main()", *words],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env={**os.environ, "TERM": "xterm"},
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._mine)

    def until(self, text: str, count: int = 1) -> None:
        """Read until this has been shown so often."""
        give_up = time.monotonic() + 120
        while self.shown.count(text) < count:
            ready, _, _ = select.select([self._mine], [], [], 1)
            assert time.monotonic() < give_up, self.shown
            if ready:
                self.shown += self._read()

    def _read(self) -> str:
        try:
            data = os.read(self._mine, 65536)
        except OSError:  # the other side is closed
            data = b""
        assert data, self.shown
        return data.decode("utf-8", "replace")

    def type(self, line: str) -> None:
        os.write(self._mine, f"{line}\n".encode())

    def exit_code(self) -> int:
        return self._process.wait(timeout=60)


def test_a_run_is_walked_in_a_terminal(source):
    """To a breakpoint, one step back, a variable, the end: typed by hand; escape codes of the tenant are shown only."""
    with Terminal("debug", source, "--input", "3") as terminal:
        terminal.until("(debug) ")
        terminal.type("break 4")
        terminal.type("continue")
        terminal.type("continue")
        terminal.type("vars")
        terminal.type("back")
        terminal.type("result")
        terminal.until("(debug) ", 7)
        terminal.type("quit")
        assert terminal.exit_code() == 0
    assert "i = 1" in terminal.shown
    assert "total (job.py:4)" in terminal.shown
    assert "\\x1b[2Jsum" in terminal.shown
    assert "\x1b[2J" not in terminal.shown


def test_a_walk_can_be_a_script(source):
    """Commands come from standard input; without a terminal there is no colour."""
    done = type_in("debug", source, "-i", "3", stdin="br 6\nc\np s\nw\n")
    assert done.returncode == 0, done.stderr
    assert "  s: int 3" in done.stdout
    assert "  total (job.py:6)\n  <module> (job.py:7)\n" in done.stdout
    assert "\x1b" not in done.stdout


def test_run_shows_the_console_and_saves_the_profile(source, tmp_path):
    """Both languages: their own format, which is JSON."""
    path = tmp_path / "out.speedscope.json"
    done = type_in("run", source, "-i", "3", "--debug", "--profile", str(path))
    assert done.returncode == 0, done.stderr
    assert "'\\x1b[2Jsum' 3  (total (job.py:5:5))" in done.stdout
    assert "total" in [each["name"] for each in json.loads(path.read_text())["shared"]["frames"]]
    script = tmp_path / "throws.js"
    script.write_text("function f() {\n  throw new Error('no');\n}\nconsole.log('now');\nf();\n")
    path = tmp_path / "out.cpuprofile"
    done = type_in("run", str(script), "--debug", "--profile", str(path))
    assert done.returncode == 1
    assert "at f (job.js:2:9)" in done.stdout
    assert ">    2 |   throw new Error('no');" in done.stdout
    assert json.loads(path.read_text())["nodes"][0]["callFrame"]["functionName"] == "(root)"
