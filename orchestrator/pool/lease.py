"""Pool floor: the exclusive, expiring right to one container; dead once it is given back."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.backends.base import Counters, Exit, LiveContainer
from orchestrator.domain.errors import InternalError
from orchestrator.domain.limits import CpuShare, Limits

__all__ = ("Lease",)


@dataclass(slots=True)
class Lease:
    """One job's hold on one container, valid inside `async with pool.lease(...)`.

    INVARIANT: after the `async with` block every use raises InternalError, so nothing of one job can
    reach a container that has gone on to its end or to another job.
    """

    _container: LiveContainer
    was_warm: bool
    """False where the caller had to wait for the container to be made."""
    was_reused: bool = False
    """Whether earlier jobs of the same tenant ran in it."""
    has_ended_well: bool = False
    """Whether the job ended by its own result and within its limits; a container of any other end is never kept."""
    _expired: bool = False

    @property
    def container_id(self) -> str:
        """The engine's id of the container."""
        return self._container.id

    @property
    def image_digest(self) -> str:
        """The image that the container was really made of."""
        return self._container.image_digest

    @property
    def profile_digest(self) -> str:
        """The seccomp profile that holds it."""
        return self._container.profile_digest

    def inject(self, frame: bytes, limits: Limits) -> None:
        """Narrow the container to the job's limits and write the job's frame. Neither waits."""
        container = self._alive()
        container.narrow(limits)
        container.send(frame)

    async def begin_run(self, frame: bytes, limits: Limits, *, left_bytes: int) -> None:
        """After compiling: count anew, narrow the container to the job's own limits, write a frame.

        It waits for the engine where this host's files are out of reach. Raises BackendError.
        `left_bytes` is what the compiler left in the container's file systems: no part of the job's memory.
        """
        container = self._alive()
        if not container.count_anew(limits, left_bytes=left_bytes):
            await container.narrow_by_engine(limits, left_bytes=left_bytes)
        container.send(frame)

    def send(self, frame: bytes) -> None:
        """Write a frame, without narrowing anything."""
        self._alive().send(frame)

    async def receive(self) -> dict[str, object] | None:
        """The runner's next frame, None once its stream has ended. Raises ProtocolError."""
        return await self._alive().receive()

    async def counters(self) -> Counters:
        """The kernel's counters since the container became warm."""
        return await self._alive().counters()

    @property
    def has_expired(self) -> bool:
        """Whether the lease has ended."""
        return self._expired

    def share_cpu(self, share: CpuShare) -> bool:
        """Change its part of the processors, without waiting. False where this host's files are out of reach."""
        return self._alive().share_cpu(share)

    async def update_cpu(self, share: CpuShare) -> None:
        """The same by the engine. Raises BackendError where it cannot."""
        await self._alive().update_cpu(share)

    async def pause(self) -> None:
        """Stop everything in it until `resume`. Raises BackendError."""
        await self._alive().pause()

    async def resume(self) -> None:
        """Let it go on. Raises BackendError."""
        await self._alive().resume()

    async def is_reachable(self) -> bool:
        """Whether the engine answers; while it does not, the silence of a stream says nothing about the job."""
        return await self._alive().is_reachable()

    async def kill(self) -> None:
        """Kill everything in the container; returns once it is dead."""
        await self._alive().kill()

    async def examine(self) -> Exit:
        """Why the runner's stream ended. Raises BackendError where the engine cannot be asked."""
        return await self._alive().examine()

    def end_well(self) -> None:
        """Say that the job ended by its own result and within its limits: the container may be inspected."""
        self.has_ended_well = True

    def expire(self) -> None:
        """End the lease. Only the pool calls this."""
        self._expired = True

    def _alive(self) -> LiveContainer:
        if self._expired:
            raise InternalError("a lease was used after it had ended")
        return self._container
