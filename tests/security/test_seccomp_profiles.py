"""The seccomp profiles as files: what they say, read without any engine."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter

import pytest
from confined import ENGINE_DEFAULT, ENOSYS, NUMBERS, PROFILE_NAMES, RUNTIMES, Rules

from orchestrator.backends.runtime_files import seccomp_folder
from orchestrator.backends.seccomp import load_profile
from orchestrator.domain.errors import ConfigurationError

# What no profile may let through, whatever its arguments are.
FORBIDDEN = {
    "sockets": "socket bind connect listen accept accept4 sendmsg recvmsg sendmmsg recvmmsg setsockopt getpeername",
    "other processes": "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_open"
    " pidfd_getfd pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo tkill setpriority ioprio_set migrate_pages",
    "more processes": "fork vfork clone3 execveat setsid setpgid",
    "keys": "keyctl add_key request_key",
    "programs in the kernel": "bpf perf_event_open",
    "a second way into the kernel": "io_uring_setup io_uring_enter io_uring_register io_setup io_submit",
    "fault handling": "userfaultfd",
    "mounts": "mount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick"
    " mount_setattr statmount listmount",
    "namespaces": "unshare setns",
    "execution domains": "personality modify_ldt iopl ioperm",
    "page cache": "mincore cachestat",
    "System V IPC": "shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl",
    "POSIX IPC": "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr",
    "programs without a file": "memfd_create memfd_secret execveat",
    "pages between files and pipes": "splice tee vmsplice sendfile copy_file_range",
    "locks and watches": "flock inotify_init inotify_init1 inotify_add_watch fanotify_init fanotify_mark",
    "handles instead of paths": "name_to_handle_at open_by_handle_at",
    "the machine": "reboot swapon swapoff syslog acct quotactl quotactl_fd kexec_load kexec_file_load init_module"
    " finit_module delete_module settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname vhangup",
    "other ids": "setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset",
    "devices and owners": "mknod chown fchown lchown fchownat",
    "scheduling and locked memory": "sched_setscheduler sched_setparam sched_setattr sched_setaffinity mlock mlock2 mlockall",
    "filters": "seccomp landlock_create_ruleset",
}

# Every rule that looks at arguments: (call, its conditions as index, operator, value[, second value]).
CLONE_THREAD, CLONE_FORK, NO_NAMESPACE = 0x10000, 0x01200011, 0x7E020000
EQ, MASKED = "SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"
THREADS = ("clone", ((0, MASKED, NO_NAMESPACE | CLONE_THREAD, CLONE_THREAD),))
ARGUMENT_RULES = {
    "python": {
        THREADS,
        ("clone", ((0, EQ, CLONE_FORK, 0),)),
        ("prlimit64", ((0, EQ, 0, 0),)),
        ("mknodat", ((2, MASKED, 0o170000, 0o010000),)),
        ("socketpair", ((0, EQ, 1, 0),)),
        ("prctl", ((0, EQ, 1, 0), (1, EQ, 9, 0))),
        *(("prctl", ((0, EQ, option, 0),)) for option in (4, 38)),
        ("prctl", ((0, EQ, 22, 0), (1, EQ, 2, 0))),
        *(("fcntl", ((1, EQ, command, 0),)) for command in (1, 2, 3, 4, 1030)),
        *(("ioctl", ((1, EQ, request, 0),)) for request in (0x5401, 0x5413, 0x5421, 0x5450, 0x5451)),
    },
    "node": {
        THREADS,
        ("prlimit64", ((0, EQ, 0, 0),)),
        ("prctl", ((0, EQ, 15, 0),)),
        *(("fcntl", ((1, EQ, command, 0),)) for command in (2, 3, 4)),
        *(("ioctl", ((1, EQ, request, 0),)) for request in (0x5401, 0x5421)),
    },
    "program": {
        ("clone", ((0, MASKED, 0x7E020000, 0),)),
        ("prlimit64", ((0, EQ, 0, 0),)),
        ("prctl", ((0, EQ, 1, 0), (1, EQ, 9, 0))),
        *(("prctl", ((0, EQ, option, 0),)) for option in (4, 15, 36, 38)),
        ("prctl", ((0, EQ, 22, 0), (1, EQ, 2, 0))),
        *(("fcntl", ((1, EQ, command, 0),)) for command in (0, 1, 2, 3, 4, 1030)),
        *(("ioctl", ((1, EQ, request, 0),)) for request in (0x5401, 0x5413)),
    },
}
MOST_NAMES = {"python": 120, "node": 62, "program": 121}
# What a profile for processes has of a family that no other has: a process, and a session for it.
FOR_PROCESSES = {"program": {"vfork", "setsid"}}

each_profile = pytest.mark.parametrize("name", PROFILE_NAMES)


def read(name: str) -> dict:
    return json.loads((seccomp_folder() / f"{name}.json").read_text())


def test_every_runtime_has_a_profile_and_every_profile_a_runtime():
    """No profile is left over, and none is missing."""
    files = {file.stem for file in seccomp_folder().glob("*.json")}
    assert files == {runtime.seccomp_profile for runtime in RUNTIMES.values()}


@each_profile
def test_what_is_not_listed_is_denied_with_an_errno(name):
    """Default deny, and no action but to allow or to answer with an errno."""
    profile = read(name)
    assert (profile["defaultAction"], profile["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    assert {group["action"] for group in profile["syscalls"]} == {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}
    assert {key for group in profile["syscalls"] for key in group} <= {
        "comment", "names", "action", "args", "errnoRet", "includes",
    }  # fmt: skip


@each_profile
def test_a_host_allows_its_one_own_abi(name):
    """`archMap` gives a host its native architecture; nothing beside it, so neither i386 nor x32."""
    profile = read(name)
    assert "architectures" not in profile
    assert profile["archMap"] == [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
    ]


@each_profile
def test_every_group_says_what_needs_it(name):
    """A comment per group, a sentence; a denial that is written out says what it is secure against."""
    for group in read(name)["syscalls"]:
        assert re.match(r"[A-Za-z].{20,}\.$", group["comment"]), group
        if group["action"] == "SCMP_ACT_ERRNO":
            assert group["comment"].startswith("SECURITY: "), group


@each_profile
def test_no_name_is_in_two_groups(name):
    """One group decides each call; only rules on arguments, one value each, share their one name."""
    groups = read(name)["syscalls"]
    plain = Counter(call for group in groups if "args" not in group for call in group["names"])
    on_arguments = [group for group in groups if "args" in group]
    assert [call for call, count in plain.items() if count > 1] == []
    assert all(len(group["names"]) == 1 for group in on_arguments)
    assert not plain.keys() & {group["names"][0] for group in on_arguments}
    distinct = {(group["names"][0], json.dumps(group["args"])) for group in on_arguments}
    assert len(distinct) == len(on_arguments)


@each_profile
def test_names_are_known_and_in_order(name):
    """Every name is one of Linux' calls (a misspelt one would be skipped silently), sorted for reviews."""
    for group in read(name)["syscalls"]:
        assert group["names"] == sorted(group["names"])
        assert set(group["names"]) <= NUMBERS.keys()


