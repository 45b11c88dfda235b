"""`sandbox-orch doctor` on the real engine: green as it is, red when a control is taken away by hand."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace

import pytest

from orchestrator import bootstrap, doctor, load_settings
from orchestrator.backends import launch
from orchestrator.backends.docker import Engine, EngineSettings
from orchestrator.backends.seccomp import SeccompProfile
from orchestrator.domain.errors import HardeningFailed
from orchestrator.policies.checkup import Checkup, Status
from orchestrator.policies.host_checks import CHECKS
from orchestrator.policies.probes import LAUNCH, LIMITS_IN_FORCE, PROBES
from orchestrator.pool.reaper import LABEL_OWNER, Owner

SETTINGS = load_settings(runtimes="python", warm_target=1)


def quiet(_: str) -> None:
    """No progress."""


async def examine(settings=SETTINGS, **options) -> Checkup:
    return await doctor.examine_host(settings, quiet, **options)


def status_of(checkup: Checkup, name: str) -> Status:
    (status,) = [line.status for line in checkup.lines if line.name == name]
    return status


async def command(*arguments: str, **environment: str) -> tuple[int, str]:
    """The command as typed: exit code and stdout."""
    import os

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from orchestrator.cli.main import main; main()", *arguments,
        env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def our_containers() -> int:
    engine = await Engine.open(EngineSettings())
    try:
        owned = await engine.containers({LABEL_OWNER: Owner.this_process().as_label()})
    finally:
        await engine.close()
    return len(owned)


# -- green ------------------------------------------------------------------------------------------------


async def test_this_machine_is_fit_and_every_check_has_its_line():
    """As typed, with both runtimes: exit code 0, JSON, no required line failed, nothing left out."""
    code, said = await command("doctor", "--json")
    report = json.loads(said)
    assert [line for line in report["checks"] if line["status"] == "fail"] == []
    assert (code, report["ok"]) == (0, True)
    languages = {"Python": "python", "JavaScript": "node"}
    wanted = {check.name for check in CHECKS}
    wanted |= {f"{about.name} ({name})" for about in (LAUNCH, LIMITS_IN_FORCE) for name in languages.values()}
    wanted |= {f"{probe.about.name} ({languages[probe.language]})" for probe in PROBES}
    assert {line["name"] for line in report["checks"]} == wanted
    for line in report["checks"]:
        assert set(line) == {"name", "status", "required", "found", "why", "mend"}
        assert line["found"]


async def test_quick_makes_no_container():
    """Facts only, and each says why it matters when asked."""
    code, said = await command("doctor", "--quick", "-v")
    assert code == 0
    assert "launch" not in said
    assert said.count("why: ") == len(CHECKS)
    assert "\x1b[" not in said


async def test_a_service_may_start_here():
    """The required part raises nothing, and leaves nothing behind."""
    before = await our_containers()
    await doctor.require_host(SETTINGS)
    assert await our_containers() == before


# -- red --------------------------------------------------------------------------------------------------


async def test_no_engine_is_exit_code_3():
    """Nothing to examine."""
    code, _ = await command("doctor", SANDBOX_ORCH_DOCKER_URL="unix:///nowhere/docker.sock")
    assert code == 3


async def test_a_runtime_that_the_engine_does_not_have_fails():
    """As typed: exit code 1, and no start."""
    code, said = await command("doctor", "--quick", "--json", SANDBOX_ORCH_CONTAINER_RUNTIME="kata")
    failed = [line["name"] for line in json.loads(said)["checks"] if line["status"] == "fail"]
    assert (code, failed) == (1, ["container-runtime"])
    with pytest.raises(HardeningFailed, match="kata is configured"):
        await doctor.require_host(SETTINGS.model_copy(update={"container_runtime": "kata"}))


async def test_a_socket_that_anybody_may_write_to_fails(monkeypatch):
    """The facts of this engine, but for the mode of its socket."""
    read = doctor.read_host_facts

    async def read_open(*arguments):
        return replace(await read(*arguments), socket_mode=0o666)

    monkeypatch.setattr(doctor, "read_host_facts", read_open)
    assert status_of(await examine(with_probes=False), "engine-socket") is Status.FAIL
    with pytest.raises(HardeningFailed, match="engine-socket"):
        await doctor.require_host(SETTINGS)


async def test_an_image_that_is_missing_fails(monkeypatch):
    """And no container is tried."""
    runtimes = bootstrap.runtimes_on_offer(SETTINGS)
    absent = {name: replace(runtime, image="sandbox-orch/none:0") for name, runtime in runtimes.items()}
    monkeypatch.setattr(doctor, "runtimes_on_offer", lambda _: absent)
    checkup = await examine()
    assert [line.name for line in checkup.failed] == ["images"]


async def test_a_uid_range_of_the_host_fails():
    """A range that begins at a subordinate one of this host, or where it has none, at its highest user."""
    import pwd

    from orchestrator.backends.host_facts import _known_ids

    ids = [known for known in _known_ids() if known.first >= 65_536]
    if not ids:
        ids = [known for known in _known_ids() if known.first == max(user.pw_uid for user in pwd.getpwall())]
    settings = SETTINGS.model_copy(update={"uid_first": ids[0].first})
    assert status_of(await examine(settings, with_probes=False), "uid-range") is Status.FAIL


def without(**host_config):
    """A mutation of what the engine is asked for: these keys of HostConfig are other ones."""

    def change(config):
        return {**config, "HostConfig": {**config["HostConfig"], **host_config}}

    return change


def tmpfs_without_noexec(config):
    mounts = {path: text.replace("noexec,", "exec,") for path, text in config["HostConfig"]["Tmpfs"].items()}
    return without(Tmpfs=mounts)(config)


def without_option(prefix):
    def change(config):
        kept = [option for option in config["HostConfig"]["SecurityOpt"] if not option.startswith(prefix)]
        return without(SecurityOpt=kept)(config)

    return change


def unconfined(config):
    return without(SecurityOpt=["no-new-privileges:true", "seccomp=unconfined"])(config)


CONTROLS = {
    "read-only root": (without(ReadonlyRootfs=False), r"not read-only"),
    "no new privileges": (
        without_option("no-new-privileges"),
        r"NoNewPrivs is 0|exec|operation not permitted",
    ),
    "seccomp": (unconfined, r"Seccomp is 0|ended before it was ready"),
    "capabilities": (without(CapDrop=[]), r"CapBnd"),
    "noexec": (tmpfs_without_noexec, r"without noexec"),
    "bounded tmpfs": (without(Tmpfs={"/work": "mode=1777", "/tmp": "mode=1777"}), r"is not bounded|without"),
    "core and file sizes": (without(Ulimits=[]), r"max core file size|max open files"),
    "memory": (without(Memory=0, MemorySwap=0), r"memory_bytes is"),
    "swap": (without(MemorySwap=-1), r"memory_and_swap_bytes is"),
    "processes": (without(PidsLimit=0), r"pids is"),
    "processor": (without(NanoCpus=0), r"cpus is"),
    "a mount from the host": (
        without(Binds=["/tmp:/mnt/host"], ReadonlyRootfs=False),
        r"writable|not read-only",
    ),
}


@pytest.mark.parametrize("control", CONTROLS)
async def test_without_a_control_the_kernels_word_refuses_the_start(monkeypatch, control):
    """Taken away behind the recipe's back, and with an engine that would not tell."""
    change, found = CONTROLS[control]
    make = launch.container_config
    monkeypatch.setattr(launch, "container_config", lambda spec: change(make(spec)))
    monkeypatch.setattr(launch, "lost_controls", lambda *_: ())
    before = await our_containers()
    with pytest.raises(HardeningFailed, match=found):
        await doctor.require_host(SETTINGS)
    assert await our_containers() == before


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (without(Memory=0, MemorySwap=0), "Memory"),
        (without(OomScoreAdj=0), "OomScoreAdj"),
        (without(IpcMode="private"), "IpcMode"),
    ],
)
async def test_without_a_control_the_engines_word_refuses_the_start(monkeypatch, change, name):
    """What the engine did not take over is named."""
    make = launch.container_config
    monkeypatch.setattr(launch, "container_config", lambda spec: change(make(spec)))
    with pytest.raises(HardeningFailed, match=rf"launch \(python\): self-check \w+: .*{name} is"):
        await doctor.require_host(SETTINGS)


async def test_a_weakened_profile_is_found_by_the_probes(monkeypatch):
    """A filter is in force, so no self-check can tell; but what it should refuse is not refused."""
    everything = SeccompProfile(
        json_text='{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}', digest="sha256:none"
    )
    monkeypatch.setattr(bootstrap, "load_profile", lambda _: everything)
    checkup = await examine()
    failed = {line.name: line.found for line in checkup.failed}
    assert {"launch (python)", "system-calls (python)"} & set(failed), failed


async def test_a_memory_limit_that_is_not_kept_is_found_by_the_probes(monkeypatch):
    """Where the job's own limit is never set, a job that should end for its memory does not."""
    monkeypatch.setattr(launch.DockerContainer, "narrow", lambda *_: True)
    probes = tuple(
        probe for probe in PROBES if probe.about.name == "memory-limit" and probe.language == "Python"
    )
    small = tuple(replace(probe, code="output = len(bytearray(64 << 20))") for probe in probes)
    monkeypatch.setattr(doctor, "PROBES", small)
    assert status_of(await examine(), "memory-limit (python)") is Status.FAIL
