"""`policies/hardening.py`: the recipe of every container."""

from __future__ import annotations

import pytest
from making import make_runtime

from orchestrator.domain.container import ContainerSpec
from orchestrator.domain.limits import MIB, Limits
from orchestrator.policies.hardening import HardeningSettings, hardened_spec

SETTINGS = HardeningSettings(init_uid=2_000_000, cpus=0.5, open_files=64)


def harden(settings=SETTINGS, **changes) -> ContainerSpec:
    values = {"job_uid": 2_000_007, "limits": Limits(), "seccomp_json": None, "labels": {"a": "b"}}
    return hardened_spec(make_runtime(), settings, **{**values, **changes})


def test_limits_are_above_the_interpreters_own_need():
    """Memory and processes are the interpreter's need plus what jobs may have."""
    spec = harden(limits=Limits(memory_bytes=16 * MIB, processes=3))
    assert spec.memory_bytes == (64 + 2 + 16) * MIB
    assert spec.headroom_bytes == 2 * MIB
    assert spec.pids == 4 + 3


def test_whatever_can_be_written_is_small():
    """The work folder, /tmp and any one file are bounded by the disk limit, and so is the number of files."""
    spec = harden(limits=Limits(disk_bytes=3 * MIB))
    assert [(mount.path, mount.size_bytes) for mount in spec.tmpfs] == [("/work", 3 * MIB), ("/tmp", 3 * MIB)]
    assert all(0 < mount.inodes <= 4096 for mount in spec.tmpfs)
    assert spec.file_size_bytes == 3 * MIB


def test_pid_1_and_the_job_are_different_users_and_never_root():
    """The pause program cannot be touched by the job."""
    spec = harden()
    assert (spec.init_uid, spec.job_uid) == (2_000_000, 2_000_007)
    assert spec.pause_argv == ("/pause",)


def test_the_host_tells_nothing_of_itself():
    """The environment is the runtime's alone and the hostname is fixed."""
    spec = harden()
    assert spec.environment == {"LANG": "C.UTF-8"}
    assert spec.hostname == "sandbox"


def test_the_kernel_sacrifices_jobs_first():
    """A positive score makes jobs go before anything of the host."""
    assert harden().oom_score_adj > 0


@pytest.mark.parametrize("name", ["container_runtime", "cgroup_parent", "apparmor"])
def test_what_the_operator_chose_is_passed_on(name):
    """Nothing the operator sets is lost on the way to the engine, and nothing is set by default."""
    chosen = HardeningSettings(init_uid=1, cpus=1.0, open_files=1, **{name: "chosen"})
    assert getattr(harden(chosen), name) == "chosen"
    assert getattr(harden(), name) is None


def test_a_recipe_does_not_share_the_runtimes_environment():
    """Changing one recipe's environment changes no other's."""
    runtime = make_runtime()
    spec = hardened_spec(runtime, SETTINGS, job_uid=1, limits=Limits(), seccomp_json="{}", labels={})
    spec.environment["LANG"] = "C"
    assert runtime.environment == {"LANG": "C.UTF-8"}
    assert spec.seccomp_json == "{}"
