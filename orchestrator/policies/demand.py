"""Policies floor: how many warm containers a runtime should have, from how its jobs come. Pure: no clock.

# Theory of operation

A shelf must hold what is taken from it while its first replacement is made. So what is measured is not a rate
but a crowd: how many jobs came within about one making of a container. `recent` is that count, fading
with the time that a making takes. `peak` is the largest crowd seen, and fades slowly: a burst that came once in
the last minutes is what the shelf is ready for when the next one comes.

The target is the peak and a quarter more, rounded up, between a minimum and a maximum, and no more than the
host's memory allows. It jumps up with a crowd and comes down one by one, so that a quiet minute between two
bursts empties nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

__all__ = ("Demand", "TargetBounds", "TargetPlan", "note_arrival", "note_making", "plan_target")

FORGET_HALF_SECONDS = 300.0
"""In this time half of a peak is forgotten. Shorter: bursts a few minutes apart find a small shelf."""
FIRST_GUESS_SECONDS = 0.5
"""What a making is taken to last before one was seen."""
MAKING_WEIGHT = 0.2
SPARE = 1.25
"""In the simulation of `tests/unit/test_demand.py` a quarter more than the peak halves the cold waits."""
NOBODY = 0.5
"""A peak that has faded to this is no demand any more."""
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What has been seen of one runtime's jobs up to the moment `at`, in monotonic seconds."""

    recent: float = 0.0
    peak: float = 0.0
    making_seconds: float = FIRST_GUESS_SECONDS
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetBounds:
    """Between what a target may move. Equal minimum and maximum make it fixed."""

    minimum: int
    maximum: int
    memory_allows: int | None = None
    """How many warm containers the host's free memory has room for; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPlan:
    """How many to have, the reason in a few words, and after how many seconds it will be less."""

    target: int
    why: str
    less_in_seconds: float | None = None


def note_arrival(demand: Demand, now: float) -> Demand:
    """The demand after one more job came."""
    fading = 2 ** (-_passed(demand, now) / max(demand.making_seconds, ROUNDING))
    recent = demand.recent * fading + 1
    return Demand(
        recent=recent,
        peak=max(_peak(demand, now), recent),
        making_seconds=demand.making_seconds,
        at=max(now, demand.at),
    )


def note_making(demand: Demand, seconds: float) -> Demand:
    """The demand after a container was made in so many seconds."""
    return replace(
        demand, making_seconds=demand.making_seconds + MAKING_WEIGHT * (seconds - demand.making_seconds)
    )


def plan_target(demand: Demand, bounds: TargetBounds, now: float) -> TargetPlan:
    """How many warm containers to have at `now`."""
    peak = _peak(demand, now)
    wanted = math.ceil(peak * SPARE - ROUNDING) if peak * SPARE >= NOBODY else 0
    target, why = max(wanted, bounds.minimum), f"up to {round(peak)} jobs came at once"
    if target > bounds.maximum:
        target, why = bounds.maximum, f"{why}, the maximum is {bounds.maximum}"
    if bounds.memory_allows is not None and bounds.memory_allows < target:
        target = max(bounds.minimum, bounds.memory_allows)
        why = f"{why}, the host's memory allows {bounds.memory_allows}"
    if target <= bounds.minimum:
        return TargetPlan(target=target, why="the minimum" if wanted <= bounds.minimum else why)
    return TargetPlan(target=target, why=why, less_in_seconds=_falls_in_seconds(peak * SPARE, target - 1))


def _falls_in_seconds(peak: float, level: int) -> float:
    return FORGET_HALF_SECONDS * math.log2(peak / max(level, NOBODY)) + ROUNDING


def _peak(demand: Demand, now: float) -> float:
    return demand.peak * 2 ** (-_passed(demand, now) / FORGET_HALF_SECONDS)


def _passed(demand: Demand, now: float) -> float:
    return max(0.0, now - demand.at)
