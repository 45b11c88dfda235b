"""Policies floor: the recipe of every container that a job may get. Pure: settings in, `ContainerSpec` out.

What is written here, `backends/host_config.py` carries out. The threat behind
each control is in `docs/security.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.container import ContainerSpec, Tmpfs
from orchestrator.domain.limits import Limits
from orchestrator.domain.runtime import Runtime

__all__ = ("HardeningSettings", "hardened_spec")

WORK_FOLDER = "/work"
INODES_PER_TMPFS = 2048
OOM_SCORE_ADJ = 500
"""The kernel sacrifices jobs before anything of the host; the job's own process raises itself further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardeningSettings:
    """What an operator may choose; everything else is fixed."""

    init_uid: int
    cpus: float
    open_files: int
    container_runtime: str | None = None
    cgroup_parent: str | None = None
    apparmor: str | None = None


def hardened_spec(
    runtime: Runtime,
    settings: HardeningSettings,
    *,
    job_uid: int,
    limits: Limits,
    seccomp_json: str | None,
    labels: dict[str, str],
) -> ContainerSpec:
    """The container for jobs of `runtime` within `limits`.

    INVARIANT: `job_uid` belongs to this container alone; per-uid kernel quotas, keyrings and locks
    would join two containers of one uid (SECURITY-NOTES, M12 and M13).
    """
    return ContainerSpec(
        runtime=runtime.name,
        image=runtime.image,
        runner_argv=runtime.runner_argv,
        pause_argv=("/pause",),
        labels=labels,
        environment=dict(runtime.environment),
        hostname="sandbox",
        workdir=WORK_FOLDER,
        init_uid=settings.init_uid,
        job_uid=job_uid,
        memory_bytes=runtime.interpreter_memory_bytes + runtime.headroom_bytes + limits.memory_bytes,
        headroom_bytes=runtime.headroom_bytes,
        pids=runtime.interpreter_processes + limits.processes,
        cpus=settings.cpus,
        open_files=settings.open_files,
        file_size_bytes=limits.disk_bytes,
        tmpfs=tuple(
            Tmpfs(path=path, size_bytes=limits.disk_bytes, inodes=INODES_PER_TMPFS)
            for path in (WORK_FOLDER, "/tmp")  # noqa: S108 - the container's own
        ),
        oom_score_adj=OOM_SCORE_ADJ,
        seccomp_json=seccomp_json,
        container_runtime=settings.container_runtime,
        cgroup_parent=settings.cgroup_parent,
        apparmor=settings.apparmor,
    )
