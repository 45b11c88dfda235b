"""Service floor: OpenTelemetry traces, where the extra `otel` is installed and an endpoint is set.

A job is one span, its waterfall the child spans. Without the extra or the endpoint nothing of it is loaded.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orchestrator import __version__
from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.outcome import JobResult, Timing
from orchestrator.domain.record import JobRecord

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ("JobTracer", "open_tracing")

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_STEPS = ("validated", "queued", "leased", "dispatched", "first_byte", "executed", "collected")


def open_tracing() -> JobTracer | None:
    """A tracer, if an endpoint is set. Raises ConfigurationError where one is and the extra is not installed."""
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        problem = f"{ENDPOINTS[0]} is set; traces need the extra: pip install 'sandbox-orch[otel]'"
        raise ConfigurationError(problem) from None
    resource = Resource.create({"service.name": "sandbox-orch", "service.version": __version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return JobTracer(provider)


class JobTracer:
    """Finished jobs as spans."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("sandbox-orch")

    def trace(self, record: JobRecord, result: JobResult) -> None:
        """One span for a finished job, with one child for each step it reached."""
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415

        began = round(((record.finished_at or record.accepted_at) - _length_ms(result.timing) / 1000) * 1e9)
        job = self._tracer.start_span("job", start_time=began, attributes=_attributes(record, result))
        before = began
        for step in _STEPS:
            if (until_ms := getattr(result.timing, f"{step}_ms")) is None:
                continue
            until = max(before, began + round(until_ms * 1e6))
            child = self._tracer.start_span(step, context=set_span_in_context(job), start_time=before)
            child.end(end_time=until)
            before = until
        job.end(end_time=before)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def _attributes(record: JobRecord, result: JobResult) -> dict[str, str]:
    return {
        "job.id": record.id,
        "job.runtime": record.runtime,
        "job.tenant": record.tenant,
        "job.priority": record.priority.value,
        "job.outcome": result.outcome.value,
    }


def _length_ms(timing: Timing) -> float:
    return timing.collected_ms or timing.queued_ms or 0.0
