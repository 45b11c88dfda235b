"""`policies/selfcheck.py`: a container that is weaker than its recipe never joins the pool."""

from __future__ import annotations

import pytest
from making import make_spec

from orchestrator.domain.limits import MIB
from orchestrator.policies.selfcheck import find_weaknesses

SPEC = make_spec()
STATUS = """\
Name:\tpython3
Uid:\t2000001\t2000001\t2000001\t2000001
Gid:\t2000001\t2000001\t2000001\t2000001
Groups:\t2000001
CapInh:\t0000000000000000
CapPrm:\t0000000000000000
CapEff:\t0000000000000000
CapBnd:\t0000000000000000
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
"""
MOUNTS = f"""\
1 0 0:1 / / ro,relatime - overlay overlay rw,lowerdir=x
2 1 0:2 / /proc rw,nosuid,nodev,noexec - proc proc rw
3 1 0:3 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
4 1 0:4 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw
5 1 0:5 / /sys ro,nosuid - sysfs sysfs ro
6 1 0:6 / /work rw,nosuid,nodev,noexec - tmpfs tmpfs rw,size={8 * 1024}k,nr_inodes=64
"""
LIMITS = f"""\
Limit                     Soft Limit           Hard Limit           Units
Max core file size        0                    0                    bytes
Max file size             {8 * MIB}              {8 * MIB}              bytes
Max open files            256                  256                  files
Max msgqueue size         0                    0                    bytes
Max locked memory         65536                65536                bytes
"""
NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes
    lo:       0       0    0    0    0     0          0         0        0
"""
GOOD = {"status": STATUS, "mountinfo": MOUNTS, "limits": LIMITS, "net_dev": NET_DEV}


def weaknesses(file: str, old: str = "", new: str = "") -> str:
    assert old in GOOD[file]
    return "; ".join(find_weaknesses({**GOOD, file: GOOD[file].replace(old, new)}, SPEC))


def test_a_container_as_its_recipe_asked_has_no_weakness():
    """The kernel's texts of a well made container say nothing."""
    assert find_weaknesses(GOOD, SPEC) == ()


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("status", "Uid:\t2000001\t2000001", "Uid:\t0\t2000001", "Uid is 0 2000001"),
        ("status", "Gid:", "Gxx:", "Gid is unknown"),
        ("status", "Groups:\t2000001", "Groups:\t2000001 27", "groups 27"),
        ("status", "CapBnd:\t0000000000000000", "CapBnd:\t0000000000000400", "CapBnd is 0000000000000400"),
        ("status", "CapAmb:", "CapXxx:", "CapAmb is unknown"),
        ("status", "NoNewPrivs:\t1", "NoNewPrivs:\t0", "NoNewPrivs is 0"),
        ("status", "Seccomp:\t2", "Seccomp:\t0", "Seccomp is 0"),
        ("mountinfo", "/ / ro,relatime", "/ / rw,relatime", "not read-only"),
        ("mountinfo", "/work", "/elsewhere", "/work is no tmpfs"),
        ("mountinfo", "tmpfs tmpfs rw,size=8192k", "ext4 disk rw,size=8192k", "/work is no tmpfs"),
        ("mountinfo", "nodev,noexec - tmpfs", "nodev - tmpfs", "/work is mounted without noexec"),
        ("mountinfo", "size=8192k", "size=9999k", "not bounded to 8388608 bytes"),
        ("mountinfo", "nr_inodes=64", "nr_inodes=65", "not bounded to 64 files"),
        ("mountinfo", "/proc/kcore", "/opt", "/opt is mounted writable (tmpfs)"),
        ("mountinfo", "/ /sys ro", "/ /data rw", ""),
        ("limits", "file size        0                    0", "file size        0            unlimited", "unlimited, not 0"),
        ("limits", "256                  files", "1024                  files", "max open files is 1024, not 256"),
        ("limits", "Max locked", "Max xxxxxx", "max locked memory is unlimited"),
        ("net_dev", "    lo:", "  eth0:", "network devices: eth0"),
    ],
)  # fmt: skip
def test_each_weakness_is_told(file, old, new, told):
    """One sentence names the control and what was found instead."""
    assert told in weaknesses(file, old, new)


@pytest.mark.parametrize("missing", GOOD)
def test_a_fact_that_is_missing_is_a_weakness(missing):
    """What nobody could read is not taken for granted."""
    assert find_weaknesses({name: text for name, text in GOOD.items() if name != missing}, SPEC)


def test_stricter_than_asked_is_no_weakness():
    """A lower limit than the recipe's is fine."""
    assert weaknesses("limits", "256                  files", "128                  files") == ""
