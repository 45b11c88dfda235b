"""Every outcome that one job can have, reached on a real engine by a program that earns it."""

import json
from dataclasses import replace

import pytest

from orchestrator import JobResult, JobSpec, Limits, Mode, Orchestrator, Outcome
from orchestrator.domain.limits import MIB

LIMITS = Limits(wall_time_ms=5_000, cpu_time_ms=5_000)


async def run(orchestrator: Orchestrator, runtime: str, code: str, **fields: object) -> JobResult:
    limits = fields.pop("limits", LIMITS)
    return await orchestrator.execute(JobSpec(runtime=runtime, code=code, limits=limits, **fields))


@pytest.mark.parametrize(
    ("runtime", "code"), [("python", "output = input['x'] + 1"), ("node", "output = input.x + 1")]
)
async def test_a_job_succeeds_on_a_container_of_its_own(orchestrator, runtime, code):
    """The output is the code's, the container is named, and the host measured the times."""
    first = await run(orchestrator, runtime, code, input_json='{"x": 41}')
    second = await run(orchestrator, runtime, code, input_json='{"x": 1}')
    assert (first.outcome, first.output) == (Outcome.SUCCEEDED, 42)
    assert (second.outcome, second.output) == (Outcome.SUCCEEDED, 2)
    assert first.container.id != second.container.id
    assert first.usage.wall_ms > 0
    assert first.usage.cpu_ms > 0
    assert first.attempts == 1


@pytest.mark.parametrize(
    ("runtime", "code", "line", "column"),
    [
        ("python", "x = 1\nraise ValueError('no')", 2, 1),
        ("node", "let x = 1;\n  throw new RangeError('no');", 2, 9),
        ("python", "x = 1\ny = (", 2, 5),
        ("node", "const x = ;", 1, 11),
    ],
)
async def test_an_error_has_a_place_in_the_tenants_own_source(orchestrator, runtime, code, line, column):
    """Name, message, line and column are of the tenant's text; no path or frame of ours is in the stack."""
    result = await run(orchestrator, runtime, code)
    assert result.outcome is Outcome.ERROR
    assert (result.error.line, result.error.column) == (line, column)
    assert "/runner" not in result.error.stack
    assert result.output is None


@pytest.mark.parametrize(
    ("runtime", "code"),
    [("python", "print('begun')\nwhile True: pass"), ("node", "console.log('begun'); while (true) {}")],
)
async def test_the_deadline_ends_a_loop_and_keeps_what_was_printed(orchestrator, runtime, code):
    """Wall time is the host's; partial output survives; the limit is named with what was seen."""
    result = await run(orchestrator, runtime, code, limits=Limits(wall_time_ms=400))
    assert result.outcome is Outcome.WALL_TIME_LIMIT
    assert (result.limit.name, result.limit.configured) == ("wall_time_ms", 400)
    assert result.limit.observed >= 400
    assert result.stdout.text == "begun\n"


@pytest.mark.parametrize(("runtime", "code"), [("python", "while True: pass"), ("node", "while (true) {}")])
async def test_cpu_time_is_judged_by_the_kernels_count(orchestrator, runtime, code):
    """A loop meets its CPU limit long before its wall time."""
    result = await run(orchestrator, runtime, code, limits=Limits(wall_time_ms=20_000, cpu_time_ms=200))
    assert result.outcome is Outcome.CPU_TIME_LIMIT
    assert result.limit.observed >= 200
    assert result.usage.wall_ms < 20_000


@pytest.mark.parametrize(
    ("runtime", "code"),
    [
        ("python", "print('begun', flush=True)\nkeep = []\nwhile True: keep.append(bytearray(1 << 20))"),
        (
            "node",
            "console.log('begun'); const keep = []; for (;;) keep.push(new Array(100000).fill(keep.length))",
        ),
        (
            "node",
            "console.log('begun'); const keep = []; for (;;) { const m = new WebAssembly.Memory({initial: 512});"
            " new Uint8Array(m.buffer).fill(1); keep.push(m); }",
        ),
    ],
)
async def test_memory_is_judged_by_a_counter(orchestrator, runtime, code):
    """Heap and mappings are bounded; partial output survives."""
    result = await run(orchestrator, runtime, code)
    assert result.outcome is Outcome.MEMORY_LIMIT
    assert result.limit.configured == 16 * MIB
    assert result.stdout.text == "begun\n"


@pytest.mark.parametrize(
    ("runtime", "code"), [("python", "output = 'x' * 200_000"), ("node", "output = 'x'.repeat(200000)")]
)
async def test_too_large_a_result_is_output_limit(orchestrator, runtime, code):
    """A result above output_bytes never reaches us whole."""
    limits = replace(LIMITS, output_bytes=100_000)
    result = await run(orchestrator, runtime, code, limits=limits)
    assert result.outcome is Outcome.OUTPUT_LIMIT
    assert result.limit.configured == 100_000
    assert result.limit.observed > 100_000


@pytest.mark.parametrize(
    ("runtime", "code", "path"),
    [
        ("python", "output = {'rows': [1, {2, 3}]}", "output.rows[1]"),
        ("node", "output = {rows: [1, 10n]}", "output.rows[1]"),
        ("python", "output = float('nan')", "output"),
        ("node", "output = {when: new Date(0)}", "output.when"),
    ],
)
async def test_what_json_cannot_carry_is_named_by_its_path(orchestrator, runtime, code, path):
    """Never a mangled value."""
    result = await run(orchestrator, runtime, code)
    assert result.outcome is Outcome.INVALID_OUTPUT
    assert result.error.message.startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("code", "exit_code", "signal"),
    [
        ("import os; os._exit(0)", 0, None),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", None, 11),
    ],
)
async def test_code_that_ends_its_own_process_is_killed(orchestrator, code, exit_code, signal):
    """An exit without an output is no success, whatever its exit code."""
    result = await run(orchestrator, "python", code)
    assert result.outcome is Outcome.KILLED
    assert (result.exit_code, result.signal) == (exit_code, signal)


