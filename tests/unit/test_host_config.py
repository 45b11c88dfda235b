"""`backends/host_config.py`: the engine's create call, held fast by one golden file per runtime.

A wanted change: SANDBOX_ORCH_TESTS_WRITE_GOLDEN=1 writes the files anew; the review sees the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from making import make_spec

from orchestrator.backends.host_config import MASKED_PATHS, container_config
from orchestrator.backends.images import images_folder, load_runtimes
from orchestrator.policies.hardening import HardeningSettings, hardened_spec

GOLDEN = Path(__file__).parent / "golden"
RUNTIMES = load_runtimes(images_folder())
SETTINGS = HardeningSettings(init_uid=2_000_000, cpus=1.0, open_files=256)


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=lambda runtime: runtime.name)
def test_the_create_call_is_the_golden_one(runtime):
    """What the engine is asked for is, word for word, what was reviewed."""
    spec = hardened_spec(
        runtime,
        SETTINGS,
        job_uid=2_000_001,
        limits=runtime.ceiling,
        seccomp_json='{"the": "profile"}',
        labels={"org.sandbox-orch.runtime": runtime.name},
    )
    file = GOLDEN / f"{runtime.name}.json"
    text = json.dumps(container_config(spec), indent=2) + "\n"
    if os.environ.get("SANDBOX_ORCH_TESTS_WRITE_GOLDEN") == "1":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_there_is_no_golden_file_without_a_runtime():
    """Every golden file is compared with something."""
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(RUNTIMES)


def host_config(**changes) -> dict[str, object]:
    return container_config(make_spec(**changes))["HostConfig"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NetworkMode", "none"),
        ("IpcMode", "none"),
        ("Privileged", False),
        ("ReadonlyRootfs", True),
        ("CapDrop", ["ALL"]),
        ("LogConfig", {"Type": "none", "Config": {}}),
    ],
)
def test_the_controls_that_nobody_can_choose(key, value):
    """These hold for every recipe."""
    assert host_config()[key] == value


def test_nothing_that_would_open_the_wall_is_ever_asked_for():
    """No mount of the host, no device, no added capability, no port, no shared namespace."""
    opening = {
        "Binds",
        "Mounts",
        "VolumesFrom",
        "Devices",
        "DeviceRequests",
        "CapAdd",
        "PortBindings",
        "Links",
        "UsernsMode",
    }
    assert not opening & host_config().keys()


def test_swap_is_no_second_helping():
    """Memory and memory with swap are the same figure."""
    config = host_config(memory_bytes=123_456_789)
    assert config["Memory"] == config["MemorySwap"] == 123_456_789


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, ["no-new-privileges:true"]),
        ({"seccomp_json": "{}"}, ["no-new-privileges:true", "seccomp={}"]),
        ({"apparmor": "x"}, ["no-new-privileges:true", "apparmor=x"]),
    ],
)
def test_security_options(changes, options):
    """no-new-privileges always, a profile where there is one, and never `unconfined`."""
    assert host_config(**changes)["SecurityOpt"] == options


def test_every_tmpfs_is_bounded_and_inert():
    """Size, inodes and owner are set; nothing in it can be executed or become another user."""
    config = host_config()
    assert config["Tmpfs"] == {
        "/work": f"rw,noexec,nosuid,nodev,size={8 * 2**20},nr_inodes=64,mode=0700,uid=2000001,gid=2000001"
    }


def test_hard_limits_equal_soft_ones():
    """No process of a job can raise a limit of its own."""
    limits = host_config(open_files=7)["Ulimits"]
    assert all(limit["Soft"] == limit["Hard"] for limit in limits)
    assert {"Name": "nofile", "Soft": 7, "Hard": 7} in limits
    assert {"Name": "core", "Soft": 0, "Hard": 0} in limits


@pytest.mark.parametrize(
    ("name", "key"), [("container_runtime", "Runtime"), ("cgroup_parent", "CgroupParent")]
)
def test_choices_of_the_operator_are_only_there_when_made(name, key):
    """Where nothing was chosen the engine's own default stays."""
    assert host_config(**{name: "chosen"})[key] == "chosen"
    assert key not in host_config()


def test_what_tells_of_the_host_is_masked():
    """At least everything that the engine itself masks by default."""
    assert {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/sched_debug"} <= set(
        MASKED_PATHS
    )
