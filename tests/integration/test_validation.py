"""The validator and sanitizer in front of real runners: what is said before is what would have happened."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator import JobSpec, Limits, Mode, Orchestrator, Outcome
from orchestrator.guard.policy import load_preset, parse_policy

STANDARD = load_preset("standard")
STRICT_CODE = parse_policy("javascript_strict_mode = true\nescape_hidden_characters = true", where="test")
LIMITS = Limits(wall_time_ms=5_000, cpu_time_ms=5_000)
ACCEPTED = sorted((Path(__file__).parent.parent / "programs" / "accepted").iterdir())
# Some give other values at every run; their outcome is compared all the same.
RANDOM = {"hashing.py", "decorators.py"}


def spec_of(path: Path, code: str | None = None) -> JobSpec:
    text = path.read_text(encoding="utf-8")
    mode = Mode.PROGRAM if re.search(r"^(//|#) mode: program$", text, re.MULTILINE) else Mode.FUNCTION
    runtime = "node" if path.suffix == ".js" else "python"
    return JobSpec(runtime=runtime, code=text if code is None else code, mode=mode, limits=LIMITS)


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.name)
async def test_what_is_accepted_runs_and_runs_the_same_when_sanitized(orchestrator: Orchestrator, path):
    """The program as it is and as a Windows editor saves it: same outcome, output, streams and files."""
    plain = await orchestrator.execute(spec_of(path), policy=STANDARD)
    assert plain.outcome is Outcome.SUCCEEDED, plain.error
    assert plain.findings == ()
    dirty = "\ufeff" + path.read_text(encoding="utf-8").replace("\n", "\r\n")
    again = await orchestrator.execute(spec_of(path, dirty), policy=STANDARD)
    assert again.code_changes
    assert again.outcome is plain.outcome
    if path.name not in RANDOM:
        assert (again.output, again.stdout, again.files) == (plain.output, plain.stdout, plain.files)


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_rejected_code_costs_no_container(orchestrator, runtime):
    """Outcome, place and words, without a container."""
    result = await orchestrator.execute(
        JobSpec(runtime=runtime, code="\noutput = eval('1')"), policy=STANDARD
    )
    assert result.outcome is Outcome.REJECTED
    assert (result.error.line, result.error.column) == (2, 10)
    assert result.container is None


async def test_strict_code_is_strict_and_keeps_the_tenants_places(orchestrator):
    """The directive acts, and an error on the first line names the tenant's own column."""
    assigned = await orchestrator.execute(JobSpec(runtime="node", code="undeclared = 1"), policy=STRICT_CODE)
    assert assigned.outcome is Outcome.ERROR
    assert (assigned.error.name, assigned.error.line, assigned.error.column) == ("ReferenceError", 1, 12)
    assert "job.js:1:12" in assigned.error.stack
    sloppy = await orchestrator.execute(JobSpec(runtime="node", code="undeclared = 1"), policy=STANDARD)
    assert sloppy.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(("runtime", "code"), [("node", "output = '{}'"), ("python", "output = '{}'")])
async def test_an_escaped_character_is_the_same_character(orchestrator, runtime, code):
    """What is escaped in a string is what the string holds."""
    job = JobSpec(runtime=runtime, code=code.format("a\u202eb"))
    result = await orchestrator.execute(job, policy=STRICT_CODE)
    assert (result.outcome, result.output) == (Outcome.SUCCEEDED, "a\u202eb")
    assert result.code_changes[-1] == "escaped 1 hidden characters"


@pytest.mark.parametrize(
    ("runtime", "code"), [("node", "output = [1, 'x']"), ("python", "output = [1, 'x']")]
)
async def test_an_output_is_held_against_its_schema(orchestrator, runtime, code):
    """`invalid_output` with the path, from either runner."""
    schema = json.dumps({"items": {"type": "integer"}})
    job = JobSpec(runtime=runtime, code=code, output_schema_json=schema)
    result = await orchestrator.execute(job, policy=STANDARD)
    assert result.outcome is Outcome.INVALID_OUTPUT
    assert result.error.message == "output[1]: 'x' is not of type 'integer'"


NOT_JSON = [
    ("python", "a = []; a.append(a); output = {'x': a}", "output.x"),
    ("python", "output = [len]", "output[0]"),
    ("python", "output = {'n': float('inf')}", "output.n"),
    ("python", "output = [b'x']", "output[0]"),
    ("python", "import datetime\noutput = {'d': datetime.date(2024, 1, 1)}", "output.d"),
    ("python", "output = {'c': 1j}", "output.c"),
    ("node", "const a = []; a.push(a); output = { x: a }", "output.x"),
    ("node", "output = [() => 1]", "output[0]"),
    ("node", "output = { n: NaN }", "output.n"),
    ("node", "output = [10n]", "output[0]"),
    ("node", "output = { b: new Uint8Array(2) }", "output.b"),
    ("node", "output = { d: new Date(0) }", "output.d"),
    ("node", "output = [Symbol('x')]", "output[0]"),
    ("node", "output = { m: new Map() }", "output.m"),
]


@pytest.mark.parametrize(("runtime", "code", "path"), NOT_JSON)
async def test_what_json_cannot_carry_is_named_never_mangled(orchestrator, runtime, code, path):
    """Cycles, functions, NaN, big numbers, bytes, dates: `invalid_output` with path and type."""
    result = await orchestrator.execute(JobSpec(runtime=runtime, code=code, limits=LIMITS), policy=STANDARD)
    assert result.outcome is Outcome.INVALID_OUTPUT, result
    assert result.error.message.startswith(path), result.error.message
    assert result.output is None
