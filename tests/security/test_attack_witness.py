"""The witness sees what is left: a check that can see nothing proves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from orchestrator.attack import witness
from orchestrator.attack.witness import HostState, Witness
from orchestrator.backends.base import OwnedContainer

UIDS = range(2_999_000, 2_999_100)
GONE = "0" * 64
BEFORE = HostState(
    precious={"/etc/passwd": "a"}, core_files=frozenset(), listeners=0, containers=frozenset(), descriptors=10,
    memory_bytes=1 << 20, disk_free_bytes=0,
)  # fmt: skip


class EngineWith:
    """An engine that lists these containers."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    async def containers(self, labels: dict[str, str]) -> tuple[OwnedContainer, ...]:
        return tuple(OwnedContainer(id=one, labels={}, running=True) for one in self.ids)


@pytest.fixture(autouse=True)
def _without_patience(monkeypatch):
    monkeypatch.setattr(witness, "GONE_WITHIN_SECONDS", 0.0)
    monkeypatch.setattr(witness, "LOOK_EVERY_SECONDS", 0.01)


async def test_nothing_left_is_nothing_said():
    """The usual case."""
    assert await Witness(EngineWith(), uids=UIDS).residues(GONE) == ()


async def test_a_container_that_is_still_there_is_told():
    """Recycling has not happened."""
    (left,) = await Witness(EngineWith(GONE), uids=UIDS).residues(GONE)
    assert "still on the engine" in left


@pytest.fixture
def stray() -> Iterator[int]:
    """The pid of a process of a job's uid, in no container."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a process of another uid")
    source = f"import os, time; os.setgid({UIDS[7]}); os.setuid({UIDS[7]}); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-S", "-c", source], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process.pid
    process.kill()
    process.communicate()


async def test_a_process_of_a_jobs_uid_outside_of_every_container_is_told(stray):
    """A daemon that left its cgroup would be found by its uid."""
    left = await Witness(EngineWith(), uids=UIDS).residues(GONE)
    assert f"process {stray} of uid {UIDS[7]} is left" in left


async def test_a_cgroup_that_is_left_is_told(tmp_path, monkeypatch):
    """Wherever the engine's cgroup driver has put it."""
    folder = tmp_path / "system.slice" / f"docker-{GONE}.scope"
    folder.mkdir(parents=True)
    monkeypatch.setattr(witness, "_cgroup_mounts", lambda: [str(tmp_path)])
    assert await Witness(EngineWith(), uids=UIDS).residues(GONE) == (f"cgroup {folder}",)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"precious": {"/etc/passwd": "b"}}, "/etc/passwd of the host has changed"),
        ({"core_files": frozenset({"/core.1"})}, "a core file"),
        ({"listeners": 1}, "listen on the host"),
        ({"containers": frozenset({GONE})}, "container 000000000000 is left"),
        ({"descriptors": 100}, "90 descriptors more"),
        ({"memory_bytes": 1 << 30}, "has grown by 1023 MiB"),
    ],
)
def test_every_difference_of_the_host_is_told(change, says):
    """One sentence for each; and none where nothing differs."""
    assert BEFORE.residues_since(BEFORE) == ()
    (left,) = replace(BEFORE, **change).residues_since(BEFORE)
    assert says in left


async def test_the_state_of_this_host_can_be_read():
    """Digests, descriptors and memory are real figures."""
    seen = await Witness(EngineWith(GONE), uids=UIDS).host_state()
    assert seen.containers == {GONE}
    assert seen.descriptors > 2
    assert seen.memory_bytes > 1 << 20
    assert len(seen.precious["/etc/passwd"]) == 64
