"""docs/runtimes.md, "Adding one, without code": typed as it stands, from an empty folder to an attack that is held."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "runtimes.md").read_text(encoding="utf-8")
STEPS = re.findall(r"```sh\n(.*?)```", PAGE.partition("## Adding one, without code")[2], flags=re.DOTALL)
IMAGE = "my-own/lua:5.4-1"
pytestmark = pytest.mark.docker


@pytest.fixture
def command(tmp_path) -> dict[str, str]:
    """An environment in which `sandbox-orch` is the one under test, and no setting is made."""
    program = tmp_path / "bin" / "sandbox-orch"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom orchestrator.cli.main import main\nmain()\n")
    program.chmod(0o755)
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_ORCH_RUNTIMES")
    }
    return {**clean, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


@pytest.fixture
def no_image_left():
    yield
    subprocess.run(["docker", "rmi", "--force", IMAGE], capture_output=True, check=False)


@pytest.mark.usefixtures("no_image_left")
def test_the_steps_add_lua(tmp_path, command):
    """Each step works as written; the last ones find nothing wrong with the image, run a program and hold the attacks."""
    assert len(STEPS) == 6
    script = "set -eu\n" + "".join(f"echo '## step {number}'\n{step}" for number, step in enumerate(STEPS, 1))
    folder = tmp_path / "empty"
    folder.mkdir()
    done = subprocess.run(
        ["bash", "-c", script + "env >settings\n"],
        cwd=folder, env=command, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    parts = done.stdout.split("## step ")
    assert f"{IMAGE} built in" in parts[4]
    assert f"{IMAGE}: nothing wrong" in parts[4]
    assert "hello from Lua 5.4" in parts[4]
    assert "SANDBOX_ORCH_RUNTIMES=node,python,lua" in (folder / "settings").read_text()
    assert "contained: 2 attempts, 2 held" in parts[5]


def test_the_stages_that_all_share_are_the_same_word_for_word():
    """In every Dockerfile of a shared runner, and on the page: so that they are built once for all of them."""

    def stages(text: str) -> str:
        found = re.search(r"(# PID 1, the same.*?-ljansson\n)", text, flags=re.DOTALL)
        assert found is not None
        return found[1]

    files = [
        file
        for file in (ROOT / "images").glob("*/Dockerfile")
        if "program/" in file.read_text(encoding="utf-8")
    ]
    assert {file.parent.name for file in files} == {"bash", "c", "go", "lua", "ruby"}
    texts = {stages(text) for text in (PAGE, *(file.read_text(encoding="utf-8") for file in files))}
    assert len(texts) == 1


def test_the_table_has_every_runtime():
    """Name, language and version of each are those of its definition."""
    from orchestrator.backends.runtime_files import known_runtimes

    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]]
        for line in PAGE.splitlines()
        if line.startswith("| `")
    ]
    table = {row[0]: row for row in rows}
    known = known_runtimes(None)
    assert set(table) == set(known)
    for name, runtime in known.items():
        assert runtime.language in table[name][1]
        assert table[name][2] == ", ".join(runtime.modes)
        assert (table[name][3] == "yes") == (runtime.compile_limits is not None)
