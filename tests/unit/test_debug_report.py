"""`policies/debug_report.py` and `policies/profiles.py`: what a runner recorded, read as hostile data."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.debug import (
    MAX_CONSOLE_ENTRIES,
    MAX_ERRORS,
    MAX_PROFILE_NODES,
    MAX_PROFILE_SAMPLES,
    MAX_STEPS,
    MAX_VALUE_DEPTH,
    MAX_VALUE_ENTRIES,
    MAX_VALUE_TEXT,
    ConsoleEntry,
    DebugOptions,
    DebugReport,
    DebugValue,
    ErrorLink,
    Position,
    Profile,
    SourceLine,
    StackFrame,
    Step,
    Variable,
)
from orchestrator.policies.debug_report import read_debug
from orchestrator.policies.profiles import SPEEDSCOPE_SCHEMA

EVERYTHING = DebugOptions(console=True, stack_traces=True, profile=True, steps=True)
NOTHING_SEEN = DebugReport(console=(), errors=(), steps=())
SOURCE = "one\ntwo\r\nthree\rfour\nfive"

ENTRY = {
    "kind": "console", "ms": 1.25, "stream": "stderr", "level": "warn", "args": [["int", "5"]],
    "at": ["job.py", 2, 7, "f"], "cut": False,
}  # fmt: skip
STEP = {
    "kind": "step", "event": "line", "at": ["job.py", 2, None, None], "depth": 0,
    "changed": [["x", ["list", "list(1)", [["0", ["int", "1"]]]]]], "value": None, "cut": False,
}  # fmt: skip
LINK = {
    "name": "ValueError", "message": "no", "relation": "thrown", "parent": None,
    "frames": [["job.py", 3, 1, "f"]], "cut": False,
}  # fmt: skip
CAUSE = {**LINK, "relation": "cause", "parent": 0}
SPEEDSCOPE = {
    "kind": "profile", "format": "speedscope", "complete": True,
    "frames": [["f", "job.py", 1], ["g", "job.py", 5]], "nodes": [[None, 0, 50], [0, 1, 30], [1, 1, 0]],
}  # fmt: skip
CPUPROFILE = {
    "kind": "profile", "format": "cpuprofile", "complete": True, "start": 10, "end": 90,
    "nodes": [[0, "(root)", False, 0, 0, 0], [0, "f", True, 3, 4, 2], [1, "(garbage collector)", False, 0, 0, 1]],
    "samples": [1, 1, 2], "deltas": [20, 20, 40],
}  # fmt: skip


def read(*records, asked=EVERYTHING, cut_off=False, sources=None) -> DebugReport:
    text = "\n".join(record if isinstance(record, str) else json.dumps(record) for record in records)
    return read_debug(text, asked, {"job.py": SOURCE} if sources is None else sources, cut_off=cut_off)


# -- what is well --------------------------------------------------------------------------------------


def test_a_console_call_has_level_time_place_and_arguments():
    """Every field comes through."""
    assert read(ENTRY).console == (
        ConsoleEntry(
            at_ms=1.25,
            stream="stderr",
            level="warn",
            arguments=(DebugValue(type="int", text="5"),),
            position=Position(file="job.py", line=2, column=7, function="f"),
        ),
    )
    assert read({**ENTRY, "at": None}).console[0].position is None


def test_a_step_has_its_place_and_what_changed():
    """Values keep their entries; a value of a return does too."""
    inner = DebugValue(type="int", text="1")
    value = DebugValue(type="list", text="list(1)", entries=(("0", inner),))
    assert read(STEP).steps == (
        Step(
            event="line",
            position=Position(file="job.py", line=2),
            depth=0,
            changed=(Variable(name="x", value=value),),
        ),
    )
    assert read({**STEP, "event": "return", "value": ["int", "1"]}).steps[0].value == inner


def test_a_chain_of_errors_has_frames_with_the_lines_around_them():
    """Two lines above and below, as far as there are any; whatever the line ends are."""
    (first, second) = read({"kind": "errors", "errors": [LINK, CAUSE]}).errors
    assert first == ErrorLink(
        name="ValueError",
        message="no",
        relation="thrown",
        parent=None,
        frames=(
            StackFrame(
                position=Position(file="job.py", line=3, column=1, function="f"),
                excerpt=tuple(
                    SourceLine(line=number, text=text)
                    for number, text in enumerate(("one", "two", "three", "four", "five"), 1)
                ),
            ),
        ),
    )
    assert (second.relation, second.parent) == ("cause", 0)


@pytest.mark.parametrize(("line", "numbers"), [(1, [1, 2, 3]), (5, [3, 4, 5]), (6, []), (2**31 - 1, [])])
def test_an_excerpt_ends_with_the_file(line, numbers):
    """A line that is not there has none."""
    frame = ["job.py", line, None, None]
    (link,) = read({"kind": "errors", "errors": [{**LINK, "frames": [frame]}]}).errors
    assert [each.line for each in link.frames[0].excerpt] == numbers


def test_the_last_word_on_the_error_stands():
    """Described twice, it ended the job once."""
    assert (
        len(read({"kind": "errors", "errors": [LINK, CAUSE]}, {"kind": "errors", "errors": [LINK]}).errors)
        == 1
    )


def test_a_profile_of_python_is_speedscopes_json():
    """One sampled profile: a stack and a weight for every path that took time; the fields its schema requires."""
    profile = read(SPEEDSCOPE).profile
    assert profile == Profile(
        format="speedscope",
        content={
            "$schema": SPEEDSCOPE_SCHEMA,
            "shared": {
                "frames": [{"name": "f", "file": "job.py", "line": 1}, {"name": "g", "file": "job.py", "line": 5}]
            },
            "profiles": [
                {
                    "type": "sampled", "name": "CPU", "unit": "nanoseconds", "startValue": 0, "endValue": 80,
                    "samples": [[0], [0, 1]], "weights": [50, 30],
                }
            ],
            "name": "job.py",
            "activeProfileIndex": 0,
            "exporter": "sandbox-orch",
        },
    )  # fmt: skip


def test_a_profile_of_javascript_is_v8s_cpuprofile():
    """Nodes with ids from 1 and their children; the engine's own states have no place."""
    profile = read(CPUPROFILE).profile
    nowhere = {"scriptId": "0", "url": "", "lineNumber": -1, "columnNumber": -1}
    assert profile == Profile(
        format="cpuprofile",
        content={
            "nodes": [
                {"id": 1, "callFrame": {"functionName": "(root)", **nowhere}, "hitCount": 0, "children": [2]},
                {
                    "id": 2,
                    "callFrame": {
                        "functionName": "f", "scriptId": "1", "url": "job.js", "lineNumber": 3, "columnNumber": 4,
                    },
                    "hitCount": 2,
                    "children": [3],
                },
                {
                    "id": 3,
                    "callFrame": {"functionName": "(garbage collector)", **nowhere},
                    "hitCount": 1,
                    "children": [],
                },
            ],
            "startTime": 10,
            "endTime": 90,
            "samples": [2, 2, 3],
            "timeDeltas": [20, 20, 40],
        },
    )  # fmt: skip


