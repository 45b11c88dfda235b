"""Debug mode on real containers, for both languages: what is recorded, what is not, and that nothing else changes."""

from __future__ import annotations

import json

import pytest

from orchestrator import JobSpec, Outcome
from orchestrator.backends.frames import encode_frame
from orchestrator.domain.debug import DebugOptions
from orchestrator.domain.job import Mode
from orchestrator.domain.limits import MIB, Limits

EVERYTHING = DebugOptions(console=True, stack_traces=True, profile=True, steps=True)
LIMITS = Limits(wall_time_ms=20_000, cpu_time_ms=20_000)


async def run(orchestrator, runtime, code, *, debug=EVERYTHING, limits=LIMITS, **spec):
    return await orchestrator.execute(JobSpec(runtime=runtime, code=code, debug=debug, limits=limits, **spec))


def shown(entry):
    return [each.text for each in entry.arguments]


# -- console -------------------------------------------------------------------------------------------

JS_CONSOLE = """console.log('a', 1, {deep: [1, {x: 2}]}, new Map([['k', 1]]));
function warn() {
  console.warn('b');
}
warn();
console.error(new TypeError('no'));
console.assert(1 === 1, 'holds');
console.table([1]);
output = 1;
"""
PY_CONSOLE = """import sys, logging, warnings
print('a', 1, {'deep': [1, {'x': 2}]}, end='')
def warn():
    sys.stderr.write('b\\n')
warn()
logging.getLogger('mine').error('count %d', 3)
warnings.warn('old')
print('to a file', file=open('/work/x', 'w'))
output = 1
"""


async def test_the_console_of_javascript_is_told_call_by_call(orchestrator):
    """In order across both streams, with level, place, arguments; what holds is no call that prints."""
    result = await run(orchestrator, "node", JS_CONSOLE, debug=DebugOptions(console=True))
    assert (result.outcome, result.output) == (Outcome.SUCCEEDED, 1)
    entries = result.debug.console
    assert [(each.level, each.stream) for each in entries] == [
        ("log", "stdout"), ("warn", "stderr"), ("error", "stderr"), ("table", "stdout"),
    ]  # fmt: skip
    assert [(each.position.line, each.position.function) for each in entries] == [
        (1, None), (3, "warn"), (6, None), (8, None),
    ]  # fmt: skip
    assert shown(entries[0]) == ['"a"', "1", "Object", "Map(1)"]
    assert entries[0].arguments[2].entries[0][0] == "deep"
    assert entries[0].arguments[2].entries[0][1].entries[1][1].entries[0][1].text == "2"
    assert shown(entries[2]) == ["TypeError: no"]
    assert [each.at_ms for each in entries] == sorted(each.at_ms for each in entries)
    assert (result.debug.truncated, result.debug.unreadable) == ((), 0)
    assert result.stdout.text.startswith("a 1 { deep: [ 1, { x: 2 } ] } Map(1) { 'k' => 1 }\n")


async def test_the_console_of_python_is_told_call_by_call(orchestrator):
    """print, writes, logging and warnings, each once, and printed as ever; a print to a file is none."""
    result = await run(orchestrator, "python", PY_CONSOLE, debug=DebugOptions(console=True))
    assert (result.outcome, result.output) == (Outcome.SUCCEEDED, 1), result.error
    entries = result.debug.console
    assert [(each.level, each.stream) for each in entries] == [
        ("print", "stdout"), ("write", "stderr"), ("error", "stderr"), ("warning", "stderr"),
    ]  # fmt: skip
    assert [(each.position.line, each.position.function) for each in entries] == [
        (2, "<module>"), (4, "warn"), (6, "<module>"), (7, "<module>"),
    ]  # fmt: skip
    assert shown(entries[0]) == ["'a'", "1", "dict(1)"]
    assert shown(entries[2]) == ["'count %d'", "3"]
    assert (result.debug.truncated, result.debug.unreadable) == ((), 0)
    assert result.stdout.text == "a 1 {'deep': [1, {'x': 2}]}"
    assert "b\ncount 3\n" in result.stderr.text


@pytest.mark.parametrize(
    ("runtime", "code"),
    [
        ("node", "for (let i = 0; i < 5000; i++) console.log('x'.repeat(1000), i);"),
        ("python", "for i in range(5000): print('x' * 1000, i)"),
    ],
)
async def test_a_flood_of_calls_is_bounded_and_said_to_be(orchestrator, runtime, code):
    """The first thousand calls, each within bounds; what is printed is what it is without debug mode."""
    result = await run(orchestrator, runtime, code, debug=DebugOptions(console=True))
    plain = await run(orchestrator, runtime, code, debug=None)
    assert (len(result.debug.console), result.debug.truncated) == (1000, ("console",))
    assert result.debug.console[0].arguments[0].truncated
    assert (result.outcome, result.stdout) == (plain.outcome, plain.stdout)
    assert plain.debug is None


