"""Whatever a runner says of a job's run, a bounded report comes of it, and nothing is raised."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.debug import DebugOptions
from orchestrator.domain.limits import Usage
from orchestrator.domain.outcome import JobResult, Outcome
from orchestrator.policies.debug_report import read_debug
from orchestrator.wire import result_to_wire

WORDS = st.sampled_from(
    ["kind", "console", "step", "errors", "profile", "cut", "part", "ms", "stream", "stdout", "level", "args", "at",
     "event", "line", "return", "depth", "changed", "value", "format", "speedscope", "cpuprofile", "frames", "nodes",
     "samples", "deltas", "start", "end", "relation", "thrown", "cause", "parent", "name", "message", "job.py", "steps"]
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), WORDS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6), st.dictionaries(st.one_of(WORDS, st.text()), inner, max_size=8)
    ),
    max_leaves=40,
)
RECORDS = st.one_of(
    st.text(),
    VALUES.map(json.dumps),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["console", "step", "errors", "profile", "cut"])},
        optional={
            "ms": SCALARS, "stream": WORDS, "level": SCALARS, "args": VALUES, "at": VALUES, "event": WORDS, "depth": SCALARS,
            "changed": VALUES, "value": VALUES, "errors": VALUES, "format": WORDS, "frames": VALUES, "nodes": VALUES,
            "samples": VALUES, "deltas": VALUES, "start": SCALARS, "end": SCALARS, "part": WORDS,
        },
    ).map(json.dumps),
)  # fmt: skip
OPTIONS = st.builds(
    DebugOptions,
    console=st.booleans(),
    stack_traces=st.booleans(),
    profile=st.booleans(),
    steps=st.booleans(),
)


@settings(max_examples=300)
@given(st.lists(RECORDS, max_size=8), OPTIONS, st.booleans())
def test_any_text_gives_a_report_that_can_be_told(records, asked, cut_off):
    """It is read without an exception, and what is read has a JSON form."""
    report = read_debug("\n".join(records), asked, {"job.py": "x"}, cut_off=cut_off)
    result = JobResult(id="a", outcome=Outcome.SUCCEEDED, usage=Usage(wall_ms=1.0), debug=report)
    json.dumps(result_to_wire(result), allow_nan=False, ensure_ascii=False).encode()
    assert (report.console is not None) == asked.console
    assert (report.steps is not None) == asked.steps
