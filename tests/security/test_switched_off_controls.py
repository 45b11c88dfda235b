"""Red when a control is switched off: each control is taken away by hand, and a probe or an attack tells.

Three ways to be told. The engine's description of the container is compared with what was asked for; the kernel's
own files, read inside before any tenant code, are compared with it too; and where both are made blind, a
named attack gets out, which shows that the attack has teeth. With every control on, all three are content:
the first two here, the attacks in test_attacks_on_engine.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator import load_settings
from orchestrator.attack.corpus import load_corpus
from orchestrator.attack.driver import attack_this_host
from orchestrator.attack.expectations import Verdict
from orchestrator.attack.report import Report
from orchestrator.backends import launch
from orchestrator.backends.docker import Engine
from orchestrator.bootstrap import open_engine, probe_runner, runtimes_on_offer
from orchestrator.domain.errors import EngineRefused, HardeningFailed
from orchestrator.domain.job import Mode

pytestmark = pytest.mark.docker

Config = dict[str, Any]
Switch = Callable[[Config], None]


def host(**changes: object) -> Switch:
    """Change fields of the engine's HostConfig."""
    return lambda config: config["HostConfig"].update(changes)


def without_ulimit(name: str) -> Switch:
    def switch(config: Config) -> None:
        config["HostConfig"]["Ulimits"] = [
            one for one in config["HostConfig"]["Ulimits"] if one["Name"] != name
        ]

    return switch


def tmpfs(pattern: str, replacement: str) -> Switch:
    """Change the options of every tmpfs."""

    def switch(config: Config) -> None:
        mounts = config["HostConfig"]["Tmpfs"].items()
        config["HostConfig"]["Tmpfs"] = {path: re.sub(pattern, replacement, text) for path, text in mounts}

    return switch


def networked(config: Config) -> None:
    config["NetworkDisabled"] = False
    config["HostConfig"]["NetworkMode"] = "host"


def without_seccomp(config: Config) -> None:
    config["HostConfig"]["SecurityOpt"] = ["no-new-privileges:true", "seccomp=unconfined"]


def with_new_privileges(config: Config) -> None:
    options = config["HostConfig"]["SecurityOpt"]
    config["HostConfig"]["SecurityOpt"] = [one for one in options if not one.startswith("no-new-privileges")]


# What is switched off: how, what the engine's word shows, what the kernel's word shows (None: it has no word on it).
SWITCHES: dict[str, tuple[Switch, str, str | None]] = {
    "read-only root": (host(ReadonlyRootfs=False), "ReadonlyRootfs", "root file system is not read-only"),
    "capabilities dropped": (host(CapDrop=[]), "CapDrop", "capabilities are left: CapBnd"),
    "seccomp": (without_seccomp, "SecurityOpt", "seccomp"),
    # With the engine's own filter: ours does not even start without it, see below.
    "no new privileges": (host(SecurityOpt=[]), "SecurityOpt", "no-new-privileges is not in force"),
    "no network": (networked, "NetworkMode", "network devices: "),
    "private ipc": (host(IpcMode="private"), "IpcMode", "/dev/shm is mounted writable"),
    "own processes": (host(PidMode="host"), "PidMode", None),
    "masked paths": (host(MaskedPaths=[]), "MaskedPaths", None),
    "read-only paths": (host(ReadonlyPaths=[]), "ReadonlyPaths", None),
    "processes bounded": (host(PidsLimit=-1), "PidsLimit", None),
    "memory bounded": (host(Memory=0, MemorySwap=0), "Memory", None),
    "no swap": (host(MemorySwap=-1), "MemorySwap", None),
    "processor bounded": (host(NanoCpus=0), "NanoCpus", None),
    "tmpfs noexec": (tmpfs("noexec", "exec"), "Tmpfs", "mounted without noexec"),
    "tmpfs nosuid, nodev": (tmpfs("nosuid,nodev", "suid,dev"), "Tmpfs", "mounted without nodev, nosuid"),
    "tmpfs bounded": (tmpfs(r"size=\d+,", ""), "Tmpfs", "is not bounded to"),
    "open files bounded": (without_ulimit("nofile"), "Ulimits", "max open files"),
    "core files off": (without_ulimit("core"), "Ulimits", "max core file size"),
    "file size bounded": (without_ulimit("fsize"), "Ulimits", "max file size"),
    "locked memory bounded": (without_ulimit("memlock"), "Ulimits", None),
    "no log": (host(LogConfig={"Type": "json-file", "Config": {}}), "LogConfig", None),
    "first to be killed": (host(OomScoreAdj=0), "OomScoreAdj", None),
    "not privileged": (host(Privileged=True), "Privileged", "capabilities are left: CapBnd"),
}
BY_THE_KERNEL = {name: (switch, says) for name, (switch, _, says) in SWITCHES.items() if says is not None}
ATTACKS = {
    "capabilities dropped": "99-become-root",
    "seccomp": "106-system-v-ipc",
    "no network": "116-network-files",
    "private ipc": "24-shared-memory",
    "masked paths": "86-host-identity",
    "tmpfs noexec": "118-native-library",
    "open files bounded": "42-limits-of-itself",
}