async def test_a_container_that_keeps_vanishing_is_our_error(orchestrator, monkeypatch):
    """Each of three tries loses its container behind our back; then the outcome is internal_error."""
    from orchestrator.pool.lease import Lease

    inject = Lease.inject

    def inject_and_lose(lease: Lease, frame: bytes, limits: Limits) -> None:
        inject(lease, frame, limits)
        lease._container._init.signal(9)

    monkeypatch.setattr(Lease, "inject", inject_and_lose)
    result = await run(orchestrator, "python", "import time; time.sleep(4)")
    assert result.outcome is Outcome.INTERNAL_ERROR
    assert result.error.name == "ContainerGone"
    assert result.attempts == 3


async def test_a_container_lost_once_is_not_seen_by_the_tenant(orchestrator, monkeypatch):
    """The job is run again on a fresh container, and ends once."""
    from orchestrator.pool.lease import Lease

    inject, lost = Lease.inject, []

    def inject_and_lose_once(lease: Lease, frame: bytes, limits: Limits) -> None:
        inject(lease, frame, limits)
        if not lost:
            lost.append(lease.container_id)
            lease._container._init.signal(9)

    monkeypatch.setattr(Lease, "inject", inject_and_lose_once)
    result = await run(orchestrator, "python", "import time; time.sleep(0.3); output = 'done'")
    assert (result.outcome, result.output, result.attempts) == (Outcome.SUCCEEDED, "done", 2)
    assert result.container.id not in lost


PROGRAMS = {
    "python": "import sys\nprint(sys.stdin.read().upper(), sys.argv[1:])\nprint('warned', file=sys.stderr)\n"
    "open('left.txt', 'w').write(open('given.txt').read() * 2)\nsys.exit(3)",
    "node": "const fs = require('fs');\nconsole.log(fs.readFileSync(0, 'utf8').toUpperCase(), process.argv.slice(2));\n"
    "console.error('warned');\nfs.writeFileSync('left.txt', fs.readFileSync('given.txt', 'utf8').repeat(2));\nprocess.exit(3);",
}


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_a_program_has_stdin_args_files_and_an_exit_code(orchestrator, runtime):
    """Program mode: the exit code decides, streams are kept apart, files come back."""
    result = await run(
        orchestrator, runtime, PROGRAMS[runtime], mode=Mode.PROGRAM, stdin="hello", args=("a", "b"),
        files={"given.txt": b"ab"},
    )  # fmt: skip
    assert (result.outcome, result.exit_code) == (Outcome.ERROR, 3)
    assert result.stdout.text.startswith("HELLO [")
    assert result.stderr.text == "warned\n"
    assert result.files["left.txt"] == b"abab"


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_a_job_above_the_ceiling_gets_a_container_made_to_measure(orchestrator, runtime):
    """It is slower, and says so; the memory is really there."""
    code = {
        "python": "output = len(bytearray(250 << 20))",
        "node": "output = new Uint8Array(250 << 20).fill(1).length",
    }
    limits = replace(LIMITS, memory_bytes=400 * MIB)
    result = await run(orchestrator, runtime, code[runtime], limits=limits)
    assert (result.outcome, result.output) == (Outcome.SUCCEEDED, 250 << 20)
    assert not result.container.warm


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_entrypoint_promises_and_coroutines(orchestrator, runtime):
    """A named function is called with the input, and what it gives is awaited."""
    code = {
        "python": "async def main(value):\n    import asyncio\n    await asyncio.sleep(0)\n    return value * 2",
        "node": "const main = async (value) => { await null; return value * 2; };",
    }
    result = await run(orchestrator, runtime, code[runtime], entrypoint="main", input_json="21")
    assert (result.outcome, result.output) == (Outcome.SUCCEEDED, 42)


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_a_flood_is_no_failure_and_keeps_head_and_tail(orchestrator, runtime):
    """Too much stdout is cut, with its true size, and the job goes on."""
    code = {
        "python": "print('first')\nfor n in range(40000): print('x' * 99)\nprint('last')\noutput = 1",
        "node": "console.log('first'); for (let n = 0; n < 40000; n++) console.log('x'.repeat(99)); console.log('last'); output = 1",
    }
    limits = replace(LIMITS, output_bytes=200_000, wall_time_ms=20_000, cpu_time_ms=20_000)
    result = await run(orchestrator, runtime, code[runtime], limits=limits)
    assert (result.outcome, result.output) == (Outcome.SUCCEEDED, 1)
    assert result.stdout.bytes_total == 4_000_011
    assert result.stdout.truncated
    assert result.stdout.text.startswith("first\n")
    assert result.stdout.text.endswith("last\n")
    assert len(result.stdout.text) < 250_000


@pytest.mark.parametrize("runtime", ["python", "node"])
async def test_a_megabyte_goes_in_and_out_unchanged(orchestrator, runtime):
    """Large inputs and outputs, of every kind of character."""
    value = ['\u00e9\U0001f600\n"\\' * 1000, {"k": [1.5, True, None] * 1000}] * 5
    limits = replace(LIMITS, output_bytes=2 * MIB, memory_bytes=64 * MIB)
    result = await run(orchestrator, runtime, "output = input", input_json=json.dumps(value), limits=limits)
    assert result.outcome is Outcome.SUCCEEDED
    assert result.output == value
