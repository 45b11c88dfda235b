"""Pool floor: keeps what stands ready fit to serve. It decides nothing about jobs and makes no container.

Two watches, each a task of its own: the engine's events, so that a container killed behind our back is
replaced at once; and a round of pings, ages, generations and strays. Both outlive any trouble of the engine.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from orchestrator.backends.base import Backend
from orchestrator.domain.errors import BackendError, ConfigurationError
from orchestrator.policies.supply import plan_backoff_seconds
from orchestrator.pool.pool import ContainerView, WarmPool
from orchestrator.pool.reaper import reap_strays
from orchestrator.telemetry import Telemetry

__all__ = ("HealthSettings", "keep_healthy")

AGE_JITTER = 0.2
PINGS_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """How closely the idle containers are watched."""

    labels: Mapping[str, str]
    """What the containers of this pool carry, and nobody else's."""
    round_every_seconds: float
    answer_within_seconds: float
    warm_age_seconds: float
    """After this time, less up to a fifth of it by chance, an idle container is replaced."""
    fingerprints: Callable[[], Awaitable[Mapping[str, str]]]
    """Of each runtime, what its containers are made of now. Raises BackendError or ConfigurationError."""


@asynccontextmanager
async def keep_healthy(
    pool: WarmPool,
    backend: Backend,
    settings: HealthSettings,
    telemetry: Telemetry,
    *,
    randomness: random.Random | None = None,
) -> AsyncIterator[None]:
    """Watch over `pool` until the block is left."""
    watch = _Watch(pool, backend, settings, telemetry, randomness or random.Random())  # noqa: S311 - jitter
    tasks = [
        asyncio.create_task(watch.hear_events(), name="engine events"),
        asyncio.create_task(watch.go_rounds(), name="health rounds"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class _Watch:
    pool: WarmPool
    backend: Backend
    settings: HealthSettings
    telemetry: Telemetry
    randomness: random.Random
    made_of: dict[str, str] = field(default_factory=dict)
    """Runtime to the fingerprint of its generation."""

    # -- events -----------------------------------------------------------------------------------

    async def hear_events(self) -> None:
        """Listen for ever, and again after each failure with back-off."""
        failures = 0
        while True:
            try:
                async with aclosing(self.backend.events(dict(self.settings.labels))) as events:
                    async for event in events:
                        failures = 0
                        self.pool.retire_idle(event.container_id, "died while warm")
            except BackendError as error:
                failures += 1
                self.telemetry.watch_failed("events", error)
            await asyncio.sleep(plan_backoff_seconds(max(1, failures), self.randomness.random()))

    # -- rounds -----------------------------------------------------------------------------------

    async def go_rounds(self) -> None:
        """Look after everything once in a while. The first look is only to know what there is."""
        await self._renew_the_changed()
        while True:
            await asyncio.sleep(self.settings.round_every_seconds * self.randomness.uniform(0.9, 1.1))
            await self._renew_the_changed()
            await self._reap_strays()
            self._retire_the_old()
            await self._retire_the_silent()

    async def _renew_the_changed(self) -> None:
        try:
            fingerprints = await self.settings.fingerprints()
        except (BackendError, ConfigurationError) as error:
            self.telemetry.watch_failed("generations", error)
            return
        for runtime, fingerprint in fingerprints.items():
            known = self.made_of.setdefault(runtime, fingerprint)
            if known != fingerprint:
                self.made_of[runtime] = fingerprint
                self.telemetry.renewed(runtime)
                self.pool.renew(runtime)

    async def _reap_strays(self) -> None:
        try:
            await reap_strays(self.backend, self.settings.labels, self.pool.has_number, self.telemetry)
        except BackendError as error:
            self.telemetry.watch_failed("strays", error)

    def _retire_the_old(self) -> None:
        """One of each runtime in a round, so that age alone never empties a shelf."""
        oldest: dict[str, ContainerView] = {}
        for container in self.pool.idle():
            oldest.setdefault(container.runtime, container)
        for container in oldest.values():
            if container.age_seconds > self._age_of_retirement():
                self.pool.retire_idle(container.id, "too old")

    def _age_of_retirement(self) -> float:
        return self.settings.warm_age_seconds * (1 - AGE_JITTER * self.randomness.random())

    async def _retire_the_silent(self) -> None:
        gate = asyncio.Semaphore(PINGS_AT_ONCE)

        async def check(container_id: str) -> None:
            async with gate:
                seconds = self.settings.answer_within_seconds
                if not await self.pool.ping(container_id, within_seconds=seconds):
                    self.pool.retire_idle(container_id, "silent")

        await asyncio.gather(*(check(container.id) for container in self.pool.idle()))