@each_profile
def test_it_allows_less_than_the_engines_own_default(name):
    """A strict subset, by far: a job never gains by our profile."""
    allowed = Rules.named(name).allowed
    assert allowed < ENGINE_DEFAULT
    assert len(allowed) <= MOST_NAMES[name]


@each_profile
@pytest.mark.parametrize("family", FORBIDDEN)
def test_no_call_of_a_denied_family_is_allowed(name, family):
    """Absent from every group that allows, on any architecture."""
    allowed = {
        call
        for group in read(name)["syscalls"]
        if group["action"] == "SCMP_ACT_ALLOW"
        for call in group["names"]
    }
    found = allowed & set(FORBIDDEN[family].split())
    assert found == (FOR_PROCESSES.get(name, set()) if family == "more processes" else set())


@each_profile
def test_rules_on_arguments_are_exactly_these(name):
    """A value more or less is a decision, made here."""
    found = {
        (rule.names[0], tuple((one.index, one.op, one.value, one.value_two) for one in rule.conditions))
        for rules in Rules.named(name).conditional.values()
        for rule in rules
    }
    assert found == ARGUMENT_RULES[name]


@each_profile
def test_only_plain_threads_can_be_made(name):
    """No flag of a new namespace, alone or together, gets past the rules for clone."""
    rules = Rules.named(name)
    assert rules.answer("clone", (0x3D0F00,)) == 0
    assert (rules.answer("clone", (CLONE_FORK,)) == 0) == (name in ("python", "program"))
    # CLONE_NEWTIME (0x80) is one of clone3 and unshare only: in clone it is part of the signal's number.
    new_time = () if name == "program" else (0x80,)
    for flag in (*new_time, 0x00020000, *(1 << bit for bit in range(25, 31))):
        for others in (0x11, CLONE_FORK, 0x100, 0x4111):
            assert rules.answer("clone", (flag | others,)) != 0
    for flag in (0x00020000, *(1 << bit for bit in range(25, 31))):
        assert rules.answer("clone", (flag | 0x3D0F00,)) != 0


