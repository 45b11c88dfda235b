"""Scheduler floor: who lately used how much of the containers. Two windows of counts; every step costs the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.domain.tenant import Tenant

__all__ = ("RecentUse",)

WINDOW_SECONDS = 10.0
BELOW = 0.8
"""Below this part of an even share a tenant counts as one who has something coming."""


@dataclass(slots=True)
class _Window:
    """What was used within one stretch of time, and the weights of those who did."""

    use: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    total: float = 0.0


class RecentUse:
    """The use of the last ten to twenty seconds, the older of it fading out."""

    def __init__(self) -> None:
        self._now = _Window()
        self._before = _Window()
        self._weight = 0.0
        self._began = float("-inf")

    def note(self, tenant: Tenant, cost: float, now: float) -> None:
        """A tenant's job has started, at this expected cost."""
        self._turn(now)
        window = self._now
        if tenant.name not in window.weights and tenant.name not in self._before.weights:
            self._weight += tenant.weight
        window.weights[tenant.name] = tenant.weight
        window.use[tenant.name] = window.use.get(tenant.name, 0.0) + cost
        window.total += cost

    def is_below_share(self, tenant: Tenant, now: float) -> bool:
        """Whether a tenant used less than its share of what all who were here used; true where it was alone."""
        self._turn(now)
        known = self._now.weights.get(tenant.name) or self._before.weights.get(tenant.name) or 0.0
        if self._weight - known <= 0:
            return True
        fading = max(0.0, 1 - (now - self._began) / WINDOW_SECONDS)
        own = self._now.use.get(tenant.name, 0.0) + fading * self._before.use.get(tenant.name, 0.0)
        total = self._now.total + fading * self._before.total
        share = tenant.weight / (self._weight - known + tenant.weight)
        return own < BELOW * share * total

    def _turn(self, now: float) -> None:
        if now < self._began + WINDOW_SECONDS:
            return
        fresh = now < self._began + 2 * WINDOW_SECONDS
        self._before = self._now if fresh else _Window()
        self._now, self._began = _Window(), now
        self._weight = sum(self._before.weights.values())
