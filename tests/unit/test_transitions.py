"""`domain/transitions.py`: one table each for containers and jobs; an illegal move changes nothing."""

from __future__ import annotations

from itertools import product

import pytest

from orchestrator.domain.container import ContainerRecord, ContainerState
from orchestrator.domain.errors import IllegalTransition
from orchestrator.domain.job import JobState
from orchestrator.domain.transitions import CONTAINER_TRANSITIONS, JOB_TRANSITIONS, change_state
from orchestrator.pool.pool import _Container

TABLES = [(ContainerState, CONTAINER_TRANSITIONS), (JobState, JOB_TRANSITIONS)]
MOVES = [(table, old, new) for states, table in TABLES for old, new in product(states, states)]
LEGAL = [move for move in MOVES if move[2] in move[0][move[1]]]
ILLEGAL = [move for move in MOVES if move[2] not in move[0][move[1]]]


def name_of(value):
    return value.value if isinstance(value, ContainerState | JobState) else ""


@pytest.mark.parametrize(("states", "table"), TABLES)
def test_every_state_has_its_row(states, table):
    """No state can be reached for which the table says nothing."""
    assert set(table) == set(states)


@pytest.mark.parametrize(("table", "old", "new"), LEGAL, ids=name_of)
def test_legal_moves_answer_the_new_state(table, old, new):
    """change_state gives back where the move leads."""
    assert change_state(table, old, new) is new


@pytest.mark.parametrize(("table", "old", "new"), ILLEGAL, ids=name_of)
def test_illegal_moves_raise(table, old, new):
    """Every move that the tables do not have raises IllegalTransition naming both ends."""
    with pytest.raises(IllegalTransition, match=f"{old} to {new}"):
        change_state(table, old, new)


@pytest.mark.parametrize(
    ("old", "new"), [(old, new) for table, old, new in ILLEGAL if table is CONTAINER_TRANSITIONS], ids=name_of
)
def test_an_illegal_move_leaves_the_pools_record_as_it_was(old, new):
    """The pool's own record keeps its state when a move is refused."""
    record = ContainerRecord(id="c", runtime="python", generation=1, created_at=0.0, state=old)
    with pytest.raises(IllegalTransition):
        _Container(1, record, made_to_measure=False).enter(new)
    assert record.state is old


def test_ends_are_ends():
    """Nothing leaves REMOVED or FINISHED; a used container never becomes warm again."""
    assert not CONTAINER_TRANSITIONS[ContainerState.REMOVED]
    assert not JOB_TRANSITIONS[JobState.FINISHED]
    into_warm = {old for old, news in CONTAINER_TRANSITIONS.items() if ContainerState.WARM in news}
    assert into_warm == {ContainerState.PROVISIONING}
