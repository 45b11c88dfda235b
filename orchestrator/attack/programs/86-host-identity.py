# expect: contained
# after: slot-fresh; what would name this host (serial numbers, machine id, keys, device interrupts) is not readable
import os

hits = []
for p in (
    "/proc/keys",
    "/proc/key-users",
    "/proc/sched_debug",
    "/proc/timer_list",
    "/proc/interrupts",
    "/proc/modules",
    "/proc/slabinfo",
    "/sys/class/dmi/id/product_uuid",
    "/sys/class/dmi/id/product_serial",
    "/sys/class/dmi/id/board_serial",
    "/sys/firmware/acpi/tables/DSDT",
    "/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj",
    "/etc/machine-id",
    "/etc/shadow",
    "/root/.ssh/id_rsa",
    "/var/log/syslog",
):
    try:
        with open(p, "rb") as f:
            if f.read(64).strip():
                hits.append(p)
    except OSError:
        pass
name = os.uname().nodename
if name != "sandbox":
    hits.append("host name " + name)
output = "ESCAPED: " + " ".join(hits) if hits else "contained: nothing names the host"
