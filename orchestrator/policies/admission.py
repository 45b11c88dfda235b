"""Policies floor: whether a job is taken into the queue, and when to come back where it is not. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from orchestrator.domain.errors import Draining, HostFull, RefusedForNow, TenantLimited

__all__ = ("QueueSnapshot", "plan_admission")

RETRY_LEAST_SECONDS = 1
RETRY_MOST_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSnapshot:
    """The queue as one tenant's job finds it."""

    queued: int
    places: int
    queued_of_tenant: int
    share: float
    """The part of the places that this tenant may take."""
    seconds_per_start: float
    """How long the queue lately took from one start to the next."""
    size_bytes: int = 0
    """Of the job that asks to come in; the next three tell of those that wait."""
    queued_bytes: int = 0
    bytes_of_tenant: int = 0
    places_bytes: int = 2**62
    rate_wait_seconds: float = 0.0
    """Until the tenant's rate allows one more; 0 where it does now."""
    draining: bool = False


def plan_admission(snapshot: QueueSnapshot) -> RefusedForNow | None:
    """None where the job is taken, else the refusal to raise.

    The tenant's own limits are named first: waiting for the host would not help who is above them.
    """
    if snapshot.draining:
        return Draining(
            "the service is stopping; no new job is taken", reason="draining", retry_after_seconds=10
        )
    if snapshot.rate_wait_seconds > 0:
        wait = _whole_seconds(snapshot.rate_wait_seconds)
        return TenantLimited("this tenant's rate of jobs is used up", reason="rate", retry_after_seconds=wait)
    return _beyond_own_share(snapshot) or _beyond_the_house(snapshot)


def _beyond_own_share(snapshot: QueueSnapshot) -> TenantLimited | None:
    wait = _until_places(snapshot.queued_of_tenant, snapshot)
    if snapshot.queued_of_tenant >= max(1, math.floor(snapshot.places * snapshot.share)):
        message = f"this tenant has {snapshot.queued_of_tenant} jobs queued, its share of the queue"
        return TenantLimited(message, reason="queue_share", retry_after_seconds=wait)
    if snapshot.queued_of_tenant and _is_over(snapshot, snapshot.bytes_of_tenant, snapshot.share):
        message = "this tenant's queued jobs hold as many bytes as its share of the queue has"
        return TenantLimited(message, reason="queue_bytes", retry_after_seconds=wait)
    return None


def _beyond_the_house(snapshot: QueueSnapshot) -> HostFull | None:
    wait = _until_places(snapshot.queued, snapshot)
    if snapshot.queued >= snapshot.places:
        message = f"all {snapshot.places} places of the queue are taken"
        return HostFull(message, reason="queue_full", retry_after_seconds=wait)
    if snapshot.queued and _is_over(snapshot, snapshot.queued_bytes, 1.0):
        message = "the queued jobs hold as many bytes as the queue may"
        return HostFull(message, reason="queue_bytes", retry_after_seconds=wait)
    return None


def _is_over(snapshot: QueueSnapshot, held_bytes: int, share: float) -> bool:
    return held_bytes + snapshot.size_bytes > snapshot.places_bytes * share


def _until_places(queued: int, snapshot: QueueSnapshot) -> int:
    """Until a twentieth of what stands in the way has gone: the first place alone would be gone again."""
    return _whole_seconds(max(1, queued // 20) * snapshot.seconds_per_start)


def _whole_seconds(seconds: float) -> int:
    return min(RETRY_MOST_SECONDS, max(RETRY_LEAST_SECONDS, math.ceil(seconds)))
