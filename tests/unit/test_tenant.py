"""`domain/tenant.py` and `domain/record.py`: a tenant that cannot be is refused as it is made."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.domain.errors import InvalidTenant, RequestError
from orchestrator.domain.job import JobState
from orchestrator.domain.record import JobRecord
from orchestrator.domain.tenant import Priority, Tenant


def refused_field(**fields) -> str:
    """The field that making a Tenant of these complains about."""
    with pytest.raises(InvalidTenant) as caught:
        Tenant(**{"name": "acme", **fields})
    assert str(caught.value) == f"{caught.value.field}: {caught.value.problem}"
    assert isinstance(caught.value, RequestError)
    return caught.value.field


@pytest.mark.parametrize("name", ["a", "acme", "0", "team-7_b", "x" * 63])
def test_a_plain_name_is_a_name(name):
    """Small letters, digits, dash and underscore, 63 at most."""
    assert Tenant(name=name).name == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "A", "a b", "ä", "x" * 64, "a\n", "../a", None, 7])
def test_any_other_name_is_refused(name):
    """Names go into log lines, labels and files."""
    assert refused_field(name=name) == "name"


@pytest.mark.parametrize("field", ["weight", "rate_per_second", "queue_share"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), True, "1", None])
def test_a_share_is_a_number_above_zero(field, value):
    """A weight of nothing would starve the tenant; NaN would starve everybody."""
    assert refused_field(**{field: value}) == field


@pytest.mark.parametrize("field", ["concurrency", "burst", "retention_seconds"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "1", None])
def test_a_count_is_a_whole_number_above_zero(field, value):
    """Counts of jobs and seconds."""
    assert refused_field(**{field: value}) == field


def test_nobody_gets_more_than_the_whole_queue():
    """A share is a part of it; an empty list of runtimes would be a tenant that can do nothing."""
    assert refused_field(queue_share=1.01) == "queue_share"
    assert refused_field(runtimes=()) == "runtimes"
    assert Tenant(name="acme", queue_share=1.0, runtimes=("python",)).queue_share == 1.0


def test_a_class_is_above_the_less_urgent_ones_only():
    """Interactive before normal before batch, as the table is written."""
    above = [(one, other) for one in Priority for other in Priority if one.is_above(other)]
    assert above == [
        (Priority.INTERACTIVE, Priority.NORMAL),
        (Priority.INTERACTIVE, Priority.BATCH),
        (Priority.NORMAL, Priority.BATCH),
    ]


def test_a_record_cannot_be_changed():
    """What the store gave back stays as it was read."""
    record = JobRecord(
        id="1",
        tenant="acme",
        runtime="python",
        priority=Priority.NORMAL,
        state=JobState.QUEUED,
        accepted_at=1.0,
        expires_at=2.0,
        code_sha256="0" * 64,
        input_sha256="0" * 64,
    )
    assert (record.outcome, record.request, record.attempts) == (None, None, 0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.state = JobState.RUNNING  # type: ignore[misc]
