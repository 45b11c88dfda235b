"""The attack programs of the languages that the shared runner runs, on a real engine, and whether they have teeth.

One run for all of them, then one test for each; after that the same programs where a control is taken away.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from orchestrator import load_settings
from orchestrator.attack.corpus import AttackProgram, load_corpus
from orchestrator.attack.driver import attack_this_host
from orchestrator.attack.expectations import Verdict
from orchestrator.attack.report import Report
from orchestrator.backends import launch
from orchestrator.bootstrap import open_engine, probe_container, runtimes_on_offer
from orchestrator.domain.errors import HardeningFailed

pytestmark = pytest.mark.docker

LANGUAGES = {"Bash": "bash", "C": "c", "Go": "go", "Lua": "lua", "Ruby": "ruby"}
CORPUS = tuple(program for program in load_corpus() if program.language in LANGUAGES)
EMPTY = Report(attempts=(), host_residues=(), disk_used_bytes=0, seconds=0.0)


def attack(programs: tuple[AttackProgram, ...]) -> Report:
    names = sorted({LANGUAGES[program.language] for program in programs})
    settings = load_settings(
        runtimes=",".join(names),
        warm_target=min(2, 6 // len(names)),
        containers_maximum=20,
        queue_seconds=300,
    )
    return asyncio.run(attack_this_host(settings, programs))


def named(*names: str) -> tuple[AttackProgram, ...]:
    programs = tuple(program for program in CORPUS if program.name in names)
    assert len(programs) == len(names)
    return programs


@pytest.fixture(scope="module")
def report(engine_answers: str | None) -> Report:
    """The one run of all of them."""
    return EMPTY if engine_answers is not None else attack(CORPUS)


@pytest.mark.parametrize("program", CORPUS, ids=lambda program: program.name)
def test_an_attack_is_contained_and_leaves_nothing(report, program):
    """It ends as its header says, and no process, container, cgroup or file of it is left on the host."""
    (attempt,) = [one for one in report.attempts if one.program.name == program.name]
    assert attempt.verdict is Verdict.HELD, f"{attempt.reason}: {attempt.outcome}, {attempt.detail!r}"


def test_the_host_is_as_before(report):
    """No descriptor, listener, core file or container more than before, and all five languages still compute."""
    assert report.host_residues == ()
    assert report.is_contained


# -- teeth ------------------------------------------------------------------------------------------------------


def change_what_the_engine_is_sent(monkeypatch, change) -> None:
    as_it_should_be = launch.container_config

    def changed(spec: object) -> dict[str, Any]:
        config = as_it_should_be(spec)
        change(config["HostConfig"])
        return config

    monkeypatch.setattr(launch, "container_config", changed)


def without_seccomp(host: dict[str, Any]) -> None:
    host["SecurityOpt"] = ["no-new-privileges:true", "seccomp=unconfined"]


def with_programs_everywhere(host: dict[str, Any]) -> None:
    host["Tmpfs"] = {path: re.sub("noexec", "exec", options) for path, options in host["Tmpfs"].items()}


def with_a_writable_root(host: dict[str, Any]) -> None:
    host["ReadonlyRootfs"] = False
    # Some versions of runc ignore a tmpfs' mode, and none its owner: that of /work is the job.
    host["Tmpfs"]["/etc"] = host["Tmpfs"]["/work"]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (without_seccomp, ("274-c-raw-system-calls", "300-go-raw-system-calls", "254-ruby-raw-system-calls")),
        (with_programs_everywhere, ("275-c-run-programs", "301-go-run-programs", "255-ruby-run-programs")),
        (
            with_a_writable_root,
            ("211-bash-write-rootfs", "232-lua-write-rootfs", "252-ruby-write-rootfs", "272-c-write-rootfs",
             "299-go-read-and-write-everything"),
        ),
    ],
    ids=["seccomp", "noexec", "read-only root"],
)  # fmt: skip
def test_an_attack_gets_out_where_its_control_is_off_and_nobody_checks(monkeypatch, change, names):
    """What contains it is that control, and the self-test goes red without it."""
    change_what_the_engine_is_sent(monkeypatch, change)
    monkeypatch.setattr(launch, "_require_hardened", lambda *_: None)
    seen = attack(named(*names))
    assert {(one.program.name, one.verdict) for one in seen.attempts} == {
        (name, Verdict.FAILED) for name in names
    }
    assert all(one.detail.startswith("ESCAPED") for one in seen.attempts), [
        one.detail for one in seen.attempts
    ]
    assert not seen.is_contained


# -- before anything runs ---------------------------------------------------------------------------------------


def make_one_container(name: str) -> dict[str, str]:
    async def make() -> dict[str, str]:
        settings = load_settings(runtimes=name)
        async with (
            open_engine(settings) as engine,
            probe_container(engine, settings, runtimes_on_offer(settings)[name]) as (_, container),
        ):
            return container.runner_facts

    return asyncio.run(make())


@pytest.mark.parametrize("name", ["lua", "c"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without_seccomp, "no seccomp filter is in force"),
        (with_programs_everywhere, "/work is mounted without noexec"),
        (with_a_writable_root, "the root file system is not read-only"),
    ],
    ids=["seccomp", "noexec", "read-only root"],
)
def test_the_kernels_word_tells_of_a_control_that_is_off(monkeypatch, name, change, says):
    """Also where the engine claims that all is well; /program being executable hides nothing of the others."""
    change_what_the_engine_is_sent(monkeypatch, change)
    monkeypatch.setattr(launch, "lost_controls", lambda *_: ())
    with pytest.raises(HardeningFailed, match=says):
        make_one_container(name)


def test_every_child_has_a_filter_more_than_the_container(engine_answers):
    """The runner shows the kernel's word on a child that proved itself: it can signal neither the runner nor everybody."""
    facts = make_one_container("lua")

    def filters(status: str) -> int:
        return int(status.partition("Seccomp_filters:")[2].split()[0])

    assert filters(facts["child_status"]) == filters(facts["status"]) + 1
