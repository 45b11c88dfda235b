"""`backends/inspections.py`: the runner's word and the kernel's, put together."""

from __future__ import annotations

import pytest

from orchestrator.backends.cgroups import Held
from orchestrator.backends.inspections import inspection_from_wire
from orchestrator.domain.inspection import Inspection

FIRST = Held(memory_bytes=1000, processes=3)
TOLD = {
    "processes": 1, "threads": 2, "files": ["/tmp/x"], "files_count": 3, "descriptors": 4, "shared_memory": 5,
}  # fmt: skip


def test_counts_are_the_runners_and_what_is_held_is_the_kernels():
    """Memory may be less than at first, processes count from there."""
    now = Held(memory_bytes=400, processes=5)
    assert inspection_from_wire(TOLD, FIRST, now) == Inspection(
        processes=1, threads=2, files=("/tmp/x",), files_count=3, descriptors=4, shared_memory=5,
        memory_bytes=-600, host_processes=2,
    )  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {**TOLD, "processes": -1},
        {**TOLD, "processes": True},
        {**TOLD, "descriptors": "0"},
        {**TOLD, "shared_memory": 0.0},
        {**TOLD, "files": "x"},
        {**TOLD, "files": [1]},
        {**TOLD, "files": ["x"] * 17},
        {name: value for name, value in TOLD.items() if name != "threads"},
    ],
)
def test_what_has_not_the_form_is_nothing(told):
    """An inspection that cannot be read is none: the container is then not kept."""
    assert inspection_from_wire(told, FIRST, FIRST) is None


@pytest.mark.parametrize(
    "unknown", [{"memory_bytes": None, "processes": 3}, {"memory_bytes": 1, "processes": None}]
)
def test_without_the_kernels_word_there_is_no_inspection(unknown):
    """Neither at first nor now."""
    assert inspection_from_wire(TOLD, FIRST, Held(**unknown)) is None
    assert inspection_from_wire(TOLD, Held(**unknown), FIRST) is None
