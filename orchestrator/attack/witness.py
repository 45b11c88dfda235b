"""Attack floor: what a job left on the host, by the kernel's own files and the engine's word.

An outside witness: it shares no code with what it checks, and knows nothing of what the job said of itself.
Where the host's files are out of reach (another PID namespace, a remote engine) it sees less, and says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.backends.docker import Engine
from orchestrator.domain.errors import BackendError
from orchestrator.pool.reaper import LABEL_OWNER, Owner

__all__ = ("HostState", "Witness")

GONE_WITHIN_SECONDS = 20.0
LOOK_EVERY_SECONDS = 0.25
ENGINE_WITHIN_SECONDS = 5.0
MOST_DESCRIPTORS_MORE = 24
"""Connections to the engine come and go; what a job leaked would grow with the number of jobs."""
MOST_MEMORY_MORE_BYTES = 96 * 1024 * 1024
CGROUP_LEVELS = 3
_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
LISTENING = "0A"
CORE_FOLDERS = (".", "/", "/var/crash", "/var/lib/systemd/coredump", "/var/core")
PRECIOUS_FILES = (
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
)
CORE_PATTERN = "/proc/sys/kernel/core_pattern"
DATA_ROOT = "/var/lib/docker"
"""Where engines keep containers unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """What of the host should be the same before and after."""

    precious: dict[str, str]
    """Path to a digest of its contents."""
    core_files: frozenset[str]
    listeners: int
    """Listening sockets of the uids that jobs have."""
    containers: frozenset[str]
    """Of this process."""
    descriptors: int
    memory_bytes: int
    disk_free_bytes: int

    def residues_since(self, before: HostState) -> tuple[str, ...]:
        """What is there now and was not before, one sentence each."""
        return tuple(_differences(before, self))


def _differences(before: HostState, after: HostState) -> Iterator[str]:
    for path in sorted(before.precious):
        if after.precious.get(path) != before.precious[path]:
            yield f"{path} of the host has changed"
    for path in sorted(after.core_files - before.core_files):
        yield f"a core file: {path}"
    if after.listeners > before.listeners:
        yield f"{after.listeners} sockets of jobs' uids listen on the host"
    for container in sorted(after.containers - before.containers):
        yield f"container {container[:12]} is left"
    if after.descriptors - before.descriptors > MOST_DESCRIPTORS_MORE:
        yield f"{after.descriptors - before.descriptors} descriptors more are open in this process"
    if after.memory_bytes - before.memory_bytes > MOST_MEMORY_MORE_BYTES:
        yield f"this process has grown by {(after.memory_bytes - before.memory_bytes) >> 20} MiB"


class Witness:
    """Looks at one host and its engine. `uids` are those that jobs may have."""

    def __init__(self, engine: Engine, *, uids: range) -> None:
        self._engine = engine
        self._uids = uids

    async def host_state(self) -> HostState:
        """The host now."""
        return HostState(
            precious={path: _digest(path) for path in (*PRECIOUS_FILES, CORE_PATTERN)},
            core_files=frozenset(_core_files()),
            listeners=sum(uid in self._uids for uid in _listening_uids()),
            containers=frozenset(await self._containers(Owner.this_process().as_label())),
            descriptors=_open_descriptors(),
            memory_bytes=_resident_bytes(),
            disk_free_bytes=_free_bytes(DATA_ROOT),
        )

    async def residues(self, container_id: str) -> tuple[str, ...]:
        """What is left of a container that has served; empty once all of it is gone.

        Waits up to GONE_WITHIN_SECONDS, since recycling is done in the background.
        """
        deadline = _now() + GONE_WITHIN_SECONDS
        strays: set[_Process] | None = None
        while True:
            left, found = await self._look(container_id)
            strays = found if strays is None else strays & found
            if not left and not strays:
                return ()
            if _now() > deadline:
                return (
                    *left,
                    *(f"process {stray.pid} of uid {stray.uid} is left" for stray in strays),
                )
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _look(self, container_id: str) -> tuple[tuple[str, ...], set[_Process]]:
        try:
            async with asyncio.timeout(ENGINE_WITHIN_SECONDS):
                alive = await self._containers()
        except (TimeoutError, BackendError) as error:
            return (f"the engine does not answer: {error or 'too slow'}",), set()
        if container_id in alive:
            return (f"container {container_id[:12]} is still on the engine",), set()
        return await asyncio.to_thread(self._look_at_files, container_id)

    def _look_at_files(self, container_id: str) -> tuple[tuple[str, ...], set[_Process]]:
        strays = {process for process in _processes() if self._is_stray(process, container_id)}
        left = [f"cgroup {path}" for path in _cgroups_of(container_id)]
        left += [f"folder {path}" for path in _folders_of(container_id)]
        return tuple(left), strays

    def _is_stray(self, process: _Process, container_id: str) -> bool:
        """Of the container, or of a job's uid and in no container at all: others' containers are their own."""
        if container_id in process.cgroup:
            return True
        return process.uid in self._uids and _CONTAINER_ID.search(process.cgroup) is None

    async def _containers(self, owner: str = "") -> set[str]:
        """Of one owner, else of every orchestrator on this engine: others' jobs are nobody's strays."""
        return {owned.id for owned in await self._engine.containers({LABEL_OWNER: owner})}


