"""Policies floor: the recipe of every container that a job may get. Pure: settings in, `ContainerSpec` out.

What is written here, `backends/host_config.py` carries out. The threat behind
each control is in `docs/security.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.container import ContainerSpec, Tmpfs
from orchestrator.domain.limits import MIB, Limits
from orchestrator.domain.runtime import Runtime

__all__ = ("HardeningSettings", "hardened_spec", "is_gvisor")

WORK_FOLDER = "/work"
INODES_PER_TMPFS = 2048
OOM_SCORE_ADJ = 500
"""The kernel sacrifices jobs before anything of the host; the job's own process raises itself further."""

GVISOR_RUNTIMES = ("runsc", "io.containerd.runsc.v1")
GVISOR_PROCESSES = 64
"""Host threads of gVisor's own kernel: 30 when idle; one that it cannot have ends it, and the job with it."""
GVISOR_MEMORY_BYTES = 64 * MIB
"""What that kernel holds before any job: about 40 MiB."""


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
    kernel_memory, kernel_processes = _own_kernel(settings.container_runtime)
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
        memory_bytes=(
            runtime.interpreter_memory_bytes + runtime.headroom_bytes + limits.memory_bytes + kernel_memory
        ),
        headroom_bytes=runtime.headroom_bytes,
        pids=runtime.interpreter_processes + limits.processes + kernel_processes,
        headroom_processes=kernel_processes,
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


def is_gvisor(container_runtime: str | None) -> bool:
    """Whether a runtime of that name runs containers on gVisor's kernel instead of the host's."""
    return container_runtime in GVISOR_RUNTIMES


def _own_kernel(container_runtime: str | None) -> tuple[int, int]:
    """Memory and host threads that the runtime itself needs inside the container's limits."""
    return (GVISOR_MEMORY_BYTES, GVISOR_PROCESSES) if is_gvisor(container_runtime) else (0, 0)