@each_profile
def test_what_libraries_probe_for_is_missing_rather_than_forbidden(name):
    """Calls from Linux 5.1 on (number 424) that are not allowed answer ENOSYS by a rule of their own: engines before
    24 ignore a profile's `defaultErrnoRet`."""
    rules = Rules.named(name)
    newer = {call for call, number in NUMBERS.items() if number >= 424} - rules.allowed
    assert {call: rules.answer(call) for call in newer} == dict.fromkeys(newer, ENOSYS)
    assert {rules.answer(call) for call in ("memfd_create", "execveat")} == {ENOSYS}


@each_profile
def test_the_readme_says_of_every_name_what_needs_it(name):
    """The table of needs in seccomp/README.md has exactly the names that are allowed, each with its need."""
    text = (seccomp_folder() / "README.md").read_text()
    section = text.split(f"### {name}.json\n")[1].split("\n### ")[0].split("\n## ")[0]
    cells = [line.split("|")[-2] for line in section.splitlines() if line.startswith("| ")]
    named = [call for cell in cells for call in re.findall(r"`([a-z0-9_]+)`", cell)]
    assert Counter(named) == Counter(Rules.named(name).allowed)


# -- how profiles reach the engine --------------------------------------------------------------------------


@each_profile
def test_a_profile_is_loaded_whole_as_one_line(name):
    """White space goes, nothing else; the digest is of the very text that the engine gets."""
    profile = load_profile(name)
    assert json.loads(profile.json_text) == read(name)
    assert "\n" not in profile.json_text
    assert profile.digest == f"sha256:{hashlib.sha256(profile.json_text.encode()).hexdigest()}"
    assert profile == load_profile(name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{}]}', "defaultAction must be SCMP_ACT_ERRNO"),
        ('{"syscalls": [{}]}', "defaultAction must be SCMP_ACT_ERRNO"),
        ('{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}', "syscalls must be the list"),
        ('{"defaultAction": "SCMP_ACT_ERRNO"}', "syscalls must be the list"),
        ("[]", "not a JSON object"),
        ('{"defaultAction": ', "Expecting value"),
        ("\xff", "codec can't decode"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_profile_that_allows_by_default_is_refused(tmp_path, text, says):
    """What is no default-deny profile stops the start, with the file's name."""
    (tmp_path / "weak.json").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=rf"weak\.json: .*{says}"):
        load_profile("weak", tmp_path)


def test_a_missing_profile_stops_the_start(tmp_path):
    """There is no falling back to the engine's default."""
    with pytest.raises(ConfigurationError, match=r"none\.json: .*No such file"):
        load_profile("none", tmp_path)
