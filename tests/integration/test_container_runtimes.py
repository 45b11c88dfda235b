"""crun and gVisor in place of runc: the same jobs, limits and walls, on an engine of our own that has both.

The machine's engine is not touched. Both must be there; ./test sees to it, as root.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from private_engine import move_images, private_engine

from orchestrator import JobSpec, Limits, Mode, Orchestrator, Outcome, load_settings
from orchestrator.attack.corpus import load_corpus
from orchestrator.attack.driver import attack_this_host
from orchestrator.attack.expectations import Verdict
from orchestrator.bootstrap import open_engine, runtimes_on_offer
from orchestrator.doctor import examine_host, require_host
from orchestrator.domain.errors import HardeningFailed
from orchestrator.domain.limits import MIB
from orchestrator.policies.checkup import Status

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "examples"))
from run_all import HERE as EXAMPLES
from run_all import LANGUAGES, USE_CASES

RUNTIMES = {
    "crun": {"path": "crun"},
    "runsc": {"path": "runsc", "runtimeArgs": ["--network=none", "--platform=systrap"]},
}
OLDEST_RUNSC = "20240729"
IMAGES = [runtime.image for runtime in runtimes_on_offer(load_settings()).values()]
LIMITS = Limits(wall_time_ms=10_000, cpu_time_ms=10_000)
PARENT = "sandbox-orch-runtimes"
ATTACKS = (22, 29, 37, 65, 77, 98, 107, 117, 138)
"""Memory, bombs, the runner's death, forgery, writes, privileges, sockets, a shell, what is left for the next job.

Not 18, which takes JavaScript's whole time under gVisor on a busy machine; docs/container-runtimes.md says which do."""


def find(runtime: str) -> str | None:
    """Its program: the one that `./test` has fetched goes before the system's, which may be too old."""
    fetched = Path(__file__).parent.parent.parent / ".tools" / runtime / "usr/bin" / runtime
    return str(fetched) if fetched.exists() else shutil.which(runtime)


def why_not(runtime: str) -> str | None:
    """Why a runtime cannot be tested here, None where it can."""
    path = find(runtime)
    if path is None:
        return f"{runtime} is not here; ./test gets it, as root, by apt"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    release = re.search(r"\d{8}", said)
    if runtime == "runsc" and (release is None or release[0] < OLDEST_RUNSC):
        return f"runsc is {said.split(maxsplit=3)[2]}, {OLDEST_RUNSC} is needed (Debian: trixie, bookworm-backports)"
    return None


def bridge_of_the_machine() -> str | None:
    """The index of the other engine's bridge: a new number would be a new bridge, without its containers."""
    index = Path("/sys/class/net/docker0/ifindex")
    return index.read_text() if index.exists() else None


