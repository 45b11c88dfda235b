"""Pool floor: removes what a dead instance of ours left on the engine, and touches nothing else.

Every container carries labels that say which process of which boot of which host made it. A container is
reaped only if its owner is provably gone: it was a process of this host and PID namespace that has ended, or it
held the claim that this process holds now (`claim.py`). Of others nothing can be known.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.backends.base import Backend, OwnedContainer
from orchestrator.domain.errors import BackendError
from orchestrator.pool.pool import LABEL_NUMBER
from orchestrator.telemetry import Telemetry

__all__ = ("LABEL_INSTANCE", "LABEL_OWNER", "Owner", "reap_strays", "reap_the_dead")

LABEL_INSTANCE = "org.sandbox-orch.instance"
LABEL_OWNER = "org.sandbox-orch.owner"
OLD_PARTS = 4
START_FIELD = 19
"""Place of `starttime` behind the name in /proc/<pid>/stat; see proc_pid_stat(5)."""
HOST_NAMESPACE = "4026531836"
"""Of the PIDs of the host itself, by the kernel's own number for it (PROC_PID_INIT_INO)."""


@dataclass(frozen=True, slots=True)
class Owner:
    """One process, named so that no later process can be taken for it."""

    host: str
    boot: str
    pid: int
    started: str
    """When the process began, in clock ticks since the boot; empty where only the number is known."""
    namespace: str = ""
    """Of PIDs: in another one the same number is another process. Empty where the kernel does not tell."""
    claim: str = ""
    """What it holds alone (`claim.py`); empty for nothing."""

    @classmethod
    def this_process(cls, claim: str = "") -> Owner:
        """The owner of what this process makes."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot_id(), pid, _started(pid), _pid_namespace(), claim)

    @classmethod
    def from_label(cls, label: str) -> Owner | None:
        """The owner that `label` names, None where it names none."""
        parts = label.split("|")
        if len(parts) not in (OLD_PARTS, len(cls.__slots__)) or not parts[2].isdecimal():
            return None
        # A label without the last two is of an older version, which knew host and process only.
        if len(parts) == OLD_PARTS:
            return cls(parts[0], parts[1], int(parts[2]), "", HOST_NAMESPACE)
        return cls(parts[0], parts[1], int(parts[2]), *parts[3:])

    def as_label(self) -> str:
        """The text that `from_label` reads."""
        return "|".join(str(getattr(self, name)) for name in self.__slots__)

    def is_provably_dead(self, here: Owner) -> bool:
        """Whether no process can still own what this one made, as seen from the process `here`."""
        if self.claim and self.claim == here.claim:
            return self != here
        if self.host != here.host:
            return False
        if self.boot != here.boot:
            return True
        if self.namespace != here.namespace:
            return False
        started = _started(self.pid)
        return not started or (bool(self.started) and started != self.started)


async def reap_the_dead(backend: Backend, here: Owner, telemetry: Telemetry) -> int:
    """Remove the containers of dead instances; answers how many. Raises BackendError if it cannot list."""
    orphans = [one for one in await backend.owned({LABEL_INSTANCE: ""}) if _is_orphan(one, here)]
    return await _remove_all(backend, orphans, telemetry)


async def reap_strays(
    backend: Backend, labels: Mapping[str, str], is_known: Callable[[str], bool], telemetry: Telemetry
) -> int:
    """Remove containers of this instance that its pool has no book of; answers how many.

    An engine that was silent while one was made or removed may carry the order out long after it was given up.
    `labels` are those of this instance; `is_known` is asked with a container's number. Raises BackendError
    if it cannot list.
    """
    strays = [
        container
        for container in await backend.owned(dict(labels))
        if not is_known(container.labels.get(LABEL_NUMBER, ""))
    ]
    return await _remove_all(backend, strays, telemetry)


async def _remove_all(backend: Backend, containers: Iterable[OwnedContainer], telemetry: Telemetry) -> int:
    reaped = 0
    for container in containers:
        try:
            await backend.remove(container.id)
        except BackendError as error:
            telemetry.remove_failed(container.id, error)
            continue
        telemetry.reaped(container.id, container.labels.get(LABEL_INSTANCE, ""))
        reaped += 1
    return reaped


def _is_orphan(container: OwnedContainer, here: Owner) -> bool:
    owner = Owner.from_label(container.labels.get(LABEL_OWNER, ""))
    return owner is not None and owner.is_provably_dead(here)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, in clock ticks since the boot; empty where there is none of that number.

    Not in seconds of the calendar: those change for a living process whenever somebody sets the clock.
    """
    try:
        figures = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return figures.rpartition(")")[2].split()[START_FIELD]
    except (OSError, IndexError):
        return ""
