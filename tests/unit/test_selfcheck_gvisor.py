"""A container of gVisor proves itself by what gVisor's kernel tells; nothing that runs on Linux gets by as one."""

from __future__ import annotations

import pytest
from making import make_runtime, make_spec

from orchestrator.domain.container import Tmpfs
from orchestrator.domain.limits import MIB, Limits
from orchestrator.policies.hardening import (
    GVISOR_MEMORY_BYTES,
    GVISOR_PROCESSES,
    HardeningSettings,
    hardened_spec,
)
from orchestrator.policies.selfcheck import find_weaknesses

SPEC = make_spec(
    container_runtime="runsc", job_uid=2_000_001, tmpfs=(Tmpfs(path="/work", size_bytes=8 * MIB, inodes=64),)
)
# As release 20240729 wrote them, but for the uid and the sizes.
STATUS = """Name:\tpython3.13
State:\tR (running)
Tgid:\t2
Uid:\t2000001\t2000001\t2000001\t2000001
Gid:\t2000001\t2000001\t2000001\t2000001
Groups:\t2000001
Threads:\t1
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000000
Seccomp:\t0
Mems_allowed:\t1
"""
MOUNTS = """16 15 0:17 / / ro - 9p none ro,trans=fd,rfdno=4,wfdno=4,aname=/,directfs
18 16 0:18 / /dev rw - tmpfs none rw,mode=0755
19 16 0:19 / /sys ro,noexec - sysfs none ro,dentry_cache_limit=1000
21 16 0:21 / /proc rw,noexec - proc none rw,dentry_cache_limit=1000
22 16 0:22 / /work rw,noexec - tmpfs none rw,size=8388608,mode=0700,uid=2000001,gid=2000001
23 18 0:23 / /dev/pts rw,noexec - devpts none rw
24 16 0:24 / /etc/hostname ro - 9p none ro,trans=fd,rfdno=5,wfdno=5,aname=/,directfs
25 19 0:25 / /sys/fs/cgroup ro,noexec - tmpfs none ro
31 25 0:14 /2ca0 /sys/fs/cgroup/memory rw - cgroup none rw,memory
"""
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max file size             8388608              8388608              bytes
Max core file size        0                    0                    bytes
Max open files            256                  256                  files
Max locked memory         65536                65536                bytes
Max msgqueue size         0                    0                    bytes
"""
NETWORK = "Inter-|   Receive\n face |bytes\n    lo:       0\n"
FACTS = {
    "status": STATUS,
    "mountinfo": MOUNTS,
    "limits": LIMITS,
    "net_dev": NETWORK,
    "child_status": STATUS.replace("Seccomp:\t0", "Seccomp:\t2"),
}


def test_a_container_of_gvisor_is_accepted():
    """As it is, with and without a child of its own (Node has none)."""
    assert find_weaknesses(FACTS, SPEC) == ()
    assert find_weaknesses({name: text for name, text in FACTS.items() if name != "child_status"}, SPEC) == ()


@pytest.mark.parametrize(
    ("name", "old", "new", "weakness"),
    [
        ("status", "Mems_allowed", "voluntary_ctxt_switches:\t3\nMems_allowed", "host's kernel"),
        ("status", STATUS, "", "host's kernel"),
        ("status", "Uid:\t2000001", "Uid:\t0", "Uid is"),
        ("status", "CapBnd:\t0000000000000000", "CapBnd:\t00000000a80425fb", "CapBnd"),
        ("child_status", "Seccomp:\t2", "Seccomp:\t0", "child's own seccomp filter"),
        ("mountinfo", "/ / ro -", "/ / rw -", "not read-only"),
        ("mountinfo", "/work rw,noexec -", "/work rw -", "without noexec"),
        ("mountinfo", "size=8388608", "size=9388608", "not bounded"),
        ("mountinfo", "/etc/hostname ro", "/etc/hostname rw", "/etc/hostname is mounted writable"),
        (
            "mountinfo",
            "/dev rw - tmpfs none rw,mode=0755",
            "/dev rw - tmpfs none rw,size=1024k",
            "/dev is mounted writable",
        ),
        ("limits", "256                  256", "256                  1024", "max open files"),
        (
            "limits",
            "Max core file size        0                    0",
            "Max core file size  unlimited  unlimited",
            "core",
        ),
        ("net_dev", "lo:", "lo: 0\n  eth0:", "eth0"),
    ],
)
def test_each_weakness_of_a_gvisor_container_is_named(name, old, new, weakness):
    """One fact changed, one refusal."""
    assert old in FACTS[name]
    found = find_weaknesses({**FACTS, name: FACTS[name].replace(old, new, 1)}, SPEC)
    assert any(weakness in one for one in found), found


def test_the_facts_of_gvisor_are_not_enough_for_any_other_runtime():
    """On Linux a missing NoNewPrivs or a Seccomp of 0 is a weakness."""
    found = find_weaknesses(FACTS, make_spec(container_runtime="crun", job_uid=2_000_001, tmpfs=SPEC.tmpfs))
    assert any("Seccomp is 0" in one for one in found)
    assert any("no-new-privileges" in one for one in found)


@pytest.mark.parametrize(
    ("runtime", "processes", "memory"),
    [("runsc", GVISOR_PROCESSES, GVISOR_MEMORY_BYTES), ("crun", 0, 0), (None, 0, 0)],
)
def test_gvisors_own_kernel_has_room_beside_the_job(runtime, processes, memory):
    """Its threads and its memory count in the container's cgroup, like the job's."""
    settings = HardeningSettings(init_uid=2_000_000, cpus=1.0, open_files=256, container_runtime=runtime)
    language, limits = make_runtime(), Limits()
    spec = hardened_spec(language, settings, job_uid=2_000_001, limits=limits, seccomp_json=None, labels={})
    assert spec.headroom_processes == processes
    assert spec.pids == language.interpreter_processes + limits.processes + processes
    assert (
        spec.memory_bytes
        == language.interpreter_memory_bytes + language.headroom_bytes + limits.memory_bytes + memory
    )