def test_the_last_profile_stands():
    """A first word is said before the deadline; where the job ended in time there is a whole one after it."""
    first = {**SPEEDSCOPE, "complete": False}
    assert (read(first).profile.complete, read(first).truncated) == (False, ("profile",))
    both = read(first, SPEEDSCOPE)
    assert (both.profile.complete, both.truncated) == (True, ())


def test_parts_that_were_not_asked_for_are_none():
    """And records of them are of no use."""
    report = read(
        ENTRY, STEP, SPEEDSCOPE, {"kind": "errors", "errors": [LINK]}, asked=DebugOptions(console=True)
    )
    assert (len(report.console), report.errors, report.profile, report.steps) == (1, None, None, None)
    assert report.unreadable == 3


# -- what is too much ----------------------------------------------------------------------------------


def test_a_runner_says_of_what_there_was_more():
    """Only of parts that were asked for."""
    report = read(
        {"kind": "cut", "part": "steps"}, {"kind": "cut", "part": "console"}, {"kind": "cut", "part": 7}
    )
    assert (report.truncated, report.unreadable) == (("console", "steps"), 1)
    assert read({"kind": "cut", "part": "steps"}, asked=DebugOptions(console=True)).unreadable == 1


def test_text_that_was_cut_off_cuts_every_part():
    """Nobody knows which."""
    assert read(cut_off=True).truncated == ("console", "errors", "profile", "steps")
    assert read(cut_off=True, asked=DebugOptions(steps=True)).truncated == ("steps",)


