"""`policies/leaks.py`: what retires a container between two jobs of one tenant.

`recorded/memory_after_jobs.json` has what real containers held after each of a series of real jobs, in bytes above
what they held when they were warm (Docker 20.10, cgroup v1, each inspected as the product does it).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.config import load_settings
from orchestrator.domain.inspection import Inspection, LeakKind
from orchestrator.domain.limits import KIB
from orchestrator.policies.leaks import LeakSettings, LeakVerdict, judge_inspection

RECORDED = json.loads((Path(__file__).parent / "recorded/memory_after_jobs.json").read_text(encoding="utf-8"))
SETTINGS = LeakSettings(window=10, slope_bytes=64 * KIB)


def first_alarm(series: list[int]) -> int | None:
    """After how many jobs the trend is called a leak; None where it never is."""
    for jobs in range(1, len(series) + 1):
        seen = Inspection(memory_bytes=series[jobs - 1])
        if not judge_inspection(seen, series[: jobs - 1], SETTINGS).keep:
            return jobs
    return None


def test_the_settings_tested_here_are_the_defaults():
    """What the recorded series prove is true of a deployment that changes nothing."""
    settings = load_settings()
    assert (settings.leak_window, settings.leak_slope_bytes) == (SETTINGS.window, SETTINGS.slope_bytes)


def test_a_container_in_which_nothing_is_left_is_kept():
    """An inspection without a sign keeps it, and names no reason."""
    assert judge_inspection(Inspection(), [], SETTINGS) == LeakVerdict()
    assert LeakVerdict().keep


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (Inspection(processes=1), LeakKind.PROCESSES),
        (Inspection(host_processes=1), LeakKind.PROCESSES),
        (Inspection(threads=2, host_processes=3), LeakKind.PROCESSES),
        (Inspection(threads=5, host_processes=5), LeakKind.PROCESSES),
        (Inspection(files=("/tmp/x",), files_count=1), LeakKind.FILES),
        (Inspection(descriptors=1), LeakKind.DESCRIPTORS),
        (Inspection(shared_memory=1), LeakKind.SHARED_MEMORY),
    ],
)
def test_one_thing_left_behind_retires_at_once(seen, kind):
    """Each immediate sign is enough by itself, at the first inspection, and is named."""
    verdict = judge_inspection(seen, [], SETTINGS)
    assert not verdict.keep
    assert verdict.reasons == (kind,)


def test_threads_that_the_runner_knows_as_its_own_are_no_jobs():
    """The host counts them too; a few of them are the reserve of the runner's library."""
    assert judge_inspection(Inspection(threads=2, host_processes=2), [], SETTINGS).keep


def test_every_sign_is_named():
    """A container that shows several is counted under each of them."""
    seen = Inspection(processes=1, files_count=2, descriptors=3, shared_memory=4)
    assert judge_inspection(seen, [], SETTINGS).reasons == (
        LeakKind.PROCESSES,
        LeakKind.FILES,
        LeakKind.DESCRIPTORS,
        LeakKind.SHARED_MEMORY,
    )


@pytest.mark.parametrize("name", RECORDED["clean"])
def test_clean_jobs_are_never_taken_for_a_leak(name):
    """Over the whole recorded series, with every jump and drift of real containers in it."""
    assert first_alarm(RECORDED["clean"][name]) is None


@pytest.mark.parametrize("name", RECORDED["leaking"])
def test_a_leak_is_noticed_as_soon_as_the_window_is_full(name):
    """A recorded leak is called one at the eleventh inspection, when ten rises can have been seen."""
    assert first_alarm(RECORDED["leaking"][name]) == 11


@pytest.mark.parametrize(
    ("steps", "is_leak"),
    [
        ([100] * 10, True),
        ([100] * 9 + [-100], True),
        ([100] * 8 + [-100] * 2, False),
        ([60] * 10, False),
        ([0] * 9 + [10_000], False),
        ([100] * 9, False),
    ],
    ids=["ten rises", "nine of ten", "eight of ten", "too slow", "one jump", "too few samples"],
)
def test_a_trend_needs_nine_rises_of_ten_and_a_slope(steps, is_leak):
    """More than eight of the last ten must rise, by more than the slope for each job; either alone is noise."""
    samples = [0]
    for step in steps:
        samples.append(samples[-1] + step * KIB)
    verdict = judge_inspection(Inspection(memory_bytes=samples[-1]), samples[:-1], SETTINGS)
    assert verdict.reasons == ((LeakKind.MEMORY_TREND,) if is_leak else ())


def test_only_the_last_window_counts():
    """A leak that has ended is none any more; what began late is one."""
    past = [number * 1000 * KIB for number in range(20)]
    level = [past[-1]] * 10
    assert judge_inspection(Inspection(memory_bytes=past[-1]), past + level, SETTINGS).keep
    assert not judge_inspection(Inspection(memory_bytes=past[-1]), [0] * 30 + past[:-1], SETTINGS).keep
