"""HTTP floor: the examples of the OpenAPI document. A test checks them against the schemas."""

from __future__ import annotations

from typing import Any

__all__ = (
    "ACCEPTED",
    "BATCH",
    "CHECKED",
    "DEBUGGED",
    "FINISHED",
    "JOBS",
    "POOL",
    "READY",
    "REQUEST",
    "RESULT",
    "RUNTIMES",
    "STATS",
)

_ID = "0d4c7a1f6a9e4d0f8c6b2e9a51f3b7c2"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_LIMITS = {
    "wall_time_ms": 500, "cpu_time_ms": 500, "memory_bytes": 16777216, "output_bytes": 1048576,
    "processes": 16, "disk_bytes": 8388608,
}  # fmt: skip

RESULT: dict[str, Any] = {
    "id": _ID,
    "outcome": "succeeded",
    "success": True,
    "usage": {"wall_ms": 2.1, "cpu_ms": 1.2, "memory_peak_bytes": 413696, "oom_kills": 0},
    "output": 42,
    "error": None,
    "limit": None,
    "exit_code": None,
    "signal": None,
    "stdout": {"text": "", "bytes_total": 0, "truncated": False},
    "stderr": {"text": "", "bytes_total": 0, "truncated": False},
    "files": {},
    "timing": {
        "validate_ms": 0.03, "lease_ms": 0.1, "run_ms": 2.1, "collect_ms": 0.1, "total_ms": 2.3,
        "validated_ms": 0.03, "queued_ms": 0.09, "leased_ms": 0.13, "dispatched_ms": 0.2,
        "first_byte_ms": 2.2, "compiled_ms": None, "executed_ms": 2.23, "collected_ms": 2.33,
    },
    "container": {
        "id": "3f0c2b5e8a6d", "image_digest": "sha256:1c1b…", "profile_digest": "sha256:8a7f…",
        "warm": True, "reused": False,
    },
    "attempts": 1,
    "findings": [],
    "code_changes": [],
    "debug": None,
}  # fmt: skip

_PLACE = {"file": "job.py", "line": 2, "column": None, "function": "total"}
_WHOLE = {"type": "int", "text": "42", "entries": [], "truncated": False}

DEBUGGED: dict[str, Any] = {
    **RESULT,
    "debug": {
        "console": [
            {
                "at_ms": 0.2, "stream": "stdout", "level": "print", "arguments": [_WHOLE],
                "position": {**_PLACE, "column": 5}, "truncated": False,
            }
        ],
        "errors": [],
        "profile": {
            "format": "speedscope",
            "content": {
                "$schema": "https://www.speedscope.app/file-format-schema.json",
                "shared": {"frames": [{"name": "total", "file": "job.py", "line": 1}]},
                "profiles": [
                    {
                        "type": "sampled", "name": "CPU", "unit": "nanoseconds", "startValue": 0,
                        "endValue": 5200, "samples": [[0]], "weights": [5200],
                    }
                ],
                "name": "job.py", "activeProfileIndex": 0, "exporter": "sandbox-orch",
            },
            "complete": True,
        },
        "steps": [
            {
                "event": "line", "position": _PLACE, "depth": 1, "value": None, "truncated": False,
                "changed": [{"name": "sum", "value": _WHOLE}],
            }
        ],
        "truncated": [],
        "unreadable": 0,
    },
}  # fmt: skip
ACCEPTED: dict[str, Any] = {
    "id": _ID,
    "tenant": "acme",
    "runtime": "python",
    "priority": "normal",
    "state": "queued",
    "outcome": None,
    "location": f"/v1/jobs/{_ID}",
    "accepted_at": 1767225600.25,
    "expires_at": 1767229200.25,
    "started_at": None,
    "finished_at": None,
    "attempts": 0,
    "position": 3,
    "estimated_start_ms": 450.0,
    "code_sha256": _SHA256,
    "input_sha256": _SHA256,
    "metadata": {"order": "4711"},
    "limits": _LIMITS,
    "result": None,
}
FINISHED: dict[str, Any] = {
    **ACCEPTED,
    "state": "finished",
    "outcome": "succeeded",
    "started_at": 1767225600.7,
    "finished_at": 1767225600.71,
    "attempts": 1,
    "position": None,
    "estimated_start_ms": None,
    "result": DEBUGGED,
}
JOBS: dict[str, Any] = {"jobs": [{**FINISHED, "result": None}], "next_cursor": None}
BATCH: dict[str, Any] = {"results": [{"status": 202, "job": ACCEPTED}]}
REQUEST: dict[str, Any] = {
    "request": {
        "code": "output = input * 6", "mode": "function", "entrypoint": None, "input_json": "7", "stdin": "",
        "args": [], "files": {},
    }
}  # fmt: skip
CHECKED: dict[str, Any] = {
    "rejected": True,
    "findings": [
        {
            "rule": "import", "severity": "reject", "message": "os may not be imported", "line": 1, "column": 1,
            "end_line": 1, "end_column": 10,
        }
    ],
    "code_changes": [],
}  # fmt: skip
RUNTIMES: dict[str, Any] = {
    "runtimes": [
        {
            "name": "python", "language": "Python", "version": "3.13", "modes": ["function", "program"],
            "ceiling": _LIMITS, "maximum": _LIMITS, "default_limits": _LIMITS,
        }
    ]
}  # fmt: skip
POOL: dict[str, Any] = {
    "states": {"python": {"warm": 4, "leased": 1}},
    "targets": {"python": {"target": 4, "why": "the minimum"}},
    "containers": [
        {
            "id": "9f2c51d07b3e",
            "runtime": "python",
            "state": "warm",
            "age_seconds": 12.5,
            "generation": 1,
            "tenant": None,
            "jobs_served": 0,
        }
    ],
    "waiting": {"python": 0},
    "leases_warm": 120,
    "leases_cold": 2,
    "leases_reused": 0,
    "created": 127,
    "failures_in_a_row": 0,
    "last_failure": None,
    "retired_by_reason": {"served": 122},
    "leaks_by_kind": {},
    "queue_depth": {"interactive": 0, "normal": 0, "batch": 0},
    "running": 1,
}
STATS: dict[str, Any] = {
    "total": 3,
    "succeeded": 2,
    "failed": 1,
    "average_wall_ms": 3.2,
    "p50_wall_ms": 2.9,
    "p95_wall_ms": 4.5,
    "p99_wall_ms": 4.5,
    "memory_distribution": [{"from_bytes": 400000, "to_bytes": 400010, "jobs": 3}],
    "error_categories": {"wall_time_limit": 1},
}
READY: dict[str, Any] = {
    "ready": True, "engine": True, "pool": True, "store": True, "disk": True, "checks": True, "draining": False,
}  # fmt: skip
