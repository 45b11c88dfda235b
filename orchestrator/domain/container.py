"""Domain floor: what a container is asked to be (`ContainerSpec`) and where one is in its life."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.domain.limits import Limits

__all__ = ("ContainerRecord", "ContainerSpec", "ContainerState", "Tmpfs")


class ContainerState(StrEnum):
    """Where a container is in its life; `transitions.CONTAINER_TRANSITIONS` has the allowed steps."""

    PROVISIONING = "provisioning"
    WARM = "warm"
    LEASED = "leased"
    INSPECTING = "inspecting"
    KEPT = "kept"
    RETIRING = "retiring"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmpfs:
    """One small writable file system, always `nosuid,nodev` and owned by the job's uid; nearly always `noexec`."""

    path: str
    size_bytes: int
    inodes: int
    executable: bool = False
    """Whether what is in it may be run: only where a compiler leaves its program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """An engine-neutral recipe for one container: everything that is decided before it is made.

    Made by `policies.hardening`, carried out by a backend. What a backend cannot apply it must refuse.
    """

    runtime: str
    image: str
    runner_argv: tuple[str, ...]
    pause_argv: tuple[str, ...]
    labels: dict[str, str]
    environment: dict[str, str]
    hostname: str
    workdir: str
    init_uid: int
    """Owner of PID 1, the pause program; nobody else uses it."""
    job_uid: int
    """Owner of the runner and of the tenant's code; uid and gid, unique to this container."""
    memory_bytes: int
    headroom_bytes: int
    """What the container's limit stays above a job's own, so that a clean limit inside is hit first."""
    pids: int
    cpus: float
    open_files: int
    file_size_bytes: int
    tmpfs: tuple[Tmpfs, ...]
    oom_score_adj: int
    seccomp_json: str | None
    """The seccomp profile inline; None means the engine's default."""
    headroom_processes: int = 0
    """Host threads that the runtime's own kernel (gVisor's) may need beside those of the job."""
    narrow_to: Limits | None = None
    """The job's limits to which it is narrowed as it is made; None: that is left to its lease."""
    container_runtime: str | None = None
    cgroup_parent: str | None = None
    apparmor: str | None = None

    @property
    def profile_digest(self) -> str:
        """`sha256:…` of the seccomp profile, for the receipts of the jobs it held; empty for the engine's own."""
        if self.seccomp_json is None:
            return ""
        return f"sha256:{hashlib.sha256(self.seccomp_json.encode()).hexdigest()}"


@dataclass(slots=True, kw_only=True)
class ContainerRecord:
    """What the pool knows of one container. Only the pool changes it, its state by `change_state`."""

    id: str
    runtime: str
    generation: int
    created_at: float
    """Monotonic seconds."""
    state: ContainerState = ContainerState.PROVISIONING
    jobs_served: int = 0
    tenant: str | None = None
    """The one tenant that it serves; None where it is not kept after its job."""
    labels: dict[str, str] = field(default_factory=dict)
