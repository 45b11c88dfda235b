"""Pool floor: removes what a dead instance of ours left on the engine, and touches nothing else.

Every container carries labels that say which process of which boot of which host made it. A container is
reaped only if its owner was of this host and is provably gone; of another host's nothing can be known.
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


@dataclass(frozen=True, slots=True)
class Owner:
    """One process, named so that no later process can be taken for it."""

    host: str
    boot: str
    pid: int
    started: str
    """When the process began, as the kernel tells it, in hundredths of a second."""

    @classmethod
    def this_process(cls) -> Owner:
        """The owner of what this process makes."""
        return cls(socket.gethostname(), _boot_id(), os.getpid(), _started(os.getpid()))

    @classmethod
    def from_label(cls, label: str) -> Owner | None:
        """The owner that `label` names, None where it names none."""
        parts = label.split("|")
        if len(parts) != len(cls.__slots__) or not parts[2].isdecimal():
            return None
        return cls(parts[0], parts[1], int(parts[2]), parts[3])

    def as_label(self) -> str:
        """The text that `from_label` reads."""
        return f"{self.host}|{self.boot}|{self.pid}|{self.started}"

    def is_provably_dead(self, here: Owner) -> bool:
        """Whether no process can still own what this one made, as seen from the process `here`."""
        if self.host != here.host:
            return False
        return self.boot != here.boot or _started(self.pid) != self.started


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


def _started(pid: int) -> str:
    try:
        return str(round(psutil.Process(pid).create_time() * 100))
    except psutil.Error:
        return ""
