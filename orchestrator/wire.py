"""The one JSON shape of results and statistics, for the command line and the HTTP interface alike."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from orchestrator.domain.outcome import JobResult
from orchestrator.pool.pool import PoolStatistics

__all__ = ("result_to_wire", "statistics_to_wire")


def result_to_wire(result: JobResult) -> dict[str, Any]:
    """A result as a JSON object; file contents are base64."""
    fields = asdict(result)
    fields["success"] = result.success
    fields["files"] = {name: base64.b64encode(data).decode() for name, data in result.files.items()}
    return fields


def statistics_to_wire(statistics: PoolStatistics) -> dict[str, Any]:
    """The pool's statistics as a JSON object."""
    return asdict(statistics)
