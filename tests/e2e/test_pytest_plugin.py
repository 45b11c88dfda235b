"""The plugin for users' tests: the worked example as it is, and what it costs those who do not use it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "examples/pytest-project"
# As in a project that has no other plugin: ours is loaded by the name under which it is installed.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}


def pytest_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "sandbox-orch", "-p", "no:cacheprovider", *words],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False, env=ENVIRONMENT,
    )  # fmt: skip


@pytest.mark.docker
def test_the_example_project_passes_as_it_is():
    """Its eleven tests, in real containers, in a process of their own."""
    done = pytest_in(EXAMPLE, "-W", "error")
    assert "11 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_loading_it_costs_nothing_and_needs_nothing(tmp_path):
    """Whoever asks for no sandbox loads neither the SDK nor the orchestrator, nor pays for an engine."""
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        import sys

        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("sandbox-orch")
            assert "orchestrator.pytest_plugin" in sys.modules
            loaded = {name for name in sys.modules if name.startswith("orchestrator.")}
            assert loaded == {"orchestrator.pytest_plugin"}
            assert "docker" not in sys.modules
        """)
    )
    done = pytest_in(tmp_path, "-q", "-W", "error", "--strict-markers", f"--rootdir={tmp_path}")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("elsewhere", "must be `process`, `compose` or a URL, not 'elsewhere'"),
        ("http://127.0.0.1:9", "127.0.0.1:9"),
        ("compose", "compose.yaml is not there; the ini value sandbox_orch_compose_file names it"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, how, said):
    """No traceback of ours."""
    (tmp_path / "test_it.py").write_text("def test_it(sandbox):\n    pass\n")
    done = pytest_in(tmp_path, "-q", f"--sandbox-orch={how}", f"--rootdir={tmp_path}")
    assert f"sandbox_orch={how}: " in done.stdout
    assert said in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "pytest_services.py" not in done.stdout
