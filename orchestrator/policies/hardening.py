"""Policies floor: the recipe of every container that a job may get. Pure: settings in, `ContainerSpec` out.

What is written here, `backends/host_config.py` carries out. The threat behind
each control is in `docs/security.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.domain.container import ContainerSpec, Tmpfs
from orchestrator.domain.limits import MIB, Limits
from orchestrator.domain.runtime import Runtime

__all__ = ("PROGRAM_FOLDER", "WORK_FOLDER", "HardeningSettings", "hardened_spec", "is_gvisor")

WORK_FOLDER = "/work"
PROGRAM_FOLDER = "/program"
"""Where a compiler leaves what is run; mounted for languages that are compiled only."""
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
    compiling = runtime.compile_limits
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
            runtime.interpreter_memory_bytes
            + runtime.headroom_bytes
            + limits.memory_bytes
            + (compiling.memory_bytes if compiling else 0)
            + kernel_memory
        ),
        headroom_bytes=runtime.headroom_bytes,
        # The compiler's processes have ended when the job's begin.
        pids=(
            runtime.interpreter_processes
            + max(limits.processes, compiling.processes if compiling else 0)
            + kernel_processes
        ),
        headroom_processes=kernel_processes,
        cpus=settings.cpus,
        open_files=settings.open_files,
        file_size_bytes=max(limits.disk_bytes, compiling.disk_bytes if compiling else 0),
        tmpfs=_writable(limits, compiling),
        oom_score_adj=OOM_SCORE_ADJ,
        seccomp_json=seccomp_json,
        container_runtime=settings.container_runtime,
        cgroup_parent=settings.cgroup_parent,
        apparmor=settings.apparmor,
    )


def _writable(limits: Limits, compiling: Limits | None) -> tuple[Tmpfs, ...]:
    work = Tmpfs(path=WORK_FOLDER, size_bytes=limits.disk_bytes, inodes=INODES_PER_TMPFS)
    if compiling is None:
        return work, replace(work, path="/tmp")  # noqa: S108 - the container's own
    # A compiler's passing files are there too.
    largest = max(limits.disk_bytes, compiling.disk_bytes)
    # SECURITY: a compiled program has to be run from somewhere. Its language is native code already, so a file that may
    # be executed gives it nothing that it does not have; no other language gets this mount, and it stays nosuid and
    # nodev (tests/security/test_program_folder.py).
    program = Tmpfs(
        path=PROGRAM_FOLDER, size_bytes=compiling.disk_bytes, inodes=INODES_PER_TMPFS, executable=True
    )
    return work, replace(work, path="/tmp", size_bytes=largest), program  # noqa: S108


def is_gvisor(container_runtime: str | None) -> bool:
    """Whether a runtime of that name runs containers on gVisor's kernel instead of the host's."""
    return container_runtime in GVISOR_RUNTIMES


def _own_kernel(container_runtime: str | None) -> tuple[int, int]:
    """Memory and host threads that the runtime itself needs inside the container's limits."""
    return (GVISOR_MEMORY_BYTES, GVISOR_PROCESSES) if is_gvisor(container_runtime) else (0, 0)
