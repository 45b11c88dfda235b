"""Backends floor: an inspection, put together from the runner's word and the kernel's. Pure."""

from __future__ import annotations

from orchestrator.backends.cgroups import Held
from orchestrator.domain.inspection import Inspection

__all__ = ("inspection_from_wire",)

MOST_FILES_NAMED = 16
COUNTS = ("processes", "threads", "files_count", "descriptors", "shared_memory")


def inspection_from_wire(told: object, first: Held, now: Held) -> Inspection | None:
    """The field `inspection` of a `kept` frame, beside what the container held `first`, when warm, and holds `now`.

    None where it has not the form of docs/protocol.md, or the kernel's files did not say: nothing is known then.
    """
    if not isinstance(told, dict) or not isinstance(files := told.get("files"), list):
        return None
    counts = {name: count for name in COUNTS if type(count := told.get(name)) is int and count >= 0}
    are_names = len(files) <= MOST_FILES_NAMED and all(isinstance(name, str) for name in files)
    if not are_names or len(counts) < len(COUNTS):
        return None
    if None in (first.memory_bytes, first.processes, now.memory_bytes, now.processes):
        return None
    return Inspection(
        **counts,
        files=tuple(files),
        memory_bytes=(now.memory_bytes or 0) - (first.memory_bytes or 0),
        host_processes=max(0, (now.processes or 0) - (first.processes or 0)),
    )