def test_entries_steps_and_errors_are_counted():
    """What is beyond the bound is left out, and said to be."""
    report = read(*[ENTRY] * (MAX_CONSOLE_ENTRIES + 1), *[STEP] * (MAX_STEPS + 1))
    assert (len(report.console), len(report.steps)) == (MAX_CONSOLE_ENTRIES, MAX_STEPS)
    assert report.truncated == ("console", "steps")
    report = read({"kind": "errors", "errors": [LINK, *[CAUSE] * MAX_ERRORS]})
    assert (len(report.errors), report.truncated) == (MAX_ERRORS, ("errors",))
    assert read({"kind": "errors", "errors": [LINK], "cut": True}).truncated == ("errors",)


def test_values_are_bounded():
    """Text, entries and depth, each with a flag."""
    deep = ["int", "5"]
    for number in range(4):
        deep = ["list", f"{number}", [["0", deep]]]
    long, wide, told = ["str", "x" * 1000], ["list", "l", [["k", ["int", "1"]]] * 50], ["str", "…", [], True]
    (entry,) = read({**ENTRY, "args": [long, wide, deep, told]}).console
    assert (len(entry.arguments[0].text), entry.arguments[0].truncated) == (MAX_VALUE_TEXT, True)
    assert (len(entry.arguments[1].entries), entry.arguments[1].truncated) == (MAX_VALUE_ENTRIES, True)
    value, depth = entry.arguments[2], 0
    while value.entries:
        value, depth = value.entries[0][1], depth + 1
    assert (depth, value.truncated) == (MAX_VALUE_DEPTH, True)
    assert entry.arguments[3].truncated


def test_arguments_variables_and_frames_are_counted():
    """The rest is dropped with a flag, which the runner may set too."""
    assert read({**ENTRY, "args": [["int", "1"]] * 11}).console[0].truncated
    assert read({**ENTRY, "cut": True}).console[0].truncated
    assert read({**STEP, "changed": [["x", ["int", "1"]]] * 31}).steps[0].truncated
    frames = [["job.py", 1, None, None]] * 33
    (link,) = read({"kind": "errors", "errors": [{**LINK, "frames": frames}]}).errors
    assert (len(link.frames), link.truncated) == (32, True)


def test_profiles_are_bounded():
    """Too many samples are cut; stacks beyond the bound are left out; too many nodes are no profile."""
    many = MAX_PROFILE_SAMPLES + 1
    profile = read({**CPUPROFILE, "samples": [1] * many, "deltas": [1] * many}).profile
    assert (len(profile.content["samples"]), profile.complete) == (MAX_PROFILE_SAMPLES, False)
    chain = [[None, 0, 1], *([number, 0, 1] for number in range(2000))]
    profile = read({**SPEEDSCOPE, "nodes": chain}).profile
    assert not profile.complete
    assert sum(map(len, profile.content["profiles"][0]["samples"])) <= 200_000
    assert read({**SPEEDSCOPE, "nodes": [[None, 0, 1]] * (MAX_PROFILE_NODES + 1)}).unreadable == 1


# -- what has no known shape ---------------------------------------------------------------------------

