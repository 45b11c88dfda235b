"""Policies floor: the table of what `sandbox-orch doctor` looks at on an engine and its host. Pure.

Each check says what was found, why it matters and how to mend it. docs/doctor.md is written from this table.
Sources: kernel documentation (admin-guide/sysctl, core(5)), the advisories of Docker and of the runtimes.
"""

from __future__ import annotations

import re

from orchestrator.domain.limits import MIB
from orchestrator.policies.checkup import Check, HostFacts, HostNeeds, Status

__all__ = ("CHECKS", "KNOBS")

GIB = 1024 * MIB
OLDEST_API = (1, 41)
OLDEST_ENGINE = (20, 10, 24)
RUNTIME_FLOORS = {"runc": ((1, 2, 8), (1, 3, 3)), "crun": ((1, 24),)}
"""Fixed in each series that still gets fixes: CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881."""
OLDEST_KERNEL = (5, 9)
GOOD_STORAGE = ("overlay2", "overlayfs", "fuse-overlayfs", "btrfs", "zfs", "stargz")
GOOD_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen")
LEAST_DISK_BYTES = 2 * GIB
LEAST_DISK_SHARE = 0.05
FILES_PER_CONTAINER = 4
"""The stream, two descriptors of PID 1, and one to spare."""
FILES_BESIDE = 128
HARD_ENGINE_CONTROLS = ("memory", "pids", "cpu", "cpuset")
NEEDED_CONTROLLERS = {
    1: frozenset({"memory", "pids", "cpu", "cpuset", "cpuacct"}),
    2: frozenset({"memory", "pids", "cpu", "cpuset"}),
}

Found = tuple[Status, str]


# -- the engine ----------------------------------------------------------------------------------------


def _engine(facts: HostFacts, _: HostNeeds) -> Found:
    status = Status.OK if _numbers(facts.engine_api) >= OLDEST_API else Status.FAIL
    return status, f"answers, version {facts.engine_version}, API {facts.engine_api}"


def _engine_version(facts: HostFacts, _: HostNeeds) -> Found:
    return _ok_if(_numbers(facts.engine_version) >= OLDEST_ENGINE), str(facts.engine_version)


def _engine_warnings(facts: HostFacts, _: HostNeeds) -> Found:
    warnings = facts.engine_warnings or ()
    return _ok_if(not warnings), "; ".join(warnings)[:300] or "none"


def _runtime_version(facts: HostFacts, _: HostNeeds) -> Found:
    versions = facts.runtime_versions or {}
    found = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    old = [name for name, version in versions.items() if not _is_mended(name, version)]
    if not versions:
        return Status.WARN, "unknown"
    return _ok_if(not old), f"{found}{'; below the floor unless backported' if old else ''}"


def _is_mended(name: str, version: str) -> bool:
    numbers, floors = _numbers(version), RUNTIME_FLOORS.get(name, ())
    same_series = [floor for floor in floors if floor[:2] == numbers[:2]]
    return all(numbers >= floor for floor in same_series or floors[-1:])


def _container_runtime(facts: HostFacts, needs: HostNeeds) -> Found:
    runtimes = facts.runtimes or ()
    offered = ", ".join(runtimes)
    if needs.container_runtime is None:
        return Status.OK, f"the engine's default; it has {offered}"
    if needs.container_runtime in runtimes:
        return Status.OK, needs.container_runtime
    return Status.FAIL, f"{needs.container_runtime} is configured, the engine has only {offered}"


def _socket(facts: HostFacts, _: HostNeeds) -> Found:
    address = facts.engine_address or ""
    if not address.startswith("unix://"):
        is_near = bool(re.match(r"(tcp|http)://(localhost|127\.|\[::1\])", address))
        return (Status.WARN if is_near else Status.FAIL), f"{address}, without encryption"
    if facts.socket_mode is None:
        return Status.WARN, f"{address}, unknown permissions"
    is_open = bool(facts.socket_mode & 0o002)
    return (Status.FAIL if is_open else Status.OK), f"{address}, mode {facts.socket_mode:04o}"


