"""Domain floor: who asks (`Tenant`), and what a key allows its holder to do (`Principal`)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.errors import InvalidTenant
from orchestrator.domain.limits import Limits

__all__ = ("DAY_SECONDS", "DEFAULT_RETENTION_SECONDS", "Principal", "Priority", "Recycle", "Scope", "Tenant")

DAY_SECONDS = 86_400
DEFAULT_RETENTION_SECONDS = 7 * DAY_SECONDS

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Priority(StrEnum):
    """The classes of the queue, most urgent first. Ageing keeps the last ones from starving."""

    INTERACTIVE = "interactive"
    NORMAL = "normal"
    BATCH = "batch"

    def is_above(self, ceiling: Priority) -> bool:
        """Whether this class is more urgent than `ceiling` allows."""
        order = tuple(Priority)
        return order.index(self) < order.index(ceiling)


class Scope(StrEnum):
    """What the holder of a key may do."""

    EXECUTE = "execute"
    """Submit and cancel jobs of its own tenant."""
    READ = "read"
    """See jobs and statistics of its own tenant."""
    ADMIN = "admin"
    """See all tenants and the host."""


class Recycle(StrEnum):
    """What becomes of a container after its job."""

    JOB = "job"
    """It is removed: one job per container."""
    LEAK = "leak"
    """It serves the next job of the same tenant, unless an inspection finds something left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One tenant and what its operator grants it. Making one raises InvalidTenant, naming the field.

    None for `policy`, `runtimes`, `ceiling` or `recycle` means the deployment's own.
    """

    name: str
    policy: str | None = None
    """Preset of the validator's rules."""
    runtimes: tuple[str, ...] | None = None
    """The runtimes it may use."""
    ceiling: Limits | None = None
    """The most that one of its jobs may ask for."""
    weight: float = 1.0
    """Its share of the host while others wait too: twice the weight, twice the share."""
    priority_ceiling: Priority = Priority.INTERACTIVE
    """The most urgent class it may ask for."""
    concurrency: int = 8
    """Its jobs that may run at the same time."""
    rate_per_second: float = 50.0
    """Jobs accepted per second, in the long run."""
    burst: int = 100
    """Jobs accepted at once after a quiet time."""
    queue_share: float = 0.5
    """The part of the queue's places that its jobs may take."""
    retention_seconds: int = DEFAULT_RETENTION_SECONDS
    """How long its finished jobs are kept."""
    recycle: Recycle | None = None
    """Whether its containers may serve its own next jobs."""
    keep_code: bool = False
    """Whether code and input are kept after the job has finished; their hashes always are."""
    debug: bool = False
    """Whether its jobs may ask for debug mode."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise InvalidTenant("name", f"must match {_NAME.pattern}")
        if self.runtimes is not None and not self.runtimes:
            raise InvalidTenant("runtimes", "must name one at least, or be left out")
        for field in ("weight", "rate_per_second", "queue_share"):
            _check_number(field, getattr(self, field), int, float)
        for field in ("concurrency", "burst", "retention_seconds"):
            _check_number(field, getattr(self, field), int)
        if self.queue_share > 1:
            raise InvalidTenant("queue_share", f"is a part of the queue, 1 at most, not {self.queue_share}")


def _check_number(field: str, value: object, *kinds: type) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isinstance(value, kinds):
        raise InvalidTenant(field, f"must be a number, not {type(value).__name__}")
    if not (math.isfinite(value) and value > 0):
        raise InvalidTenant(field, f"must be above 0, not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who a key speaks for, and what it may do; the answer to a secret that was right."""

    tenant: Tenant
    scopes: frozenset[Scope]
    key_id: str