# -- stack traces --------------------------------------------------------------------------------------

JS_ERRORS = """function inner() {
  throw new TypeError('inner');
}
function outer() {
  try { inner(); } catch (error) { throw new Error('outer', {cause: error}); }
}
try { outer(); } catch (error) { throw new AggregateError([error, new RangeError('other')], 'both'); }
"""
PY_ERRORS = """def inner():
    raise TypeError('inner')
def outer():
    try:
        inner()
    except TypeError as error:
        raise ValueError('outer') from error
try:
    outer()
except ValueError as error:
    raise ExceptionGroup('both', [error, KeyError('other')])
"""


@pytest.mark.parametrize(("runtime", "code"), [("node", JS_ERRORS), ("python", PY_ERRORS)])
@pytest.mark.parametrize("mode", list(Mode))
async def test_errors_are_told_with_what_led_to_them(orchestrator, runtime, code, mode):
    """The whole tree, each with the tenant's frames and their lines of code, and nothing of ours."""
    result = await run(orchestrator, runtime, code, mode=mode, debug=DebugOptions(stack_traces=True))
    assert result.outcome is Outcome.ERROR
    errors = result.debug.errors
    by_message = {each.message.split(" (")[0].strip("'"): each for each in errors}
    assert set(by_message) >= {"both", "outer", "inner", "other"}
    assert errors[by_message["inner"].parent].message.startswith("outer")
    assert (by_message["inner"].relation, by_message["other"].relation) == ("cause", "member")
    frame = by_message["inner"].frames[0]
    assert (frame.position.line, frame.position.function) == (2, "inner")
    assert code.splitlines()[1] in [each.text for each in frame.excerpt]
    assert {each.position.file for link in errors for each in link.frames} <= {"job.js", "job.py"}
    assert "/runner" not in json.dumps([each.message for each in errors])


@pytest.mark.parametrize(
    ("runtime", "code"), [("node", "let a = 1;\nlet a = 2;"), ("python", "a = 1\nb = = 2\n")]
)
async def test_a_source_that_is_none_has_its_place(orchestrator, runtime, code):
    """A syntax error that only the interpreter sees is a trace of one frame."""
    result = await run(orchestrator, runtime, code, debug=EVERYTHING)
    assert result.outcome in (Outcome.ERROR, Outcome.REJECTED)
    if result.outcome is Outcome.ERROR:
        (link,) = result.debug.errors
        assert (link.name, link.frames[0].position.line) == ("SyntaxError", 2)


# -- profile -------------------------------------------------------------------------------------------

JS_BUSY = """function slow(n) { let s = 0; for (let i = 0; i < n; i++) s += Math.sqrt(i) % 7; return s; }
function quick() { return slow(1000); }
function main() { quick(); return slow(6e7); }
output = main() > 0;
"""
PY_BUSY = """def slow(n):
    s = 0
    for i in range(n):
        s += i % 7
    return s
def quick():
    return slow(100)
def main():
    quick()
    return slow(400_000)
output = main() > 0
"""


async def test_a_profile_of_javascript_names_the_tenants_functions_only(orchestrator):
    """A `.cpuprofile` whose samples lie where the time went."""
    result = await run(orchestrator, "node", JS_BUSY, debug=DebugOptions(profile=True))
    assert result.output is True, result.error
    profile = result.debug.profile
    assert (profile.format, profile.complete) == ("cpuprofile", True)
    nodes = {each["id"]: each for each in profile.content["nodes"]}
    names = {each["callFrame"]["functionName"] for each in nodes.values()}
    assert names >= {"(root)", "main", "slow"}
    assert names <= {
        "(root)",
        "(program)",
        "(idle)",
        "(garbage collector)",
        "(anonymous)",
        "main",
        "quick",
        "slow",
    }
    assert {each["callFrame"]["url"] for each in nodes.values()} <= {"", "job.js"}
    assert {child for each in nodes.values() for child in each["children"]} | {1} == set(nodes)
    samples, deltas = profile.content["samples"], profile.content["timeDeltas"]
    assert len(samples) == len(deltas) > 10
    assert set(samples) <= set(nodes)
    inside = [each for each in samples if nodes[each]["callFrame"]["functionName"] == "slow"]
    assert len(inside) > len(samples) / 2
    (slow,) = {
        each["callFrame"]["lineNumber"]
        for each in nodes.values()
        if each["callFrame"]["functionName"] == "slow"
    }
    assert slow == 0


