"""Attack programs with every part of debug mode on: held as they are without it.

Here a choice of the corpus: what aims at the result channel, memory, time, processes, streams and the interpreter's own
insides, where debug mode adds something. The whole corpus: `sandbox-orch attack --debug`, or `--all-attacks-in-debug-mode`.
"""

from __future__ import annotations

import asyncio

import pytest

from orchestrator import load_settings
from orchestrator.attack.corpus import load_corpus
from orchestrator.attack.driver import attack_this_host
from orchestrator.attack.expectations import Verdict
from orchestrator.attack.report import Report
from orchestrator.domain.debug import DebugOptions

pytestmark = pytest.mark.docker

EVERYTHING = DebugOptions(console=True, stack_traces=True, profile=True, steps=True)
# Time, memory, processes and signals; output; the result channel and the interpreter's own insides (all of 65-76); descriptors.
NUMBERS = {3, 18, 24, 27, 31, 42, 47, 48, 54, 57, 60, *range(65, 77), 78, 145, 147, 152}


@pytest.fixture(scope="module")
def report(engine_answers: str | None, request: pytest.FixtureRequest) -> Report | None:
    """The one run of all chosen programs, in both modes."""
    if engine_answers is not None:
        return None
    whole = request.config.getoption("--all-attacks-in-debug-mode")
    programs = [program for program in load_corpus() if whole or program.number in NUMBERS]
    settings = load_settings(warm_target=3, containers_maximum=16, queue_seconds=300)
    return asyncio.run(attack_this_host(settings, programs, at_once=6, debug=EVERYTHING))


def test_every_attack_is_contained_and_leaves_nothing(report):
    """Each ends as its header says; no process, container, cgroup or file of it is left on the host."""
    failed = {
        f"{one.program.name} in {one.mode} mode": f"{one.reason}: {one.outcome}, {one.detail!r}"
        for one in report.attempts
        if one.verdict is not Verdict.HELD
    }
    assert failed == {}
    assert len(report.attempts) > 40


def test_the_host_is_as_before(report):
    """No descriptor, listener, core file or container more than before, and both runtimes still compute."""
    assert report.host_residues == ()
    assert report.is_contained
