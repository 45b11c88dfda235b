"""Backends floor: a `ContainerSpec` as the Docker Engine API wants it. A pure function, no SDK.

The result is a golden file per runtime under `tests/unit/golden/`: a change here is a change seen in review.
Field names: Docker Engine API 1.41, "Create a container" (Engine 20.10).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.domain.container import ContainerSpec, Tmpfs
from orchestrator.domain.limits import KIB

__all__ = ("MASKED_PATHS", "READ_ONLY_PATHS", "container_config", "lost_controls")

# The engine's own defaults, written out so that no engine's age decides, and what else tells of the host.
MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/latency_stats",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
)
READ_ONLY_PATHS = (
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
    # SECURITY: on cgroup v1 crun (1.8.1) mounts a tmpfs of 1 MiB there that everybody may write to
    # (tests/integration/test_container_runtimes.py).
    "/sys/fs/cgroup",
)


def container_config(spec: ContainerSpec) -> dict[str, Any]:
    """The body of the engine's create call for `spec`."""
    return {
        "Image": spec.image,
        "Entrypoint": list(spec.pause_argv),
        "Cmd": [],
        "User": f"{spec.init_uid}:{spec.init_uid}",
        "Env": [f"{name}={value}" for name, value in spec.environment.items()],
        "Hostname": spec.hostname,
        "WorkingDir": "/",
        "Labels": dict(spec.labels),
        "NetworkDisabled": True,
        "OpenStdin": False,
        "Tty": False,
        "HostConfig": _host_config(spec),
    }


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    config: dict[str, Any] = {
        "NetworkMode": "none",
        "IpcMode": "none",
        "PidMode": "",
        "UTSMode": "",
        "CgroupnsMode": "private",
        "Privileged": False,
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": _security_options(spec),
        "MaskedPaths": list(MASKED_PATHS),
        "ReadonlyPaths": list(READ_ONLY_PATHS),
        "Memory": spec.memory_bytes,
        "MemorySwap": spec.memory_bytes,
        "NanoCpus": int(spec.cpus * 1e9),
        "PidsLimit": spec.pids,
        "OomScoreAdj": spec.oom_score_adj,
        "Ulimits": _ulimits(spec),
        "Tmpfs": {mount.path: _tmpfs_options(mount, spec.job_uid) for mount in spec.tmpfs},
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "AutoRemove": False,
        "Init": False,
    }
    if spec.container_runtime:
        config["Runtime"] = spec.container_runtime
    if spec.cgroup_parent:
        config["CgroupParent"] = spec.cgroup_parent
    return config


def _security_options(spec: ContainerSpec) -> list[str]:
    options = ["no-new-privileges:true"]
    if spec.seccomp_json is not None:
        options.append(f"seccomp={spec.seccomp_json}")
    if spec.apparmor is not None:
        options.append(f"apparmor={spec.apparmor}")
    return options


def _ulimits(spec: ContainerSpec) -> list[dict[str, Any]]:
    limits = {
        "core": 0,
        "fsize": spec.file_size_bytes,
        "memlock": 64 * KIB,
        "msgqueue": 0,
        "nice": 0,
        "nofile": spec.open_files,
        "rtprio": 0,
    }
    return [{"Name": name, "Soft": value, "Hard": value} for name, value in limits.items()]


def _tmpfs_options(mount: Tmpfs, uid: int) -> str:
    # Named in both cases: an engine adds noexec where neither is.
    execution = "exec" if mount.executable else "noexec"
    return (
        f"rw,{execution},nosuid,nodev,size={mount.size_bytes},nr_inodes={mount.inodes},"
        f"mode=0700,uid={uid},gid={uid}"
    )


def lost_controls(spec: ContainerSpec, inspected: Mapping[str, Any]) -> tuple[str, ...]:
    """What the engine did not take over from `spec`, by its own description of the container.

    An engine drops a limit with no more than a warning where its host cannot keep it.
    """
    asked, taken = _host_config(spec), inspected.get("HostConfig") or {}
    return tuple(
        f"{name} is {taken.get(name)!r}, not {value!r}"[:200]
        for name, value in asked.items()
        if _essence(taken.get(name)) != _essence(value)
    )


def _essence(value: Any) -> Any:
    """`value` without what engines of different age write differently: empty parts, and order."""
    if isinstance(value, Mapping):
        parts = {name: _essence(part) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part} or None
    if isinstance(value, list):
        return sorted((_essence(part) for part in value), key=str) or None
    return value or None