async def test_a_profile_of_python_names_the_tenants_functions_only(orchestrator):
    """speedscope's JSON, whose weights lie where the time went."""
    result = await run(orchestrator, "python", PY_BUSY, debug=DebugOptions(profile=True))
    assert result.output is True, result.error
    profile = result.debug.profile
    assert (profile.format, profile.complete) == ("speedscope", True)
    frames = profile.content["shared"]["frames"]
    assert {each["name"] for each in frames} == {"<module>", "main", "quick", "slow"}
    assert {each["file"] for each in frames} == {"job.py"}
    (sampled,) = profile.content["profiles"]
    top = {}
    for stack, weight in zip(sampled["samples"], sampled["weights"], strict=True):
        top[frames[stack[-1]]["name"]] = top.get(frames[stack[-1]]["name"], 0) + weight
    assert top["slow"] > sum(top.values()) / 2
    assert sampled["endValue"] == sum(sampled["weights"])


@pytest.mark.parametrize(
    ("runtime", "code"),
    [
        ("node", "function spin() {\n  let n = 0;\n  for (;;) {\n    n++;\n  }\n}\nspin();"),
        ("python", "def spin():\n    n = 0\n    while True:\n        n = 1\nspin()"),
    ],
)
async def test_an_endless_loop_shows_its_profile_and_its_last_step(orchestrator, runtime, code):
    """Its limit ends it as ever; what was recorded by then is there."""
    limits = Limits(wall_time_ms=40_000, cpu_time_ms=1500)  # CPU time is as long on a busy machine
    ended = (Outcome.WALL_TIME_LIMIT, Outcome.CPU_TIME_LIMIT)
    result = await run(orchestrator, runtime, code, limits=limits, debug=DebugOptions(profile=True))
    assert (result.outcome in ended, result.debug.truncated) == (True, ("profile",))
    assert "spin" in json.dumps(result.debug.profile.content)
    result = await run(orchestrator, runtime, code, limits=limits, debug=DebugOptions(steps=True))
    assert result.outcome in ended
    assert result.debug.steps[-1].position.function == "spin"


async def test_steps_of_javascript_leave_no_profile(orchestrator):
    """V8 could name no function that has a breakpoint; that there is none is said."""
    result = await run(orchestrator, "node", "output = 1;")
    assert (result.output, result.debug.profile, result.debug.truncated) == (1, None, ("profile",))


# -- steps ---------------------------------------------------------------------------------------------

JS_STEPS = """function total(list) {
  let sum = 0;
  for (const each of list) {
    sum += each;
  }
  return sum;
}
output = total(input);
"""
PY_STEPS = """def total(numbers):
    sum = 0
    for each in numbers:
        sum += each
    return sum
output = total(input)
"""


@pytest.mark.parametrize(("runtime", "code"), [("node", JS_STEPS), ("python", PY_STEPS)])
async def test_steps_are_the_executed_lines_with_what_changed(orchestrator, runtime, code):
    """Values of a variable, one after the other; depth; what the function returns."""
    result = await run(orchestrator, runtime, code, input_json="[1, 2, 3]", debug=DebugOptions(steps=True))
    assert result.output == 6, result.error
    steps = [each for each in result.debug.steps if each.position.function == "total"]
    sums = [each.value.text for step in steps for each in step.changed if each.name == "sum"]
    assert [text for text in sums if text != "undefined"] == ["0", "1", "3", "6"]
    assert {each.depth for each in steps} == {1}
    ends = [each for each in steps if each.event == "return"]
    assert [each.value.text for each in ends] == ["6"]
    lines = {each.position.line for each in steps}
    assert lines >= ({2, 4, 6} if runtime == "node" else {2, 3, 4, 5})
    assert (result.debug.truncated, result.debug.unreadable) == ((), 0)


@pytest.mark.parametrize(
    ("runtime", "code"),
    [
        (
            "node",
            "function f(x) { if (x > 2) throw new Error('big'); return x; }\noutput = [1, 2, 3].map((x) => { try { return f(x); } catch { return 0; } });",
        ),
        (
            "python",
            "def f(x):\n    if x > 2:\n        raise ValueError('big')\n    return x\ndef g(x):\n    try:\n        return f(x)\n    except ValueError:\n        return 0\noutput = [g(x) for x in (1, 2, 3)]",
        ),
    ],
)
async def test_steps_tell_what_is_raised_and_called_back(orchestrator, runtime, code):
    """A function that the engine calls is stepped into; an error is told where it was thrown."""
    result = await run(orchestrator, runtime, code, debug=DebugOptions(steps=True))
    assert result.output == [1, 2, 0], result.error
    steps = result.debug.steps
    assert len([each for each in steps if each.position.function == "f" and each.event == "return"]) == 2
    (thrown,) = [each for each in steps if each.event == "throw" and each.position.function == "f"]
    assert "big" in thrown.value.text + str(thrown.value.entries)


