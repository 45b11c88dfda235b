"""Policies floor: whether a host is fit to run jobs, judged from a snapshot of facts. Pure.

The facts are read by `backends/host_facts.py`; the checks are the table of `host_checks.py`, the programs
that try real containers that of `probes.py`. A fact that nobody could read is never taken for a good one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ("Check", "CheckLine", "Checkup", "HostFacts", "HostNeeds", "IdRange", "Status", "judge_host")


class Status(StrEnum):
    """How one check came out."""

    OK = "ok"
    WARN = "warn"
    """Jobs are contained, but a second line is missing, or something will go wrong one day."""
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """One line of a check-up. Only a required one can fail; a host with a failed line must not serve."""

    name: str
    status: Status
    required: bool
    found: str
    why: str
    """What goes wrong where it is not so."""
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """All lines, in the order in which they were looked at."""

    lines: tuple[CheckLine, ...]

    @property
    def failed(self) -> tuple[CheckLine, ...]:
        """The required controls that do not hold."""
        return tuple(line for line in self.lines if line.status is Status.FAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdRange:
    """Users or groups that the host knows."""

    first: int
    count: int
    where: str

    def overlaps(self, first: int, count: int) -> bool:
        """Whether any id is in both ranges."""
        return self.first < first + count and first < self.first + self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What could be read of an engine and its host at one moment. None, or no key: it could not be read."""

    engine_version: str | None = None
    engine_api: str | None = None
    runtime_versions: Mapping[str, str] | None = None
    """Of the programs that make containers: "runc" or "crun" to their version."""
    runtimes: tuple[str, ...] | None = None
    security_options: tuple[str, ...] | None = None
    engine_controls: Mapping[str, bool] | None = None
    """Limits that the engine says its host can keep: memory, swap, pids, cpu, cpuset."""
    engine_warnings: tuple[str, ...] | None = None
    storage_driver: str | None = None
    live_restore: bool | None = None
    engine_address: str | None = None
    socket_mode: int | None = None
    """Permission bits of the engine's socket."""
    images_missing: tuple[str, ...] | None = None

    kernel: str | None = None
    cgroup_version: int | None = None
    cgroup_controllers: frozenset[str] | None = None
    swap_bytes: int | None = None
    knobs: Mapping[str, str] | None = None
    """Files of /proc/sys by the dotted name: "kernel.pid_max" to "4194304"."""
    cpu_weaknesses: tuple[str, ...] | None = None
    memory_available_bytes: int | None = None
    disk_free_bytes: int | None = None
    disk_free_share: float | None = None
    inodes_free_share: float | None = None
    clock_source: str | None = None
    clock_synchronised: bool | None = None
    processes: int | None = None
    known_ids: tuple[IdRange, ...] | None = None
    open_files: int | None = None
    """How many files this process may have open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNeeds:
    """What the settings ask of the host."""

    container_runtime: str | None
    containers_maximum: int
    container_bytes: int
    """Memory of the largest class of containers."""
    jobs_memory_bytes: int | None
    """Bound of the parent cgroup; None where there is no parent."""
    jobs_processes: int
    uid_first: int
    uid_count: int


Judge = Callable[[HostFacts, HostNeeds], tuple[Status, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to look at. `judge` is asked only where all facts that it `reads` are known."""

    name: str
    reads: tuple[str, ...]
    judge: Judge = field(repr=False)
    why: str
    mend: str
    required: bool = False


def judge_host(facts: HostFacts, needs: HostNeeds, checks: Iterable[Check]) -> tuple[CheckLine, ...]:
    """One line for every check."""
    return tuple(_judge(check, facts, needs) for check in checks)


def _judge(check: Check, facts: HostFacts, needs: HostNeeds) -> CheckLine:
    if all(_is_known(facts, name) for name in check.reads):
        status, found = check.judge(facts, needs)
    else:
        status, found = Status.WARN, "unknown"
    return CheckLine(
        name=check.name,
        status=status,
        required=check.required,
        found=found,
        why=check.why,
        mend=check.mend,
    )


def _is_known(facts: HostFacts, name: str) -> bool:
    """`name` is a field, or `knobs:<dotted name>` for one of the kernel's settings."""
    field_name, _, key = name.partition(":")
    value = getattr(facts, field_name)
    return value is not None and (not key or key in value)