def _seccomp(facts: HostFacts, _: HostNeeds) -> Found:
    has_it = _has_option(facts, "seccomp")
    return (Status.OK if has_it else Status.FAIL), "in force" if has_it else "the engine has none"


def _apparmor(facts: HostFacts, _: HostNeeds) -> Found:
    has_it = _has_option(facts, "apparmor") or _has_option(facts, "selinux")
    return _ok_if(has_it), "in force" if has_it else "the engine has neither AppArmor nor SELinux"


def _user_namespaces(facts: HostFacts, _: HostNeeds) -> Found:
    has_it = _has_option(facts, "userns")
    return _ok_if(has_it), "remapped" if has_it else "uids in containers are uids of the host"


def _rootless(facts: HostFacts, _: HostNeeds) -> Found:
    is_rootless = _has_option(facts, "rootless")
    return _ok_if(not is_rootless), f"the engine runs {'without' if is_rootless else 'as'} root"


def _storage(facts: HostFacts, _: HostNeeds) -> Found:
    return _ok_if(facts.storage_driver in GOOD_STORAGE), str(facts.storage_driver)


def _live_restore(facts: HostFacts, _: HostNeeds) -> Found:
    return _ok_if(not facts.live_restore), "on" if facts.live_restore else "off"


def _images(facts: HostFacts, _: HostNeeds) -> Found:
    missing = facts.images_missing or ()
    return (Status.FAIL, f"missing: {', '.join(missing)}") if missing else (Status.OK, "all there")


def _has_option(facts: HostFacts, name: str) -> bool:
    return any(f"name={name}" in option.split(",") for option in facts.security_options or ())


# -- the kernel ----------------------------------------------------------------------------------------


def _kernel(facts: HostFacts, _: HostNeeds) -> Found:
    return _ok_if(_numbers(facts.kernel) >= OLDEST_KERNEL), str(facts.kernel)


def _cgroups(facts: HostFacts, _: HostNeeds) -> Found:
    version = facts.cgroup_version or 0
    lost = [name for name in HARD_ENGINE_CONTROLS if not (facts.engine_controls or {}).get(name)]
    missing = NEEDED_CONTROLLERS.get(version, frozenset()) - (facts.cgroup_controllers or frozenset())
    if version not in NEEDED_CONTROLLERS or lost or missing:
        return Status.FAIL, f"version {version}, without {', '.join(sorted({*lost, *missing})) or 'support'}"
    return Status.OK, f"version {version}, with {', '.join(sorted(NEEDED_CONTROLLERS[version]))}"


def _swap(facts: HostFacts, _: HostNeeds) -> Found:
    if not facts.swap_bytes:
        return Status.OK, "none"
    if (facts.engine_controls or {}).get("swap"):
        return Status.OK, f"{_size(facts.swap_bytes)}, accounted per container"
    return Status.FAIL, f"{_size(facts.swap_bytes)}, not accounted: memory limits can be passed by"


def _cpu_weaknesses(facts: HostFacts, _: HostNeeds) -> Found:
    weak = facts.cpu_weaknesses or ()
    return _ok_if(not weak), f"open: {', '.join(weak)}" if weak else "all known ones are mitigated or absent"


def _core_pattern(facts: HostFacts, _: HostNeeds) -> Found:
    pattern = (facts.knobs or {})["kernel.core_pattern"]
    return _ok_if(not pattern.startswith("|")), pattern[:80] or "(empty)"


def _job_namespaces(facts: HostFacts, _: HostNeeds) -> Found:
    most = (facts.knobs or {})["user.max_user_namespaces"]
    return _ok_if(most == "0" or _has_option(facts, "userns")), most


# name: (least or only good value, whether more is better, why)
KNOBS: dict[str, tuple[int, bool, str]] = {
    "kernel.dmesg_restrict": (1, True, "the kernel's log tells addresses and other tenants' deaths"),
    "kernel.kptr_restrict": (1, True, "kernel addresses make an exploit's first half"),
    "kernel.perf_event_paranoid": (2, True, "perf has a record of holes, and measures other tenants"),
    "kernel.unprivileged_bpf_disabled": (1, True, "programs in the kernel have a record of holes"),
    "vm.unprivileged_userfaultfd": (
        0,
        False,
        "it stops the kernel at a chosen point: a tool of race exploits",
    ),
    "fs.protected_symlinks": (1, True, "a planted link leads a root process of the host elsewhere"),
    "fs.protected_hardlinks": (1, True, "a planted hard link keeps a vulnerable set-uid file alive"),
    "fs.protected_fifos": (1, True, "a planted pipe catches what a root process writes"),
    "fs.protected_regular": (1, True, "a planted file catches what a root process writes"),
}


