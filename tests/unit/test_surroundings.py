"""`images/python/surroundings.py`: what the Python supervisor sees between two jobs, tried on this very process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent.parent / "images/python/surroundings.py"


@pytest.fixture
def runner(monkeypatch, tmp_path):
    """The runner's module, with two folders of ours for the job's."""
    spec = importlib.util.spec_from_file_location("surroundings_of_the_runner", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(module, "_FOLDERS", tuple(str(tmp_path / name) for name in ("work", "tmp")))
    return module


def expected(module) -> int:
    return len(module._open_descriptors())


def test_nothing_left_is_nothing_found(runner):
    """As it was before the first job: no file, no descriptor."""
    seen = runner.Surroundings().inspect(expected(runner))
    assert (seen["files"], seen["files_count"], seen["descriptors"]) == ([], 0, 0)


def test_a_descriptor_that_stays_open_is_counted(runner):
    """Tenant code cannot open one in the supervisor; a bug of ours that leaves one would show here."""
    surroundings, before = runner.Surroundings(), expected(runner)
    ends = os.pipe()
    try:
        assert surroundings.inspect(before)["descriptors"] == 2
    finally:
        for end in ends:
            os.close(end)
    assert surroundings.inspect(before)["descriptors"] == 0


def test_files_are_named_and_counted(runner, tmp_path):
    """At most sixteen names, short, with nothing in them that a frame or a log could mistake; all are counted."""
    surroundings = runner.Surroundings()
    (tmp_path / "work" / "a\nb\u20ac").write_text("")
    seen = surroundings.inspect(99)
    assert seen["files"] == [f"{tmp_path}/work/a\\nb\\u20ac"[:80]]
    for number in range(40):
        (tmp_path / "tmp" / f"{number}").mkdir()
    seen = surroundings.inspect(99)
    assert (len(seen["files"]), seen["files_count"]) == (16, 41)


def test_a_folder_that_is_no_longer_as_it_was_is_left_behind(runner, tmp_path):
    """Its mode was changed, or it cannot be looked into."""
    surroundings = runner.Surroundings()
    (tmp_path / "work").chmod(0o711)
    (tmp_path / "tmp").rmdir()
    assert surroundings.inspect(99)["files_count"] == 2


def test_what_cannot_be_looked_at_counts_as_left_behind(runner, monkeypatch):
    """A look that fails is never taken for a clean one."""

    def fail(*_: object) -> list[str]:
        raise PermissionError

    surroundings = runner.Surroundings()
    for look in ("_other_processes", "_open_descriptors", "_segments"):
        monkeypatch.setattr(runner, look, fail)
    seen = surroundings.inspect(0)
    assert seen["processes"] == 1
    assert seen["descriptors"] == 1
    assert seen["shared_memory"] >= 3


def test_another_process_is_counted(runner):
    """All but PID 1 and the one that looks."""
    before = runner.Surroundings().inspect(99)["processes"]
    child = subprocess.Popen(["sleep", "60"])
    try:
        others = runner._other_processes()
        assert str(child.pid) in others
        assert str(os.getpid()) not in others
        assert "1" not in others
        assert before >= 0
    finally:
        child.kill()
        child.wait()
