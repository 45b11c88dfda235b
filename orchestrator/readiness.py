"""Service floor: whether jobs can be taken now, and what is in the way where they cannot."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.domain.container import ContainerState
from orchestrator.domain.errors import OrchestratorError
from orchestrator.jobs import JobService
from orchestrator.pool.pool import PoolStatistics

__all__ = ("Readiness", "Ready")

ANSWER_WITHIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What was found."""

    engine: bool
    pool: bool
    store: bool
    disk: bool
    checks: bool
    """What reads tenants' sources before they run."""
    draining: bool

    @property
    def is_ready(self) -> bool:
        """Whether jobs can be taken."""
        return all(self.parts.values()) and not self.draining

    @property
    def parts(self) -> dict[str, bool]:
        """What a job needs, by name."""
        return {
            "engine": self.engine,
            "pool": self.pool,
            "store": self.store,
            "disk": self.disk,
            "checks": self.checks,
        }

    def to_wire(self) -> dict[str, bool]:
        """As `/readyz` tells it."""
        return {"ready": self.is_ready, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Asks everything that a job needs."""

    service: JobService
    ask_engine: Callable[[], Awaitable[object]]
    """Raises BackendError where the engine does not answer."""
    disk: Path | None
    """The folder whose disk must not run full."""
    least_free_bytes: int

    async def ask(self) -> Ready:
        """How things are now; takes no longer than ANSWER_WITHIN_SECONDS, and raises nothing of ours."""
        engine, store = await asyncio.gather(_answers(self.ask_engine), _answers(self.service.store.health))
        return Ready(
            engine=engine,
            pool=_pool_is_fit(self.service.orchestrator.statistics()),
            store=store,
            disk=self._disk_is_fit(),
            checks=self.service.orchestrator.can_check,
            draining=self.service.is_draining,
        )

    def _disk_is_fit(self) -> bool:
        return self.disk is None or shutil.disk_usage(self.disk).free >= self.least_free_bytes


async def _answers(ask: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_SECONDS):
            await ask()
    except (OrchestratorError, TimeoutError):
        return False
    return True


def _pool_is_fit(statistics: PoolStatistics) -> bool:
    """Whether containers are there, or come: a runtime without any is fit only while none has failed."""
    alive = (ContainerState.WARM, ContainerState.LEASED)
    has_some = all(any(states.get(each, 0) for each in alive) for states in statistics.states.values())
    return has_some or statistics.failures_in_a_row == 0
