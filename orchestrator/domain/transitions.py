"""Domain floor: the state tables and the one function that changes a state.

The diagrams in `docs/lifecycle.md` are drawn from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from orchestrator.domain.container import ContainerState
from orchestrator.domain.errors import IllegalTransition
from orchestrator.domain.job import JobState

__all__ = ("CONTAINER_TRANSITIONS", "JOB_TRANSITIONS", "change_state")

_S = TypeVar("_S", ContainerState, JobState)

_C = ContainerState
CONTAINER_TRANSITIONS: Mapping[ContainerState, frozenset[ContainerState]] = {
    _C.PROVISIONING: frozenset({_C.WARM, _C.RETIRING}),
    _C.WARM: frozenset({_C.LEASED, _C.RETIRING}),
    _C.LEASED: frozenset({_C.RETIRING, _C.INSPECTING}),
    # Reuse for the same tenant only (recycle = "leak"):
    _C.INSPECTING: frozenset({_C.KEPT, _C.RETIRING}),
    _C.KEPT: frozenset({_C.LEASED, _C.RETIRING}),
    _C.RETIRING: frozenset({_C.REMOVED}),
    _C.REMOVED: frozenset(),
}

_J = JobState
JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    _J.QUEUED: frozenset({_J.RUNNING, _J.FINISHED}),
    _J.RUNNING: frozenset({_J.FINISHED}),
    _J.FINISHED: frozenset(),
}


def change_state(table: Mapping[_S, frozenset[_S]], current: _S, new: _S) -> _S:
    """`new`, where `table` allows that step from `current`; else raise IllegalTransition."""
    if new not in table[current]:
        raise IllegalTransition(f"{type(current).__name__} cannot go from {current} to {new}")
    return new
