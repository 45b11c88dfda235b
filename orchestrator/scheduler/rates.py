"""Scheduler floor: how many jobs a tenant may bring per second, in the long run and at once. Counted in memory."""

from __future__ import annotations

import math
import threading
import time

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from orchestrator.domain.tenant import Tenant

__all__ = ("TenantRates",)

SWEEP_EVERY = 1000


class TenantRates:
    """The rates of all tenants. A tenant's burst is what it may bring within the time that the burst lasts."""

    def __init__(self) -> None:
        self._storage = _SweptStorage()
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._taken = 0

    def take(self, tenant: Tenant) -> float:
        """Count one more job; answers 0 where it is within the rate, else the seconds until one would be."""
        self._taken += 1
        if self._taken % SWEEP_EVERY == 0:
            self._storage.sweep()
        seconds = max(1, math.ceil(tenant.burst / tenant.rate_per_second))
        amount = max(1, tenant.burst, round(tenant.rate_per_second * seconds))
        item = RateLimitItemPerSecond(amount, seconds)
        if self._limiter.hit(item, tenant.name):
            return 0.0
        reset_at = self._limiter.get_window_stats(item, tenant.name).reset_time
        return min(float(seconds), max(0.001, reset_at - time.time()))


class _Asleep(threading.Timer):
    """A timer that seems to run and never starts."""

    def is_alive(self) -> bool:
        return True


class _SweptStorage(MemoryStorage):
    """The library's, which starts a thread to forget old counts, in the middle of a request; this one is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.timer.cancel()
        self.timer.join()
        self.timer = _Asleep(0, lambda: None)

    def sweep(self) -> None:
        """Forget the counts whose time is over."""
        for key in tuple(self.expirations):
            self.get(key)
