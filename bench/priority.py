"""How long an interactive job takes under a full load of batch jobs, with the CPU shares of its class and without.

Usage: python bench/priority.py [JOBS]. Needs an engine and the images; prints milliseconds of both in one run.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from contextlib import AbstractAsyncContextManager, nullcontext

from orchestrator import JobSpec, Limits, Orchestrator, load_settings
from orchestrator.backends import host_load
from orchestrator.domain.tenant import Priority
from orchestrator.pool.lease import Lease
from orchestrator.scheduler.run import Job
from orchestrator.scheduler.throttle import Throttle, open_throttle
from orchestrator.scheduler.transcript import Transcript

BATCH_AT_ONCE = 4
BUSY = "import time\nend = time.time() + 3\nwhile time.time() < end: pass\noutput = 1"
SHORT = "total = 0\nfor n in range(200000): total += n\noutput = total"
LIMITS = Limits(wall_time_ms=60_000, cpu_time_ms=60_000)


class Sharing:
    """Gives a job's container its share, or does nothing."""

    def __init__(self, throttle: Throttle | None, priority: Priority, name: str) -> None:
        self.throttle, self.priority, self.name = throttle, priority, name

    def leased(self, lease: Lease, transcript: Transcript) -> None:  # noqa: ARG002 - the port's shape
        if self.throttle is not None:
            self.throttle.hold(self.name, lease, self.priority)

    def printed(self, name: str, text: str) -> None:
        """Nobody looks."""


async def run(orchestrator: Orchestrator, code: str, sharing: Sharing) -> float:
    job: Job = orchestrator.accept(JobSpec(runtime="python", code=code, limits=LIMITS))
    result = await orchestrator.runner.run(job, sharing)
    if not result.success:
        raise SystemExit(f"a job went wrong: {result}")
    if sharing.throttle is not None:
        sharing.throttle.let_go(sharing.name)
    return result.usage.wall_ms


async def measure(orchestrator: Orchestrator, jobs: int, throttle: Throttle | None) -> list[float]:
    async def keep_busy(name: str) -> None:
        while True:
            await run(orchestrator, BUSY, Sharing(throttle, Priority.BATCH, name))

    batch = [asyncio.create_task(keep_busy(f"batch-{number}")) for number in range(BATCH_AT_ONCE)]
    await asyncio.sleep(4)
    took = []
    for number in range(jobs):
        took.append(await run(orchestrator, SHORT, Sharing(throttle, Priority.INTERACTIVE, f"i-{number}")))
        await asyncio.sleep(0.3)
    for task in batch:
        task.cancel()
    await asyncio.gather(*batch, return_exceptions=True)
    return took


async def main(jobs: int) -> None:
    settings = load_settings(runtimes="python", warm_target=6, containers_maximum=16, queue_seconds=120)
    async with Orchestrator.open(settings) as orchestrator:
        await orchestrator.wait_until_warm(within_seconds=60)
        quiet = [await run(orchestrator, SHORT, Sharing(None, Priority.NORMAL, "")) for _ in range(jobs)]
        show("no batch load", quiet)
        for name, context in (("without shares", nullcontext()), ("with shares", sharing())):
            await orchestrator.wait_until_warm(within_seconds=60)
            async with context as throttle:
                show(name, await measure(orchestrator, jobs, throttle))


def sharing() -> AbstractAsyncContextManager[Throttle]:
    return open_throttle(lambda: (host_load.busy_share(), host_load.pressure_percent()), lambda: 0)


def show(name: str, took: list[float]) -> None:
    cuts = statistics.quantiles(took, n=20, method="inclusive")
    print(f"{name:16} p50 {cuts[9]:7.1f} ms   p95 {cuts[18]:7.1f} ms   n {len(took)}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30))