async def test_an_entry_point_that_is_awaited_is_stepped_through(orchestrator):
    """What runs after the script has ended is recorded like the script."""
    js = "async function main(x) {\n  await null;\n  const y = x * 2;\n  return y;\n}\n"
    py = "import asyncio\nasync def main(x):\n    await asyncio.sleep(0)\n    y = x * 2\n    return y\n"
    for runtime, code in (("node", js), ("python", py)):
        result = await run(
            orchestrator, runtime, code, entrypoint="main", input_json="21", debug=DebugOptions(steps=True)
        )
        assert result.output == 42, result.error
        changed = {each.name: each.value.text for step in result.debug.steps for each in step.changed}
        assert changed["y"] == "42", runtime


@pytest.mark.parametrize(
    ("runtime", "code"),
    [
        ("node", "let s = 0; for (let i = 0; i < 200000; i++) { s += i; }\noutput = s;"),
        ("python", "s = 0\nfor i in range(200000):\n    s += i\noutput = s"),
    ],
)
async def test_steps_end_and_the_job_goes_on(orchestrator, runtime, code):
    """After the last step that is kept the job runs on to its own answer."""
    result = await run(orchestrator, runtime, code, debug=DebugOptions(steps=True))
    assert result.output == 19999900000, result.error
    assert result.debug.truncated == ("steps",)
    assert 0 < len(result.debug.steps) <= 2000


@pytest.mark.parametrize(
    ("runtime", "code"),
    [
        (
            "node",
            "const huge = 'x'.repeat(4e6); const deep = []; let at = deep; for (let i = 0; i < 500; i++) { at.push([]); at = at[0]; }\nfunction f(n) { return n === 0 ? 0 : 1 + f(n - 1); }\noutput = f(400);",
        ),
        (
            "python",
            "huge = 'x' * 4_000_000\ndeep = []\nfor i in range(500):\n    deep = [deep]\ndef f(n):\n    return 0 if n == 0 else 1 + f(n - 1)\noutput = f(400)",
        ),
    ],
)
async def test_huge_values_and_deep_calls_stay_small(orchestrator, runtime, code):
    """A value is never told in full, and the job's answer is its own."""
    result = await run(
        orchestrator,
        runtime,
        code,
        limits=Limits(wall_time_ms=20_000, cpu_time_ms=20_000, memory_bytes=48 * MIB),
    )
    assert result.output == 400, result.error
    texts = [each.value.text for step in result.debug.steps for each in step.changed]
    assert max(map(len, texts)) <= 256
    assert result.debug.unreadable == 0


# -- nothing else changes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runtime", "code", "outcome"),
    [
        ("node", "const a = []; for (;;) a.push(new Array(1e5).fill(1.5));", Outcome.MEMORY_LIMIT),
        ("python", "a = []\nwhile True: a.append(bytes(1 << 20))", Outcome.MEMORY_LIMIT),
        ("node", "output = 'x'.repeat(2e6);", Outcome.OUTPUT_LIMIT),
        ("python", "output = 'x' * 2_000_000", Outcome.OUTPUT_LIMIT),
        ("python", "import os; os._exit(3)", Outcome.KILLED),
        ("node", "output = () => 1;", Outcome.INVALID_OUTPUT),
        ("python", "output = {1, 2}", Outcome.INVALID_OUTPUT),
    ],
)
async def test_outcomes_are_what_they_are_without(orchestrator, runtime, code, outcome):
    """The limits and the result channel hold with everything on."""
    result = await run(orchestrator, runtime, code)
    assert result.outcome is outcome, result.error
    assert result.debug is not None


