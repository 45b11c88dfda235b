"""Values for tests, with one field changed at a time. No logic of the product in here."""

from __future__ import annotations

import json

from orchestrator.domain.container import ContainerSpec, Tmpfs
from orchestrator.domain.limits import MIB, Limits
from orchestrator.domain.runtime import Runtime


def make_spec(**changes) -> ContainerSpec:
    """A plausible recipe."""
    values = {
        "runtime": "python",
        "image": "sandbox-orch/python:test",
        "runner_argv": ("/usr/bin/python3", "/runner/runner.py"),
        "pause_argv": ("/pause",),
        "labels": {"org.sandbox-orch.instance": "test"},
        "environment": {"LANG": "C.UTF-8"},
        "hostname": "sandbox",
        "workdir": "/work",
        "init_uid": 2_000_000,
        "job_uid": 2_000_001,
        "memory_bytes": 64 * MIB,
        "headroom_bytes": 2 * MIB,
        "pids": 20,
        "cpus": 1.0,
        "open_files": 256,
        "file_size_bytes": 8 * MIB,
        "tmpfs": (Tmpfs(path="/work", size_bytes=8 * MIB, inodes=64),),
        "oom_score_adj": 500,
        "seccomp_json": None,
    }
    return ContainerSpec(**{**values, **changes})


def make_runtime(**changes) -> Runtime:
    """A runtime with small ceilings."""
    values = {
        "name": "python",
        "language": "Python",
        "version": "3.13",
        "image": "sandbox-orch/python:test",
        "runner_argv": ("/usr/bin/python3", "/runner/runner.py"),
        "seccomp_profile": "python",
        "modes": ("function", "program"),
        "source_suffixes": (".py",),
        "interpreter_memory_bytes": 64 * MIB,
        "interpreter_processes": 4,
        "headroom_bytes": 2 * MIB,
        "ceiling": Limits(),
        "maximum": Limits(wall_time_ms=60_000, cpu_time_ms=60_000, memory_bytes=256 * MIB),
        "environment": {"LANG": "C.UTF-8"},
    }
    return Runtime(**{**values, **changes})


def result_frame(job: str, *, how: str = "returned", **fields) -> dict[str, object]:
    """The one `result` frame of a job."""
    return {"type": "result", "job": job, "how": how, **fields}


def ok_payload(output: object) -> str:
    """The payload of a job that gave `output`."""
    return json.dumps({"status": "ok", "output": output})


def stream_frame(job: str, text: str, *, name: str = "stdout", skipped: int = 0) -> dict[str, object]:
    """One `stream` frame."""
    return {
        "type": "stream",
        "job": job,
        "name": name,
        "text": text,
        "bytes": len(text.encode()),
        "skipped": skipped,
    }
