"""Pool floor: containers that are kept between two jobs of one tenant, and for how long.

Owns who of them is lent next and who has been kept long enough. It changes no state and retires nobody: `pool.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from orchestrator.domain.container import ContainerRecord
from orchestrator.policies.leaks import LeakSettings

__all__ = ("Keepable", "KeptContainers", "ReuseSettings")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReuseSettings:
    """How long a container may serve its one tenant."""

    jobs: int
    """After so many jobs it is retired, clean or not."""
    age_seconds: float
    """So long after its first job began it is lent no more."""
    idle_seconds: float
    """After so long without a job of its tenant it is given up."""
    renew_within_seconds: float
    """How long its runner may take to look around and to prepare for the next job."""
    leaks: LeakSettings


class Keepable(Protocol):
    """What the kept containers are to this file."""

    record: ContainerRecord
    bound_at: float
    kept_at: float


_K = TypeVar("_K", bound=Keepable)


class KeptContainers(Generic[_K]):
    """Those that wait for the next job of their own tenant, the longest unused first."""

    def __init__(self) -> None:
        self._kept: list[_K] = []

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, container: _K, now: float) -> None:
        """Keep a container from `now` on."""
        container.kept_at = now
        self._kept.append(container)

    def take(self, runtime: str, tenant: str) -> _K | None:
        """The one used last of those bound to `tenant`, so that the others may go idle; None without one."""
        # INVARIANT: nobody but the tenant that a container is bound to is ever given it from here.
        for container in reversed(self._kept):
            if (container.record.runtime, container.record.tenant) == (runtime, tenant):
                self._kept.remove(container)
                return container
        return None

    def take_longest_unused(self) -> _K | None:
        """The one that will be missed least; None without one."""
        return self._kept.pop(0) if self._kept else None

    def take_expired(self, settings: ReuseSettings, now: float) -> list[tuple[_K, str]]:
        """Those that have been kept long enough, each with the reason."""
        expired = [
            (container, "too old" if _is_too_old(container, settings, now) else "tenant went idle")
            for container in self._kept
            if _expires_at(container, settings) <= now
        ]
        for container, _ in expired:
            self._kept.remove(container)
        return expired

    def next_expiry(self, settings: ReuseSettings) -> float | None:
        """When `take_expired` will next have something to answer."""
        return min((_expires_at(container, settings) for container in self._kept), default=None)

    def all(self) -> tuple[_K, ...]:
        """Those that are kept, the longest unused first."""
        return tuple(self._kept)

    def remove(self, container: _K) -> None:
        """Keep a container no longer."""
        self._kept.remove(container)


def _expires_at(container: Keepable, settings: ReuseSettings) -> float:
    return min(container.kept_at + settings.idle_seconds, container.bound_at + settings.age_seconds)


def _is_too_old(container: Keepable, settings: ReuseSettings, now: float) -> bool:
    return container.bound_at + settings.age_seconds <= now