def _knob(name: str) -> Check:
    value, more_is_better, why = KNOBS[name]

    def judge(facts: HostFacts, _: HostNeeds) -> Found:
        text = (facts.knobs or {})[name]
        number = int(text) if text.lstrip("-").isdigit() else -1
        return _ok_if(number >= value if more_is_better else number == value), text

    return Check(
        name=name,
        reads=(f"knobs:{name}",),
        judge=judge,
        why=why if name.startswith("fs.") else f"{why}; to jobs seccomp refuses it, this is the second line",
        mend=f"sysctl -w {name}={value}, and the same in /etc/sysctl.d",
    )


# -- room ----------------------------------------------------------------------------------------------


def _disk(facts: HostFacts, _: HostNeeds) -> Found:
    free, share = facts.disk_free_bytes or 0, facts.disk_free_share or 0.0
    return _ok_if(free >= LEAST_DISK_BYTES and share >= LEAST_DISK_SHARE), f"{_size(free)} free ({share:.0%})"


def _inodes(facts: HostFacts, _: HostNeeds) -> Found:
    share = facts.inodes_free_share or 0.0
    return _ok_if(share >= LEAST_DISK_SHARE), f"{share:.0%} free"


def _memory(facts: HostFacts, needs: HostNeeds) -> Found:
    available = facts.memory_available_bytes or 0
    wanted = needs.containers_maximum * needs.container_bytes
    most = wanted if needs.jobs_memory_bytes is None else min(wanted, needs.jobs_memory_bytes)
    return _ok_if(most <= available), f"{_size(available)} available, containers may use {_size(most)}"


def _parent_cgroup(_: HostFacts, needs: HostNeeds) -> Found:
    if needs.jobs_memory_bytes is None:
        return Status.WARN, "none"
    return (
        Status.OK,
        f"at most {_size(needs.jobs_memory_bytes)} and {needs.jobs_processes} processes together",
    )


def _pids(facts: HostFacts, needs: HostNeeds) -> Found:
    text = (facts.knobs or {})["kernel.pid_max"]
    left = (int(text) if text.isdigit() else 0) - (facts.processes or 0)
    return _ok_if(left > 2 * needs.jobs_processes), f"{left} left, containers may use {needs.jobs_processes}"


def _open_files(facts: HostFacts, needs: HostNeeds) -> Found:
    wanted = needs.containers_maximum * FILES_PER_CONTAINER + FILES_BESIDE
    most = facts.open_files or 0
    return (Status.OK if most >= wanted else Status.FAIL), f"{most}, {wanted} may be needed"


def _uids(facts: HostFacts, needs: HostNeeds) -> Found:
    last = needs.uid_first + needs.uid_count - 1
    if _has_option(facts, "userns"):
        return Status.OK, f"{needs.uid_first}-{last}, remapped by the engine"
    taken = [ids for ids in facts.known_ids or () if ids.overlaps(needs.uid_first, needs.uid_count)]
    if taken:
        places = ", ".join(f"{ids.first} in {ids.where}" for ids in taken[:3])
        return Status.FAIL, f"{needs.uid_first}-{last} holds ids that the host knows: {places}"
    return Status.OK, f"{needs.uid_first}-{last}, none known to the host"


def _clock_source(facts: HostFacts, _: HostNeeds) -> Found:
    return _ok_if(facts.clock_source in GOOD_CLOCKS), str(facts.clock_source)


def _clock_sync(facts: HostFacts, _: HostNeeds) -> Found:
    return _ok_if(bool(facts.clock_synchronised)), "yes" if facts.clock_synchronised else "no"


# -- small words ---------------------------------------------------------------------------------------


