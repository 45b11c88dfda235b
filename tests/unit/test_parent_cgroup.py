"""`backends/parent_cgroup.py`: the parent of all containers, made and bounded where the host's cgroups are mounted."""

from __future__ import annotations

import pytest

from orchestrator.backends.cgroups import ParentBounds, cgroup_under, is_parent_bounded
from orchestrator.backends.parent_cgroup import make_bounded_parent
from orchestrator.domain.errors import HardeningFailed

BOUNDS = ParentBounds(name="jobs", memory_bytes=1_000_000, pids=100)


def test_on_version_1_each_controller_has_its_folder(tmp_path):
    """Memory and processes."""
    (tmp_path / "memory").mkdir()
    (tmp_path / "pids").mkdir()
    make_bounded_parent(tmp_path, BOUNDS)
    assert (tmp_path / "memory/jobs/memory.limit_in_bytes").read_text() == "1000000"
    assert (tmp_path / "pids/jobs/pids.max").read_text() == "100"
    assert is_parent_bounded(tmp_path, BOUNDS)


def test_on_version_2_there_is_one_folder(tmp_path):
    """With both controllers switched on for it."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    make_bounded_parent(tmp_path, BOUNDS)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (tmp_path / "jobs/memory.max").read_text() == "1000000"
    assert (tmp_path / "jobs/pids.max").read_text() == "100"


@pytest.mark.parametrize("figure", ["max", "9223372036854771712", "1000001", "", "x"])
def test_bounds_that_were_raised_are_seen(tmp_path, figure):
    """Lower ones are as good."""
    (tmp_path / "memory").mkdir()
    (tmp_path / "pids").mkdir()
    make_bounded_parent(tmp_path, BOUNDS)
    (tmp_path / "memory/jobs/memory.limit_in_bytes").write_text("4096\n")
    assert is_parent_bounded(tmp_path, BOUNDS)
    (tmp_path / "memory/jobs/memory.limit_in_bytes").write_text(figure)
    assert not is_parent_bounded(tmp_path, BOUNDS)


def test_where_nothing_is_mounted_it_is_an_error(tmp_path):
    """Nothing may be made without."""
    with pytest.raises(HardeningFailed, match="cannot bound jobs"):
        make_bounded_parent(tmp_path, BOUNDS)
    assert not is_parent_bounded(tmp_path, BOUNDS)


def test_a_slice_is_looked_at_and_not_made(tmp_path):
    """It is systemd's; where nobody has bounded it, nothing is made."""
    (tmp_path / "cgroup.controllers").write_text("memory pids")
    bounds = ParentBounds(name="a-jobs.slice", memory_bytes=1_000_000, pids=100)
    with pytest.raises(HardeningFailed, match="is not bounded"):
        make_bounded_parent(tmp_path, bounds)
    place = tmp_path / "a.slice/a-jobs.slice"
    place.mkdir(parents=True)
    (place / "memory.max").write_text("500000\n")
    (place / "pids.max").write_text("100\n")
    make_bounded_parent(tmp_path, bounds)


class TestReadingBelowAMount:
    def test_version_1(self, tmp_path):
        """The counters of a container, from what is mounted to be read."""
        for controller, file, text in (
            ("memory", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
            ("memory", "memory.max_usage_in_bytes", "5000\n"),
            ("cpuacct", "cpuacct.usage", "700\n"),
            ("pids", "pids.events", "max 3\n"),
        ):
            place = tmp_path / controller / "jobs" / "id1"
            place.mkdir(parents=True, exist_ok=True)
            (place / file).write_text(text)
        counters = cgroup_under(tmp_path, "jobs", "id1").counters()
        assert (counters.cpu_ns, counters.memory_peak_bytes) == (700, 5000)
        assert (counters.oom_kills, counters.pids_refused) == (2, 3)
        assert cgroup_under(tmp_path, "jobs", "id2") is None

    @pytest.mark.parametrize(
        ("parent", "place"), [("jobs", "jobs/id1"), ("a-jobs.slice", "a.slice/a-jobs.slice/docker-id1.scope")]
    )
    def test_version_2(self, tmp_path, parent, place):
        """By the custom of either driver."""
        (tmp_path / "cgroup.controllers").write_text("memory pids")
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "memory.current").write_text("4000\n")
        (tmp_path / place / "memory.events").write_text("oom_kill 1\n")
        counters = cgroup_under(tmp_path, parent, "id1").counters()
        assert (counters.memory_peak_bytes, counters.oom_kills) == (4000, 1)
        assert cgroup_under(tmp_path, parent, "id2") is None
