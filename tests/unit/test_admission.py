"""`policies/admission.py` and `scheduler/rates.py`: who is taken in, and when to come back."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.errors import Draining, HostFull, TenantLimited
from orchestrator.domain.tenant import Tenant
from orchestrator.policies.admission import QueueSnapshot, plan_admission
from orchestrator.scheduler import rates
from orchestrator.scheduler.rates import TenantRates

ROOMY = QueueSnapshot(
    queued=10, places=100, queued_of_tenant=5, share=0.5, seconds_per_start=0.5, places_bytes=1000
)


def test_where_there_is_room_a_job_is_taken():
    """No refusal."""
    assert plan_admission(ROOMY) is None


@pytest.mark.parametrize(
    ("changes", "kind", "reason"),
    [
        ({"draining": True}, Draining, "draining"),
        ({"rate_wait_seconds": 2.2}, TenantLimited, "rate"),
        ({"queued_of_tenant": 50}, TenantLimited, "queue_share"),
        ({"size_bytes": 100, "bytes_of_tenant": 450}, TenantLimited, "queue_bytes"),
        ({"queued": 100}, HostFull, "queue_full"),
        ({"size_bytes": 100, "queued_bytes": 950}, HostFull, "queue_bytes"),
        ({"queued": 100, "queued_of_tenant": 50}, TenantLimited, "queue_share"),
    ],
)
def test_each_refusal_has_its_kind_and_reason(changes, kind, reason):
    """The tenant's own limits come first: waiting for the host would not help it."""
    refusal = plan_admission(replace(ROOMY, **changes))
    assert type(refusal) is kind
    assert refusal.reason == reason
    assert refusal.retry_after_seconds >= 1


def test_the_first_job_is_taken_whatever_its_size():
    """A bound on bytes together never refuses a job for being alone."""
    alone = replace(ROOMY, queued=0, queued_of_tenant=0, size_bytes=10_000)
    assert plan_admission(alone) is None


def test_even_the_smallest_share_is_one_place():
    """A share of nothing would be a tenant that can never run."""
    assert plan_admission(replace(ROOMY, places=1, queued=0, queued_of_tenant=0, share=0.01)) is None


@given(st.integers(0, 10**6), st.floats(0.0, 1000.0), st.floats(0, 10**6))
def test_retry_after_is_a_whole_number_within_bounds(queued, pace, rate_wait):
    """Whatever the queue and the pace."""
    snapshot = replace(ROOMY, queued=queued, seconds_per_start=pace, rate_wait_seconds=rate_wait)
    refusal = plan_admission(snapshot)
    assert refusal is None or 1 <= refusal.retry_after_seconds <= 300


@pytest.fixture
def clock(monkeypatch):
    """The clock that the `limits` library reads."""

    class Clock:
        now = 1_000_000_000.0

        def time(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr("limits.storage.memory.time", clock)
    monkeypatch.setattr("limits.strategies.time", clock)
    monkeypatch.setattr(rates, "time", clock)
    return clock


def test_a_burst_passes_and_then_the_rate_holds(clock):
    """A quiet tenant may bring its burst at once; over a long time it gets its rate."""
    taker, tenant = TenantRates(), Tenant(name="t", rate_per_second=2.0, burst=10)
    assert [taker.take(tenant) for _ in range(10)] == [0.0] * 10
    assert 0 < taker.take(tenant) <= 5
    taken = 0
    for _ in range(1000):
        clock.now += 0.1
        taken += taker.take(tenant) == 0.0
    assert 150 <= taken <= 210


def test_tenants_are_counted_apart_and_old_counts_are_forgotten(clock):
    """One's burst is nothing to another; what is over takes no memory, and no thread is started for that."""
    taker = TenantRates()
    before = threading.active_count()
    for number in range(50):
        assert taker.take(Tenant(name=f"t{number}", rate_per_second=1.0, burst=1)) == 0.0
    assert threading.active_count() == before
    assert len(taker._storage.expirations) == 50
    clock.now += 100
    taker._storage.sweep()
    assert len(taker._storage.expirations) == 0