# -- processes -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    started: str
    uid: int
    cgroup: str


def _processes() -> Iterator[_Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (process := _read_process(int(entry.name))) is not None:
            yield process


def _read_process(pid: int) -> _Process | None:
    status = _read_text(f"/proc/{pid}/status")
    uids = [line.split()[1] for line in status.splitlines() if line.startswith("Uid:")]
    facts = _read_text(f"/proc/{pid}/stat").rpartition(") ")[2].split()
    if not uids or len(facts) < 20:  # noqa: PLR2004 - proc_pid_stat(5): the 22nd field is the start time
        return None
    return _Process(pid, facts[19], int(uids[0]), _read_text(f"/proc/{pid}/cgroup"))


# -- files, cgroups, sockets -----------------------------------------------------------------------------


def _cgroup_mounts() -> list[str]:
    mounts = []
    for line in _read_text("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith(("cgroup ", "cgroup2 ")):
            mounts.append(before.split(" ")[4])
    return mounts


def _cgroups_of(container_id: str) -> Iterator[str]:
    """Directories of the container, wherever an engine's cgroup driver puts them."""
    for mount in dict.fromkeys(_cgroup_mounts()):
        for path in _folders_under(mount, levels=CGROUP_LEVELS):
            if container_id in path:
                yield path


def _folders_under(top: str, *, levels: int) -> Iterator[str]:
    """Folders down to so many levels; one that vanishes meanwhile is no error."""
    try:
        inside = [entry.path for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for path in inside:
        yield path
        if levels > 1:
            yield from _folders_under(path, levels=levels - 1)


def _folders_of(container_id: str) -> Iterator[str]:
    """What a driver for logs or mounts might have left behind."""
    for path in (f"{DATA_ROOT}/containers/{container_id}", f"/run/docker/containerd/{container_id}"):
        with suppress(OSError):
            if Path(path).exists():
                yield path


def _core_files() -> Iterator[str]:
    for folder in CORE_FOLDERS:
        with suppress(OSError):
            for path in Path(folder).iterdir():
                if path.name.split(".")[0] in ("core", "vgcore") and path.is_file():
                    yield str(path)


def _listening_uids() -> Iterator[int]:
    for name in ("tcp", "tcp6"):
        for line in _read_text(f"/proc/self/net/{name}").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                yield int(fields[7])


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        return type(error).__name__


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _resident_bytes() -> int:
    return int(_read_text("/proc/self/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _free_bytes(path: str) -> int:
    try:
        facts = os.statvfs(path)
    except OSError:
        return 0
    return facts.f_bavail * facts.f_frsize


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _now() -> float:
    return asyncio.get_running_loop().time()
