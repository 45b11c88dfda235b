"""`policies/leaks.py` for every series: noise is never a leak, a steady leak always is one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.inspection import Inspection, LeakKind
from orchestrator.domain.limits import KIB, MIB
from orchestrator.policies.leaks import LeakSettings, judge_inspection

SETTINGS = LeakSettings(window=10, slope_bytes=64 * KIB)
LEVELS = st.integers(-64 * MIB, 512 * MIB)


def reasons_over(series: list[int]) -> list[tuple[LeakKind, ...]]:
    """The verdict's reasons after each job of a series."""
    return [
        judge_inspection(Inspection(memory_bytes=series[jobs]), series[:jobs], SETTINGS).reasons
        for jobs in range(len(series))
    ]


@given(level=LEVELS, noise=st.lists(st.integers(0, 7 * SETTINGS.slope_bytes), max_size=60))
def test_a_constant_with_noise_is_never_a_leak(level, noise):
    """Noise of a range up to seven times the slope, in whatever order it comes, retires nothing."""
    assert not any(reasons_over([level + each for each in noise]))


@given(
    level=LEVELS,
    leak=st.integers(2 * SETTINGS.slope_bytes, 8 * MIB),
    noise=st.lists(st.floats(0, 0.24), min_size=11, max_size=60),
)
def test_a_steady_leak_is_always_noticed(level, leak, noise):
    """From the first full window on, at every job, whatever noise of a quarter of the leak lies over it."""
    series = [level + int(number * leak + share * leak) for number, share in enumerate(noise)]
    reasons = reasons_over(series)
    assert reasons[: SETTINGS.window] == [()] * SETTINGS.window
    assert set(reasons[SETTINGS.window :]) == {(LeakKind.MEMORY_TREND,)}


@given(series=st.lists(LEVELS, max_size=40))
def test_what_does_not_rise_is_never_a_leak(series):
    """Memory that only falls retires nothing, however much there is of it."""
    assert not any(reasons_over(sorted(series, reverse=True)))
