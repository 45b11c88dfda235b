"""`store/statistics.py`: the database counts as one would by hand, to the last bit. On both databases."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import NOW, finished_record, make_record, make_result

from orchestrator.domain.outcome import Outcome
from orchestrator.policies.statistics import ExecutionMetrics, MemoryBucket
from orchestrator.store.store import open_store


def by_hand(records) -> ExecutionMetrics:
    """The same figures, by sorting and counting in plain Python."""
    usages = [record.result["usage"] for record in records]
    walls = sorted(usage["wall_ms"] for usage in usages if usage["wall_ms"])
    peaks = [usage["memory_peak_bytes"] for usage in usages if usage["wall_ms"]]
    peaks = [peak for peak in peaks if peak is not None]
    outcomes = Counter(record.outcome for record in records)
    succeeded = outcomes.pop(Outcome.SUCCEEDED, 0)

    def nearest_rank(percent: int) -> float | None:
        # The smallest value that at least `percent` of all values are not above.
        return next((wall for n, wall in enumerate(walls, 1) if 100 * n >= percent * len(walls)), None)

    return ExecutionMetrics(
        total=len(records),
        succeeded=succeeded,
        failed=len(records) - succeeded,
        average_wall_ms=math.fsum(walls) / len(walls) if walls else None,
        p50_wall_ms=nearest_rank(50),
        p95_wall_ms=nearest_rank(95),
        p99_wall_ms=nearest_rank(99),
        memory_distribution=buckets_by_hand(peaks),
        error_categories={outcome.value: outcomes[outcome] for outcome in sorted(outcomes)},
    )


def buckets_by_hand(peaks: list[int]) -> tuple[MemoryBucket, ...]:
    """Ten of equal width, counted one value at a time."""
    if not peaks:
        return ()
    width = (max(peaks) - min(peaks)) // 10 + 1
    edges = [min(peaks) + index * width for index in range(11)]
    return tuple(
        MemoryBucket(from_bytes=low, to_bytes=high, jobs=sum(low <= peak < high for peak in peaks))
        for low, high in pairwise(edges)
    )


executions = st.builds(
    lambda outcome, wall, memory, tenant, runtime, at: finished_record(
        outcome=outcome,
        result=make_result(wall, memory),
        tenant=tenant,
        runtime=runtime,
        finished_at=NOW + at,
    ),
    st.sampled_from(Outcome),
    st.just(0.0) | st.floats(0.001, 1e6),
    st.none() | st.integers(0, 2**40),
    st.sampled_from(["acme", "other"]),
    st.sampled_from(["node", "python"]),
    st.integers(0, 10),
)
spans = st.fixed_dictionaries(
    {
        "tenant": st.none() | st.just("acme"),
        "runtime": st.none() | st.just("node"),
        "since": st.none() | st.integers(0, 10).map(lambda n: NOW + n),
        "until": st.none() | st.integers(0, 10).map(lambda n: NOW + n),
    }
)


def is_within(record, span) -> bool:
    """Whether a span means this execution."""
    return (
        span["tenant"] in (None, record.tenant)
        and span["runtime"] in (None, record.runtime)
        and (span["since"] is None or span["since"] <= record.finished_at)
        and (span["until"] is None or record.finished_at < span["until"])
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(executions, max_size=60), span=spans)
def test_statistics_are_what_one_counts_by_hand(store_url, records, span):
    """For any executions and any span; what is not finished is not counted."""

    async def ask() -> ExecutionMetrics:
        async with open_store(store_url) as store:
            await store.prune(NOW + 1e9)
            await store.add([*records, make_record()])
            return await store.statistics(**span)

    found = asyncio.run(ask())
    expected = by_hand([record for record in records if is_within(record, span)])
    # The order in which a database adds up is its own; all other figures are exact.
    assert (found.average_wall_ms is None) == (expected.average_wall_ms is None)
    assert (found.average_wall_ms or 0) == pytest.approx(expected.average_wall_ms or 0, rel=1e-12)
    assert replace(found, average_wall_ms=None) == replace(expected, average_wall_ms=None)


async def test_a_range_without_executions_has_no_figures(store):
    """No division by nothing."""
    assert await store.statistics(tenant="acme") == ExecutionMetrics()


async def test_a_job_counts_once_it_has_finished(store):
    """In the statistics as in the list: the job whose end was just awaited, and the one nobody waited for."""
    record = make_record()
    await store.add([record])
    assert (await store.statistics(tenant="acme")).total == 0
    result = make_result(wall_ms=7.0, memory=100)
    await store.finish(record.id, outcome=Outcome.MEMORY_LIMIT, result=result, at=NOW + 1, keep_request=False)
    store.record_finished(finished_record(result=make_result(wall_ms=9.0, memory=1099)))
    found = await store.statistics(tenant="acme")
    assert (found.total, found.succeeded, found.failed) == (2, 1, 1)
    assert (found.average_wall_ms, found.p50_wall_ms, found.p99_wall_ms) == (8.0, 7.0, 9.0)
    assert found.error_categories == {"memory_limit": 1}
    assert [bucket.jobs for bucket in found.memory_distribution] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]


async def test_a_job_that_never_ran_has_no_wall_time(store):
    """A rejected or expired job is counted as failed; its zero milliseconds make nothing look fast."""
    rejected = finished_record(
        outcome=Outcome.REJECTED, started_at=None, result=make_result(wall_ms=0.0, memory=None)
    )
    await store.add([rejected, finished_record(result=make_result(wall_ms=10.0))])
    found = await store.statistics(tenant="acme")
    assert (found.failed, found.average_wall_ms, found.p50_wall_ms) == (1, 10.0, 10.0)
