"""Every check of `sandbox-orch doctor` can come out in each way it may, and never takes the unknown for good."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from making import make_spec

from orchestrator.domain.limits import MIB, Usage
from orchestrator.domain.outcome import JobError, JobResult, LimitHit, Outcome, Timing
from orchestrator.policies.checkup import Checkup, HostFacts, HostNeeds, IdRange, Status, judge_host
from orchestrator.policies.host_checks import CHECKS, KNOBS
from orchestrator.policies.probes import PROBES, ProbeContext, judge_limits, line_of

GIB = 1024 * MIB
GOOD_KNOBS = {
    **{name: str(value) for name, (value, _, _) in KNOBS.items()},
    "kernel.core_pattern": "core",
    "kernel.pid_max": "4194304",
    "user.max_user_namespaces": "0",
}
GOOD = HostFacts(
    engine_version="28.5.1",
    engine_api="1.51",
    runtime_versions={"runc": "1.3.3"},
    runtimes=("crun", "runc"),
    security_options=("name=seccomp,profile=default", "name=apparmor", "name=userns"),
    engine_controls={"memory": True, "swap": True, "pids": True, "cpu": True, "cpuset": True},
    engine_warnings=(),
    storage_driver="overlay2",
    live_restore=False,
    engine_address="unix:///var/run/docker.sock",
    socket_mode=0o660,
    images_missing=(),
    kernel="6.12.0-1-amd64",
    cgroup_version=2,
    cgroup_controllers=frozenset({"memory", "pids", "cpu", "cpuset", "io"}),
    swap_bytes=0,
    knobs=GOOD_KNOBS,
    cpu_weaknesses=(),
    memory_available_bytes=32 * GIB,
    disk_free_bytes=100 * GIB,
    disk_free_share=0.5,
    inodes_free_share=0.9,
    clock_source="tsc",
    clock_synchronised=True,
    processes=300,
    known_ids=(
        IdRange(first=0, count=1, where="passwd (root)"),
        IdRange(first=100_000, count=65_536, where="/etc/subuid"),
    ),
    open_files=1024,
)
NEEDS = HostNeeds(
    container_runtime=None,
    containers_maximum=32,
    container_bytes=256 * MIB,
    jobs_memory_bytes=16 * GIB,
    jobs_processes=8192,
    uid_first=2_000_000,
    uid_count=1_000_000,
)
WITHOUT_REMAP = ("name=seccomp", "name=apparmor")


def line(name: str, facts: HostFacts = GOOD, needs: HostNeeds = NEEDS):
    (found,) = [line for line in judge_host(facts, needs, CHECKS) if line.name == name]
    return found


def knobs(**changes: str) -> dict[str, str]:
    return {**GOOD_KNOBS, **{name.replace("__", "."): value for name, value in changes.items()}}


def test_a_good_host_has_no_warning():
    """All facts known and as they should be: every line is ok."""
    assert [line for line in judge_host(GOOD, NEEDS, CHECKS) if line.status is not Status.OK] == []


CASES = [
    ("engine", {"engine_api": "1.40"}, Status.FAIL, "1.40"),
    ("engine-version", {"engine_version": "20.10.23+dfsg1"}, Status.WARN, "20.10.23"),
    ("engine-version", {"engine_version": "20.10.24+dfsg1"}, Status.OK, "20.10.24"),
    ("engine-warnings", {"engine_warnings": ("WARNING: No swap limit support",)}, Status.WARN, "No swap limit"),
    ("runtime-version", {"runtime_versions": {"runc": "1.1.5+ds1-1+deb12u1"}}, Status.WARN, "unless backported"),
    ("runtime-version", {"runtime_versions": {"runc": "1.2.7"}}, Status.WARN, "1.2.7"),
    ("runtime-version", {"runtime_versions": {"runc": "1.2.8"}}, Status.OK, "1.2.8"),
    ("runtime-version", {"runtime_versions": {"runc": "1.3.2"}}, Status.WARN, "1.3.2"),
    ("runtime-version", {"runtime_versions": {"runc": "1.4.0", "crun": "1.8.1"}}, Status.WARN, "crun 1.8.1"),
    ("runtime-version", {"runtime_versions": {}}, Status.WARN, "unknown"),
    ("engine-socket", {"socket_mode": 0o666}, Status.FAIL, "0666"),
    ("engine-socket", {"socket_mode": None}, Status.WARN, "unknown permissions"),
    ("engine-socket", {"engine_address": "tcp://10.0.0.7:2375"}, Status.FAIL, "without encryption"),
    ("engine-socket", {"engine_address": "tcp://127.0.0.1:2375"}, Status.WARN, "without encryption"),
    ("seccomp", {"security_options": ("name=apparmor",)}, Status.FAIL, "none"),
    ("mandatory-access-control", {"security_options": ("name=seccomp",)}, Status.WARN, "neither"),
    ("mandatory-access-control", {"security_options": ("name=selinux",)}, Status.OK, "in force"),
    ("user-namespaces", {"security_options": WITHOUT_REMAP}, Status.WARN, "of the host"),
    ("rootless", {"security_options": ("name=rootless",)}, Status.WARN, "without root"),
    ("storage-driver", {"storage_driver": "vfs"}, Status.WARN, "vfs"),
    ("live-restore", {"live_restore": True}, Status.WARN, "on"),
    ("images", {"images_missing": ("sandbox-orch/node:24-1",)}, Status.FAIL, "sandbox-orch/node"),
    ("kernel", {"kernel": "5.4.0-26-generic"}, Status.WARN, "5.4.0"),
    ("cgroups", {"cgroup_version": 1}, Status.FAIL, "cpuacct"),
    ("cgroups", {"cgroup_version": 3}, Status.FAIL, "version 3"),
    ("cgroups", {"cgroup_controllers": frozenset({"cpu", "cpuset", "pids"})}, Status.FAIL, "without memory"),
    ("cgroups", {"engine_controls": {**GOOD.engine_controls, "pids": False}}, Status.FAIL, "without pids"),
    ("swap", {"swap_bytes": 2 * GIB}, Status.OK, "accounted"),
    ("swap", {"swap_bytes": 2 * GIB, "engine_controls": {"swap": False}}, Status.FAIL, "not accounted"),
    ("cpu-weaknesses", {"cpu_weaknesses": ("mds", "l1tf")}, Status.WARN, "mds, l1tf"),
    ("kernel.core_pattern", {"knobs": knobs(kernel__core_pattern="|/usr/bin/coredump %p")}, Status.WARN, "|/usr"),
    ("user.max_user_namespaces", {"knobs": knobs(user__max_user_namespaces="96365"), "security_options": WITHOUT_REMAP}, Status.WARN, "96365"),
    ("disk", {"disk_free_bytes": GIB}, Status.WARN, "1.0 GiB"),
    ("disk", {"disk_free_share": 0.01}, Status.WARN, "1%"),
    ("inodes", {"inodes_free_share": 0.01}, Status.WARN, "1%"),
    ("memory", {"memory_available_bytes": GIB}, Status.WARN, "1.0 GiB available"),
    ("process-numbers", {"knobs": knobs(kernel__pid_max="16384")}, Status.WARN, "16084 left"),
    ("open-files", {"open_files": 128}, Status.FAIL, "256 may be needed"),
    ("uid-range", {"known_ids": (IdRange(first=2_000_005, count=1, where="passwd (eve)"),), "security_options": WITHOUT_REMAP}, Status.FAIL, "2000005 in passwd (eve)"),
    ("uid-range", {"known_ids": (IdRange(first=1_999_000, count=65_536, where="/etc/subuid"),), "security_options": WITHOUT_REMAP}, Status.FAIL, "/etc/subuid"),
    ("uid-range", {"known_ids": (IdRange(first=1_999_000, count=1000, where="x"),), "security_options": WITHOUT_REMAP}, Status.OK, "none known"),
    ("clock-source", {"clock_source": "hpet"}, Status.WARN, "hpet"),
    ("clock-synchronised", {"clock_synchronised": False}, Status.WARN, "no"),
    *((name, {"knobs": {**GOOD_KNOBS, name: str(1 - value if not more else value - 1)}}, Status.WARN, "") for name, (value, more, _) in KNOBS.items()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "status", "found"),
    CASES,
    ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES)],
)
def test_each_check_sees_what_it_is_for(name, changes, status, found):
    """One fact changed, one line changes, and says what was found."""
    judged = line(name, replace(GOOD, **changes))
    assert judged.status is status
    assert found in judged.found


def test_the_configured_runtime_must_be_there():
    """A wall that was asked for and is not there is a failure, not a fall-back."""
    assert line("container-runtime", needs=replace(NEEDS, container_runtime="crun")).status is Status.OK
    absent = line("container-runtime", needs=replace(NEEDS, container_runtime="runsc"))
    assert (absent.status, absent.required) == (Status.FAIL, True)
    assert "runsc is configured" in absent.found


def test_without_a_parent_cgroup_there_is_no_common_bound():
    """And then the memory of all containers together is what counts."""
    needs = replace(NEEDS, jobs_memory_bytes=None, containers_maximum=1000)
    assert line("parent-cgroup", needs=needs).status is Status.WARN
    assert line("memory", needs=needs).status is Status.WARN


NON_OK = {name for name, _, status, _ in CASES if status is not Status.OK} | {
    "container-runtime",
    "parent-cgroup",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_each_check_can_come_out_badly(check):
    """A check that cannot fail proves nothing."""
    assert check.name in NON_OK


@pytest.mark.parametrize("check", [check for check in CHECKS if check.reads], ids=lambda check: check.name)
def test_the_unknown_is_a_warning(check):
    """Whichever of its facts is missing, the line says so."""
    for name in check.reads:
        field, _, knob = name.partition(":")
        value = {key: text for key, text in GOOD_KNOBS.items() if key != knob} if knob else None
        judged = line(check.name, replace(GOOD, **{field: value}))
        assert (judged.status, judged.found) == (Status.WARN, "unknown")


def test_nothing_known_is_never_fine():
    """No fact at all: no line that rests on facts is ok, and nothing is wrongly failed."""
    assert {
        line.status for line in judge_host(HostFacts(), NEEDS, CHECKS) if line.name != "parent-cgroup"
    } == {Status.WARN}


def test_every_fact_is_judged():
    """A fact that is read and used by no check is a check that was forgotten."""
    read = {name.partition(":")[0] for check in CHECKS for name in check.reads}
    assert {field.name for field in fields(HostFacts)} - read == {
        "socket_mode"
    }  # judged by engine-socket where known


def test_only_required_checks_fail():
    """What may not fail the host must not be marked as failed: swept over every case."""
    for name, changes, _, _ in CASES:
        judged = line(name, replace(GOOD, **changes))
        assert judged.required or judged.status is not Status.FAIL


def test_names_are_unique_and_every_line_says_why_and_how_to_mend_it():
    """Across checks."""
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
    for about in (*CHECKS, *(probe.about for probe in PROBES)):
        assert about.why
        assert about.mend


def test_a_checkup_names_what_failed():
    """Warnings do not count."""
    lines = judge_host(replace(GOOD, socket_mode=0o666, live_restore=True), NEEDS, CHECKS)
    assert [line.name for line in Checkup(lines=lines).failed] == ["engine-socket"]


# -- probes -----------------------------------------------------------------------------------------------

CONTEXT = ProbeContext(
    in_gvisor=False,
    uid_first=2_000_000,
    uid_count=1_000_000,
    known_ids=(IdRange(first=2_000_777, count=1, where="passwd (eve)"),),
    environment={"PATH": "/usr/bin"},
)
IN_GVISOR = replace(CONTEXT, in_gvisor=True)
STATUS = "Uid:\t2000001\t2000001\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
WARN_IN_GVISOR = (Status.FAIL, Status.WARN)


def result(
    outcome: Outcome = Outcome.SUCCEEDED,
    output: object = None,
    *,
    run_ms: float = 1.0,
    observed: int | None = 1,
):
    limit = LimitHit(name="x", configured=1, observed=observed) if outcome.endswith("_limit") else None
    error = None if outcome is Outcome.SUCCEEDED else JobError(name="Name", message="words")
    return JobResult(
        id="x", outcome=outcome, usage=Usage(wall_ms=1.0), output=output, limit=limit, error=error,
        timing=Timing(run_ms=run_ms, total_ms=run_ms),
    )  # fmt: skip


def judge(name: str, what: JobResult, context: ProbeContext = CONTEXT) -> Status:
    probe = next(probe for probe in PROBES if probe.about.name == name)
    return probe.judge(what, context)[0]


ALL_REFUSED = {"socket": "EAFNOSUPPORT", "bpf": "EPERM", "shmget": "ENOSYS"}
PROBE_CASES = [
    ("round-trip", result(output=["é", 2, None]), Status.OK),
    ("round-trip", result(output=["?", 2, None]), Status.FAIL),
    ("identity", result(output=STATUS), Status.OK),
    ("identity", result(output=STATUS.replace("2000001", "0")), Status.FAIL),
    ("identity", result(output=STATUS.replace("2000001", "2000777")), Status.FAIL),
    ("identity", result(output=STATUS.replace("Seccomp:\t2", "Seccomp:\t0")), Status.FAIL),
    ("identity", result(output=STATUS.replace("NoNewPrivs:\t1", "NoNewPrivs:\t0")), Status.FAIL),
    ("identity", result(output=STATUS.replace("CapEff:\t0", "CapEff:\t8")), Status.FAIL),
    ("system-calls", result(output=ALL_REFUSED), Status.OK),
    ("system-calls", result(output={}), Status.FAIL),
    ("system-calls", result(output={**ALL_REFUSED, "bpf": "EINVAL"}), Status.FAIL),
    ("system-calls", result(output={**ALL_REFUSED, "shmget": "allowed"}), Status.FAIL),
    ("no-network", result(output=[]), Status.OK),
    ("no-network", result(output=["inet"]), Status.FAIL),
    ("read-only", result(output=[]), Status.OK),
    ("read-only", result(output=["/usr"]), Status.FAIL),
    ("no-code-from-files", result(output=[]), Status.OK),
    ("no-code-from-files", result(output=["code from /tmp"]), Status.FAIL),
    ("no-new-process", result(output=[]), Status.OK),
    ("no-new-process", result(output=["fork"]), Status.FAIL),
    ("hidden-supervisor", result(output=[]), Status.OK),
    ("hidden-supervisor", result(output=["fd/1"]), Status.FAIL),
    ("environment", result(output=["HOSTNAME", "PATH"]), Status.OK),
    ("environment", result(output=["AWS_SECRET_ACCESS_KEY", "PATH"]), Status.FAIL),
    ("memory-limit", result(Outcome.MEMORY_LIMIT), Status.OK),
    ("memory-limit", result(Outcome.WALL_TIME_LIMIT), Status.FAIL),
    ("process-limit", result(Outcome.PROCESS_LIMIT), Status.OK),
    ("process-limit", result(output=None), Status.FAIL),
    ("disk-limit", result(output=16 * MIB), Status.OK),
    ("disk-limit", result(Outcome.DISK_LIMIT, observed=None), Status.OK),
    ("disk-limit", result(Outcome.ERROR), Status.FAIL),
    ("deadline", result(Outcome.WALL_TIME_LIMIT, run_ms=320.0), Status.OK),
    ("deadline", result(Outcome.WALL_TIME_LIMIT, run_ms=520.0), Status.WARN),
    ("deadline", result(Outcome.WALL_TIME_LIMIT, run_ms=2400.0), Status.FAIL),
    ("deadline", result(output=1), Status.FAIL),
    ("no-doors", result(output=[]), Status.OK),
    ("no-doors", result(output=["require"]), Status.FAIL),
]


@pytest.mark.parametrize(("name", "what", "status"), PROBE_CASES)
def test_each_probe_sees_what_it_is_for(name, what, status):
    """What worked that must not have, or a limit that was not met, fails the line."""
    assert judge(name, what) is status


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: f"{probe.about.name}-{probe.language}")
@pytest.mark.parametrize("outcome", [Outcome.INTERNAL_ERROR, Outcome.EXPIRED, Outcome.ERROR, Outcome.KILLED])
def test_a_probe_that_did_not_run_proves_nothing(probe, outcome):
    """A runner that never started satisfies no expectation, in gVisor neither."""
    for context in (CONTEXT, IN_GVISOR):
        assert probe.judge(result(outcome), context)[0] is Status.FAIL


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: f"{probe.about.name}-{probe.language}")
def test_every_probe_can_come_out_both_ways(probe):
    """By the cases above."""
    assert {status for name, _, status in PROBE_CASES if name == probe.about.name} >= {Status.OK, Status.FAIL}


@pytest.mark.parametrize(
    ("name", "what", "statuses"),
    [
        ("system-calls", result(output={**ALL_REFUSED, "shmget": "allowed"}), (Status.FAIL, Status.OK)),
        ("system-calls", result(output={**ALL_REFUSED, "bpf": "allowed"}), (Status.FAIL, Status.FAIL)),
        ("no-code-from-files", result(output=["code from /tmp"]), WARN_IN_GVISOR),
        ("hidden-supervisor", result(output=["fd/1"]), WARN_IN_GVISOR),
        ("process-limit", result(output=None), WARN_IN_GVISOR),
        ("identity", result(output=STATUS.replace("NoNewPrivs:\t1\n", "")), (Status.FAIL, Status.OK)),
        ("no-network", result(output=["inet"]), (Status.FAIL, Status.FAIL)),
        ("read-only", result(output=["/usr"]), (Status.FAIL, Status.FAIL)),
    ],
)
def test_less_is_asked_of_gvisor_only_where_its_kernel_stands_in(name, what, statuses):
    """On the host's kernel, and in gVisor."""
    assert (judge(name, what), judge(name, what, IN_GVISOR)) == statuses


