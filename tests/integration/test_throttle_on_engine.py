"""A batch container gives way on a real engine, by each of the three ways, as far as the kernel's own files tell."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orchestrator import Limits, Orchestrator
from orchestrator.backends import cgroups, launch
from orchestrator.domain.container import ContainerState
from orchestrator.domain.errors import EngineRefused
from orchestrator.domain.tenant import Priority
from orchestrator.policies.throttle import ThrottleSettings
from orchestrator.pool.lease import Lease
from orchestrator.scheduler.run import Job, job_frame
from orchestrator.scheduler.throttle import open_throttle
from orchestrator.service import JobSpec

SETTINGS = ThrottleSettings()
LIMITS = Limits(wall_time_ms=60_000, cpu_time_ms=60_000)
SEEN_WITHIN_SECONDS = 60.0


@asynccontextmanager
async def endless_batch_job(orchestrator: Orchestrator):
    """A leased container in which an endless loop runs, and the throttle of a host that is always busy."""
    job = Job(
        id="batch", spec=JobSpec(runtime="python", code="while True: pass", limits=LIMITS), limits=LIMITS,
        made_to_measure=False, start_by=0.0, accepted_at=0.0,
    )  # fmt: skip
    deadline = asyncio.get_running_loop().time() + 60
    async with (
        open_throttle(lambda: (1.0, None), lambda: 1) as throttle,
        orchestrator.pool.lease("python", deadline=deadline) as lease,
    ):
        lease.inject(job_frame(job), LIMITS)
        throttle.hold(job.id, lease, Priority.BATCH)
        yield lease, throttle
        throttle.let_go(job.id)


def kernel_file(lease: Lease, controller: str, name: str) -> Path:
    """A file of the container's cgroup; skips where this kernel lays them out otherwise."""
    pid = lease._container._init._pid
    folders = cgroups._folders(pid, lease.container_id)
    if controller not in folders:
        pytest.skip(f"NOT TESTED: no cgroup v1 controller {controller} here")
    return folders[controller] / name


async def until_seen(look) -> None:
    async with asyncio.timeout(SEEN_WITHIN_SECONDS):
        while not look():
            await asyncio.sleep(0.02)


async def test_by_the_engine_where_the_files_are_out_of_reach(orchestrator, monkeypatch):
    """Weight and quota of the running container are those of the plan: a quarter of what it was made with."""
    monkeypatch.setattr(launch.DockerContainer, "share_cpu", lambda *_: False)
    async with endless_batch_job(orchestrator) as (lease, throttle):
        quota = kernel_file(lease, "cpu", "cpu.cfs_quota_us")
        before = int(quota.read_text())
        await until_seen(lambda: throttle.state.is_throttled)
        await until_seen(lambda: int(quota.read_text()) == round(before * SETTINGS.batch_quota))
        shares = int(kernel_file(lease, "cpu", "cpu.shares").read_text())
        assert shares < 1024


async def test_by_pausing_where_the_engine_cannot_either(orchestrator, monkeypatch):
    """The freezer stops it for a part of each second and lets it go on; in the end nothing stays frozen."""

    async def refuse(*_):
        raise EngineRefused("not on this engine", step="update", container="")

    monkeypatch.setattr(launch.DockerContainer, "share_cpu", lambda *_: False)
    monkeypatch.setattr(launch.DockerContainer, "update_cpu", refuse)
    async with endless_batch_job(orchestrator) as (lease, throttle):
        state = kernel_file(lease, "freezer", "freezer.state")
        await until_seen(lambda: throttle.state.is_throttled)
        used = []
        for _ in range(2):
            await until_seen(lambda: state.read_text().strip() == "FROZEN")
            began, before = time.monotonic(), (await lease.counters()).cpu_ns
            await until_seen(lambda: state.read_text().strip() == "THAWED")
            used.append((time.monotonic() - began, ((await lease.counters()).cpu_ns - before) / 1e9))
        # While frozen it used next to nothing of the time that it would have had for itself.
        assert all(cpu < seconds / 2 for seconds, cpu in used), used
        container = lease.container_id
    # A frozen container could not be killed: that it goes is the proof that it was let go on.
    await until_seen(lambda: container not in [one.id for one in orchestrator.pool.containers()])
    assert all(one.state is not ContainerState.LEASED for one in orchestrator.pool.containers())