async def test_a_program_is_debugged_too(orchestrator):
    """Its exit code, streams and files are its own; its modules are told by their names."""
    helper = b"def double(x):\n    y = x * 2\n    return y\n"
    code = "import helper, sys\nprint(helper.double(21))\nopen('left.txt', 'w').write('x')\nsys.exit(3)\n"
    result = await run(orchestrator, "python", code, mode=Mode.PROGRAM, files={"helper.py": helper})
    assert (result.exit_code, result.stdout.text, result.files) == (3, "42\n", {"left.txt": b"x"})
    assert ("helper.py", 2) in {(each.position.file, each.position.line) for each in result.debug.steps}
    assert "double" in json.dumps(result.debug.profile.content)
    js = "setTimeout(() => { process.stdout.write('later\\n'); process.exit(4); }, 5);\nconsole.log('now');\n"
    result = await run(orchestrator, "node", js, mode=Mode.PROGRAM)
    assert (result.exit_code, result.stdout.text) == (4, "now\nlater\n")
    assert [each.level for each in result.debug.console] == ["log", "write"]
    assert {each.position.line for each in result.debug.steps} >= {1, 2}
    profiled = await run(orchestrator, "node", js, mode=Mode.PROGRAM, debug=DebugOptions(profile=True))
    assert (profiled.exit_code, profiled.debug.profile.complete) == (4, True)


async def test_a_job_can_say_what_it_likes_and_decides_nothing(orchestrator):
    """Records that tenant code forges are the tenant's own: read within bounds, and the answer stands."""
    code = """import os, struct
def say(text):
    os.write(4, b'\\xffDBG' + struct.pack('>I', len(text)) + text)
say(b'nonsense\\n{"kind":"step"}\\n')
say(b'\\xff\\xfe' * 100 + b'\\n')
say(b'{"kind":"console","ms":1,"stream":"stdout","level":"forged","args":[],"at":null,"cut":false}\\n')
output = 7
"""
    result = await run(orchestrator, "python", code, debug=DebugOptions(console=True))
    assert (result.outcome, result.output) == (Outcome.SUCCEEDED, 7), result.error
    assert [each.level for each in result.debug.console] == ["forged"]
    assert result.debug.unreadable == 3
    flood = "import os\nwhile True:\n    os.write(4, b'\\xffDBG\\x7f\\xff\\xff\\xff' + b'x' * 60000)"
    result = await run(orchestrator, "python", flood, limits=Limits(wall_time_ms=700, cpu_time_ms=700))
    assert result.outcome in (Outcome.WALL_TIME_LIMIT, Outcome.CPU_TIME_LIMIT)
    assert result.debug.unreadable > 0


@pytest.mark.parametrize(
    "debug", [None, {"console": True, "stack_traces": True, "profile": True, "steps": True}]
)
async def test_nothing_of_debug_mode_is_loaded_without_it(orchestrator, debug):
    """Neither its files in the Python child, nor its file and an inspector in the node runner, nor a change of print."""
    python = """import gc, sys, types
names = sorted({o.__name__ for o in gc.get_objects() if isinstance(o, types.ModuleType) and o.__name__.startswith('debug')})
output = [names, type(print).__name__, sys.monitoring.get_tool(0), 'write' in vars(sys.stdout)]
"""
    job = {
        "type": "job", "job": "j", "mode": "function", "code": python, "input": "null", "entrypoint": None,
        "allowed_globals": None, "stdin": "", "args": [], "files": {},
        "limits": {"wall_time_ms": 9000, "cpu_time_ms": 9000, "memory_bytes": 16 * MIB, "output_bytes": 99999,
                   "processes": 16, "disk_bytes": 99999},
        **({} if debug is None else {"debug": debug}),
    }  # fmt: skip
    frames = await _frames(orchestrator, "python", job)
    output = json.loads(frames[-1]["payload"])["output"]
    loaded = [
        "debug_console",
        "debug_errors",
        "debug_inbox",
        "debug_profile",
        "debug_steps",
        "debug_values",
        "debugging",
    ]
    if debug is None:
        assert output == [[], "builtin_function_or_method", None, False]
        assert [each["type"] for each in frames] == ["result"]
    else:
        assert output == [loaded, "function", "debug mode", True]
    node = "output = [Object.getOwnPropertyNames(globalThis).length, console.log.toString()];"
    frames = await _frames(orchestrator, "node", {**job, "code": node})
    said = json.loads(frames[-1]["payload"])["output"]
    assert ("recordCall" in said[1]) == (debug is not None)
    assert ("debug" in [each["type"] for each in frames]) == (debug is not None)


async def _frames(orchestrator, runtime, job):
    import asyncio

    frames = []
    deadline = asyncio.get_running_loop().time() + 120
    async with orchestrator.pool.lease(runtime, deadline=deadline) as lease:
        lease.send(encode_frame(job))
        async with asyncio.timeout(60):
            while (frame := await lease.receive()) is not None:
                frames.append(frame)
                if frame["type"] == "result":
                    break
    return frames
