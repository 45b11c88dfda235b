"""Policies floor: whether a new container is what its recipe asked for, judged from inside facts. Pure.

The facts are texts of the kernel's own files that the runner read of itself *before any tenant code*; see
`ready` in docs/protocol.md. A container with one weakness never joins the pool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.domain.container import ContainerSpec, Tmpfs
from orchestrator.domain.limits import KIB
from orchestrator.policies.hardening import is_gvisor

__all__ = ("find_weaknesses",)

LINUX_ONLY_FIELD = "voluntary_ctxt_switches"
"""Every Linux writes it into /proc/self/status, gVisor's kernel does not (measured with release 20240729)."""

CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
KERNEL_FILE_SYSTEMS = ("proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2")
ROOT_OWNED_TMPFS = ("/dev", "/sys/fs/cgroup")
"""Writable by root alone, and nothing in a container is root."""
TMPFS_FLAGS = frozenset({"noexec", "nosuid", "nodev"})
TMPFS_FLAGS_OF_GVISOR = frozenset({"noexec"})
"""All that its kernel shows; a set-uid bit or a device gains nothing where no process has a privilege."""


def find_weaknesses(facts: Mapping[str, str], spec: ContainerSpec) -> tuple[str, ...]:
    """What is weaker than `spec` asked for, one sentence each; empty where all is as it should be."""
    return (
        *_identity(facts.get("status", ""), spec),
        *(_privileges_in_gvisor(facts) if is_gvisor(spec.container_runtime) else _privileges(facts)),
        *_mounts(facts.get("mountinfo", ""), spec),
        *_resource_limits(facts.get("limits", ""), spec),
        *_network(facts.get("net_dev")),
    )


# -- who it is, and what it may -------------------------------------------------------------------------


def _identity(status: str, spec: ContainerSpec) -> Iterator[str]:
    wanted = str(spec.job_uid)
    for name in ("Uid", "Gid"):
        if (ids := _field(status, name).split()) != [wanted] * 4:
            yield f"{name} is {' '.join(ids) or 'unknown'}, not {wanted}"
    if extra := set(_field(status, "Groups").split()) - {wanted}:
        yield f"it is in the groups {' '.join(sorted(extra))}"


def _privileges(facts: Mapping[str, str]) -> Iterator[str]:
    status = facts.get("status", "")
    yield from _capabilities(status, CAPABILITY_SETS)
    if (value := _field(status, "NoNewPrivs")) != "1":
        yield f"no-new-privileges is not in force: NoNewPrivs is {value or 'unknown'}"
    if (value := _field(status, "Seccomp")) != "2":
        yield f"no seccomp filter is in force: Seccomp is {value or 'unknown'}"


def _privileges_in_gvisor(facts: Mapping[str, str]) -> Iterator[str]:
    """No profile of the engine's is applied in gVisor: its kernel is the wall, if it really is there."""
    status = facts.get("status", "")
    # SECURITY: less is asked of gVisor's kernel only, never of a runtime that merely bears its name
    # (tests/unit/test_selfcheck_gvisor.py).
    if not status or _field(status, LINUX_ONLY_FIELD):
        yield "it runs on the host's kernel, although its runtime bears the name of gVisor's"
    yield from _capabilities(status, CAPABILITY_SETS[:-1])
    # The runner's own filter, stacked by the child that will run the job, is in force there as anywhere.
    if (child := facts.get("child_status")) is not None and (value := _field(child, "Seccomp")) != "2":
        yield f"the child's own seccomp filter is not in force: Seccomp is {value or 'unknown'}"


def _capabilities(status: str, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if (value := _field(status, name)).strip("0") or not value:
            yield f"capabilities are left: {name} is {value or 'unknown'}"


def _field(status: str, name: str) -> str:
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    return ""


# -- what it may write --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mount:
    """One line of mountinfo; see proc_pid_mountinfo(5)."""

    root: str
    path: str
    flags: frozenset[str]
    kind: str
    options: frozenset[str]

    @classmethod
    def parse(cls, line: str) -> _Mount:
        before, _, after = line.partition(" - ")
        fields, super_fields = before.split(" "), after.split(" ")
        flags, options = fields[5].split(","), super_fields[-1].split(",")
        return cls(fields[3], fields[4], frozenset(flags), super_fields[0], frozenset(options))


def _mounts(mountinfo: str, spec: ContainerSpec) -> Iterator[str]:
    mounts = {mount.path: mount for mount in map(_Mount.parse, mountinfo.splitlines())}
    if "/" not in mounts or "ro" not in mounts["/"].flags:
        yield "the root file system is not read-only"
    for wanted in spec.tmpfs:
        yield from _tmpfs(mounts.get(wanted.path), wanted, in_gvisor=is_gvisor(spec.container_runtime))
    ours = {"/", *(wanted.path for wanted in spec.tmpfs)}
    for mount in mounts.values():
        if mount.path not in ours and _is_writable(mount):
            yield f"{mount.path} is mounted writable ({mount.kind})"


def _tmpfs(mount: _Mount | None, wanted: Tmpfs, *, in_gvisor: bool) -> Iterator[str]:
    if mount is None or mount.kind != "tmpfs":
        yield f"{wanted.path} is no tmpfs"
        return
    asked = TMPFS_FLAGS_OF_GVISOR if in_gvisor else TMPFS_FLAGS
    if missing := asked - ({"noexec"} if wanted.executable else set()) - mount.flags:
        yield f"{wanted.path} is mounted without {', '.join(sorted(missing))}"
    sizes = {f"size={wanted.size_bytes // KIB}k", f"size={wanted.size_bytes}"}
    if not sizes & mount.options:
        yield f"{wanted.path} is not bounded to {wanted.size_bytes} bytes"
    # Files of gVisor's tmpfs are objects of its own kernel, within the container's memory.
    if not in_gvisor and f"nr_inodes={wanted.inodes}" not in mount.options:
        yield f"{wanted.path} is not bounded to {wanted.inodes} files"


def _is_writable(mount: _Mount) -> bool:
    if "rw" not in mount.flags or mount.kind in KERNEL_FILE_SYSTEMS:
        return False
    is_masked_by_null = mount.root == "/null" and mount.path.startswith(("/proc/", "/sys/"))
    # A tmpfs that does not say its mode is everybody's.
    is_roots = mount.path in ROOT_OWNED_TMPFS and bool({"mode=755", "mode=0755"} & mount.options)
    return not (mount.kind == "tmpfs" and (is_roots or is_masked_by_null))


# -- how much it may use ------------------------------------------------------------------------------------


def _resource_limits(limits: str, spec: ContainerSpec) -> Iterator[str]:
    wanted = {
        "Max core file size": 0,
        "Max file size": spec.file_size_bytes,
        "Max open files": spec.open_files,
        "Max msgqueue size": 0,
        "Max locked memory": 64 * KIB,
    }
    for name, most in wanted.items():
        hard = _hard_limit(limits, name)
        if hard is None or hard > most:
            yield f"{name.lower()} is {'unlimited' if hard is None else hard}, not {most}"


def _hard_limit(limits: str, name: str) -> int | None:
    for line in limits.splitlines():
        if line.startswith(name):
            hard = line[len(name) :].split()[1]
            return int(hard) if hard.isdigit() else None
    return None


def _network(net_dev: str | None) -> Iterator[str]:
    if net_dev is None:
        yield "its network devices are unknown"
        return
    names = {line.partition(":")[0].strip() for line in net_dev.splitlines() if ":" in line}
    if others := names - {"lo"}:
        yield f"it has network devices: {', '.join(sorted(others))}"
