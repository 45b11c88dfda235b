"""`domain/limits.py` and `domain/job.py`: what cannot be run is refused as it is made, naming the field."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.job import (
    MAX_ARG_BYTES,
    MAX_ARGS,
    MAX_CODE_BYTES,
    MAX_FILES,
    MAX_INPUT_BYTES,
    JobSpec,
    Mode,
)
from orchestrator.domain.limits import MIB, Limits, Usage
from orchestrator.domain.outcome import JobResult, Outcome

FIELDS = [field.name for field in dataclasses.fields(Limits)]


def refused_field(**fields) -> str:
    """The field that making a JobSpec of these complains about."""
    with pytest.raises(InvalidJob) as caught:
        JobSpec(**{"runtime": "python", "code": "", **fields})
    assert str(caught.value) == f"{caught.value.field}: {caught.value.problem}"
    return caught.value.field


class TestLimits:
    def test_the_defaults_are_the_concepts(self):
        """500 ms and 16 MiB, as the design promises."""
        assert (Limits().wall_time_ms, Limits().memory_bytes) == (500, 16 * MIB)

    @pytest.mark.parametrize("name", FIELDS)
    @pytest.mark.parametrize("value", [0, -1, True, 1.5, "7", None])
    def test_a_limit_is_a_whole_number_above_zero(self, name, value):
        """Anything else raises InvalidJob naming the limit as the caller wrote it."""
        with pytest.raises(InvalidJob) as caught:
            Limits(**{name: value})
        assert caught.value.field == f"limits.{name}"

    def test_from_wire_fills_in_the_defaults(self):
        """Limits that are not named are the deployment's."""
        defaults = Limits(wall_time_ms=7, processes=3)
        assert Limits.from_wire({"processes": 5}, defaults=defaults) == Limits(wall_time_ms=7, processes=5)

    def test_from_wire_names_an_unknown_limit(self):
        """A misspelled limit is refused, cut to a bearable length, with the known ones listed."""
        with pytest.raises(InvalidJob, match="known are wall_time_ms") as caught:
            Limits.from_wire({"x" * 100: 1}, defaults=Limits())
        assert caught.value.field == "limits." + "x" * 40

    def test_from_wire_refuses_an_impossible_value(self):
        """Values off the wire are checked like any other."""
        with pytest.raises(InvalidJob, match=r"limits\.disk_bytes"):
            Limits.from_wire({"disk_bytes": "many"}, defaults=Limits())

    def test_exceeding_names_the_first_limit_above_the_ceiling(self):
        """The answer is (name, asked, allowed); equal is not above."""
        asked = Limits(memory_bytes=32 * MIB, processes=99)
        assert asked.exceeding(Limits()) == ("memory_bytes", 32 * MIB, 16 * MIB)
        assert Limits().exceeding(Limits()) is None


class TestJobSpec:
    def test_a_job_of_the_largest_sizes_is_accepted(self):
        """The bounds themselves are allowed."""
        JobSpec(runtime="python", code="x" * MAX_CODE_BYTES, input_json=" " * (MAX_INPUT_BYTES - 1) + "1")
        JobSpec(
            runtime="python",
            code="é" * (MAX_CODE_BYTES // 2),
            mode=Mode.PROGRAM,
            stdin="x" * MAX_INPUT_BYTES,
            args=("é" * (MAX_ARG_BYTES // 2),) * MAX_ARGS,
            files={f"f{number}": b"" for number in range(MAX_FILES)},
        )

    @pytest.mark.parametrize("runtime", ["", None, 7])
    def test_a_runtime_must_be_named(self, runtime):
        """No runtime, no job."""
        assert refused_field(runtime=runtime) == "runtime"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("code", b"bytes"),
            ("code", None),
            ("code", "x" * (MAX_CODE_BYTES + 1)),
            ("code", "é" * (MAX_CODE_BYTES // 2 + 1)),
            ("code", "print('\ud800')"),
            ("stdin", "x" * (MAX_INPUT_BYTES + 1)),
        ],
    )
    def test_text_must_be_text_within_its_bound(self, name, value):
        """Bytes, lone surrogates and what is too long in UTF-8 are refused by name."""
        assert refused_field(**{name: value}) == name

    def test_the_input_is_called_as_callers_call_it(self):
        """The field `input_json` is `input` in what callers write."""
        assert refused_field(input_json=b"1") == "input"

    @pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "a" * 129, "naïve", "f()\n"])
    def test_an_entrypoint_is_an_identifier(self, name):
        """Nothing that could be code gets through as the name of a function."""
        assert refused_field(entrypoint=name) == "entrypoint"

    def test_allowed_globals_are_identifiers(self):
        """The same holds for the names of globals; real names pass."""
        JobSpec(runtime="node", code="", entrypoint="$main", allowed_globals=("Math", "_x"))
        assert refused_field(allowed_globals=("Math", "a;b")) == "allowed_globals"

    @pytest.mark.parametrize("fields", [{"stdin": "x"}, {"args": ("x",)}, {"files": {"x": b""}}])
    def test_function_mode_takes_no_program_fields(self, fields):
        """Fields that would be ignored are refused."""
        assert refused_field(**fields) == "mode"

    @pytest.mark.parametrize("fields", [{"entrypoint": "main"}, {"input_json": "1"}])
    def test_program_mode_takes_no_function_fields(self, fields):
        """And the other way round."""
        assert refused_field(mode=Mode.PROGRAM, **fields) == "mode"

    @pytest.mark.parametrize("args", [("x",) * (MAX_ARGS + 1), ("a\0b",), ("x" * (MAX_ARG_BYTES + 1),), (7,)])
    def test_arguments_are_few_short_and_without_nul(self, args):
        """What no exec could carry is refused before anything runs."""
        assert refused_field(mode=Mode.PROGRAM, args=args) == "args"

    @pytest.mark.parametrize(
        "files",
        [
            {f"f{number}": b"" for number in range(MAX_FILES + 1)},
            {"a": b"x" * MAX_INPUT_BYTES, "b": b"x"},
            *(
                {name: b""}
                for name in ("", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a\0", "a\n", "-rf")
            ),
        ],
        ids=lambda files: f"{len(files)}:{next(iter(files))!r}",
    )
    def test_files_are_few_small_and_plainly_named(self, files):
        """No name can leave the work folder."""
        assert refused_field(mode=Mode.PROGRAM, files=files) == "files"


@pytest.mark.parametrize("outcome", Outcome)
def test_only_succeeded_is_success(outcome):
    """`success` follows the outcome alone."""
    result = JobResult(id="1", outcome=outcome, usage=Usage(wall_ms=0.0))
    assert result.success is (outcome is Outcome.SUCCEEDED)