@pytest.fixture
def switch_off(monkeypatch) -> Callable[[Switch], None]:
    """Change what is sent to the engine, while what is expected of the container stays as it is."""
    as_it_should_be = launch.container_config

    def switch_off(switch: Switch) -> None:
        def changed(spec: object) -> Config:
            config = as_it_should_be(spec)
            switch(config)
            return config

        monkeypatch.setattr(launch, "container_config", changed)

    return switch_off


@pytest.fixture
def as_root(monkeypatch) -> None:
    """Jobs run as root instead of under a uid of their own."""
    exec_open = Engine.exec_open

    async def exec_as_root(self: Engine, *words: Any, user: str, workdir: str) -> Any:
        return await exec_open(self, *words, user="0:0", workdir=workdir)

    monkeypatch.setattr(Engine, "exec_open", exec_as_root)


def make_one_container(runtime: str = "python") -> str:
    """One container exactly as jobs get it; the runner's version."""

    async def make() -> str:
        settings = load_settings()
        async with open_engine(settings) as engine:
            return await probe_runner(engine, settings, runtimes_on_offer(settings)[runtime])

    return asyncio.run(make())


def run_attack(name: str) -> Report:
    settings = load_settings(runtimes="python", warm_target=1, containers_maximum=8, queue_seconds=60)
    programs = [program for program in load_corpus() if program.name == name]
    return asyncio.run(attack_this_host(settings, programs, modes=[Mode.FUNCTION]))


@pytest.mark.parametrize("runtime", ["python", "node"])
def test_with_every_control_on_a_container_is_accepted(runtime):
    """Neither the engine's word nor the kernel's finds anything weak."""
    assert make_one_container(runtime)


@pytest.mark.parametrize("control", SWITCHES)
def test_the_engines_word_tells_of_a_control_that_is_off(control, switch_off):
    """The container is refused, and the control named."""
    switch, says, _ = SWITCHES[control]
    switch_off(switch)
    with pytest.raises(HardeningFailed, match=says):
        make_one_container()


def test_our_filter_does_not_start_without_no_new_privileges(switch_off):
    """Without that flag the filter comes before the rights are given up, and refuses to give them up."""
    switch_off(with_new_privileges)
    with pytest.raises(EngineRefused, match="operation not permitted"):
        make_one_container()


@pytest.mark.parametrize("control", BY_THE_KERNEL)
def test_the_kernels_word_tells_of_a_control_that_is_off(control, switch_off, monkeypatch):
    """Also where the engine claims that all is well."""
    switch, says = BY_THE_KERNEL[control]
    switch_off(switch)
    monkeypatch.setattr(launch, "lost_controls", lambda *_: ())
    with pytest.raises(HardeningFailed, match=says):
        make_one_container()


@pytest.mark.usefixtures("as_root")
def test_the_kernels_word_tells_of_a_job_that_runs_as_root():
    """The uid is not the container's own."""
    with pytest.raises(HardeningFailed, match="Uid is 0 0 0 0"):
        make_one_container()


@pytest.mark.parametrize("control", ATTACKS)
def test_an_attack_gets_out_where_its_control_is_off_and_nobody_checks(control, switch_off, monkeypatch):
    """The attack has teeth: what contains it is that control, and the self-test goes red without it."""
    switch_off(SWITCHES[control][0])
    monkeypatch.setattr(launch, "_require_hardened", lambda *_: None)
    _must_get_out(run_attack(ATTACKS[control]))


@pytest.mark.usefixtures("as_root")
def test_an_attack_gets_out_where_jobs_run_as_root_and_nobody_checks(monkeypatch):
    """The same for the uid."""
    monkeypatch.setattr(launch, "_require_hardened", lambda *_: None)
    _must_get_out(run_attack("99-become-root"))


def _must_get_out(report: Report) -> None:
    (attempt,) = report.attempts
    assert attempt.verdict is Verdict.FAILED
    assert attempt.detail.startswith("ESCAPED"), attempt.detail
    assert not report.is_contained
