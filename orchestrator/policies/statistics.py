"""Policy: how executions are summed up. Pure: what a percentile and a bucket are, whoever counts them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ("MEMORY_BUCKETS", "ExecutionMetrics", "MemoryBucket", "bucket_width", "rank_of_percentile")

MEMORY_BUCKETS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBucket:
    """How many jobs had their peak of memory from `from_bytes` up to, not including, `to_bytes`."""

    from_bytes: int
    to_bytes: int
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionMetrics:
    """The executions of a time range. Wall times and memory are of jobs that ran; None or empty without any."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    average_wall_ms: float | None = None
    p50_wall_ms: float | None = None
    p95_wall_ms: float | None = None
    p99_wall_ms: float | None = None
    memory_distribution: tuple[MemoryBucket, ...] = ()
    """Ten buckets of equal width, from the least to the most that a job used."""
    error_categories: dict[str, int] = field(default_factory=dict)
    """Failed jobs by outcome."""


def rank_of_percentile(count: int, percent: int) -> int:
    """Which of `count` values in ascending order, from 0, is the percentile: the nearest-rank definition."""
    return max(0, math.ceil(count * percent / 100) - 1)


def bucket_width(lowest: int, highest: int) -> int:
    """The width at which MEMORY_BUCKETS buckets from `lowest` on hold `highest` too."""
    return (highest - lowest) // MEMORY_BUCKETS + 1
