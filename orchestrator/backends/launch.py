"""Backends floor: makes warm containers on a Docker Engine, and holds each one until it is destroyed.

Owns the order of steps (create, start, exec, hear `ready`) and their undoing. The engine's calls are in
`docker.py`, the recipe's JSON in `host_config.py`, the kernel's files in `cgroups.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

from orchestrator.backends.base import (
    ContainerEvent,
    Counters,
    EngineInfo,
    Exit,
    LiveContainer,
    OwnedContainer,
)
from orchestrator.backends.cgroups import (
    Cgroup,
    Held,
    ParentBounds,
    cgroup_under,
    find_cgroup,
    is_parent_bounded,
    remove_empty_parent,
)
from orchestrator.backends.channel import RunnerChannel
from orchestrator.backends.docker import Engine
from orchestrator.backends.frames import encode_frame
from orchestrator.backends.host_config import container_config, lost_controls
from orchestrator.backends.inspections import inspection_from_wire
from orchestrator.backends.processes import HostProcess
from orchestrator.domain.container import ContainerSpec
from orchestrator.domain.errors import (
    BackendError,
    ContainerGone,
    EngineUnavailable,
    HardeningFailed,
    ProtocolError,
)
from orchestrator.domain.inspection import Inspection
from orchestrator.domain.limits import CpuShare, Limits
from orchestrator.policies.selfcheck import find_weaknesses

__all__ = ("DockerBackend", "DockerContainer")

CONFIRM_KILL_SECONDS = 5.0
"""How long the end of PID 1 is waited for after a kill, before the engine is asked instead."""
ENGINE_ANSWERS_WITHIN_SECONDS = 2.0
"""An engine that is busy making containers still answers a ping within tens of milliseconds."""
LAST_WORDS_SECONDS = 0.25
"""How long frames may still come after PID 1 has ended. gVisor's exec stream may stay open for ever then."""


class DockerBackend:
    """`Backend` on a Docker Engine.

    `name_prefix` must be unique to the owner of this object. `parent` bounds all containers together where
    the host's cgroup files are within reach. `cgroup_root` is where a process that sees none of the host's
    has those files mounted, to read them: then somebody else has bounded the parent, and that is looked at.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        name_prefix: str,
        parent: ParentBounds | None = None,
        cgroup_root: Path | None = None,
    ) -> None:
        self._engine = engine
        self._parent = parent
        self._cgroup_root = cgroup_root
        self._names = (f"{name_prefix}-{number}" for number in count(1))

    async def info(self) -> EngineInfo:
        """Ask the engine what it is."""
        return await self._engine.info()

    async def owned(self, labels: dict[str, str]) -> tuple[OwnedContainer, ...]:
        """All containers that carry all of `labels`."""
        return await self._engine.containers(labels)

    def events(self, labels: dict[str, str]) -> AsyncGenerator[ContainerEvent, None]:
        """What the engine says befalls containers with all of `labels`."""
        return self._engine.events(labels)

    async def remove(self, container_id: str) -> None:
        """Kill and remove a container by id."""
        await self._engine.remove(container_id)

    async def close(self) -> None:
        """Tidy up what all containers shared. The engine is its owner's to close."""
        if self._parent is not None:
            remove_empty_parent(self._parent.name)

    async def launch(self, spec: ContainerSpec, *, ready_within_seconds: float) -> LiveContainer:
        """Make a container and wait until its runner is ready; see `Backend.launch`."""
        name = next(self._names)
        async with AsyncExitStack() as undo:
            # By name, and before it exists: a create that is cut short may still have made it.
            undo.push_async_callback(self._engine.remove, name)
            container_id = await self._engine.create(name, container_config(spec))
            await self._engine.start(container_id)
            facts = await self._engine.inspect(container_id)
            exec_id, stream = await self._engine.exec_open(
                container_id,
                spec.runner_argv,
                user=f"{spec.job_uid}:{spec.job_uid}",
                workdir=spec.workdir,
            )
            channel = await RunnerChannel.adopt(stream)
            undo.callback(channel.close)
            ready = await self._hear_ready(channel, container_id, ready_within_seconds)
            _require_hardened(spec, facts, ready)
            container = DockerContainer.of(
                self._engine,
                channel,
                exec_id=exec_id,
                facts=facts,
                ready=ready,
                spec=spec,
                read_only_cgroup=self._read_only_cgroup(container_id),
            )
            undo.callback(container.let_go)
            self._bound_parent(container)
            if spec.narrow_to is not None:
                await container.narrow_by_engine(spec.narrow_to)
            container.watch_init()
            undo.pop_all()
        return container

    def _read_only_cgroup(self, container_id: str) -> Cgroup | None:
        if self._cgroup_root is None or self._parent is None:
            return None
        return cgroup_under(self._cgroup_root, self._parent.name, container_id)

    def _bound_parent(self, container: DockerContainer) -> None:
        if self._parent is None:
            return
        if self._cgroup_root is not None:
            is_bounded = is_parent_bounded(self._cgroup_root, self._parent)
        elif container.cgroup is not None:
            is_bounded = container.cgroup.bound_parent(self._parent)
        else:
            return
        if not is_bounded:
            problem = f"the parent cgroup {self._parent.name} cannot be bounded"
            raise HardeningFailed(problem, step="cgroup", container=container.id)

    async def _hear_ready(
        self, channel: RunnerChannel, container_id: str, seconds: float
    ) -> dict[str, object]:
        try:
            async with asyncio.timeout(seconds):
                frame = await channel.receive()
        except TimeoutError:
            problem = f"its runner was not ready within {seconds:g} s"
            raise EngineUnavailable(problem, step="warm", container=container_id) from None
        if frame is None or frame["type"] != "ready":
            last = " ".join(channel.diagnostics.decode("utf-8", "replace").split())[-300:]
            said = f"; its last words: {last}" if last else ""
            problem = f"the runner ended before it was ready{said}"
            raise ProtocolError(problem, step="warm", container=container_id)
        return frame


