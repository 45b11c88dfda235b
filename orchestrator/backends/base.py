"""Backends floor: the ports every backend offers to the floors above. It knows no engine.

A backend makes containers that are *already warm*: started, self-checked, with their runner saying
`ready` on a stream that is held open. What happens between lease and result goes over that
stream and over descriptors that are already open, never through the engine's API.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.domain.container import ContainerSpec
from orchestrator.domain.inspection import Inspection
from orchestrator.domain.limits import CpuShare, Limits

__all__ = ("Backend", "ContainerEvent", "Counters", "EngineInfo", "Exit", "LiveContainer", "OwnedContainer")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine says of itself."""

    name: str
    version: str
    api_version: str
    cgroup_version: int
    cgroup_driver: str
    runtimes: tuple[str, ...]
    security_options: tuple[str, ...]
    cpus: int
    memory_bytes: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The kernel's counters of one container, since it became warm. None: this host cannot say."""

    cpu_ns: int | None = None
    memory_peak_bytes: int | None = None
    """Above what the idle interpreter held."""
    oom_kills: int = 0
    pids_refused: int = 0
    """How often a new process or thread was refused by the pids limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """Raw facts about a runner whose stream ended before a result."""

    container_running: bool
    """False: the container itself is gone or dead, which tenant code cannot bring about."""
    exit_code: int | None = None
    """Of the runner, by the engine; None where it could not say."""
    counters: Counters = field(default_factory=Counters)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvent:
    """Something that the engine says befell a container: `die`, `oom` or `destroy`."""

    container_id: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedContainer:
    """A container on the engine that carries our labels."""

    id: str
    labels: dict[str, str]
    running: bool


class LiveContainer(Protocol):
    """One warm container, held by exactly one owner."""

    @property
    def id(self) -> str:
        """The engine's id."""
        ...

    @property
    def image_digest(self) -> str:
        """Which image it was really made of."""
        ...

    @property
    def profile_digest(self) -> str:
        """Which seccomp profile holds it; empty for the engine's own."""
        ...

    @property
    def runner_version(self) -> str:
        """What its runner says it is, "3.13.5" for example."""
        ...

    def narrow(self, limits: Limits) -> bool:
        """Lower the container's own limits to one job's. False where this host's files are out of reach."""
        ...

    async def narrow_by_engine(self, limits: Limits, *, left_bytes: int = 0) -> None:
        """The same where this host's files are out of reach, on top of `left_bytes` that stay in use.

        Does nothing where they cannot even be read. Raises BackendError.
        """
        ...

    def count_anew(self, limits: Limits, *, left_bytes: int) -> bool:
        """Set the limits anew, and count from here on, on top of `left_bytes` of memory that stay in use.

        False where this host's files are out of reach.
        """
        ...

    def send(self, frame: bytes) -> None:
        """Write one encoded frame to the runner without waiting. After the stream ended it does nothing."""
        ...

    async def receive(self) -> dict[str, object] | None:
        """The next frame of the runner, or None once the stream has ended.

        Raises ProtocolError, once and for all, where the bytes are no frames.
        One reader at a time.
        """
        ...

    @property
    def has_ended(self) -> bool:
        """Whether the runner's stream has ended or been spoiled; such a container can serve no job."""
        ...

    def share_cpu(self, share: CpuShare) -> bool:
        """Change its part of the processors. False where this host's files are out of reach."""
        ...

    async def update_cpu(self, share: CpuShare) -> None:
        """The same by the engine. Raises BackendError where it cannot."""
        ...

    async def pause(self) -> None:
        """Stop everything in it until `resume`. Raises BackendError."""
        ...

    async def resume(self) -> None:
        """Let it go on. Raises BackendError."""
        ...

    async def ping(self, *, within_seconds: float) -> bool:
        """Whether the runner answers in time. A lease may begin meanwhile: its frames are not disturbed."""
        ...

    async def counters(self) -> Counters:
        """The kernel's counters now. Never raises: what cannot be read is None."""
        ...

    async def renew(self, *, within_seconds: float) -> Inspection:
        """After a job has ended by its result: end its child or isolate, look around, prepare for one more job.

        The container's limits are those it was made with again, and its counters begin anew. Raises BackendError
        where any of that fails, or a frame of the former job comes late: it can then serve no job.
        """
        ...

    async def is_reachable(self) -> bool:
        """Whether the engine, which passes its stream on, answers. If not, a silence is nobody's fault in there."""
        ...

    async def kill(self) -> None:
        """SIGKILL everything in the container and wait until it is dead.

        Raises BackendError if the engine could not confirm that.
        """
        ...

    async def examine(self) -> Exit:
        """Why the runner's stream ended. Raises BackendError where the engine cannot be asked."""
        ...

    async def destroy(self) -> None:
        """Kill and remove the container, and close all that was held for it. Safe to call again.

        Raises BackendError if the engine could not confirm that the container is gone.
        """
        ...


class Backend(Protocol):
    """A container engine."""

    async def info(self) -> EngineInfo:
        """Ask the engine what it is. Raises EngineUnavailable."""
        ...

    async def launch(self, spec: ContainerSpec, *, ready_within_seconds: float) -> LiveContainer:
        """Make a container and wait until its runner is ready.

        Raises ImageMissing, HardeningFailed, EngineRefused or EngineUnavailable; in every case, also when
        cancelled, nothing is left behind on the engine.
        """
        ...

    async def owned(self, labels: dict[str, str]) -> tuple[OwnedContainer, ...]:
        """All containers, running or not, that carry all of `labels`. An empty value matches any."""
        ...

    def events(self, labels: dict[str, str]) -> AsyncGenerator[ContainerEvent, None]:
        """What befalls containers with all of `labels`, as it happens, without an end.

        Raises EngineUnavailable where the engine can no longer tell; closing the iterator lets go of it.
        """
        ...

    async def remove(self, container_id: str) -> None:
        """Kill and remove a container by id; one that is already gone is no error."""
        ...

    async def close(self) -> None:
        """Tidy up what all containers shared. Containers are their owners' business, not this call's."""
        ...
