# expect: contained
# after: host-file-intact, daemon-ok; /sys, cgroups and the knobs under /proc take no write, release_agent and uid_map least of all
import glob
import os

hits, tried = [], 0
paths = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/self/uid_map",
    "/proc/self/gid_map",
    "/proc/self/setgroups",
    "/proc/self/projid_map",
    "/proc/self/timens_offsets",
    "/proc/self/attr/current",
    "/proc/self/attr/exec",
    "/proc/sysrq-trigger",
    "/proc/irq/default_smp_affinity",
    "/proc/bus/pci/00/00.0",
    "/sys/kernel/uevent_helper",
    "/sys/power/state",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/fs/cgroup/release_agent",
]
for name in (
    "release_agent",
    "cgroup.procs",
    "tasks",
    "notify_on_release",
    "memory.limit_in_bytes",
    "memory.max",
    "pids.max",
    "devices.allow",
    "cgroup.kill",
    "cgroup.subtree_control",
    "cpu.max",
    "cpu.cfs_quota_us",
):
    paths += glob.glob(f"/sys/fs/cgroup/{name}") + glob.glob(f"/sys/fs/cgroup/*/{name}")
for p in paths:
    tried += 1
    try:
        os.close(os.open(p, os.O_WRONLY))
    except OSError:
        continue
    if p.startswith("/proc/self/"):
        try:
            with open(p, "w") as f:
                f.write("0 0 1" if "map" in p else "deny")
        except (OSError, ValueError):
            continue
    hits.append(p)
for folder in ["/sys/fs/cgroup", *glob.glob("/sys/fs/cgroup/*/")]:
    try:
        os.mkdir(os.path.join(folder, "probe"))
        hits.append("mkdir " + folder)
    except OSError:
        tried += 1
output = "ESCAPED: " + " ".join(hits) if hits else f"contained: {tried} places refused"
