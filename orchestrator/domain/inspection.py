"""Domain floor: what was seen of a container between two jobs of one tenant, and the kinds of leak."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ("Inspection", "LeakKind")


class LeakKind(StrEnum):
    """A sign that a job left something behind."""

    PROCESSES = "processes"
    FILES = "files"
    DESCRIPTORS = "descriptors"
    SHARED_MEMORY = "shared_memory"
    MEMORY_TREND = "memory_trend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A container after a job, with the next child or isolate prepared; figures are above those when it was warm.

    All but the last two are the runner's word, which looked around from inside and never runs tenant code.
    """

    processes: int = 0
    """Processes beside PID 1 and the runner."""
    threads: int = 0
    """Threads of the runner itself, which keeps some in reserve."""
    files: tuple[str, ...] = ()
    """Up to 16 names of what is in the work folder and /tmp."""
    files_count: int = 0
    descriptors: int = 0
    shared_memory: int = 0
    """System V segments, semaphores and queues; files in /dev/shm and /dev/mqueue."""
    memory_bytes: int = 0
    """Held now above what the idle interpreter held at first, by the host's count; may be negative."""
    host_processes: int = 0
    """Processes and threads above those at first, by the host's count."""
