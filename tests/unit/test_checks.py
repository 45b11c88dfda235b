"""`scheduler/checks.py` and the service around it: what is looked at before a container is leased, and after."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from making import make_runtime, ok_payload, result_frame
from pools import RUNTIME, TelemetryNotes, fake_pool, settle

from orchestrator.backends.fake import FakeBackend
from orchestrator.domain.errors import InvalidJob
from orchestrator.domain.finding import Severity
from orchestrator.domain.job import JobSpec, Mode
from orchestrator.domain.limits import Limits
from orchestrator.domain.outcome import Outcome
from orchestrator.guard.policy import load_preset, parse_policy
from orchestrator.scheduler.run import JobRunner
from orchestrator.service import Orchestrator, ServiceSettings
from orchestrator.validation.checker import open_checker


@asynccontextmanager
async def open_service(payload=None, *, policy=None, language="Python", jobs=None, can_narrow=True):
    """A service whose fake runner answers every job with one payload, and notes the job."""

    def answer(job):
        if jobs is not None:
            jobs.append(job)
        return [result_frame(job["job"], payload=payload or ok_payload(1))]

    telemetry = TelemetryNotes()
    async with (
        fake_pool(FakeBackend(answer=answer), telemetry=telemetry) as pool,
        open_checker(telemetry) as checker,
    ):
        await settle()
        runner = JobRunner(pool=pool, telemetry=telemetry, cpus=1.0)
        settings = ServiceSettings(
            default_limits=Limits(),
            queue_seconds=30.0,
            policy=policy or load_preset("standard"),
            can_narrow=can_narrow,
        )
        service = Orchestrator(settings, {RUNTIME: make_runtime(language=language)}, pool, runner, checker)
        service.notes = telemetry
        yield service


def spec(code: str, **fields) -> JobSpec:
    return JobSpec(runtime=RUNTIME, code=code, **fields)


async def test_rejected_code_costs_no_container():
    """The outcome is `rejected`, with the first finding as the error, and the pool is as it was."""
    async with open_service() as service:
        before = service.statistics()
        result = await service.execute(spec("import json\noutput = eval('1')"))
        assert service.statistics() == before
        assert result.outcome is Outcome.REJECTED
        assert (result.error.name, result.error.line, result.error.column) == ("PolicyViolation", 2, 10)
        assert [finding.rule for finding in result.findings] == ["py-eval"]
        assert result.container is None
        assert result.timing.validate_ms > 0
        assert service.notes.count("job_finished") == 1


async def test_an_error_of_syntax_is_called_one():
    """Syntax comes before policy, by the name that the language has for it."""
    async with open_service() as service:
        result = await service.execute(spec("eval('1')\nx = ("))
        assert (result.error.name, result.error.line, result.error.column) == ("SyntaxError", 2, 5)
        assert {finding.rule for finding in result.findings} == {"py-eval", "syntax-error"}


async def test_warnings_come_with_the_result():
    """The job runs, and its result says what was found."""
    async with open_service() as service:
        result = await service.execute(spec("output = f.__code__"))
        assert result.outcome is Outcome.SUCCEEDED
        assert [(f.rule, f.severity) for f in result.findings] == [("py-introspection", Severity.WARN)]
        assert result.timing.validate_ms > 0


async def test_a_tenants_own_policy_comes_before_the_deployments():
    """What one tenant may do says nothing of another."""
    async with open_service() as service:
        code = "output = eval('1')"
        loose = parse_policy("[rules]\npy-eval = 'off'", where="tenant")
        assert (await service.execute(spec(code), policy=loose)).outcome is Outcome.SUCCEEDED
        assert (await service.execute(spec(code))).outcome is Outcome.REJECTED


async def test_a_language_without_rules_is_not_checked():
    """An operator's own runtime runs as before."""
    async with open_service(language="Lua") as service:
        assert (await service.execute(spec("eval("))).outcome is Outcome.SUCCEEDED


async def test_the_sanitized_text_is_what_runs_and_the_result_says_so():
    """A byte-order mark never reaches the runner."""
    jobs = []
    async with open_service(jobs=jobs) as service:
        result = await service.execute(spec("\ufeffoutput = 1\r\n"))
        assert jobs[-1]["code"] == "output = 1\n"
        assert result.code_changes == ("removed the byte-order mark", "made 1 line endings line feeds")
        assert (await service.execute(spec("output = 1"))).code_changes == ()
        assert jobs[-1]["code"] == "output = 1"


