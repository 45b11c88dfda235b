"""Every attack program, run on a real engine as the product runs it: in function mode and in program mode.

One run for all of them (it takes minutes), then one test for each attempt.
"""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from orchestrator import load_settings
from orchestrator.attack.corpus import load_corpus
from orchestrator.attack.driver import attack_this_host
from orchestrator.attack.expectations import Verdict
from orchestrator.attack.report import Report
from orchestrator.backends.images import images_folder, load_runtimes
from orchestrator.domain.job import Mode
from orchestrator.domain.outcome import Outcome

pytestmark = pytest.mark.docker

# Those of the runtimes that are on offer by default; the others are in test_runtime_attacks.py.
CORPUS = tuple(program for program in load_corpus() if program.language in ("Python", "JavaScript"))
ATTEMPTS = [(program.name, mode) for program in CORPUS for mode in sorted(program.modes)]
EMPTY = Report(attempts=(), host_residues=(), disk_used_bytes=0, seconds=0.0)
WITHOUT_A_RUNNER = "sandbox-orch-test/without-a-runner:1"


@pytest.fixture(scope="session")
def report(engine_answers: str | None) -> Report:
    """The one run of the whole corpus."""
    if engine_answers is not None:
        return EMPTY
    settings = load_settings(warm_target=3, containers_maximum=16, queue_seconds=300)
    return asyncio.run(attack_this_host(settings, CORPUS))


@pytest.mark.parametrize(("name", "mode"), ATTEMPTS, ids=[f"{name}-{mode}" for name, mode in ATTEMPTS])
def test_an_attack_is_contained_and_leaves_nothing(report, name, mode):
    """It ends as its header says, and no process, container, cgroup or file of it is left on the host."""
    (attempt,) = [one for one in report.attempts if (one.program.name, one.mode) == (name, mode)]
    assert attempt.verdict is Verdict.HELD, f"{attempt.reason}: {attempt.outcome}, {attempt.detail!r}"


def test_the_host_is_as_before(report):
    """No descriptor, listener, core file or container more than before, and both runtimes still compute."""
    assert report.host_residues == ()
    assert report.is_contained


@pytest.fixture
def image_without_a_runner():
    """An image that holds `pause` and nothing else."""
    image = next(iter(load_runtimes(images_folder()).values())).image
    made = subprocess.run(
        ["docker", "create", image], capture_output=True, text=True, check=True
    ).stdout.strip()
    copied = subprocess.run(["docker", "cp", f"{made}:/pause", "-"], capture_output=True, check=True).stdout
    subprocess.run(["docker", "rm", made], capture_output=True, check=True)
    subprocess.run(
        ["docker", "import", "-", WITHOUT_A_RUNNER],
        input=_with_folders(copied),
        check=True,
        capture_output=True,
    )
    yield WITHOUT_A_RUNNER
    subprocess.run(["docker", "rmi", WITHOUT_A_RUNNER], capture_output=True, check=True)


def _with_folders(archive: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=made, mode="w") as new:
        for member in old:
            new.addfile(member, old.extractfile(member))
        for name in ("work", "tmp", "proc", "sys", "dev", "etc"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            new.addfile(folder)
    return made.getvalue()


def test_a_runner_that_never_starts_satisfies_nothing(image_without_a_runner, tmp_path: Path):
    """The whole corpus against an image without a runner: nothing passes, not even what is refused at the edge."""
    for name in ("python", "node"):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        definition = (images_folder() / name / "runtime.toml").read_text()
        changed = re.sub(r'image = "[^"]*"', f'image = "{image_without_a_runner}"', definition)
        (folder / "runtime.toml").write_text(changed)
    settings = load_settings(
        images_folder=tmp_path / "images",
        warm_target=1,
        containers_maximum=8,
        queue_seconds=3,
        ready_within_seconds=3,
    )
    report = asyncio.run(attack_this_host(settings, CORPUS, at_once=1000))
    assert len(report.attempts) == len(ATTEMPTS)
    assert {attempt.verdict for attempt in report.attempts} == {Verdict.FAILED}
    assert {attempt.outcome for attempt in report.attempts} <= {
        Outcome.EXPIRED,
        Outcome.INTERNAL_ERROR,
        Outcome.REJECTED,
    }
    assert not report.is_contained


def test_the_two_modes_cover_the_corpus(report):
    """No program was left out for want of a runtime."""
    assert {(one.program.name, one.mode) for one in report.attempts} == set(ATTEMPTS)
    assert sum(mode is Mode.PROGRAM for _, mode in ATTEMPTS) > 111
