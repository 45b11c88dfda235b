"""Pool floor: the exclusive, expiring right to one container; dead once it is given back."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.backends.base import Counters, Exit, LiveContainer
from orchestrator.domain.errors import InternalError
from orchestrator.domain.limits import Limits

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

    def send(self, frame: bytes) -> None:
        """Write a frame, without narrowing anything."""
        self._alive().send(frame)

    async def receive(self) -> dict[str, object] | None:
        """The runner's next frame, None once its stream has ended. Raises ProtocolError."""
        return await self._alive().receive()

    async def counters(self) -> Counters:
        """The kernel's counters since the container became warm."""
        return await self._alive().counters()

    async def kill(self) -> None:
        """Kill everything in the container; returns once it is dead."""
        await self._alive().kill()

    async def examine(self) -> Exit:
        """Why the runner's stream ended. Raises BackendError where the engine cannot be asked."""
        return await self._alive().examine()

    def expire(self) -> None:
        """End the lease. Only the pool calls this."""
        self._expired = True

    def _alive(self) -> LiveContainer:
        if self._expired:
            raise InternalError("a lease was used after it had ended")
        return self._container
