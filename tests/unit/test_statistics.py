"""`policies/statistics.py`: what a percentile and a bucket are."""

from __future__ import annotations

import pytest

from orchestrator.policies.statistics import MEMORY_BUCKETS, bucket_width, rank_of_percentile


@pytest.mark.parametrize(
    ("count", "percent", "rank"),
    [
        (0, 50, 0),
        (1, 99, 0),
        (2, 50, 0),
        (3, 50, 1),
        (100, 95, 94),
        (100, 99, 98),
        (101, 95, 95),
        (20, 95, 18),
    ],
)
def test_a_percentile_is_the_nearest_rank(count, percent, rank):
    """The first of the sorted values that so many percent are not above; always one that was measured."""
    assert rank_of_percentile(count, percent) == rank


@pytest.mark.parametrize(("lowest", "highest"), [(0, 0), (5, 5), (0, 9), (0, 10), (0, 99), (7, 2**40)])
def test_ten_buckets_hold_the_lowest_and_the_highest(lowest, highest):
    """The last value is in the tenth bucket at most, whatever the remainder."""
    width = bucket_width(lowest, highest)
    assert width >= 1
    assert (highest - lowest) // width < MEMORY_BUCKETS