async def test_places_in_errors_are_those_of_the_tenants_own_text():
    """Also where strict mode moved the first line, and inside of the stack."""
    error = {
        "name": "Error",
        "message": "no",
        "stack": "Error: no\n    at job.js:1:20",
        "line": 1,
        "column": 20,
    }
    payload = json.dumps({"status": "error", "error": error})
    policy = parse_policy("javascript_strict_mode = true", where="test")
    async with open_service(payload, policy=policy, language="JavaScript") as service:
        result = await service.execute(spec("throw new Error('no')"))
        assert (result.error.line, result.error.column) == (1, 7)
        assert "job.js:1:7" in result.error.stack


async def test_a_policys_globals_narrow_those_of_the_job():
    """What the syntax tree cannot see is missing at run time."""
    jobs = []
    policy = parse_policy('allowed_globals = ["Math", "JSON"]', where="test")
    async with open_service(policy=policy, language="JavaScript", jobs=jobs) as service:
        await service.execute(spec("output = 1"))
        assert jobs[-1]["allowed_globals"] == ["JSON", "Math"]
        await service.execute(spec("output = 1", allowed_globals=("Math", "Date")))
        assert jobs[-1]["allowed_globals"] == ["Math"]


async def test_check_says_the_same_without_running_anything():
    """The validator's answer alone, for the interfaces."""
    async with open_service() as service:
        report = await service.check(spec("eval('1')"))
        assert report.is_rejected
        assert service.notes.count("job_finished") == 0


async def test_an_input_that_is_no_json_is_the_callers_error():
    """Refused by field, before anything is run."""
    async with open_service() as service:
        with pytest.raises(InvalidJob, match="input: is no JSON"):
            await service.execute(spec("output = input", input_json="{"))


SCHEMA = '{"type": "object", "properties": {"rows": {"items": {"type": "integer"}}}}'


@pytest.mark.parametrize(
    ("output", "outcome", "message"),
    [
        ({"rows": [1, 2]}, Outcome.SUCCEEDED, None),
        ({"rows": [1, "x"]}, Outcome.INVALID_OUTPUT, "output.rows[1]: 'x' is not of type 'integer'"),
    ],
)
async def test_an_output_must_follow_its_schema(output, outcome, message):
    """Where it does not, the outcome is `invalid_output` with the path that failed, told once."""
    async with open_service(ok_payload(output)) as service:
        result = await service.execute(spec("output = 1", output_schema_json=SCHEMA))
        assert result.outcome is outcome
        assert result.output == (output if message is None else None)
        assert (result.error.message if result.error else None) == message
        ((_, told),) = [args for name, args in service.notes.events if name == "job_finished"]
        assert told.outcome is outcome


async def test_a_bad_schema_is_refused_by_field():
    """Before anything is run; and program mode has no output to hold against one."""
    async with open_service() as service:
        with pytest.raises(InvalidJob, match=r"output_schema: at schema\.type"):
            await service.execute(spec("output = 1", output_schema_json='{"type": "nothing"}'))
    with pytest.raises(InvalidJob, match="output_schema: is for function mode"):
        spec("x", mode=Mode.PROGRAM, output_schema_json="{}")
    with pytest.raises(InvalidJob, match="output_schema: "):
        spec("x", output_schema_json="x" * 70_000)


async def test_where_nothing_can_be_narrowed_other_limits_are_made_to_measure():
    """A warm container has its ceiling's memory and processes, and nothing less; all else is no container's business."""
    async with open_service(can_narrow=False) as service:
        made_for = make_runtime().ceiling
        cases = [
            (made_for, False),
            (replace(made_for, wall_time_ms=1, disk_bytes=1), False),
            (replace(made_for, memory_bytes=made_for.memory_bytes - 1), True),
            (replace(made_for, processes=made_for.processes - 1), True),
        ]
        for limits, made_to_measure in cases:
            assert service.accept(spec("1", limits=limits)).made_to_measure is made_to_measure
    async with open_service() as service:
        limits = replace(made_for, memory_bytes=1)
        assert not service.accept(spec("1", limits=limits)).made_to_measure
