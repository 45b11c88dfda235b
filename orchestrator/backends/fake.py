"""Backends floor: an engine in memory, for tests of the floors above. It passes the contract suite.

It behaves as `DockerBackend` does wherever that can be seen from above; what a "runner" answers and what
fails is scripted by the test.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from itertools import count

from orchestrator.backends.base import (
    ContainerEvent,
    Counters,
    EngineInfo,
    Exit,
    LiveContainer,
    OwnedContainer,
)
from orchestrator.domain.container import ContainerSpec
from orchestrator.domain.errors import BackendError, ContainerGone, EngineUnavailable, ProtocolError
from orchestrator.domain.inspection import Inspection
from orchestrator.domain.limits import CpuShare, Limits

__all__ = ("Answer", "FakeBackend", "FakeContainer", "echo")

Answer = Callable[[dict[str, object]], list[dict[str, object] | None]]
"""From a job's frame to the frames that answer it; None stands for the end of the stream."""


def echo(job: dict[str, object]) -> list[dict[str, object] | None]:
    """A runner whose every job is `output = input`."""
    payload = json.dumps({"status": "ok", "output": json.loads(str(job["input"]))})
    return [{"type": "result", "job": job["job"], "how": "returned", "payload": payload}]


@dataclass(eq=False)
class FakeBackend:
    """`Backend` in memory. Set the fields to script it; look at `containers` and `launched` to see."""

    answer: Answer = echo
    launch_error: BackendError | None = None
    """Raised by every launch while it is set."""
    destroy_error: BackendError | None = None
    update_error: BackendError | None = None
    is_hanging: bool = False
    """Whether the engine answers nobody."""
    files_in_reach: bool = True
    """Whether `share_cpu` can do what it is asked."""
    renew_error: BackendError | None = None
    inspect: Callable[[FakeContainer], Inspection] = lambda _: Inspection()
    """What a container's inspections find."""
    renewal_gate: asyncio.Event | None = None
    """Where set, renewals hang until the event."""
    gate: asyncio.Event | None = None
    """Where set, launches hang until the event: for tests of cancellation."""
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    launched: list[ContainerSpec] = field(default_factory=list)
    most_at_once: int = 0
    listeners: list[asyncio.Queue[ContainerEvent | BackendError]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ids = count(1)

    async def info(self) -> EngineInfo:
        """A plausible engine."""
        return EngineInfo(
            name="fake", version="0", api_version="0", cgroup_version=2, cgroup_driver="cgroupfs",
            runtimes=("runc",), security_options=("name=seccomp",), cpus=2, memory_bytes=2**33,
        )  # fmt: skip

    async def launch(self, spec: ContainerSpec, *, ready_within_seconds: float) -> LiveContainer:
        """A container that is ready at once, or the scripted failure."""
        await asyncio.sleep(0)
        if self.gate is not None:
            try:
                async with asyncio.timeout(ready_within_seconds):
                    await self.gate.wait()
            except TimeoutError:
                raise EngineUnavailable("its runner was not ready in time", step="warm") from None
        if self.launch_error is not None:
            raise self.launch_error
        container = FakeContainer(f"fake{next(self._ids):060}", self, spec)
        self.containers[container.id] = container
        self.launched.append(spec)
        self.most_at_once = max(self.most_at_once, len(self.containers))
        return container

    async def owned(self, labels: dict[str, str]) -> tuple[OwnedContainer, ...]:
        """The containers that carry `labels`."""
        return tuple(
            OwnedContainer(id=container.id, labels=container.spec.labels, running=not container.is_dead)
            for container in self.containers.values()
            if all(
                key in container.spec.labels and value in ("", container.spec.labels[key])
                for key, value in labels.items()
            )
        )

    async def remove(self, container_id: str) -> None:
        """Remove a container, if it is there."""
        await asyncio.sleep(0)
        if self.destroy_error is not None:
            raise self.destroy_error
        if (container := self.containers.pop(container_id, None)) is not None:
            container.die()

    async def events(
        self,
        labels: dict[str, str],  # noqa: ARG002 - one test, one owner
    ) -> AsyncGenerator[ContainerEvent, None]:
        """What `die` and `remove` bring about, from the moment the first event is asked for."""
        heard: asyncio.Queue[ContainerEvent | BackendError] = asyncio.Queue()
        self.listeners.append(heard)
        try:
            while True:
                event = await heard.get()
                if isinstance(event, BackendError):
                    raise event
                yield event
        finally:
            self.listeners.remove(heard)

    def tell(self, event: ContainerEvent | BackendError) -> None:
        """Let every listener hear an event, or the end of events."""
        for heard in self.listeners:
            heard.put_nowait(event)

    async def close(self) -> None:
        """Nothing to let go of."""


class FakeContainer:
    """`LiveContainer` in memory."""

    def __init__(self, container_id: str, backend: FakeBackend, spec: ContainerSpec) -> None:
        self.id = container_id
        self.image_digest = "sha256:fake"
        self.profile_digest = spec.profile_digest
        self.runner_version = "0"
        self.spec = spec
        self.jobs: list[dict[str, object]] = []
        self.narrowed_to: list[Limits] = []
        self.left_bytes = 0
        self.shares: list[CpuShare] = []
        self.pauses: list[bool] = []
        self.readings = Counters()
        self.exit_code = 137
        self.is_dead = False
        self.is_silent = False
        """Where set, it answers no ping."""
        self.renewals = 0
        self._backend = backend
        self._frames: deque[dict[str, object] | None] = deque()
        self._arrived = asyncio.Event()

    def narrow(self, limits: Limits) -> bool:
        """Note the limits, unless the files are scripted to be out of reach."""
        if self._backend.files_in_reach:
            self.narrowed_to.append(limits)
        return self._backend.files_in_reach

    async def narrow_by_engine(self, limits: Limits, *, left_bytes: int = 0) -> None:
        """Note the limits."""
        self.left_bytes = left_bytes
        self.narrowed_to.append(limits)

    def count_anew(self, limits: Limits, *, left_bytes: int) -> bool:
        """Note the limits, as `narrow` does."""
        self.left_bytes = left_bytes
        return self.narrow(limits)

    def share_cpu(self, share: CpuShare) -> bool:
        """Note the share, unless the files are scripted to be out of reach."""
        if self._backend.files_in_reach:
            self.shares.append(share)
        return self._backend.files_in_reach

    async def update_cpu(self, share: CpuShare) -> None:
        """Note the share, or the scripted failure."""
        if self._backend.update_error is not None:
            raise self._backend.update_error
        self.shares.append(share)

    async def pause(self) -> None:
        """Note it."""
        self.pauses.append(True)

    async def resume(self) -> None:
        """Note it."""
        self.pauses.append(False)

    def send(self, frame: bytes) -> None:
        """Answer at once, as scripted."""
        if self.is_dead:
            return
        fields = json.loads(frame[4:])
        if fields["type"] == "ping":
            self._push({"type": "pong", "nonce": fields["nonce"]})
            return
        self.jobs.append(fields)
        for answer in self._backend.answer(fields):
            self._push(answer)

    async def receive(self) -> dict[str, object] | None:
        """The next frame, or None once and for ever."""
        while not self._frames:
            self._arrived.clear()
            await self._arrived.wait()
        if self._frames[0] is None:
            return None
        return self._frames.popleft()

    @property
    def has_ended(self) -> bool:
        """Whether the stream has ended."""
        return self.is_dead or (bool(self._frames) and self._frames[-1] is None)

    async def ping(self, *, within_seconds: float) -> bool:
        """Answered at once, unless it is dead or scripted to be silent."""
        if self.is_silent:
            await asyncio.sleep(within_seconds)
        return not (self.is_silent or self.is_dead)

    async def counters(self) -> Counters:
        """What the test set."""
        return self.readings

    async def renew(self, *, within_seconds: float) -> Inspection:
        """As scripted, unless it is dead or has something to say still."""
        self.renewals += 1
        backend = self._backend
        try:
            async with asyncio.timeout(within_seconds):
                await (backend.renewal_gate.wait() if backend.renewal_gate else asyncio.sleep(0))
        except TimeoutError:
            raise ProtocolError("the runner did not renew itself in time", step="renew") from None
        if backend.renew_error is not None:
            raise backend.renew_error
        if self._frames:
            raise ProtocolError("the runner spoke or ended instead of renewing itself", step="renew")
        return backend.inspect(self)

    async def is_reachable(self) -> bool:
        """Unless the engine is scripted to hang."""
        return not self._backend.is_hanging

    async def kill(self) -> None:
        """End the stream."""
        self.die()

    async def examine(self) -> Exit:
        """Running, unless the container was removed."""
        if self._backend.launch_error is not None and self.id not in self._backend.containers:
            raise ContainerGone("fake engine lost it", container=self.id)
        running = self.id in self._backend.containers
        return Exit(container_running=running, exit_code=self.exit_code, counters=self.readings)

    async def destroy(self) -> None:
        """Remove it from the engine."""
        await self._backend.remove(self.id)

    def die(self) -> None:
        """End as a killed container does."""
        if not self.is_dead:
            self._backend.tell(ContainerEvent(container_id=self.id, action="die"))
        self.is_dead = True
        self._push(None)

    def _push(self, frame: dict[str, object] | None) -> None:
        self._frames.append(frame)
        self._arrived.set()
