"""Scheduler floor: carries out `policies/throttle.py` on the containers of running jobs.

Three ways, the first that this host allows: the container's own cgroup files (as it is leased, and again when
the plan changes), the engine's `update`, and pausing for a part of each second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from orchestrator.domain.errors import BackendError
from orchestrator.domain.limits import CpuShare
from orchestrator.domain.tenant import Priority
from orchestrator.policies.throttle import (
    HostLoad,
    ThrottleSettings,
    ThrottleState,
    cpu_share,
    plan_throttle,
)
from orchestrator.pool.lease import Lease

__all__ = ("Throttle", "open_throttle")

LOOK_EVERY_SECONDS = 0.5
DUTY_CYCLE_SECONDS = 1.0


@dataclass(slots=True, eq=False)
class _Held:
    """The container of one running job."""

    lease: Lease
    priority: Priority
    by_pausing: bool = False
    """Whether neither files nor engine could change its share."""


@asynccontextmanager
async def open_throttle(
    look: Callable[[], tuple[float, float | None]],
    better_waiting: Callable[[], int],
    settings: ThrottleSettings | None = None,
) -> AsyncIterator[Throttle]:
    """A throttle at work until the block is left.

    `look` answers how busy the host is (busy share, pressure percent); `better_waiting` how many jobs above the
    batch class wait.
    """
    throttle = Throttle(look, better_waiting, settings or ThrottleSettings())
    tasks = [asyncio.create_task(throttle.watch()), asyncio.create_task(throttle.pause_and_resume())]
    try:
        yield throttle
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True, eq=False)
class Throttle:
    """Gives each running job's container its share of the processors."""

    look: Callable[[], tuple[float, float | None]]
    better_waiting: Callable[[], int]
    settings: ThrottleSettings
    state: ThrottleState = field(default_factory=ThrottleState)
    _held: dict[str, _Held] = field(default_factory=dict)
    _changes: set[asyncio.Task[None]] = field(default_factory=set)

    def hold(self, job_id: str, lease: Lease, priority: Priority) -> None:
        """A job has its container. Does not wait."""
        held = self._held[job_id] = _Held(lease, priority)
        share = self._share_of(held)
        if not lease.share_cpu(share) and share != CpuShare():
            self._change_by_engine(held, share)

    def let_go(self, job_id: str) -> None:
        """A job's container is nobody's business here any more; one that is not known is no error."""
        self._held.pop(job_id, None)

    # -- in the background --------------------------------------------------------------------------

    async def watch(self) -> None:
        """Look at the host for ever, and act when the plan changes."""
        self.look()
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            before = self.state.is_throttled
            self.state = plan_throttle(self.state, self._load(), self.settings)
            if self.state.is_throttled is not before:
                self._apply()

    def _load(self) -> HostLoad:
        busy, pressure = self.look()
        batch = sum(held.priority is Priority.BATCH for held in self._held.values())
        return HostLoad(
            busy_share=busy,
            pressure_percent=pressure,
            batch_running=batch,
            better_present=len(self._held) - batch + self.better_waiting(),
        )

    def _apply(self) -> None:
        for held in self._held.values():
            if held.priority is not Priority.BATCH or held.by_pausing:
                continue
            share = self._share_of(held)
            if not held.lease.share_cpu(share):
                self._change_by_engine(held, share)

    def _share_of(self, held: _Held) -> CpuShare:
        return cpu_share(held.priority, self.state, self.settings)

    def _change_by_engine(self, held: _Held, share: CpuShare) -> None:
        task = asyncio.get_running_loop().create_task(self._update(held, share))
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)

    async def _update(self, held: _Held, share: CpuShare) -> None:
        try:
            await held.lease.update_cpu(share)
        except BackendError:
            held.by_pausing = held.priority is Priority.BATCH

    async def pause_and_resume(self) -> None:
        """While throttled, stop those that cannot be slowed for a part of each second."""
        while True:
            await asyncio.sleep(DUTY_CYCLE_SECONDS * self.settings.batch_quota)
            if not self.state.is_throttled:
                continue
            paused = [held for held in self._held.values() if held.by_pausing]
            try:
                await self._each(paused, pause=True)
                await asyncio.sleep(DUTY_CYCLE_SECONDS * (1 - self.settings.batch_quota))
            finally:
                await self._each(paused, pause=False)

    async def _each(self, paused: list[_Held], *, pause: bool) -> None:
        for held in paused:
            if not held.lease.has_expired:
                with suppress(BackendError):
                    await (held.lease.pause() if pause else held.lease.resume())
