"""The one JSON shape of results and statistics, for the command line and the HTTP interface alike."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from dataclasses import fields as dataclass_fields
from typing import Any

from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.job import JobSpec, Mode
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import JobResult
from orchestrator.pool.pool import ContainerView, PoolStatistics

__all__ = (
    "containers_to_wire",
    "request_from_wire",
    "request_to_wire",
    "result_to_wire",
    "statistics_to_wire",
)


def result_to_wire(result: JobResult) -> dict[str, Any]:
    """A result as a JSON object; file contents are base64. The output is not copied."""
    return {
        "id": result.id,
        "outcome": result.outcome,
        "success": result.success,
        "usage": asdict(result.usage),
        "output": result.output,
        "error": result.error and asdict(result.error),
        "limit": result.limit and asdict(result.limit),
        "exit_code": result.exit_code,
        "signal": result.signal,
        "stdout": asdict(result.stdout),
        "stderr": asdict(result.stderr),
        "files": {name: base64.b64encode(data).decode() for name, data in result.files.items()},
        "timing": asdict(result.timing),
        "container": result.container and asdict(result.container),
        "attempts": result.attempts,
    }


def request_to_wire(spec: JobSpec) -> dict[str, Any]:
    """What was asked, as a JSON object that `request_from_wire` reads; the input stays the text it is."""
    return {
        "runtime": spec.runtime,
        "code": spec.code,
        "mode": spec.mode,
        "input_json": spec.input_json,
        "entrypoint": spec.entrypoint,
        "allowed_globals": spec.allowed_globals and list(spec.allowed_globals),
        "stdin": spec.stdin,
        "args": list(spec.args),
        "files": {name: base64.b64encode(data).decode() for name, data in spec.files.items()},
        "limits": spec.limits and asdict(spec.limits),
    }


def request_from_wire(fields: Mapping[str, Any]) -> JobSpec:
    """The request that `request_to_wire` wrote. Raises InvalidJob where it is none that can be run any more."""
    try:
        allowed, limits = fields["allowed_globals"], fields["limits"]
        return JobSpec(
            runtime=fields["runtime"],
            code=fields["code"],
            mode=Mode(fields["mode"]),
            input_json=fields["input_json"],
            entrypoint=fields["entrypoint"],
            allowed_globals=None if allowed is None else tuple(allowed),
            stdin=fields["stdin"],
            args=tuple(fields["args"]),
            files={name: base64.b64decode(data) for name, data in fields["files"].items()},
            limits=None if limits is None else Limits(**limits),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidJob("request", f"was kept by another version: {error!r}"[:200]) from None


def containers_to_wire(containers: Iterable[ContainerView]) -> list[dict[str, Any]]:
    """What can be seen of containers from outside, as JSON objects; ids in their short form."""
    return [
        {
            "id": each.id[:12],
            "runtime": each.runtime,
            "state": each.state,
            "age_seconds": round(each.age_seconds, 3),
            "generation": each.generation,
        }
        for each in containers
    ]


def statistics_to_wire(statistics: PoolStatistics) -> dict[str, Any]:
    """The pool's statistics as a JSON object."""
    fields = {each.name: getattr(statistics, each.name) for each in dataclass_fields(statistics)}
    fields["states"] = {runtime: dict(states) for runtime, states in statistics.states.items()}
    fields["targets"] = {
        runtime: {"target": plan.target, "why": plan.why} for runtime, plan in statistics.targets.items()
    }
    return fields