@pytest.fixture(scope="session")
def second_engine():
    """An engine with both, and our images; of it nothing is left."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a private engine needs root")
    offered = {
        name: {**spec, "path": path} for name, spec in RUNTIMES.items() if (path := find(name)) is not None
    }
    bridge = bridge_of_the_machine()
    with private_engine(offered) as engine:
        move_images(engine.address, IMAGES)
        yield engine.address
    assert bridge_of_the_machine() == bridge
    assert list(Path("/sys/fs/cgroup").glob(f"**/{PARENT}")) == []


@pytest.fixture(scope="session", params=list(RUNTIMES))
def settings(request, second_engine):
    """Settings for one of the runtimes on that engine."""
    why = why_not(request.param)
    if why:
        pytest.fail(why, pytrace=False)
    return load_settings(
        docker_url=second_engine, container_runtime=request.param, cgroup_parent=PARENT,
        warm_target=1, containers_maximum=6, queue_seconds=120, policy="open",
    )  # fmt: skip


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(settings):
    """An orchestrator on it."""
    async with Orchestrator.open(settings) as orchestrator:
        await orchestrator.wait_until_warm(within_seconds=60)
        yield orchestrator


@pytest.mark.parametrize("name", USE_CASES)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_three_use_cases(running, name, language):
    """The concept's own examples give what they should."""
    given, wanted = USE_CASES[name]
    code = (EXAMPLES / f"{name}{LANGUAGES[language]}").read_text(encoding="utf-8")
    result = await running.execute(
        JobSpec(runtime=language, code=code, input_json=json.dumps(given), limits=LIMITS)
    )
    assert (result.outcome, result.output, result.attempts) == (Outcome.SUCCEEDED, wanted, 1)
    assert result.usage.cpu_ms > 0


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "print('begun', flush=True)\nwhile True: pass"),
        ("node", "console.log('begun'); for (;;) {}"),
    ],
)
async def test_the_deadline_kills(running, settings, language, code):
    """A loop is dead at its deadline, what it printed is kept, and its container is really gone."""
    result = await running.execute(
        JobSpec(runtime=language, code=code, limits=replace(LIMITS, wall_time_ms=500))
    )
    assert result.outcome is Outcome.WALL_TIME_LIMIT
    assert result.stdout.text == "begun\n"
    assert result.timing.run_ms + result.timing.collect_ms - 500 < 2_000
    await running.wait_until_warm(within_seconds=60)
    async with open_engine(settings) as engine, asyncio.timeout(60):
        # It is removed in the background, and the new one may be warm before that.
        while result.container.id in {
            one.id for one in await engine.containers({"org.sandbox-orch.runtime": ""})
        }:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "print('begun', flush=True)\nkeep = []\nwhile True: keep.append(bytearray(1 << 20))"),
        (
            "node",
            "console.log('begun'); const keep = []; for (;;) keep.push(new Array(100000).fill(keep.length))",
        ),
    ],
)
async def test_the_memory_limit_ends_a_job_once(running, language, code):
    """Judged by a counter; under gVisor, too, where the whole container dies of it; and never run again."""
    result = await running.execute(JobSpec(runtime=language, code=code, limits=LIMITS))
    assert (result.outcome, result.attempts) == (Outcome.MEMORY_LIMIT, 1)
    assert result.limit.configured == 16 * MIB
    assert result.stdout.text == "begun\n"


async def test_a_program_has_its_streams_files_and_exit_code(running):
    """Program mode, too."""
    code = "import sys\nprint(sys.stdin.read().upper())\nopen('left.txt', 'w').write('x')\nsys.exit(3)"
    result = await running.execute(
        JobSpec(runtime="python", code=code, mode=Mode.PROGRAM, stdin="hello", limits=LIMITS)
    )
    assert (result.outcome, result.exit_code, result.stdout.text) == (Outcome.ERROR, 3, "HELLO\n")
    assert result.files["left.txt"] == b"x"


async def test_the_doctor_finds_no_required_control_missing(settings):
    """Containers made by this runtime pass every probe; what gVisor does not keep is a warning, and only that."""
    checkup = await examine_host(settings, lambda _: None)
    assert checkup.failed == ()
    weaker = {line.name for line in checkup.lines if line.status is Status.WARN and "(" in line.name} - {
        "deadline (python)",
        "deadline (node)",
    }
    assert weaker == (
        {"hidden-supervisor (python)", "no-code-from-files (python)", "process-limit (python)"}
        if settings.container_runtime == "runsc"
        else set()
    )


async def test_some_attacks(settings):
    """One of each kind; `SANDBOX_ORCH_CONTAINER_RUNTIME=… sandbox-orch attack` runs them all."""
    programs = [program for program in load_corpus() if program.number in ATTACKS]
    report = await attack_this_host(settings.model_copy(update={"warm_target": 2}), programs, at_once=2)
    assert report.attempts
    assert [
        (one.program.name, one.mode, one.reason, one.detail)
        for one in report.attempts
        if one.verdict is not Verdict.HELD
    ] == []


async def test_a_runtime_that_only_bears_gvisors_name_is_refused(settings):
    """Less is asked of gVisor's kernel, so a container must really have it."""
    if settings.container_runtime != "crun":
        pytest.skip("once is enough")
    with private_engine({"runsc": {"path": shutil.which("crun")}}) as engine:
        address = engine.address
        move_images(address, IMAGES)
        with pytest.raises(HardeningFailed, match="host's kernel"):
            await require_host(
                settings.model_copy(update={"docker_url": address, "container_runtime": "runsc"})
            )
