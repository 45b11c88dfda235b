"""Service floor: what an operator sees. Prometheus metrics, and one canonical log line per job.

Label values are names of ours, never a tenant's words; no metric names a tenant.
"""

from __future__ import annotations

import platform
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestrator import __version__
from orchestrator.domain.container import ContainerState
from orchestrator.domain.outcome import JobResult, Outcome
from orchestrator.domain.record import JobRecord
from orchestrator.domain.tenant import Priority
from orchestrator.pool.pool import PoolStatistics
from orchestrator.telemetry import Telemetry
from orchestrator.tracing import JobTracer

__all__ = ("FinishedJob", "Monitor")

_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
MOST_REMEMBERED = 20_000


class FinishedJob(NamedTuple):
    """What is remembered of a job for a moment, to be summed up in the background."""

    tenant: str
    priority: Priority
    outcome: Outcome
    latency_ms: float | None
    """From its coming in to its result; None where it had no container."""
    memory_peak_bytes: int | None
    queue_seconds: float | None


class Monitor(Telemetry):
    """The events of one serving process, counted and told. `watch` names what is looked at when asked."""

    def __init__(self, tracer: JobTracer | None = None) -> None:
        self._tracer = tracer
        self._log = structlog.get_logger("orchestrator")
        self.container_came: Callable[[], None] = lambda: None
        """Called when a container has become warm, before it is on its shelf."""
        self.finished: deque[FinishedJob] = deque(maxlen=MOST_REMEMBERED)
        """Jobs that ended since somebody emptied it; the oldest go first."""
        self.parts: Mapping[str, bool] = {}
        """What jobs need, and whether it was fit when it was last looked at."""
        self.registry = CollectorRegistry()
        self._jobs = Counter(
            "sandbox_orch_jobs", "Jobs finished.", ("runtime", "outcome"), registry=self.registry
        )
        self._duration = Histogram(
            "sandbox_orch_job_duration_seconds", "From container to the end of the wait for the job.",
            ("runtime",), registry=self.registry, buckets=_BUCKETS,
        )  # fmt: skip
        self._queue_wait = Histogram(
            "sandbox_orch_queue_wait_seconds", "From the queue's door to the job's turn.",
            ("priority",), registry=self.registry, buckets=_BUCKETS,
        )  # fmt: skip
        self._refusals = Counter(
            "sandbox_orch_refusals", "Jobs not taken, by reason.", ("reason",), registry=self.registry
        )
        self._engine_errors = Counter(
            "sandbox_orch_engine_errors", "What the engine failed at.", ("step",), registry=self.registry
        )
        self._store_errors = Counter(
            "sandbox_orch_store_errors", "What could not be kept.", registry=self.registry
        )
        build = Gauge("sandbox_orch_build_info", "Always 1.", ("version", "python"), registry=self.registry)
        build.labels(__version__, platform.python_version()).set(1)

    def watch(
        self,
        pool: Callable[[], PoolStatistics],
        queue: Callable[[], dict[Priority, int]],
        disk: Path | None = None,
    ) -> None:
        """Say whose state the metrics show when they are asked for; `disk` is the folder whose disk is looked at."""
        self.registry.register(_Now(pool, queue, disk, lambda: self.parts))

    def refusals(self) -> dict[str, int]:
        """Jobs not taken since the start, by reason."""
        return _counted(self._refusals, "reason")

    def engine_errors(self) -> dict[str, int]:
        """What the engine failed at since the start, by step."""
        return _counted(self._engine_errors, "step")

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    # -- jobs -------------------------------------------------------------------------------------------

    def job_finished(self, runtime: str, result: JobResult) -> None:
        """Told by `job_done`, which knows whose job it was."""

    def job_done(self, record: JobRecord, result: JobResult, *, queue_seconds: float | None) -> None:
        """The one canonical line of a job, and its figures."""
        self._jobs.labels(record.runtime, result.outcome).inc()
        if result.container is not None:
            self._duration.labels(record.runtime).observe(result.usage.wall_ms / 1000)
        if queue_seconds is not None:
            self._queue_wait.labels(record.priority).observe(queue_seconds)
        if self._tracer is not None:
            self._tracer.trace(record, result)
        container = result.container
        latency_ms = None if container is None else result.timing.total_ms
        memory = result.usage.memory_peak_bytes
        self.finished.append(
            FinishedJob(record.tenant, record.priority, result.outcome, latency_ms, memory, queue_seconds)
        )
        self._log.info(
            "job",
            id=record.id,
            tenant=record.tenant,
            runtime=record.runtime,
            priority=record.priority.value,
            outcome=result.outcome.value,
            queue_ms=None if queue_seconds is None else round(queue_seconds * 1000, 2),
            wall_ms=round(result.usage.wall_ms, 2),
            cpu_ms=result.usage.cpu_ms,
            memory_peak_bytes=result.usage.memory_peak_bytes,
            total_ms=round(result.timing.total_ms, 2),
            container=container.id[:12] if container else None,
            warm=container.warm if container else None,
            attempts=result.attempts,
            code_sha256=record.code_sha256,
        )

    def refused(self, reason: str) -> None:
        """A job was not taken."""
        self._refusals.labels(reason).inc()

    # -- below ------------------------------------------------------------------------------------------

    def container_warm(self, runtime: str, seconds: float) -> None:
        """A container joined the pool."""
        self._log.debug("container warm", runtime=runtime, seconds=round(seconds, 3))
        self.container_came()

    def bound_missing(self, parent: str) -> None:
        """The parent cgroup is nobody's to bound here."""
        self._log.warning(
            "unbounded", parent=parent, error="this process may not write cgroup files (CAP_DAC_OVERRIDE)"
        )

    def create_failed(self, runtime: str, error: Exception, *, retry_in_seconds: float) -> None:
        """A container could not be made."""
        self._engine_errors.labels("create").inc()
        self._log.warning(
            "create failed", runtime=runtime, retry_in_seconds=round(retry_in_seconds, 1), error=str(error)
        )

    def remove_failed(self, container_id: str, error: Exception) -> None:
        """A container could not be removed; it is tried again."""
        self._engine_errors.labels("remove").inc()
        self._log.error("remove failed", container=container_id[:12], error=str(error))

    def reaped(self, container_id: str, instance: str) -> None:
        """A container of a dead instance was removed."""
        self._log.info("reaped", container=container_id[:12], instance=instance)

    def job_rerun(self, job: str, attempt: int, error: Exception) -> None:
        """The infrastructure failed under a job, which is run again."""
        self._engine_errors.labels("job").inc()
        self._log.warning("job rerun", id=job, attempt=attempt, error=str(error))

    def store_failed(self, job: str, error: Exception) -> None:
        """Something could not be kept."""
        self._store_errors.inc()
        self._log.error("store failed", id=job or None, error=str(error))


