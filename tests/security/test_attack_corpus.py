"""The attack programs as data, and the words they are judged by."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from orchestrator.attack.corpus import THREATS, CorpusError, load_corpus, parse_program
from orchestrator.attack.driver import plan_attacks
from orchestrator.attack.expectations import (
    OUTPUT_MARK,
    Judgement,
    Observation,
    Verdict,
    judge,
    observe,
    parse_expectations,
    refused,
)
from orchestrator.attack.report import Attempt, Report, report_to_junit, report_to_wire
from orchestrator.cli.main import cli
from orchestrator.domain.job import Mode
from orchestrator.domain.limits import Usage
from orchestrator.domain.outcome import JobError, JobResult, Outcome, StreamText
from tests.making import make_runtime

CORPUS = load_corpus()
SHARED = Path(__file__).with_name("shared_attacks.txt").read_text().split()
LIMITS = [outcome for outcome in Outcome if outcome.endswith("_limit")]
NOT_RUN = [Outcome.INTERNAL_ERROR, Outcome.EXPIRED, Outcome.CANCELLED]
RUNTIMES = tuple(
    make_runtime(name=language.lower(), language=language)
    for language in sorted({one.language for one in CORPUS})
)


def result(outcome: Outcome, **fields) -> JobResult:
    return JobResult(id="x", outcome=outcome, usage=Usage(wall_ms=1.0), **fields)


def verdict(expected: str, seen: Observation) -> Verdict:
    return judge(parse_expectations(expected), seen).verdict


# -- the programs -----------------------------------------------------------------------------------------


def test_every_shared_program_is_here_and_forty_more():
    """All 71 by number and name, and what we added ourselves."""
    names = {program.name for program in CORPUS}
    assert len(SHARED) == 71
    assert {name.rpartition(".")[0] for name in SHARED} <= names
    assert len(CORPUS) >= 111
    assert len(names) == len(CORPUS) == len({program.number for program in CORPUS})


def test_every_threat_is_attacked_in_both_languages_or_has_a_reason():
    """Each group of the vocabulary has programs; only the kernel's interfaces need native calls throughout."""
    both = ("Python", "JavaScript")
    by_threat = {
        threat: {one.language for one in CORPUS if one.threat == threat and one.language in both}
        for threat in THREATS
    }
    assert all(by_threat.values())
    assert [threat for threat, languages in by_threat.items() if len(languages) == 1] == ["Kernel interfaces"]


@pytest.mark.parametrize("language", ["Bash", "C", "Go", "Lua", "Ruby"])
def test_every_further_language_is_attacked_where_it_can_be(language):
    """Time, memory, processes or programs, output, forgery, files, and the source itself: each language has its own."""
    threats = {program.threat for program in CORPUS if program.language == language}
    wanted = {
        "Time",
        "Memory",
        "Output and results",
        "Forgery and in-process tricks",
        "Filesystem and information",
    }
    assert wanted | {"Parsing, source, late writes"} <= threats
    assert threats & {"Processes, threads, signals", "Native code and exec"}
    assert {program.modes for program in CORPUS if program.language == language} == {
        frozenset({Mode.PROGRAM})
    }


@pytest.mark.parametrize("program", CORPUS, ids=lambda program: program.name)
def test_a_header_says_what_is_expected_and_what_must_remain_true(program):
    """Expectations for both modes, at least one tag or sentence; nothing expects a platform's failure."""
    assert program.claim
    assert program.after
    assert program.modes
    for mode in program.modes:
        assert program.expected[mode]
        for outcome in NOT_RUN:
            assert judge(program.expected[mode], Observation(outcome=outcome)).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("name", "source", "says"),
    [
        ("becomes-root.py", "# expect: contained\n# after: no-procs; x\n", "is not named"),
        ("1-x.pl", "# expect: contained\n# after: no-procs; x\n", "is not named"),
        ("1-x.py", "output = 1", "no `expect:`"),
        ("1-x.py", "# expect: contained\noutput = 1", "no `after:`"),
        ("1-x.py", "# expect: fine\n# after: no-procs; x\n", "unknown expectation 'fine'"),
        ("1-x.py", "# expect: timeout:Name\n# after: no-procs; x\n", "unknown expectation"),
        ("1-x.py", "# expect: ok {\n# after: no-procs; x\n", "1-x.py: expect"),
        ("1-x.py", "# expect: contained\n# after: no-prcs; x\n", "unknown tag no-prcs"),
        ("1-x.py", "# expect: contained\n# after: no-procs; x\n# check: speed=1\n", "is none of min_wall_ms"),
        ("1-x.py", "# expect: contained\n# after: no-procs; x\n# modes: both\n", "modes"),
        ("1-x.py", "# expect: contained\n# after: no-procs; x\n# threat: Boredom\n", "is none of Time"),
        ("200-x.py", "# expect: contained\n# after: no-procs; x\n", "needs a `threat:`"),
    ],
)  # fmt: skip
def test_a_header_with_a_fault_is_an_error_that_names_the_file(name, source, says):
    """A program whose expectation cannot be read must never count as contained."""
    with pytest.raises(CorpusError, match=name.partition(".")[0]) as caught:
        parse_program(name, source)
    assert says.partition(" ")[0] in str(caught.value)


