"""Backends floor: reads what an engine and its host are, for `sandbox-orch doctor`. It judges nothing.

What cannot be read is left out, never guessed. Facts of the kernel are of the machine this process runs on,
and are left out where the engine is another machine's.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import grp
import os
import pwd
import re
import resource
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

from orchestrator.backends.docker import Engine
from orchestrator.domain.errors import BackendError
from orchestrator.policies.checkup import HostFacts, IdRange
from orchestrator.policies.host_checks import KNOBS

__all__ = ("read_host_facts",)

_T = TypeVar("_T")

_ALL_KNOBS = (*KNOBS, "kernel.core_pattern", "kernel.pid_max", "user.max_user_namespaces")
_TIMEX_BYTES = 256
_TIME_ERROR = 5
_MOST = 64 * 1024
_VERSION_SECONDS = 10


async def read_host_facts(engine: Engine, images: Iterable[str]) -> HostFacts:
    """All facts at this moment. `images` are those that should be there. Raises EngineUnavailable."""
    info, version = await engine.describe()
    missing = await _missing(engine, images)
    return await asyncio.to_thread(_facts, engine.address, info, version, missing)


async def _missing(engine: Engine, images: Iterable[str]) -> tuple[str, ...] | None:
    try:
        return tuple([image for image in images if await engine.image_inspect(image) is None])
    except BackendError:
        return None


def _facts(
    address: str, info: Mapping[str, Any], version: Mapping[str, Any], missing: tuple[str, ...] | None
) -> HostFacts:
    socket_mode = _or_none(lambda: stat.S_IMODE(Path(address.removeprefix("unix://")).stat().st_mode))
    engine: dict[str, Any] = {
        "engine_version": version.get("Version"),
        "engine_api": version.get("ApiVersion"),
        "runtime_versions": _runtime_versions(info, version, is_near=socket_mode is not None),
        "runtimes": tuple(sorted(info.get("Runtimes") or ())) or None,
        "security_options": _tuple(info.get("SecurityOptions")),
        "engine_controls": _engine_controls(info),
        "engine_warnings": tuple(info.get("Warnings") or ()),
        "storage_driver": info.get("Driver"),
        "live_restore": info.get("LiveRestoreEnabled"),
        "engine_address": address,
        "socket_mode": socket_mode,
        "images_missing": missing,
        "cgroup_version": int(info.get("CgroupVersion") or 1),
        "kernel": info.get("KernelVersion"),
    }
    # Another machine's engine: nothing that is read here is true of where the containers are.
    here = _kernel_facts(str(info.get("DockerRootDir", ""))) if socket_mode is not None else {}
    return HostFacts(**engine, **here, open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0])


# -- the engine --------------------------------------------------------------------------------------------


def _engine_controls(info: Mapping[str, Any]) -> dict[str, bool]:
    names = {
        "memory": "MemoryLimit",
        "swap": "SwapLimit",
        "pids": "PidsLimit",
        "cpu": "CpuCfsQuota",
        "cpuset": "CPUSet",
    }
    return {name: bool(info.get(key)) for name, key in names.items()}


def _runtime_versions(
    info: Mapping[str, Any], version: Mapping[str, Any], *, is_near: bool
) -> dict[str, str]:
    components = {part.get("Name"): part.get("Version") for part in version.get("Components") or ()}
    found = {"runc": str(components["runc"])} if components.get("runc") else {}
    path = ((info.get("Runtimes") or {}).get("crun") or {}).get("path")
    if is_near and path and (crun := _or_none(lambda: _version_of(path))):
        found["crun"] = crun
    return found


def _version_of(program: str) -> str | None:
    """What `crun --version` says; None where it is not to be had here."""
    path = shutil.which(program)
    if path is None:
        return None
    done = subprocess.run(
        [path, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
    )
    match = re.search(r"version (\S+)", done.stdout)
    return match[1] if match else None


# -- the kernel and the machine ---------------------------------------------------------------------------


def _kernel_facts(data_root: str) -> dict[str, Any]:
    disk = _or_none(lambda: os.statvfs(data_root))
    return {
        "cgroup_controllers": _or_none(_controllers),
        "swap_bytes": _or_none(lambda: psutil.swap_memory().total),
        "knobs": dict(_knobs()),
        "cpu_weaknesses": _or_none(_cpu_weaknesses),
        "memory_available_bytes": _or_none(lambda: psutil.virtual_memory().available),
        "disk_free_bytes": disk.f_bavail * disk.f_frsize if disk else None,
        "disk_free_share": disk.f_bavail / disk.f_blocks if disk and disk.f_blocks else None,
        # A file system without a fixed number of inodes says 0 of 0.
        "inodes_free_share": (disk.f_favail / disk.f_files if disk.f_files else 1.0) if disk else None,
        "clock_source": _or_none(_clock_source),
        "clock_synchronised": _or_none(_clock_synchronised),
        "processes": _or_none(_threads_of_all),
        "known_ids": _or_none(lambda: tuple(_known_ids())),
    }


def _controllers() -> frozenset[str]:
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        return frozenset(_read(unified).split())
    rows = [line.split() for line in _read(Path("/proc/cgroups")).splitlines() if not line.startswith("#")]
    mounted = _read(Path("/proc/self/mounts"))
    kept = {row[0] for row in rows if row[-1] == "1"}
    options = {
        word
        for line in mounted.splitlines()
        if line.split()[2] == "cgroup"
        for word in line.split()[3].split(",")
    }
    return frozenset(kept & options)


def _knobs() -> Iterator[tuple[str, str]]:
    for name in _ALL_KNOBS:
        with suppress(OSError):
            yield name, _read(Path("/proc/sys", *name.split("."))).strip()


def _cpu_weaknesses() -> tuple[str, ...]:
    folder = Path("/sys/devices/system/cpu/vulnerabilities")
    return tuple(sorted(file.name for file in folder.iterdir() if _read(file).startswith("Vulnerable")))


def _clock_source() -> str:
    return _read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")).strip()


def _clock_synchronised() -> bool:
    """By adjtimex(2), which only reads where its `modes` are 0."""
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state < 0:
        raise OSError(errno.EPERM, "adjtimex")
    return bool(state != _TIME_ERROR)


def _threads_of_all() -> int:
    return sum(process.info["num_threads"] or 0 for process in psutil.process_iter(["num_threads"]))


def _known_ids() -> Iterator[IdRange]:
    for user in pwd.getpwall():
        yield IdRange(first=user.pw_uid, count=1, where=f"passwd ({user.pw_name})")
    for group in grp.getgrall():
        yield IdRange(first=group.gr_gid, count=1, where=f"group ({group.gr_name})")
    for file in (Path("/etc/subuid"), Path("/etc/subgid")):
        if file.exists():
            yield from _subordinate_ids(file)


def _subordinate_ids(file: Path) -> Iterator[IdRange]:
    for line in _read(file).splitlines():
        if match := re.fullmatch(r"([^:]+):(\d+):(\d+)", line.strip()):
            yield IdRange(first=int(match[2]), count=int(match[3]), where=f"{file} ({match[1]})")


# -- reading -----------------------------------------------------------------------------------------


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST).decode("utf-8", "replace")


def _tuple(values: object) -> tuple[str, ...] | None:
    return tuple(map(str, values)) if isinstance(values, list) else None


def _or_none(read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except (OSError, ValueError, IndexError, KeyError, subprocess.SubprocessError, psutil.Error):
        return None
