"""Configuration: every knob once, with its unit in its name and what breaks when it is wrong.

Read from the environment as SANDBOX_ORCH_<NAME>. Floors below get only their own small part of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.limits import KIB, MIB

__all__ = ("Settings", "load_settings")


class Settings(BaseSettings):
    """All settings of one orchestrator. Making one raises pydantic's ValidationError on absurd values."""

    model_config = SettingsConfigDict(
        env_prefix="SANDBOX_ORCH_", extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    docker_url: str | None = None
    """`unix:///…` or `tcp://…`; None takes DOCKER_HOST, else the usual local socket."""
    runtimes: Annotated[tuple[str, ...], NoDecode] = ("node", "python")
    """Which of the image folders to offer; each costs `warm_target` idle containers."""
    images_folder: Path | None = None
    """Where the runtimes' folders are; None takes those that come with the package."""

    warm_target: int = Field(default=4, ge=0, le=1000)
    """Least number of warm containers per runtime. Too low: jobs wait for a start (0.2 s); too high: idle memory."""
    warm_maximum: int | None = Field(default=None, ge=0, le=1000)
    """Up to how many stand warm per runtime while demand is high. None: half of `containers_maximum`, shared out."""
    warm_age_seconds: float = Field(default=3600, ge=10, le=604_800)
    """A warm container is replaced at this age, less up to a fifth by chance. Too low: the host makes and makes."""
    health_every_seconds: float = Field(default=10, ge=0.1, le=3600)
    """How often idle containers are pinged. Too high: a silent one meets a job first."""
    health_answer_seconds: float = Field(default=2, gt=0, le=60)
    """How long a ping may take. Too low: a busy host throws good containers away."""
    host_free_bytes: int = Field(default=512 * MIB, ge=0)
    """What stays free of the host's memory when more containers are made warm for demand."""
    containers_maximum: int = Field(default=32, ge=1, le=10_000)
    """Containers in any state. Too high: the host runs out of memory when all are busy."""
    creates_at_once: int = Field(default=2, ge=1, le=64)
    """Containers being made at the same time. Too high: starts slow each other and the jobs down."""
    ready_within_seconds: float = Field(default=30.0, gt=0, le=600)
    """How long a runner may take to say it is ready. Too low: a loaded host makes no container at all."""
    queue_seconds: float = Field(default=30.0, gt=0, le=86_400)
    """How long a job may wait for its container before it has expired."""

    recycle: Literal["job", "leak"] = "job"
    """`job`: one job per container. `leak`: a named tenant's containers serve its next jobs, inspected in between."""
    recycle_jobs: int = Field(default=100, ge=1, le=1_000_000)
    """After so many jobs of its tenant a container is retired. Too high: what no inspection sees adds up."""
    recycle_age_seconds: float = Field(default=600, gt=0, le=604_800)
    """So long after its first job a container serves its tenant no longer. Too low: as slow as `job`."""
    recycle_idle_seconds: float = Field(default=30, gt=0, le=86_400)
    """A kept container is given up after so long without a job of its tenant. Too high: idle memory."""
    recycle_within_seconds: float = Field(default=5, gt=0, le=60)
    """How long a runner may take to prepare for the next job. Too low: a busy host throws good containers away."""
    leak_window: int = Field(default=10, ge=3, le=1000)
    """Of so many inspections more than eight in ten must find more memory. Too low: chance looks like a leak."""
    leak_slope_bytes: int = Field(default=64 * KIB, ge=4 * KIB, le=1024 * MIB)
    """By how much for each job memory must climb to be a leak. Too low: noise, some 400 KiB, looks like one."""

    wall_time_ms: int = Field(default=500, ge=1, le=86_400_000)
    """Default wall time of a job."""
    cpu_time_ms: int | None = Field(default=None, ge=1, le=86_400_000)
    """Default CPU time of a job; None means as long as its wall time."""
    memory_bytes: int = Field(default=16 * MIB, ge=8 * MIB, le=1024 * 1024 * MIB)
    """Default memory of a job, above the interpreter's own."""
    output_bytes: int = Field(default=MIB, ge=KIB, le=8 * MIB)
    """Default bound on a result, and on what is kept of stdout and of stderr."""
    processes: int = Field(default=16, ge=1, le=4096)
    """Default number of processes and threads that a job may add."""
    disk_bytes: int = Field(default=8 * MIB, ge=64 * KIB, le=1024 * MIB)
    """Default size of the work folder and of /tmp, each."""

    cpus_per_container: float = Field(default=1.0, gt=0, le=256)
    """CPU quota of one container. Too high: one job slows all others down."""
    open_files: int = Field(default=256, ge=32, le=65_536)
    """Open files per process of a job."""
    uid_first: int = Field(default=2_000_000, ge=65_536, le=2**31)
    """First of the uids given to containers. They must be unknown to the host."""
    uid_count: int = Field(default=1_000_000, ge=1000, le=2**30)
    """How many uids to go round in; more than will ever exist at once, since each must be unique."""
    container_runtime: str | None = None
    """`runc`, `crun` or `runsc`, as the engine calls it; None takes the engine's default."""
    cgroup_parent: str | None = Field(default="sandbox-orch", pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    """Name of the parent cgroup that bounds all containers together; None: the engine's own, unbounded."""
    jobs_memory_bytes: int | None = Field(default=None, ge=256 * MIB)
    """Memory of all containers together; None: three quarters of the host's. Too high: the host starves."""
    jobs_processes: int = Field(default=8192, ge=64, le=1_000_000)
    """Processes and threads of all containers together. Too high: jobs use up the host's process numbers."""
    engine_call_seconds: float = Field(default=30.0, gt=0, le=600)
    """Longest silence of the engine within one call."""
    engine_calls_at_once: int = Field(default=8, ge=1, le=64)
    """Threads that talk to the engine."""

    @field_validator("runtimes", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        idle = self.warm_target * len(self.runtimes)
        if idle > self.containers_maximum:
            raise ValueError(
                f"warm_target {self.warm_target} for {len(self.runtimes)} runtimes needs containers_maximum"
                f" of at least {idle}, it is {self.containers_maximum}"
            )
        if self.warm_maximum is not None and self.warm_maximum < self.warm_target:
            raise ValueError(
                f"warm_maximum {self.warm_maximum} is below warm_target {self.warm_target}, the least number"
            )
        return self


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, with `overrides` first. Raises ConfigurationError in one line."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        problem = f"{name}: {first['msg']} (SANDBOX_ORCH_{name.upper()})"
        raise ConfigurationError(problem) from None
