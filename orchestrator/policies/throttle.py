"""Policies floor: who gives way when the host has no processor time left. Pure: a look at the host in, a state out.

Weights are always in force: where several containers want the same processor, the better class gets more of it.
They cost nothing where nobody else wants it. Throttling is for the rest: while the host is saturated and
somebody of a better class is there, containers of the batch class have their CPU quota cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.limits import CpuShare
from orchestrator.domain.tenant import Priority

__all__ = ("HostLoad", "ThrottleSettings", "ThrottleState", "cpu_share", "plan_throttle")

WEIGHTS: Mapping[Priority, int] = {Priority.INTERACTIVE: 4096, Priority.NORMAL: 1024, Priority.BATCH: 128}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLoad:
    """The host's processors over the last look's time."""

    busy_share: float
    """0 for idle, 1 for all processors busy all the time."""
    pressure_percent: float | None = None
    """How much of the last ten seconds something waited for a processor; None where the kernel does not say."""
    batch_running: int = 0
    better_present: int = 0
    """Jobs of better classes that run or wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleSettings:
    """When to begin and to end, and how much is left."""

    saturated_busy_share: float = 0.95
    relaxed_busy_share: float = 0.7
    saturated_pressure_percent: float = 40.0
    batch_quota: float = 0.25
    looks_to_begin: int = 2
    looks_to_end: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleState:
    """Whether the batch class is throttled, and for how many looks the contrary has been the case."""

    is_throttled: bool = False
    contrary_looks: int = 0


def plan_throttle(state: ThrottleState, load: HostLoad, settings: ThrottleSettings) -> ThrottleState:
    """The state after one more look."""
    if load.batch_running == 0:
        return ThrottleState()
    contrary = _is_relaxed(load, settings) if state.is_throttled else _is_saturated(load, settings)
    if not contrary:
        return ThrottleState(is_throttled=state.is_throttled)
    looks = state.contrary_looks + 1
    if looks >= (settings.looks_to_end if state.is_throttled else settings.looks_to_begin):
        return ThrottleState(is_throttled=not state.is_throttled)
    return ThrottleState(is_throttled=state.is_throttled, contrary_looks=looks)


def _is_saturated(load: HostLoad, settings: ThrottleSettings) -> bool:
    pressed = (load.pressure_percent or 0.0) >= settings.saturated_pressure_percent
    return load.better_present > 0 and (pressed or load.busy_share >= settings.saturated_busy_share)


def _is_relaxed(load: HostLoad, settings: ThrottleSettings) -> bool:
    return load.better_present == 0 or load.busy_share < settings.relaxed_busy_share


def cpu_share(priority: Priority, state: ThrottleState, settings: ThrottleSettings) -> CpuShare:
    """The share of a container whose job has that priority."""
    is_cut = state.is_throttled and priority is Priority.BATCH
    return CpuShare(weight=WEIGHTS[priority], quota=settings.batch_quota if is_cut else 1.0)