def test_padding_and_nesting_are_carried_out():
    """A source of just that size, and an input of just that depth."""
    huge, nested = ({program.number: program for program in CORPUS}[number] for number in (129, 124))
    assert 33554432 <= len(huge.code) < 33554432 + 16
    assert nested.input_json == "[" * 100_000 + "]" * 100_000


def test_a_program_that_follows_another_comes_right_after_it():
    """In the same mode, in one sequence; and every program has its attempt in each of its modes."""
    sequences = plan_attacks(CORPUS, RUNTIMES, Mode)
    pairs = [[plan.program.number for plan in sequence] for sequence in sequences if len(sequence) > 1]
    of_two_modes = [[33, 34]] * 2 + [[138, 139]] * 2 + [[142, 143]] * 2
    assert sorted(pairs) == [*of_two_modes, [205, 206], [246, 247], [265, 266], [295, 296]]
    assert sum(map(len, sequences)) == sum(len(program.modes) for program in CORPUS)


# -- the words --------------------------------------------------------------------------------------------

FINISHED = {
    "contained: no": Observation(outcome=Outcome.SUCCEEDED, output="contained: no"),
    "other": Observation(outcome=Outcome.SUCCEEDED, output="other"),
    "one": Observation(outcome=Outcome.SUCCEEDED, output=1),
    "cut": Observation(outcome=Outcome.SUCCEEDED, output="x", is_truncated=True),
    "refused": refused("code: too long"),
    "ValueError": Observation(outcome=Outcome.ERROR, error_name="ValueError"),
    "NameError": Observation(outcome=Outcome.ERROR, error_name="NameError"),
    "ReferenceError": Observation(outcome=Outcome.ERROR, error_name="ReferenceError"),
    "SyntaxError": Observation(outcome=Outcome.ERROR, error_name="SyntaxError"),
    "no json": Observation(outcome=Outcome.INVALID_OUTPUT, error_name="set"),
    "killed": Observation(outcome=Outcome.KILLED, error_name="Killed"),
    "spoiled": Observation(outcome=Outcome.KILLED, error_name="ProtocolError"),
    **{str(outcome): Observation(outcome=outcome, error_name=str(outcome)) for outcome in LIMITS},
}
HARDER = {"ValueError", "no json", "killed", *map(str, LIMITS)}
ERRORS = {"ValueError", "NameError", "ReferenceError", "SyntaxError", "no json"}
TRUTH = {
    "any": set(FINISHED),
    "contained": {"contained: no"} | HARDER,
    "error": ERRORS,
    "error:ValueError": {"ValueError"},
    "error:ReferenceError": {"ReferenceError"},
    "error:ProtocolError": {"spoiled"},
    "timeout": {"wall_time_limit", "cpu_time_limit"},
    "oom": {"memory_limit"},
    "output_limit": {"output_limit", "cut"},
    "crashed": {"killed"},
    "rejected": {"refused"},
    "ok 1": {"one"},
    "ok true": set(),
    'ok "other"': {"other"},
    "ok null": set(),
    "timeout|oom": {"wall_time_limit", "cpu_time_limit", "memory_limit"},
}


@pytest.mark.parametrize("word", TRUTH)
def test_the_truth_table_of_the_words(word):
    """Each word accepts just these endings. A mistake of the program itself is an error, but contains nothing."""
    assert {name for name, seen in FINISHED.items() if verdict(word, seen) is Verdict.HELD} == TRUTH[word]


@pytest.mark.parametrize("outcome", NOT_RUN)
@pytest.mark.parametrize("word", TRUTH)
def test_a_job_that_was_not_run_satisfies_nothing(word, outcome):
    """Not even `any`: a runner that never started has contained nobody."""
    for seen in (
        Observation(outcome=outcome),
        Observation(outcome=outcome, output="contained: x", text="contained"),
    ):
        assert verdict(word, seen) is Verdict.FAILED


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("word", ["any", "contained", "error", 'ok "ESCAPED: root"', "crashed"])
def test_escaped_always_fails(word, outcome):
    """Wherever it is said: as the value, inside it, in an error, or in a printed line."""
    for seen in (
        Observation(outcome=outcome, output="ESCAPED: root"),
        Observation(outcome=outcome, output={"rows": ["ESCAPED"]}),
        Observation(outcome=outcome, error_name="Error", text="ESCAPED: root"),
        Observation(outcome=outcome, text="noise\nError: ESCAPED: root\n"),
        Observation(outcome=outcome, text="noise\nUncaught ESCAPED\n"),
    ):
        assert verdict(word, seen) is Verdict.FAILED


