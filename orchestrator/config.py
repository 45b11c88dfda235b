"""Configuration: every knob once, with its unit in its name and what breaks when it is wrong.

Read from the environment as SANDBOX_ORCH_<NAME>, and from a TOML file as <name>.
Floors below get only their own small part of it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.limits import KIB, MIB
from orchestrator.domain.tenant import Recycle

__all__ = ("Settings", "load_settings")


class Settings(BaseSettings):
    """All settings of one orchestrator. Making one raises pydantic's ValidationError on absurd values."""

    model_config = SettingsConfigDict(
        env_prefix="SANDBOX_ORCH_", extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    docker_url: str | None = None
    """`unix:///…` or `tcp://…`; None takes DOCKER_HOST, else the usual local socket."""
    runtimes: Annotated[tuple[str, ...], NoDecode] = ("node", "python")
    """Which runtimes to offer (`images list` has all); each costs `warm_target` idle containers."""
    images_folder: Path | None = None
    """A folder of runtimes of your own, on top of those that come with the package, and before one of the same name."""

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

    policy: str = "standard"
    """What code may do before it is run at all: the preset `strict`, `standard` or `open` (docs/validation.md)."""
    policy_file: Path | None = None
    """A TOML file on top of the preset: rules by id, allowed modules and globals. Wrong: refused at the start."""
    policies_folder: Path | None = None
    """Policies that tenants may be given by name, `gentle.toml` as `gentle`. A wrong one: refused at the start."""
    recycle: Recycle = Recycle.JOB
    """`job`: one job per container. `leak`: a named tenant's containers serve its next jobs, inspected in between.
    A tenant's own setting (`sandbox-orch tenants set NAME --recycle …`) comes first."""
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
    cgroup_root: Path | None = None
    """Where the host's cgroups are mounted for a service in a container. Wrong: no container is made."""
    jobs_memory_bytes: int | None = Field(default=None, ge=256 * MIB)
    """Memory of all containers together; None: three quarters of the host's. Too high: the host starves."""
    jobs_processes: int = Field(default=8192, ge=64, le=1_000_000)
    """Processes and threads of all containers together. Too high: jobs use up the host's process numbers."""
    engine_call_seconds: float = Field(default=30.0, gt=0, le=600)
    """Longest silence of the engine within one call."""
    engine_calls_at_once: int = Field(default=8, ge=1, le=64)
    """Threads that talk to the engine."""

    serve_host: str = "127.0.0.1"
    """Address that `serve` listens on. Beyond loopback only with authentication; put TLS in front of it."""
    serve_port: int = Field(default=8080, ge=0, le=65_535)
    """Port that `serve` listens on; 0 takes a free one."""
    data_folder: Path | None = None
    """Where `serve` keeps its store and the first key; None: `/var/lib/sandbox-orch`, or one in your home."""
    store_url: str | None = None
    """`sqlite:///…` or `postgresql+psycopg://…`; None: SQLite in the data folder. One `serve` per store."""
    authentication: bool = True
    """Whether `serve` asks for API keys. Without, whoever reaches the port may run code."""
    queue_places: int = Field(default=10_000, ge=1, le=1_000_000)
    """Jobs that may wait. Too low: bursts are refused; too high: long waits instead of early refusals."""
    queue_bytes: int = Field(default=256 * MIB, ge=MIB)
    """Bytes of code and input that may wait, of all jobs together. Too high: memory runs out in a flood."""
    submitted_queue_seconds: float = Field(default=3600.0, gt=0, le=7 * 86_400)
    """How long a submitted job may wait before it has expired; `queue_seconds` is for those whose caller waits."""
    priority_ageing_seconds: float = Field(default=10.0, gt=0, le=86_400)
    """After each such wait a job counts as one priority class better. Too high: batch jobs starve for long."""
    reserved_warm: int = Field(default=1, ge=0, le=1000)
    """Warm containers per runtime that a tenant with a running job leaves to others; never all that are made."""
    body_bytes: int = Field(default=16 * MIB, ge=64 * KIB, le=1024 * MIB)
    """Largest request body."""
    bodies_bytes: int = Field(default=256 * MIB, ge=MIB)
    """All request bodies together at one moment. Too high: many large requests use up the memory."""
    connections_maximum: int = Field(default=2048, ge=8, le=65_536)
    """HTTP connections at one moment; more are told to come back."""
    drain_seconds: float = Field(default=60.0, ge=0, le=86_400)
    """How long running jobs may take to finish after SIGTERM; then they are run again by the next start."""
    store_jobs_maximum: int = Field(default=1_000_000, ge=1)
    """Finished jobs kept, of all tenants together; the oldest go first."""
    store_bytes_maximum: int = Field(default=10 * 1024 * MIB, ge=MIB)
    """Bytes of requests and results kept. Too high: the disk runs full."""

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


def load_settings(config_file: Path | None = None, **overrides: object) -> Settings:
    """Settings: `overrides` first, then the environment, then the TOML file, then the defaults.

    Raises ConfigurationError in one line.
    """
    make = Settings if config_file is None else _settings_over(_read_toml(config_file))
    try:
        return make(**overrides)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        place = f"SANDBOX_ORCH_{name.upper()}" + (f" or {config_file}" if config_file else "")
        problem = f"{name}: {first['msg']} ({place})"
        raise ConfigurationError(problem) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from None


def _settings_over(values: dict[str, Any]) -> type[Settings]:
    """Settings that take `values` where neither the caller nor the environment says something."""

    class FileSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - neither of these two is used here
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=values)

    return FileSettings