def _ok_if(good: bool) -> Status:  # noqa: FBT001 - it reads as a sentence
    return Status.OK if good else Status.WARN


def _numbers(version: str | None) -> tuple[int, ...]:
    """The leading numbers of a version: (1, 1, 5) of "1.1.5+ds1"."""
    match = re.match(r"\d+(\.\d+)*", version or "")
    return tuple(map(int, match[0].split("."))) if match else ()


def _size(number: int) -> str:
    return f"{number / GIB:.1f} GiB" if number >= GIB else f"{number / MIB:.0f} MiB"


CHECKS: tuple[Check, ...] = (
    Check(
        name="engine",
        required=True,
        reads=("engine_version", "engine_api"),
        judge=_engine,
        why="the limits that jobs rely on came with API 1.41 (Engine 20.10)",
        mend="upgrade the Docker Engine to 20.10.24 or newer",
    ),
    Check(
        name="engine-version",
        reads=("engine_version",),
        judge=_engine_version,
        why="older engines have published holes that need no kernel bug (CVE-2023-28840 and others)",
        mend="upgrade the Docker Engine to 20.10.24 or newer",
    ),
    Check(
        name="engine-warnings",
        reads=("engine_warnings",),
        judge=_engine_warnings,
        why="an engine drops a limit that its host cannot keep with no more than such a warning",
        mend="`docker info` prints them; each names the kernel option that is missing",
    ),
    Check(
        name="runtime-version",
        reads=("runtime_versions",),
        judge=_runtime_version,
        why="runc before 1.2.8/1.3.3 and crun before 1.24 can be raced out of masked paths (CVE-2025-31133)",
        mend="upgrade, or see that the distribution's changelog names CVE-2025-31133, -52565 and -52881",
    ),
    Check(
        name="container-runtime",
        required=True,
        reads=("runtimes",),
        judge=_container_runtime,
        why="SANDBOX_ORCH_CONTAINER_RUNTIME asks for a wall that is not there",
        mend="add it under `runtimes` in daemon.json (docs/container-runtimes.md), or take the setting back",
    ),
    Check(
        name="engine-socket",
        required=True,
        reads=("engine_address",),
        judge=_socket,
        why="whoever may write to the engine's socket is root on this host",
        mend="chmod 0660 the socket and give it to root:docker; never offer plain tcp",
    ),
    Check(
        name="seccomp",
        required=True,
        reads=("security_options",),
        judge=_seccomp,
        why="without it a job may make every system call of the kernel",
        mend="use an engine and a kernel with CONFIG_SECCOMP_FILTER",
    ),
    Check(
        name="mandatory-access-control",
        reads=("security_options",),
        judge=_apparmor,
        why="a second line behind seccomp: mounts and writes to /proc and /sys are refused by path",
        mend="boot with AppArmor (lsm=…,apparmor) and install the package apparmor",
    ),
    Check(
        name="user-namespaces",
        reads=("security_options",),
        judge=_user_namespaces,
        why="remapped, even root in a container is nobody on the host",
        mend='set "userns-remap" in daemon.json, with a range in /etc/subuid that holds the configured uids',
    ),
    Check(
        name="rootless",
        reads=("security_options",),
        judge=_rootless,
        why="an engine without root keeps limits only where cgroup v2 is delegated to it",
        mend="delegate cpu, cpuset, memory and pids to the engine's user (systemd: Delegate=yes)",
    ),
    Check(
        name="storage-driver",
        reads=("storage_driver",),
        judge=_storage,
        why="others copy the whole image for every container (vfs) or are no longer kept up",
        mend='set "storage-driver": "overlay2" in daemon.json',
    ),
    Check(
        name="live-restore",
        reads=("live_restore",),
        judge=_live_restore,
        why="containers that outlive their engine keep running with nobody listening, until they are reaped",
        mend='set "live-restore": false in daemon.json',
    ),
    Check(
        name="images",
        required=True,
        reads=("images_missing",),
        judge=_images,
        why="no job of such a runtime can run",
        mend="sandbox-orch images build",
    ),
    Check(
        name="kernel",
        reads=("kernel",),
        judge=_kernel,
        why="before 5.9 containers cannot be killed by a descriptor, nor stacked filters be counted",
        mend="boot a kernel that still gets fixes",
    ),
    Check(
        name="cgroups",
        required=True,
        reads=("cgroup_version", "cgroup_controllers", "engine_controls"),
        judge=_cgroups,
        why="a controller that is missing is a limit that does not exist",
        mend="boot with cgroup v2, or with cgroup_enable=memory on v1",
    ),
    Check(
        name="swap",
        required=True,
        reads=("swap_bytes", "engine_controls"),
        judge=_swap,
        why="memory limits that do not count swap let a job use all of it",
        mend="swapoff -a, or boot with swapaccount=1",
    ),
    Check(
        name="cpu-weaknesses",
        reads=("cpu_weaknesses",),
        judge=_cpu_weaknesses,
        why="tenants could read each other's and the host's memory through the processor",
        mend="boot without mitigations=off, with current microcode",
    ),
    *map(_knob, KNOBS),
    Check(
        name="kernel.core_pattern",
        reads=("knobs:kernel.core_pattern",),
        judge=_core_pattern,
        why="a pipe is a program of the host, run as root when a job crashes itself; core=0 does not stop it",
        mend="sysctl -w kernel.core_pattern=core",
    ),
    Check(
        name="user.max_user_namespaces",
        reads=("knobs:user.max_user_namespaces", "security_options"),
        judge=_job_namespaces,
        why="a namespace of its own gives a process capabilities in the kernel; to jobs seccomp refuses it",
        mend="sysctl -w user.max_user_namespaces=0, unless something else on the host needs them",
    ),
    Check(
        name="disk",
        reads=("disk_free_bytes", "disk_free_share"),
        judge=_disk,
        why="an engine with a full disk cannot make containers",
        mend="docker image prune; give the engine's data root a file system of its own",
    ),
    Check(
        name="inodes",
        reads=("inodes_free_share",),
        judge=_inodes,
        why="an engine without inodes cannot make containers",
        mend="docker image prune; give the engine's data root a file system of its own",
    ),
    Check(
        name="memory",
        reads=("memory_available_bytes",),
        judge=_memory,
        why="when all containers are busy at once, the host itself runs out",
        mend="lower SANDBOX_ORCH_CONTAINERS_MAXIMUM or SANDBOX_ORCH_JOBS_MEMORY_BYTES",
    ),
    Check(
        name="parent-cgroup",
        reads=(),
        judge=_parent_cgroup,
        why="without a parent each container is bounded, but not all of them together",
        mend="set SANDBOX_ORCH_CGROUP_PARENT; run as root, or with CAP_DAC_OVERRIDE as the systemd unit does",
    ),
    Check(
        name="process-numbers",
        reads=("knobs:kernel.pid_max", "processes"),
        judge=_pids,
        why="a host without free process numbers can start nothing, not even a shell to mend it",
        mend="sysctl -w kernel.pid_max=4194304",
    ),
    Check(
        name="open-files",
        required=True,
        reads=("open_files",),
        judge=_open_files,
        why="the orchestrator holds some descriptors for every container and would lose hold of them",
        mend="raise it (ulimit -n, or LimitNOFILE= in the unit), or lower SANDBOX_ORCH_CONTAINERS_MAXIMUM",
    ),
    Check(
        name="uid-range",
        required=True,
        reads=("known_ids", "security_options"),
        judge=_uids,
        why="a job with a uid of the host shares that user's quotas, keys, and files if it ever gets out",
        mend="choose a free range with SANDBOX_ORCH_UID_FIRST and SANDBOX_ORCH_UID_COUNT",
    ),
    Check(
        name="clock-source",
        reads=("clock_source",),
        judge=_clock_source,
        why="deadlines are read from the monotonic clock for every job; slow sources make all of them late",
        mend="see /sys/devices/system/clocksource/clocksource0/available_clocksource",
    ),
    Check(
        name="clock-synchronised",
        reads=("clock_synchronised",),
        judge=_clock_sync,
        why="records of several hosts cannot be laid side by side; deadlines do not depend on it",
        mend="run chrony or systemd-timesyncd",
    ),
)
