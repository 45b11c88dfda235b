"""Pools over the fake backend, for the tests of the floors above the backends."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping

from making import make_spec

from orchestrator.backends.fake import FakeBackend, FakeContainer
from orchestrator.domain.container import ContainerSpec, ContainerState
from orchestrator.domain.limits import MIB, Limits
from orchestrator.pool.lease import Lease
from orchestrator.pool.pool import PoolSettings, ShelfSettings, WarmPool, open_pool
from orchestrator.telemetry import Telemetry

FOR_EVER = float("inf")
RUNTIME = "python"
PROFILE = "{}"
PROFILE_DIGEST = f"sha256:{hashlib.sha256(PROFILE.encode()).hexdigest()}"


class TelemetryNotes(Telemetry):
    """Telemetry that remembers the events by name."""

    def __init__(self) -> None:
        self.events: list[tuple[str, tuple[object, ...]]] = []

    def count(self, name: str) -> int:
        return sum(event == name for event, _ in self.events)

    def create_failed(self, runtime, error, *, retry_in_seconds):
        self.events.append(("create_failed", (runtime, error, retry_in_seconds)))
        super().create_failed(runtime, error, retry_in_seconds=retry_in_seconds)

    def remove_failed(self, container_id, error):
        self.events.append(("remove_failed", (container_id, error)))
        super().remove_failed(container_id, error)

    def watch_failed(self, watch, error):
        self.events.append(("watch_failed", (watch, error)))
        super().watch_failed(watch, error)

    def reaped(self, container_id, instance):
        self.events.append(("reaped", (container_id, instance)))
        super().reaped(container_id, instance)

    def job_rerun(self, job, attempt, error):
        self.events.append(("job_rerun", (job, attempt, error)))
        super().job_rerun(job, attempt, error)

    def job_finished(self, runtime, result):
        self.events.append(("job_finished", (runtime, result)))
        super().job_finished(runtime, result)


def spec_maker(runtime: str):
    """Recipes whose memory tells what limits they were made for."""

    def make(limits: Limits | None) -> ContainerSpec:
        return make_spec(
            runtime=runtime, seccomp_json=PROFILE, memory_bytes=(limits.memory_bytes if limits else 64 * MIB)
        )

    return make


def pool_settings(
    targets: Mapping[str, int],
    *,
    maximum: int = 8,
    creates_at_once: int = 4,
    most: int | None = None,
    free_memory_bytes: int = 2**40,
) -> PoolSettings:
    return PoolSettings(
        shelves={
            name: ShelfSettings(
                target=target, most=most, container_bytes=64 * MIB, make_spec=spec_maker(name)
            )
            for name, target in targets.items()
        },
        maximum=maximum,
        creates_at_once=creates_at_once,
        ready_within_seconds=30.0,
        free_memory_bytes=lambda: free_memory_bytes,
    )


def fake_pool(backend: FakeBackend, targets: Mapping[str, int] | None = None, *, telemetry=None, **settings):
    """`open_pool` over the fake, one warm container of one runtime unless told otherwise."""
    return open_pool(
        backend,
        pool_settings({RUNTIME: 1} if targets is None else targets, **settings),
        telemetry or Telemetry(),
        randomness=random.Random(7),
    )


async def settle() -> None:
    """Let everything happen that can happen without time passing."""
    for _ in range(60):
        await asyncio.sleep(0)


def count_in(pool: WarmPool, state: ContainerState, runtime: str = RUNTIME) -> int:
    return pool.statistics().states[runtime].get(state, 0)


def fake_behind(lease: Lease) -> FakeContainer:
    """The fake container that a lease is of."""
    container = lease._container
    assert isinstance(container, FakeContainer)
    return container