@pytest.mark.parametrize("word", ["contained", "error", "contained|error"])
def test_a_probe_that_lacks_what_it_needs_is_skipped(word):
    """An interpreter without ctypes has tried nothing; that is neither contained nor an escape."""
    seen = Observation(outcome=Outcome.ERROR, error_name="ModuleNotFoundError")
    assert verdict(word, seen) is Verdict.SKIPPED
    assert verdict("error:ModuleNotFoundError", seen) is Verdict.HELD


@pytest.mark.parametrize(
    ("stdout", "output"),
    [
        (f"noise\n{OUTPUT_MARK}[1, 2]\n", [1, 2]),
        (f"{OUTPUT_MARK}1\n{OUTPUT_MARK}2\nlate write", 2),
        ("nothing\n", None),
    ],
)
def test_a_programs_output_is_on_its_last_marked_line(stdout, output):
    """In program mode nobody asks for `output`, so the driver lets the program print it."""
    seen = observe(result(Outcome.SUCCEEDED, exit_code=0, stdout=StreamText(text=stdout)), Mode.PROGRAM)
    assert seen.output == output


@pytest.mark.parametrize("text", ["NaN", "undefined", '"\\ud800"', "[" * 500 + "]" * 500, '{"a":1e999}'])
def test_an_output_that_no_client_can_read_is_equal_to_nothing(text):
    """Printed text is hostile data like any other."""
    seen = observe(result(Outcome.SUCCEEDED, stdout=StreamText(text=f"{OUTPUT_MARK}{text}\n")), Mode.PROGRAM)
    assert [
        word for word in ("contained", "ok null", "error", "any") if verdict(word, seen) is Verdict.HELD
    ] == ["any"]


@pytest.mark.parametrize(
    ("stderr", "name"),
    [
        (
            'Traceback (most recent call last):\n  File "job.py", line 1\n    x\nValueError: no\n',
            "ValueError",
        ),
        ("job.js:3\nthrow x;\n^\n\nTypeError: no\n    at job.js:3:1\n", "TypeError"),
        ("KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("", "ExitCode"),
    ],
)
def test_a_programs_error_is_named_by_its_trace(stderr, name):
    """The outcome is the exit code's; the name is what the trace says."""
    error = JobError(name="ExitCode", message="the program ended with exit code 1")
    seen = observe(result(Outcome.ERROR, error=error, stderr=StreamText(text=stderr)), Mode.PROGRAM)
    assert (seen.outcome, seen.error_name) == (Outcome.ERROR, name)


# -- the report -------------------------------------------------------------------------------------------


def attempt(*, held: bool = True, residues: tuple[str, ...] = (), detail: str = "contained: x") -> Attempt:
    judgement = Judgement(Verdict.HELD if held else Verdict.FAILED, "why")
    return Attempt(
        program=CORPUS[0], mode=Mode.FUNCTION, runtime="python", judgement=judgement, outcome=Outcome.SUCCEEDED,
        detail=detail, wall_ms=12.0, residues=residues,
    )  # fmt: skip


def report(*attempts: Attempt, host: tuple[str, ...] = ()) -> Report:
    return Report(attempts=attempts, host_residues=host, disk_used_bytes=0, seconds=1.0)


def test_what_is_left_behind_is_a_failure_whatever_the_result():
    """A contained job that leaves a process is not contained; nor is a run without attempts, or a changed host."""
    assert report(attempt()).is_contained
    assert not report().is_contained
    assert not report(attempt(), attempt(held=False)).is_contained
    assert not report(attempt(residues=("process 1",))).is_contained
    assert not report(attempt(), host=("a core file",)).is_contained


def test_the_report_as_json_and_as_junit_carries_foreign_text_safely():
    """Control characters, half pairs and markup of a tenant are text."""
    made = report(attempt(detail="\x00\x1b[2J\ud800</system-out><x>&"), attempt(held=False), host=("left",))
    wire = json.loads(json.dumps(report_to_wire(made)))
    assert (wire["contained"], wire["held"], wire["failed"], wire["host"]["residues"]) == (
        False,
        1,
        1,
        ["left"],
    )
    root = ET.fromstring(report_to_junit(made))
    assert [suite.get("failures") for suite in root] == ["1", "1"]
    assert root.find(".//system-out").text.startswith("succeeded: ")


def test_the_command_lists_without_an_engine(monkeypatch):
    """`--list` runs nothing; a name that nobody has is a wrong usage."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    listed = CliRunner().invoke(cli, ["attack", "--list", "--only", "34", "--json"])
    assert [row["name"] for row in json.loads(listed.output)] == ["33-daemonise", "34-find-daemon"]
    assert CliRunner().invoke(cli, ["attack", "--list", "--only", "nonesuch"]).exit_code == 2
    assert CliRunner().invoke(cli, ["attack", "--list", "--threat", "nonesuch"]).exit_code == 2
    everything = CliRunner().invoke(cli, ["attack", "--list"])
    assert all(threat in everything.output for threat in THREATS)