BAD = [
    "nonsense",
    "[]",
    "7",
    '{"kind": "conquest"}',
    '{"kind": "console"',
    "[" * 100 + "]" * 100,
    json.dumps({**ENTRY, "args": [0] * 300_000}),
    '{"kind": "x' + "x" * (2 * 2**20) + '"}',
    '{"kind": "console", "ms": ' + "9" * 5000 + "}",
    {**ENTRY, "ms": None},
    {**ENTRY, "ms": True},
    {**ENTRY, "ms": -1},
    {**ENTRY, "ms": 2**70},
    json.dumps({**ENTRY, "ms": float("nan")}),
    {**ENTRY, "stream": "stdin"},
    {**ENTRY, "stream": ["stdout"]},
    {**ENTRY, "level": 7},
    {**ENTRY, "args": None},
    {**ENTRY, "args": [["int"]]},
    {**ENTRY, "args": [["int", 5]]},
    {**ENTRY, "args": [["int", "5", "6"]]},
    {**ENTRY, "args": [["int", "5", [["0"]]]]},
    {**ENTRY, "args": [["int", "5", [], True, 1]]},
    {**ENTRY, "at": []},
    {**ENTRY, "at": ["job.py", 0, 1, None]},
    {**ENTRY, "at": ["job.py", "1", 1, None]},
    {**ENTRY, "at": ["job.py", 2**31, 1, None]},
    {**ENTRY, "at": [None, 1, 1, None]},
    {**ENTRY, "at": ["job.py", 1, 1, 7]},
    {**STEP, "event": "jump"},
    {**STEP, "event": {}},
    {**STEP, "at": None},
    {**STEP, "depth": -1},
    {**STEP, "depth": True},
    {**STEP, "depth": 2**31},
    {**STEP, "changed": [["x"]]},
    {**STEP, "changed": {}},
    {"kind": "errors"},
    {"kind": "errors", "errors": [None]},
    {"kind": "errors", "errors": [CAUSE]},
    {"kind": "errors", "errors": [LINK, LINK]},
    {"kind": "errors", "errors": [LINK, {**CAUSE, "parent": 1}]},
    {"kind": "errors", "errors": [LINK, {**CAUSE, "parent": None}]},
    {"kind": "errors", "errors": [{**LINK, "relation": "friend"}]},
    {"kind": "errors", "errors": [{**LINK, "frames": [7]}]},
    {"kind": "profile"},
    {**SPEEDSCOPE, "format": "dream"},
    {**SPEEDSCOPE, "frames": [["f", "job.py"]]},
    {**SPEEDSCOPE, "frames": ["f"]},
    {**SPEEDSCOPE, "frames": [["f", 7, 1]]},
    {**SPEEDSCOPE, "frames": [["f", "job.py", -1]]},
    {**SPEEDSCOPE, "nodes": [7]},
    {**SPEEDSCOPE, "nodes": [[None, 0]]},
    {**SPEEDSCOPE, "nodes": [[0, 0, 1]]},
    {**SPEEDSCOPE, "nodes": [[None, 2, 1]]},
    {**SPEEDSCOPE, "nodes": [[None, 0, 1.5]]},
    {**CPUPROFILE, "nodes": []},
    {**CPUPROFILE, "nodes": None},
    {**CPUPROFILE, "nodes": [7]},
    {**CPUPROFILE, "nodes": [[0, "(root)", False, 0, 0]]},
    {**CPUPROFILE, "nodes": [[0, "start", False, 0, 0, 0]]},
    {**CPUPROFILE, "nodes": [[0, 7, True, 0, 0, 0]]},
    {**CPUPROFILE, "nodes": [[0, "f", True, -1, 0, 0]]},
    {**CPUPROFILE, "nodes": [*CPUPROFILE["nodes"], [3, "f", True, 0, 0, 0]]},
    {**CPUPROFILE, "nodes": [[0, "f", True, 0, 0, 0]] * (MAX_PROFILE_NODES + 1)},
    {**CPUPROFILE, "samples": [3, 1, 1]},
    {**CPUPROFILE, "samples": [1]},
    {**CPUPROFILE, "deltas": [1, 1, -1]},
    {**CPUPROFILE, "start": None},
    {**CPUPROFILE, "end": 1.5},
]


@pytest.mark.parametrize("record", BAD, ids=[str(number) for number in range(len(BAD))])
def test_a_record_of_no_known_shape_is_left_out_and_counted(record):
    """And what comes before and after it is read."""
    report = read(ENTRY, record, STEP)
    assert (report.unreadable, len(report.console), len(report.steps)) == (1, 1, 1)
    assert (report.errors, report.profile) == ((), None)


def test_half_characters_become_whole_ones():
    """Nobody could write them anywhere."""
    (entry,) = read(
        '{"kind":"console","ms":1,"stream":"stdout","level":"log","args":[["string","\\ud800"]],"at":null}'
    ).console
    assert entry.arguments[0].text == "?"


def test_nothing_at_all_is_a_report():
    """Empty lines are nothing."""
    assert read("", "") == NOTHING_SEEN
    assert read(asked=DebugOptions(profile=True)) == DebugReport()


def test_columns_move_with_what_was_changed_in_the_source():
    """In the main source only, where there is a column at all."""
    report = read(
        ENTRY,
        {**ENTRY, "at": None},
        {**ENTRY, "at": ["helper.py", 1, 5, None]},
        STEP,
        {"kind": "errors", "errors": [LINK]},
    ).relocated(lambda line, column: line * 100 + column)
    assert [each.position and each.position.column for each in report.console] == [207, None, 5]
    assert report.steps[0].position.column is None
    assert report.errors[0].frames[0].position.column == 301
    assert DebugReport().relocated(lambda *_: 7) == DebugReport()
