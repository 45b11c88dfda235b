"""Telemetry floor: what happened, counted and told. Never tenant bytes; label values are names of ours.

Floors above call one method per event; this file decides what is logged and at which level.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from orchestrator.domain.outcome import JobResult

__all__ = ("Telemetry",)

_log = logging.getLogger("orchestrator")


class Telemetry:
    """Events of this process, as log lines."""

    def container_warm(self, runtime: str, seconds: float) -> None:
        """A container joined the pool."""
        _log.debug("container warm runtime=%s seconds=%.3f", runtime, seconds)

    def create_failed(self, runtime: str, error: Exception, *, retry_in_seconds: float) -> None:
        """A container could not be made."""
        _log.warning("create failed runtime=%s retry_in=%.1fs: %s", runtime, retry_in_seconds, error)

    def remove_failed(self, container_id: str, error: Exception) -> None:
        """A container could not be removed; it is tried again."""
        _log.error("remove failed container=%s: %s", container_id[:12], error)

    def watch_failed(self, watch: str, error: Exception) -> None:
        """One of the pool's watches could not see; it tries again."""
        _log.warning("watch failed watch=%s: %s", watch, error)

    def bound_missing(self, parent: str) -> None:
        """The parent cgroup is nobody's to bound here: each container is bounded, all of them together are not."""
        _log.warning(
            "unbounded parent=%s: this process may not write cgroup files (CAP_DAC_OVERRIDE)", parent
        )

    def renewed(self, runtime: str) -> None:
        """A runtime's image or profile has changed: its idle containers are replaced."""
        _log.info("generation renewed runtime=%s", runtime)

    def leaked(self, container_id: str, kinds: Iterable[str]) -> None:
        """A job left something behind in a container that was to be kept."""
        _log.info("leak container=%s kinds=%s", container_id[:12], ",".join(kinds))

    def renew_failed(self, container_id: str, error: Exception) -> None:
        """A container could not be prepared for its tenant's next job; it is retired."""
        _log.warning("renew failed container=%s: %s", container_id[:12], error)

    def reaped(self, container_id: str, instance: str) -> None:
        """A container of a dead instance was removed."""
        _log.info("reaped container=%s instance=%s", container_id[:12], instance)

    def job_rerun(self, job: str, attempt: int, error: Exception) -> None:
        """The infrastructure failed under a job, which is run again."""
        _log.warning("job rerun id=%s attempt=%d: %s", job, attempt, error)

    def check_failed(self, size_bytes: int, error: Exception) -> None:
        """A checking process gave no answer, and is replaced."""
        _log.warning("check failed size=%d: %s", size_bytes, error)

    def job_finished(self, runtime: str, result: JobResult) -> None:
        """The one canonical line of a job."""
        _log.info(
            "job id=%s runtime=%s outcome=%s wall_ms=%.2f total_ms=%.2f container=%s warm=%s reused=%s attempts=%d",
            result.id,
            runtime,
            result.outcome,
            result.usage.wall_ms,
            result.timing.total_ms,
            result.container.id[:12] if result.container else "-",
            result.container.warm if result.container else "-",
            result.container.reused if result.container else "-",
            result.attempts,
        )