@dataclass(slots=True, kw_only=True)
class DockerContainer:
    """`LiveContainer` on a Docker Engine."""

    id: str
    image_digest: str
    profile_digest: str
    runner_version: str
    runner_facts: dict[str, str]
    """What the runner read of itself before any tenant code: file name to text."""
    _engine: Engine
    _channel: RunnerChannel
    _exec_id: str
    cgroup: Cgroup | None
    """None where the host's cgroup files are out of reach."""
    _spec: ContainerSpec
    _init: HostProcess | None
    _held_at_first: Held
    _narrowed_to: Limits | None = None
    """The limits in force; None: its class's own."""
    _at_the_end: Counters | None = None
    """As PID 1 ended by itself; the cgroup vanishes some 30 ms later."""

    @classmethod
    def of(
        cls,
        engine: Engine,
        channel: RunnerChannel,
        *,
        exec_id: str,
        facts: dict[str, object],
        ready: dict[str, object],
        spec: ContainerSpec,
        read_only_cgroup: Cgroup | None = None,
    ) -> DockerContainer:
        """A warm container, from what the engine and its runner said of it."""
        state = facts["State"]
        assert isinstance(state, dict)  # noqa: S101 - the API's shape
        container_id, pid = str(facts["Id"]), int(state["Pid"])
        visible = find_cgroup(pid, container_id) if read_only_cgroup is None else None
        cgroup = visible or read_only_cgroup
        if cgroup is not None:
            cgroup.mark_warm()
        return cls(
            id=container_id,
            image_digest=str(facts["Image"]),
            profile_digest=spec.profile_digest,
            runner_version=str(ready.get("version")),
            runner_facts=_texts(ready.get("facts")),
            _engine=engine,
            _channel=channel,
            _exec_id=exec_id,
            cgroup=cgroup,
            _spec=spec,
            # The same check as for the cgroup: only a pid of this namespace may be signalled.
            _init=HostProcess.open(pid) if visible is not None else None,
            _held_at_first=cgroup.held() if cgroup is not None else Held(memory_bytes=None, processes=None),
        )

    def narrow(self, limits: Limits) -> bool:
        """Set the container's own limits to one job's; nothing is to be done where they are those already."""
        if limits == self._narrowed_to:
            return True
        if self.cgroup is None:
            return False
        self._narrowed_to = None
        done = self.cgroup.narrow(
            memory_bytes=limits.memory_bytes + self._spec.headroom_bytes,
            pids=limits.processes + self._spec.headroom_processes,
        )
        if done:
            self._narrowed_to = limits
        return done

    async def narrow_by_engine(self, limits: Limits, *, left_bytes: int = 0) -> None:
        """The same for whoever may not write the host's files; so it waits. Raises BackendError."""
        held = self._held_at_first
        if held.memory_bytes is None or held.processes is None:
            return  # what the interpreter holds is not known: it keeps the limits that it was made with
        await self._engine.update_limits(
            self.id,
            memory_bytes=held.memory_bytes + left_bytes + limits.memory_bytes + self._spec.headroom_bytes,
            processes=held.processes + limits.processes + self._spec.headroom_processes,
        )
        self._narrowed_to = limits

    def count_anew(self, limits: Limits, *, left_bytes: int) -> bool:
        """Take what was used so far as nobody's, and narrow to a job's limits."""
        cgroup = self.cgroup
        self._narrowed_to = None
        if cgroup is None:
            return False
        cgroup.count_anew(left_bytes=left_bytes)
        if not cgroup.widen(memory_bytes=self._spec.memory_bytes, pids=self._spec.pids):
            return False
        return self.narrow(limits) and cgroup.forget_peak()

    def share_cpu(self, share: CpuShare) -> bool:
        """Change its part of the processors by the host's files."""
        return self.cgroup is not None and self.cgroup.share_cpu(share)

    async def update_cpu(self, share: CpuShare) -> None:
        """The same by the engine."""
        await self._engine.update_cpu(self.id, weight=share.weight, cpus=self._spec.cpus * share.quota)

    async def pause(self) -> None:
        """Stop everything in it, by the kernel's freezer."""
        await self._engine.pause(self.id)

    async def resume(self) -> None:
        """Let it go on."""
        await self._engine.resume(self.id)

    async def renew(self, *, within_seconds: float) -> Inspection:
        """End the former job's child or isolate, look around, prepare for one more job; see `LiveContainer`."""
        cgroup = self.cgroup
        if cgroup is None:
            # Without the kernel's files the counters of one job could not be told from those of the next.
            raise self._unrenewed("the host's cgroup files are out of reach")
        self._narrowed_to = None
        if not cgroup.widen(memory_bytes=self._spec.memory_bytes, pids=self._spec.pids):
            raise self._unrenewed("its limits cannot be widened again")
        frame = await self._ask_to_renew(within_seconds)
        if lost := find_weaknesses(_texts(frame.get("facts")), self._spec):
            raise HardeningFailed("; ".join(lost)[:1000], step="renew", container=self.id)
        inspection = inspection_from_wire(frame.get("inspection"), self._held_at_first, cgroup.held())
        if inspection is None:
            raise self._unrenewed("the runner or the kernel does not say what is left in it")
        cgroup.mark_warm()
        return inspection

    async def _ask_to_renew(self, seconds: float) -> dict[str, object]:
        """The one `kept` frame. Whatever else comes is of the former job, and too late."""
        nonce = token_hex(8)
        self.send(encode_frame({"type": "renew", "nonce": nonce}))
        try:
            async with asyncio.timeout(seconds):
                frame = await self.receive()
        except TimeoutError:
            raise self._unrenewed(f"the runner did not renew itself within {seconds:g} s") from None
        if frame is None or frame["type"] != "kept" or frame.get("nonce") != nonce:
            said = "its stream ended" if frame is None else f"a late {str(frame['type'])[:20]!r} frame came"
            raise self._unrenewed(f"{said} instead of the runner's `kept`")
        return frame

    def _unrenewed(self, problem: str) -> ProtocolError:
        return ProtocolError(problem, step="renew", container=self.id)

    def watch_init(self) -> None:
        """From now on take the end of PID 1 for the end of the stream, and keep what it had used."""
        if self._init is not None:
            self._init.on_end(self._keep_last_counters)

    def _keep_last_counters(self) -> None:
        if self.cgroup is not None:
            self._at_the_end = self.cgroup.counters()
        asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._channel.close)

    def send(self, frame: bytes) -> None:
        """Write one frame without waiting."""
        self._channel.send(frame)

    async def receive(self) -> dict[str, object] | None:
        """The next frame, None at the end of the stream."""
        return await self._channel.receive()

    @property
    def has_ended(self) -> bool:
        """Whether the stream has ended or been spoiled."""
        return self._channel.has_ended

    async def ping(self, *, within_seconds: float) -> bool:
        """Whether the runner answers in time."""
        try:
            async with asyncio.timeout(within_seconds):
                await self._channel.ping()
        except (TimeoutError, ProtocolError):
            return False
        return True

    async def counters(self) -> Counters:
        """The kernel's counters, by the host's files, else by the engine."""
        if self.cgroup is not None:
            return self._at_the_end or self.cgroup.counters()
        try:
            return _counters_of(await self._engine.stats(self.id))
        except BackendError:
            return Counters()

    async def is_reachable(self) -> bool:
        """Whether the engine answers, which passes the runner's stream on."""
        return await self._engine.answers(within_seconds=ENGINE_ANSWERS_WITHIN_SECONDS)

    async def kill(self) -> None:
        """SIGKILL PID 1, with which the kernel kills all of its PID namespace; wait until that is done."""
        if self._init is None or not await self._init.kill(within_seconds=CONFIRM_KILL_SECONDS):
            await self._engine.remove(self.id)

    async def examine(self) -> Exit:
        """Why the runner's stream ended."""
        counters = await self.counters()
        try:
            # A killed container's runner ends after its PID 1 has begun to: that tells whose end it was.
            if self._init is not None and self._init.is_ending:
                return Exit(container_running=False, counters=await self._last_counters())
            running = bool((await self._engine.inspect(self.id))["State"]["Running"])
            code = await self._engine.exec_exit_code(self._exec_id)
        except ContainerGone:
            return Exit(container_running=False, counters=counters)
        return Exit(container_running=running, exit_code=code, counters=counters)

    async def _last_counters(self) -> Counters:
        """Of a dead container. Its cgroup may be gone unread: then by the engine's word."""
        counters = await self.counters()
        if counters.oom_kills or not (await self._engine.inspect(self.id))["State"].get("OOMKilled"):
            return counters
        return replace(counters, oom_kills=1)

    async def destroy(self) -> None:
        """Kill, remove, and close what was held."""
        self._channel.stop_listening()
        await self._engine.remove(self.id)
        self._channel.close()
        self.let_go()

    def let_go(self) -> None:
        """Close what is held of the host's: the handle on PID 1, the kernel's files."""
        if self._init is not None:
            self._init.close()
        if self.cgroup is not None:
            self.cgroup.close()


def _require_hardened(spec: ContainerSpec, facts: dict[str, Any], ready: dict[str, object]) -> None:
    """Refuse a container that is weaker than its recipe, by the engine's word or by the kernel's."""
    lost = lost_controls(spec, facts) or find_weaknesses(_texts(ready.get("facts")), spec)
    if lost:
        raise HardeningFailed("; ".join(lost)[:1000], step="self-check", container=str(facts["Id"]))


def _texts(facts: object) -> dict[str, str]:
    if not isinstance(facts, dict):
        raise HardeningFailed("the runner told nothing of itself", step="self-check")
    return {str(name): str(text) for name, text in facts.items()}


def _counters_of(stats: dict[str, object]) -> Counters:
    """The engine's own figures, which know no baseline: they include the interpreter's start."""
    cpu = stats.get("cpu_stats")
    memory = stats.get("memory_stats")
    usage = cpu.get("cpu_usage") if isinstance(cpu, dict) else None
    return Counters(
        cpu_ns=usage.get("total_usage") if isinstance(usage, dict) else None,
        memory_peak_bytes=memory.get("max_usage") if isinstance(memory, dict) else None,
    )