# -- limits in force ------------------------------------------------------------------------------------------

SPEC = make_spec(memory_bytes=64 * MIB, pids=20, cpus=1.0)
IN_FORCE = {"memory_bytes": 64 * MIB, "memory_and_swap_bytes": 64 * MIB, "pids": 20, "cpus": 1.0}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.OK),
        ({"memory_and_swap_bytes": None}, Status.OK),
        ({"memory_bytes": None}, Status.FAIL),
        ({"memory_bytes": 65 * MIB}, Status.FAIL),
        ({"memory_and_swap_bytes": 65 * MIB}, Status.FAIL),
        ({"pids": None}, Status.FAIL),
        ({"pids": 21}, Status.FAIL),
        ({"cpus": None}, Status.FAIL),
        ({"cpus": 2.0}, Status.FAIL),
    ],
)
def test_limits_are_read_back(changes, status):
    """Whatever is not within what was asked for fails."""
    assert judge_limits(SPEC, {**IN_FORCE, **changes})[0] is status


def test_limits_out_of_reach_are_unknown():
    """A warning, as every unknown."""
    status, found = judge_limits(SPEC, None)
    assert status is Status.WARN
    assert found.startswith("unknown")


def test_a_line_of_a_container_names_its_runtime():
    """And is required."""
    made = line_of(PROBES[0].about, Status.OK, "fine", runtime="python")
    assert (made.name, made.required) == ("round-trip (python)", True)
