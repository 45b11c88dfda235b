"""Backends floor: the kernel's own counters of a container, and its limits, by the host's cgroup files.

Knows cgroup v1 and v2. Where the host's files are out of reach (no root, another PID or cgroup namespace)
`find_cgroup` answers None. Then they can be mounted to be read (`cgroup_under`), or the engine has to be asked.

Sources: kernel documentation, admin-guide/cgroup-v1/memory, cgroup-v1/pids, cgroup-v1/cpuacct, cgroup-v2.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from orchestrator.backends.base import Counters
from orchestrator.domain.limits import KIB, CpuShare

__all__ = (
    "Cgroup",
    "Held",
    "LimitsInForce",
    "ParentBounds",
    "cgroup_under",
    "find_cgroup",
    "is_parent_bounded",
    "limits_in_force",
    "may_write_cgroups",
    "parent_files",
    "remove_empty_parent",
)

_MOST = 64 * KIB
_MOST_OF_ONE = 4 * KIB
"""More than any file of one cgroup's counters has."""
_UNIFIED = ""
_SLICE = ".slice"
_V1_BOUNDS = (("memory", "memory.limit_in_bytes"), ("pids", "pids.max"))
_V2_BOUNDS = (("", "memory.max"), ("", "pids.max"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentBounds:
    """What all containers of one parent cgroup may use together."""

    name: str
    """The last part of the parent's path."""
    memory_bytes: int
    pids: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsInForce:
    """A container's limits by the kernel's files. None: unlimited, or the file is not there."""

    memory_bytes: int | None
    memory_and_swap_bytes: int | None
    pids: int | None
    cpus: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a container has at one moment. None: the kernel's files do not say."""

    memory_bytes: int | None
    processes: int | None
    """Threads too: the kernel counts tasks."""


class Cgroup(Protocol):
    """One container's accounting in the kernel."""

    def held(self) -> Held:
        """What it has now."""
        ...

    def widen(self, *, memory_bytes: int, pids: int) -> bool:
        """Raise the limits to so much in all. False where not allowed."""
        ...

    def mark_warm(self) -> None:
        """Take what was used until now as the interpreter's own; later readings are above it."""
        ...

    def counters(self) -> Counters:
        """What was used since. What cannot be read (the cgroup has vanished) is None or 0."""
        ...

    def narrow(self, *, memory_bytes: int, pids: int) -> bool:
        """Set the limits to so much above what the idle interpreter holds. False where not allowed."""
        ...

    def close(self) -> None:
        """Let go of the files that are held open. Safe to call again."""
        ...

    def count_anew(self, *, left_bytes: int) -> None:
        """Later readings are above those of now; `left_bytes` of memory are the interpreter's own from here on.

        Not all that is held: file cache would be a gift to whoever comes next. `narrow` makes the kernel free it.
        """
        ...

    def forget_peak(self) -> bool:
        """Let the high-water mark of memory start anew from here. False where that was not allowed."""
        ...

    def share_cpu(self, share: CpuShare) -> bool:
        """Set weight and quota, the quota as a part of the one it was made with. False where not allowed."""
        ...

    def bound_parent(self, bounds: ParentBounds) -> bool:
        """Bound the parent, and with it all containers in it together. False where not allowed.

        False also where the parent is not the one that `bounds` names: it would be somebody else's.
        """
        ...


def find_cgroup(pid: int, container_id: str) -> Cgroup | None:
    """The cgroup of the process `pid`, None unless it is visibly the one of `container_id`.

    The check by id guards against a pid of another namespace: its number means another process here.
    """
    folders = _folders(pid, container_id)
    # In a cgroup namespace of another root the paths mean nothing here.
    folders = {controller: folder for controller, folder in folders.items() if folder.is_dir()}
    if {"memory", "cpuacct", "pids"} <= folders.keys():
        return _V1(
            memory=folders["memory"],
            cpuacct=folders["cpuacct"],
            pids=folders["pids"],
            cpu=folders.get("cpu"),
        )
    if _UNIFIED in folders and (folders[_UNIFIED] / "memory.current").exists():
        return _V2(folders[_UNIFIED])
    return None


def cgroup_under(root: Path, parent: str, container_id: str) -> Cgroup | None:
    """The cgroup of a container below `root`, where the host's cgroups are mounted; None unless it is there.

    The engine has put it there by its driver's custom: `parent` is a slice where that driver is systemd.
    """
    child = f"docker-{container_id}.scope" if parent.endswith(_SLICE) else container_id
    below = _parent_path(parent) / child
    if _is_unified(root):
        return _V2(root / below) if (root / below / "memory.current").exists() else None
    folders = {name: root / name / below for name in ("memory", "cpuacct", "pids", "cpu")}
    if not all(folders[name].is_dir() for name in ("memory", "cpuacct", "pids")):
        return None
    return _V1(
        memory=folders["memory"],
        cpuacct=folders["cpuacct"],
        pids=folders["pids"],
        cpu=folders["cpu"] if folders["cpu"].is_dir() else None,
    )


def is_parent_bounded(root: Path, bounds: ParentBounds) -> bool:
    """Whether the kernel keeps these bounds, or lower ones, for the parent below `root`."""
    return all((_number(file) or 2**63) <= figure for file, figure in parent_files(root, bounds))


def parent_files(root: Path, bounds: ParentBounds) -> Iterator[tuple[Path, int]]:
    """The files of the parent below `root` that bound it, and what is to be in them."""
    names = _V2_BOUNDS if _is_unified(root) else _V1_BOUNDS
    for (controller, name), figure in zip(names, (bounds.memory_bytes, bounds.pids), strict=True):
        yield root / controller / _parent_path(bounds.name) / name, figure


def may_write_cgroups() -> bool:
    """Whether this process may write files of root's: it has CAP_DAC_OVERRIDE, as root has, and the unit of systemd.

    Source: capabilities(7); the sets are hexadecimal masks in /proc/self/status, this one is bit 1.
    """
    for line in _read_text(Path("/proc/self/status")).splitlines():
        name, _, mask = line.partition(":")
        if name == "CapEff":
            return bool(int(mask, 16) & 0b10)
    return False


def _is_unified(root: Path) -> bool:
    return (root / "cgroup.controllers").exists()


def _parent_path(parent: str) -> Path:
    """Where a parent is: a slice `a-b.slice` is in `a.slice`, by systemd's custom."""
    if not parent.endswith(_SLICE):
        return Path(parent)
    parts = parent.removesuffix(_SLICE).split("-")
    return Path(*("-".join(parts[: number + 1]) + _SLICE for number in range(len(parts))))


def limits_in_force(pid: int, container_id: str) -> LimitsInForce | None:
    """The limits that the kernel keeps for a container; None where the host's files are out of reach."""
    folders = _folders(pid, container_id)
    if {"memory", "pids", "cpu"} <= folders.keys():
        memory, cpu = folders["memory"], folders["cpu"]
        quota, period = _number(cpu / "cpu.cfs_quota_us"), _number(cpu / "cpu.cfs_period_us")
        return LimitsInForce(
            memory_bytes=_number(memory / "memory.limit_in_bytes"),
            memory_and_swap_bytes=_number(memory / "memory.memsw.limit_in_bytes"),
            pids=_number(folders["pids"] / "pids.max"),
            cpus=quota / period if quota and period else None,
        )
    if _UNIFIED not in folders:
        return None
    folder = folders[_UNIFIED]
    most, swap = _number(folder / "memory.max"), _number(folder / "memory.swap.max")
    share = [int(part) for part in _read_text(folder / "cpu.max").split() if part.isdigit()]
    return LimitsInForce(
        memory_bytes=most,
        memory_and_swap_bytes=None if most is None or swap is None else most + swap,
        pids=_number(folder / "pids.max"),
        cpus=share[0] / share[1] if len(share) == 2 else None,  # noqa: PLR2004 - quota and period
    )


def _folders(pid: int, container_id: str) -> dict[str, Path]:
    """Controller name (empty: the unified hierarchy) to the container's folder; nothing unless it is its."""
    paths = _controller_paths(pid)
    if not any(container_id in path for path in paths.values()):
        return {}
    mounts = _controller_mounts()
    return {
        controller: Path(mounts[controller] + path)
        for controller, path in paths.items()
        if controller in mounts
    }


def _controller_paths(pid: int) -> dict[str, str]:
    """Controller name (empty for the unified hierarchy) to the process's path in its hierarchy."""
    paths = {}
    for line in _read_text(Path(f"/proc/{pid}/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _controller_mounts() -> dict[str, str]:
    """Controller name (empty for the unified hierarchy) to where its hierarchy is mounted."""
    mounts = {}
    for line in _read_text(Path("/proc/self/mountinfo")).splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        where = before.split(" ")[4]
        if kind == "cgroup2":
            mounts[_UNIFIED] = where
        elif kind == "cgroup":
            mounts.update(dict.fromkeys(options.rpartition(" ")[2].split(","), where))
    return mounts


@dataclass(slots=True)
class _Baseline:
    cpu_ns: int = 0
    memory_bytes: int = 0
    memory_peak_bytes: int = 0
    """The high-water mark as it stood then, where it could not be made to start anew."""
    processes: int = 0
    oom_kills: int = 0
    pids_refused: int = 0


class _OpenFile:
    """A file of the kernel that is read as a job ends: opened once, while warming, for finding it takes the longest.

    An open file does not keep a cgroup alive; once it has gone the file reads as empty.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1

    def text(self) -> str:
        if self._descriptor < 0:
            return ""
        try:
            return os.pread(self._descriptor, _MOST_OF_ONE, 0).decode("utf-8", "replace")
        except OSError:
            return ""

    def number(self) -> int | None:
        return _to_number(self.text())

    def keyed(self, key: str) -> int:
        return _find_key(self.text(), key)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class _V1:
    def __init__(self, *, memory: Path, cpuacct: Path, pids: Path, cpu: Path | None = None) -> None:
        self._memory, self._pids, self._cpu = memory, pids, cpu
        self._cpu_used = _OpenFile(cpuacct / "cpuacct.usage")
        self._memory_peak = _OpenFile(memory / "memory.max_usage_in_bytes")
        self._oom_control = _OpenFile(memory / "memory.oom_control")
        self._pids_events = _OpenFile(pids / "pids.events")
        self._warm = _Baseline()
        self._memory_limit: int | None = None
        """What was set last; None: what the container was made with, which is more."""
        self._share = CpuShare()
        self._quota_us = _number(cpu / "cpu.cfs_quota_us") if cpu is not None else None

    def mark_warm(self) -> None:
        # The high-water mark starts anew from here.
        _write(self._memory / "memory.max_usage_in_bytes", 0)
        self._warm = _Baseline(
            cpu_ns=self._cpu_used.number() or 0,
            memory_bytes=_number(self._memory / "memory.usage_in_bytes") or 0,
            processes=_number(self._pids / "pids.current") or 0,
            oom_kills=self._oom_control.keyed("oom_kill"),
            pids_refused=self._pids_events.keyed("max"),
        )

    def held(self) -> Held:
        return Held(
            memory_bytes=_number(self._memory / "memory.usage_in_bytes"),
            processes=_number(self._pids / "pids.current"),
        )

    def widen(self, *, memory_bytes: int, pids: int) -> bool:
        return self._limit_memory(memory_bytes) and _write(self._pids / "pids.max", pids)

    def counters(self) -> Counters:
        warm = self._warm
        return Counters(
            cpu_ns=_above(self._cpu_used.number(), warm.cpu_ns),
            memory_peak_bytes=_above(self._memory_peak.number(), warm.memory_bytes),
            oom_kills=self._oom_control.keyed("oom_kill") - warm.oom_kills,
            pids_refused=self._pids_events.keyed("max") - warm.pids_refused,
        )

    def narrow(self, *, memory_bytes: int, pids: int) -> bool:
        return self._limit_memory(self._warm.memory_bytes + memory_bytes) and _write(
            self._pids / "pids.max", self._warm.processes + pids
        )

    def _limit_memory(self, limit: int) -> bool:
        # Swap on top would be a second helping; its file is there only where swap is accounted.
        # The kernel refuses a limit above the one with swap, so that one goes first upwards and last downwards.
        memory, with_swap = (
            self._memory / "memory.limit_in_bytes",
            self._memory / "memory.memsw.limit_in_bytes",
        )
        is_higher = self._memory_limit is not None and limit > self._memory_limit
        if is_higher:
            _write(with_swap, limit)
        if not _write(memory, limit):
            return False
        if not is_higher:
            _write(with_swap, limit)
        self._memory_limit = limit
        return True

    def close(self) -> None:
        for file in (self._cpu_used, self._memory_peak, self._oom_control, self._pids_events):
            file.close()

    def count_anew(self, *, left_bytes: int) -> None:
        self._warm = replace(
            self._warm,
            cpu_ns=self._cpu_used.number() or 0,
            memory_bytes=self._warm.memory_bytes + left_bytes,
            oom_kills=self._oom_control.keyed("oom_kill"),
            pids_refused=self._pids_events.keyed("max"),
        )

    def forget_peak(self) -> bool:
        return _write(self._memory / "memory.max_usage_in_bytes", 0)

    def share_cpu(self, share: CpuShare) -> bool:
        if self._cpu is None:
            return False
        before, self._share = self._share, share
        if share.weight != before.weight and not _write(self._cpu / "cpu.shares", share.weight):
            return False
        if share.quota == before.quota or self._quota_us is None:
            return True
        return _write(self._cpu / "cpu.cfs_quota_us", round(self._quota_us * share.quota))

    def bound_parent(self, bounds: ParentBounds) -> bool:
        memory, pids = self._memory.parent, self._pids.parent
        if not memory.name == pids.name == bounds.name:
            return False
        return _write(memory / "memory.limit_in_bytes", bounds.memory_bytes) and _write(
            pids / "pids.max", bounds.pids
        )


class _V2:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cpu_stat = _OpenFile(folder / "cpu.stat")
        self._memory_peak = _OpenFile(folder / "memory.peak")
        self._memory_events = _OpenFile(folder / "memory.events")
        self._pids_events = _OpenFile(folder / "pids.events")
        self._warm = _Baseline()
        self._share = CpuShare()
        self._quota = [int(part) for part in _read_text(folder / "cpu.max").split() if part.isdigit()]

    def mark_warm(self) -> None:
        # The mark cannot be made to start anew but for the readers of one open descriptor (6.12 and later).
        self._warm = _Baseline(
            cpu_ns=self._cpu_stat.keyed("usage_usec") * 1000,
            memory_bytes=_number(self._folder / "memory.current") or 0,
            memory_peak_bytes=self._memory_peak.number() or 0,
            processes=_number(self._folder / "pids.current") or 0,
            oom_kills=self._memory_events.keyed("oom_kill"),
            pids_refused=self._pids_events.keyed("max"),
        )

    def held(self) -> Held:
        return Held(
            memory_bytes=_number(self._folder / "memory.current"),
            processes=_number(self._folder / "pids.current"),
        )

    def widen(self, *, memory_bytes: int, pids: int) -> bool:
        return _write(self._folder / "memory.max", memory_bytes) and _write(self._folder / "pids.max", pids)

    def counters(self) -> Counters:
        warm = self._warm
        peak = self._memory_peak.number() or 0
        if peak <= warm.memory_peak_bytes:
            # The mark is older than this job, whose own peak was below it; or there is none (before 5.19).
            peak = _number(self._folder / "memory.current") or peak
        cpu_ns = self._cpu_stat.keyed("usage_usec") * 1000
        return Counters(
            cpu_ns=_above(cpu_ns or None, warm.cpu_ns),
            memory_peak_bytes=_above(peak or None, warm.memory_bytes),
            oom_kills=self._memory_events.keyed("oom_kill") - warm.oom_kills,
            pids_refused=self._pids_events.keyed("max") - warm.pids_refused,
        )

    def close(self) -> None:
        for file in (self._cpu_stat, self._memory_peak, self._memory_events, self._pids_events):
            file.close()

    def narrow(self, *, memory_bytes: int, pids: int) -> bool:
        limit = self._warm.memory_bytes + memory_bytes
        return _write(self._folder / "memory.max", limit) and _write(
            self._folder / "pids.max", self._warm.processes + pids
        )

    def count_anew(self, *, left_bytes: int) -> None:
        self._warm = replace(
            self._warm,
            cpu_ns=self._cpu_stat.keyed("usage_usec") * 1000,
            memory_bytes=self._warm.memory_bytes + left_bytes,
            oom_kills=self._memory_events.keyed("oom_kill"),
            pids_refused=self._pids_events.keyed("max"),
        )

    def forget_peak(self) -> bool:
        # As in `mark_warm`: what can be done is to know how high it stood.
        self._warm = replace(self._warm, memory_peak_bytes=self._memory_peak.number() or 0)
        return True

    def share_cpu(self, share: CpuShare) -> bool:
        before, self._share = self._share, share
        if share.weight != before.weight and not _write(
            self._folder / "cpu.weight", _weight_v2(share.weight)
        ):
            return False
        if share.quota == before.quota or len(self._quota) != 2:  # noqa: PLR2004 - quota and period
            return True
        quota, period = self._quota
        return _write_text(self._folder / "cpu.max", f"{round(quota * share.quota)} {period}")

    def bound_parent(self, bounds: ParentBounds) -> bool:
        parent = self._folder.parent
        if parent.name != bounds.name:
            return False
        return _write(parent / "memory.max", bounds.memory_bytes) and _write(parent / "pids.max", bounds.pids)


def _weight_v2(shares: int) -> int:
    """The weight of cgroup v2 (1 to 10000) for the shares of v1 (2 to 262144), as the OCI runtimes convert it."""
    return 1 + (shares - 2) * 9999 // 262142


def remove_empty_parent(name: str) -> None:
    """Remove the parent cgroup at the top of every hierarchy where it has no child any more."""
    for mount in set(_controller_mounts().values()):
        with suppress(OSError):
            (Path(mount) / name).rmdir()


def _above(reading: int | None, baseline: int) -> int | None:
    return None if reading is None else max(0, reading - baseline)


def _number(path: Path) -> int | None:
    return _to_number(_read_text(path))


def _to_number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdigit() else None


def _find_key(text: str, key: str) -> int:
    """The number behind `key` in `key number` lines, 0 where there is none."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.isdigit():
            return int(value)
    return 0


def _read_text(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _MOST).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _write(path: Path, number: int) -> bool:
    return _write_text(path, str(number))


def _write_text(path: Path, text: str) -> bool:
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode("ascii"))
        finally:
            os.close(descriptor)
        return True
    return False
