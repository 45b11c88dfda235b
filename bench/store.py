"""Measures the store: adds per second alone and in groups, and what remembering a synchronous job costs it.

    .venv/bin/python bench/store.py [sqlite:////tmp/bench.db | postgresql://…]

Without a URL: SQLite in a temporary folder. Figures are of this machine and its disk.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from dataclasses import replace

from orchestrator.domain.job import JobState
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.record import JobRecord
from orchestrator.domain.tenant import Priority
from orchestrator.store.store import Store, open_store

RESULT = {
    "outcome": "succeeded",
    "output": {"total": 42},
    "stdout": {"text": "hello\n" * 20, "bytes_total": 120, "truncated": False},
    "usage": {"wall_ms": 2.5, "cpu_ms": 1.5, "memory_peak_bytes": 4_194_304, "oom_kills": 0},
}
JOB_SECONDS = 0.002
"""A warm, trivial job's time, spent asleep."""


def queued() -> JobRecord:
    """A job as it is accepted, with 2 kB of code."""
    now = time.time()
    return JobRecord(
        id=uuid.uuid4().hex,
        tenant="acme",
        runtime="python",
        priority=Priority.NORMAL,
        state=JobState.QUEUED,
        accepted_at=now,
        expires_at=now + 30,
        code_sha256="0" * 64,
        input_sha256="0" * 64,
        request={"runtime": "python", "code": "x" * 2048},
    )


def finished() -> JobRecord:
    """A job whose caller has its answer."""
    now = time.time()
    return replace(
        queued(),
        state=JobState.FINISHED,
        outcome=Outcome.SUCCEEDED,
        started_at=now,
        finished_at=now,
        request=None,
        result=RESULT,
    )


async def adds_per_second(store: Store, callers: int, seconds: float) -> float:
    """Durable adds by so many callers at once, each waiting for its own."""
    done = 0
    until = time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await store.add([queued()])
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return done / (time.perf_counter() - began)


async def job_milliseconds(store: Store, jobs: int, *, remembered: bool) -> list[float]:
    """Time of each of `jobs` sleeps, one after the other, with or without its record written behind it."""
    found = []
    for _ in range(jobs):
        record = finished()
        began = time.perf_counter()
        await asyncio.sleep(JOB_SECONDS)
        if remembered:
            store.record_finished(record)
        found.append((time.perf_counter() - began) * 1000)
    return found


async def main(url: str) -> None:
    """All figures, one a line."""
    async with open_store(url) as store:
        for callers in (1, 8, 64):
            print(f"add, {callers:2} callers   {await adds_per_second(store, callers, 3.0):8.0f} a second")
        began = time.perf_counter()
        for record in [finished() for _ in range(2000)]:
            store.record_finished(record)
        print(
            f"record_finished   {(time.perf_counter() - began) / 2000 * 1e6:8.1f} us (and the making of the value)"
        )
        await store.statistics(tenant=None)
        # In turns, so that both see the same machine.
        times: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(10):
            for remembered in (False, True):
                times[remembered] += await job_milliseconds(store, 150, remembered=remembered)
        for remembered, label in ((False, "job, not kept"), (True, "job, kept")):
            cuts = statistics.quantiles(times[remembered], n=100)
            print(f"{label:14}   p50 {cuts[49]:.3f} ms   p95 {cuts[94]:.3f} ms   p99 {cuts[98]:.3f} ms")
        added = statistics.median(times[True]) - statistics.median(times[False])
        print(f"the store adds   {added:8.3f} ms at p50")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/store.db"))
