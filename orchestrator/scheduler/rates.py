"""Scheduler floor: how many jobs a tenant may bring per second, in the long run and at once. Counted in memory."""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from orchestrator.domain.tenant import Tenant

__all__ = ("TenantRates",)


class TenantRates:
    """The rates of all tenants. A tenant's burst is what it may bring within the time that the burst lasts."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def take(self, tenant: Tenant) -> float:
        """Count one more job; answers 0 where it is within the rate, else the seconds until one would be."""
        seconds = max(1, math.ceil(tenant.burst / tenant.rate_per_second))
        amount = max(1, tenant.burst, round(tenant.rate_per_second * seconds))
        item = RateLimitItemPerSecond(amount, seconds)
        if self._limiter.hit(item, tenant.name):
            return 0.0
        reset_at = self._limiter.get_window_stats(item, tenant.name).reset_time
        return min(float(seconds), max(0.001, reset_at - time.time()))
