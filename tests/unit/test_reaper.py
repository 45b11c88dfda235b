"""`pool/reaper.py`: what a dead instance left is removed, and nothing else."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import psutil
import pytest
from making import make_spec
from pools import TelemetryNotes

from orchestrator.backends.fake import FakeBackend
from orchestrator.domain.errors import EngineUnavailable
from orchestrator.pool import reaper
from orchestrator.pool.reaper import LABEL_INSTANCE, LABEL_OWNER, Owner, reap_the_dead

HERE = Owner.this_process()


@pytest.fixture
def dead_pid() -> int:
    """The pid of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def dead(**changes) -> Owner:
    """An owner of this host that is gone: the pid is ours, the start is not."""
    return dataclasses.replace(HERE, **{"started": "1", **changes})


async def engine_with(*labels: dict[str, str]) -> FakeBackend:
    backend = FakeBackend()
    for each in labels:
        await backend.launch(make_spec(labels=each), ready_within_seconds=1.0)
    return backend


def labels_of(owner: Owner) -> dict[str, str]:
    return {LABEL_INSTANCE: "i", LABEL_OWNER: owner.as_label()}


def left_on(backend: FakeBackend) -> list[str]:
    return [container.spec.labels.get(LABEL_OWNER, "") for container in backend.containers.values()]


class TestOwner:
    def test_a_label_is_read_as_it_was_written(self):
        """What one instance writes the next one reads."""
        assert Owner.from_label(HERE.as_label()) == HERE
        assert HERE.pid == os.getpid()
        assert HERE.started

    @pytest.mark.parametrize("label", ["", "a|b|c", "a|b|c|d", "a|b|²|d", "a|b|-1|d", "a|b|1|d|e"])
    def test_a_label_of_another_kind_names_nobody(self, label):
        """Foreign labels are no owner, and no error."""
        assert Owner.from_label(label) is None

    def test_a_living_process_is_not_dead(self):
        """Neither we nor our parent."""
        parent = Owner(HERE.host, HERE.boot, os.getppid(), reaper._started(os.getppid()), HERE.namespace)
        assert not HERE.is_provably_dead(HERE)
        assert not parent.is_provably_dead(HERE)

    def test_a_clock_that_is_set_kills_nobody(self, monkeypatch):
        """When the host's clock is stepped, the calendar's idea of a process's start moves; the label does not."""
        boot = psutil.boot_time()
        monkeypatch.setattr(psutil, "boot_time", lambda: boot + 7)
        monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot + 7)
        assert psutil.Process().create_time() != pytest.approx(boot, abs=1)
        assert Owner.this_process() == HERE
        assert not HERE.is_provably_dead(Owner.this_process())

    def test_of_an_older_versions_label_only_the_number_counts(self, dead_pid):
        """Its start was told in another way: whoever has that number may be it."""
        old = "|".join((HERE.host, HERE.boot, str(os.getpid()), "179596250691"))
        gone = "|".join((HERE.host, HERE.boot, str(dead_pid), "179596250691"))
        here = dataclasses.replace(HERE, namespace=reaper.HOST_NAMESPACE)
        assert not Owner.from_label(old).is_provably_dead(here)
        assert Owner.from_label(gone).is_provably_dead(here)

    def test_an_ended_process_is_dead(self, dead_pid):
        """Its pid is nobody's."""
        assert Owner(HERE.host, HERE.boot, dead_pid, "12345", HERE.namespace).is_provably_dead(HERE)

    def test_a_pid_that_is_someone_elses_now_is_dead(self):
        """A process that began at another time is another process."""
        assert dead().is_provably_dead(HERE)

    def test_everything_of_an_earlier_boot_is_dead(self):
        """No process outlives its boot."""
        assert dataclasses.replace(HERE, boot="earlier").is_provably_dead(HERE)

    def test_of_another_host_nothing_is_known(self):
        """Several hosts may share one engine."""
        assert not dead(host="elsewhere", boot="other").is_provably_dead(HERE)

    def test_without_a_boot_id_the_time_of_the_boot_names_it(self, monkeypatch, tmp_path):
        """A kernel without that file still has a boot that can be told from others."""
        monkeypatch.setattr(reaper, "Path", lambda _path: tmp_path / "missing")
        assert reaper._boot_id() == str(int(psutil.boot_time()))


class TestReaping:
    async def test_only_the_dead_are_reaped(self):
        """Containers of the living, of other hosts, of no known owner and of others stay."""
        alive, elsewhere = HERE.as_label(), dead(host="elsewhere").as_label()
        backend = await engine_with(
            labels_of(HERE),
            labels_of(dead()),
            labels_of(dead(host="elsewhere")),
            {LABEL_INSTANCE: "i"},
            {LABEL_INSTANCE: "i", LABEL_OWNER: "nonsense"},
            {LABEL_OWNER: dead(boot="x").as_label()},
        )
        telemetry = TelemetryNotes()
        assert await reap_the_dead(backend, HERE, telemetry) == 1
        assert left_on(backend) == [alive, elsewhere, "", "nonsense", dead(boot="x").as_label()]
        assert telemetry.count("reaped") == 1

    async def test_one_that_cannot_be_removed_is_told_and_does_not_stop_the_rest(self):
        """A failing removal is an event, not the end of the start."""
        backend, telemetry = await engine_with(labels_of(dead()), labels_of(dead())), TelemetryNotes()
        backend.destroy_error = EngineUnavailable("busy")
        assert await reap_the_dead(backend, HERE, telemetry) == 0
        assert telemetry.count("remove_failed") == 2