def _counted(counter: Counter, label: str) -> dict[str, int]:
    return {
        sample.labels[label]: int(sample.value)
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


class _Now(Collector):
    """What is counted at the moment it is asked for."""

    def __init__(
        self,
        pool: Callable[[], PoolStatistics],
        queue: Callable[[], dict[Priority, int]],
        disk: Path | None,
        parts: Callable[[], Mapping[str, bool]],
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._disk = disk
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("sandbox_orch_queue_depth", "Jobs that wait.", labels=("priority",))
        for priority, length in self._queue().items():
            depth.add_metric((priority,), length)
        yield depth
        ready = GaugeMetricFamily("sandbox_orch_ready", "Whether what jobs need is fit.", labels=("part",))
        for part, is_fit in self._parts().items():
            ready.add_metric((part,), is_fit)
        yield ready
        if self._disk is not None:
            with suppress(OSError):  # a disk that is gone is told by what cannot be written
                free = shutil.disk_usage(self._disk).free
                yield GaugeMetricFamily(
                    "sandbox_orch_data_disk_free_bytes", "Left for the store.", value=free
                )
        yield from self._of_pool(self._pool())

    def _of_pool(self, pool: PoolStatistics) -> Iterator[Metric]:
        containers = GaugeMetricFamily(
            "sandbox_orch_containers", "Containers by state.", labels=("runtime", "state")
        )
        for runtime, states in pool.states.items():
            for state in ContainerState:
                if state is not ContainerState.REMOVED:
                    containers.add_metric((runtime, state), states.get(state, 0))
        yield containers
        leases = CounterMetricFamily(
            "sandbox_orch_pool_leases", "Jobs that found a warm container, or did not.", labels=("warm",)
        )
        leases.add_metric(("true",), pool.leases_warm)
        leases.add_metric(("false",), pool.leases_cold)
        yield leases
        yield CounterMetricFamily("sandbox_orch_containers_made", "Containers made.", value=pool.created)
        targets = GaugeMetricFamily(
            "sandbox_orch_containers_target", "How many are to stand warm.", labels=("runtime",)
        )
        for runtime, plan in pool.targets.items():
            targets.add_metric((runtime,), plan.target)
        yield targets
        retired = CounterMetricFamily(
            "sandbox_orch_containers_retired", "Containers given up, by reason.", labels=("reason",)
        )
        for reason, count in pool.retired_by_reason.items():
            retired.add_metric((reason,), count)
        yield retired
        yield GaugeMetricFamily(
            "sandbox_orch_creation_failures_in_a_row",
            "Attempts to make a container that failed since the last that did not.",
            value=pool.failures_in_a_row,
        )
