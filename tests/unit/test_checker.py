"""`validation/checker.py`: answers come from processes that may be lost at any moment."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from orchestrator.domain.errors import PoolTimeout
from orchestrator.domain.finding import Severity
from orchestrator.guard.policy import load_preset
from orchestrator.guard.report import Report, Source
from orchestrator.guard.rules import JAVASCRIPT, PYTHON, UNCHECKED
from orchestrator.guard.validator import validate
from orchestrator.telemetry import Telemetry
from orchestrator.validation import checker as checker_module
from orchestrator.validation.checker import open_checker
from orchestrator.validation.confinement import MEMORY_BYTES

STANDARD = load_preset("standard")
SLOW = Source(data=b"'''" * 300_000, language=JAVASCRIPT)
"""A source that the parser needs more than its bound for."""


def source(code: str, language: str = PYTHON) -> Source:
    return Source(data=code.encode(), language=language)


def proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_process_answers_what_the_validator_says():
    """The way there and back changes nothing of a report."""
    async with open_checker(Telemetry()) as checker:
        for each in (
            source("eval('1')"),
            source("\ufeffx = 1"),
            source("é = (", JAVASCRIPT),
            source("x = 1"),
        ):
            assert await checker.check(each, STANDARD) == validate(each, STANDARD)


async def test_what_was_answered_once_is_remembered():
    """The same code under the same policy costs no second look, and another policy does."""
    async with open_checker(Telemetry()) as checker:
        first = await checker.check(source("eval('1')"), STANDARD)
        assert await checker.check(source("eval('1')"), STANDARD) is first
        assert await checker.check(source("eval('1')"), load_preset("strict")) is not first


async def test_a_policy_that_checks_nothing_asks_nobody():
    """The source is not even sent."""
    async with open_checker(Telemetry()) as checker:
        assert await checker.check(SLOW, load_preset("open")) == Report()
        assert checker.pids == ()


async def test_a_lost_process_rejects_its_source_and_disturbs_nobody(monkeypatch):
    """It fails closed; the next source is answered at once by the other process, and the seat is filled again."""
    monkeypatch.setattr(checker_module, "CPU_SECONDS_PER_MIB", 0.1)
    async with open_checker(Telemetry()) as checker:
        await checker.check(source("x = 0"), STANDARD)
        hostile = asyncio.create_task(checker.check(SLOW, STANDARD))
        good = await checker.check(source("x = 1"), STANDARD)
        (finding,) = (await hostile).findings
        assert (finding.rule, finding.severity) == (UNCHECKED, Severity.REJECT)
        assert good == Report()
        assert checker.lost == 1
        again = Source(data=b"x = 2\n" * 12_000, language=PYTHON)
        assert await checker.check(again, STANDARD) == Report()


async def test_a_process_that_dies_unasked_is_replaced():
    """Nobody's source is rejected for it."""
    async with open_checker(Telemetry()) as checker:
        await checker.check(source("x = 0"), STANDARD)
        while len(checker.pids) < 2:
            await asyncio.sleep(0)
        before = checker.pids
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await _until(lambda: all(seat.process.has_ended for seat in checker._sources.seats))
        assert await checker.check(source("x = 1"), STANDARD) == Report()
        assert not set(before) & set(checker.pids)
        assert checker.lost == 0


async def test_cancelling_a_check_does_not_mix_up_answers():
    """The answer to a question that nobody waits for any more is never given to the next."""
    async with open_checker(Telemetry()) as checker:
        await checker.check(source("x = 0"), STANDARD)
        for number in range(5):
            slow = Source(data=b"eval(1)\n" * 4000 + str(number).encode(), language=PYTHON)
            task = asyncio.create_task(checker.check(slow, STANDARD))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await checker.check(source(f"x = {number}"), STANDARD) == Report()


async def test_nobody_waits_for_ever():
    """Where no process comes free in time the caller is told to come back."""
    async with open_checker(Telemetry()) as checker:
        await checker.check(source("x = 0"), STANDARD)
        busy = [asyncio.create_task(checker.check(Source(data=SLOW.data + tail, language=JAVASCRIPT), STANDARD))
                for tail in (b"", b"1")]  # fmt: skip
        await asyncio.sleep(0)
        with pytest.raises(PoolTimeout):
            await checker.check(Source(data=b"x" * 100_000, language=PYTHON), STANDARD, within_seconds=0.01)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def test_a_process_has_nothing_to_lose():
    """No privileges, no files, no network, no children: a broken parser finds a desert."""
    async with open_checker(Telemetry()) as checker:
        await checker.check(source("x = 0"), STANDARD)
        status = dict(line.split(":\t", 1) for line in proc(checker.pids[0], "status").splitlines())
        limits = proc(checker.pids[0], "limits")
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    if os.geteuid() == 0:
        assert set(status["Uid"].split()) == {"65534"}
        assert int(status["CapEff"], 16) == 0
    assert f"{MEMORY_BYTES}" in limits


async def test_leaving_leaves_no_process():
    """Also where one is at work."""
    async with open_checker(Telemetry()) as checker:
        await checker.check(source("x = 0"), STANDARD)
        pids = checker.pids
    assert not any(is_there(pid) for pid in pids)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1, 2", "is no JSON: Expecting ',' delimiter at line 1, column 6"),
        ("[" * 200 + "]" * 200, "is nested deeper than 128 levels"),
        ('{"a": NaN}', "holds NaN, which JSON does not have"),
        ("[" + "1," * 1_100_000 + "1]", "has more than 1,000,000 values"),
        ('{"a": [1, "' + "," * 1_100_000 + '"]}', None),
    ],
)
async def test_inputs_are_json_within_bounds(text, problem):
    """Size, depth and number of values; large ones are read in a checking process."""
    async with open_checker(Telemetry()) as checker:
        assert await checker.problem_of_input(text) == problem


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ('{"type": "object"}', None),
        ("true", None),
        ("[]", "must be an object"),
        ("{", "Expecting"),
        ('{"type": "nothing"}', "at schema.type"),
        ('{"$ref": "https://example.org/schema"}', "leads out of the schema"),
        ('{"properties": {"a": {"$dynamicRef": "other.json"}}}', "leads out of the schema"),
        ('{"$schema": "http://json-schema.org/draft-04/schema#"}', "is not supported"),
    ],
)
async def test_a_schema_is_refused_before_the_job(schema, says):
    """In words that name the place; nothing is ever fetched."""
    async with open_checker(Telemetry()) as checker:
        problem = await checker.problem_of_schema(schema)
        assert problem is None if says is None else says in problem


@pytest.mark.parametrize(
    ("schema", "output", "says"),
    [
        ('{"type": "object", "required": ["a"]}', '{"a": 1}', None),
        (
            '{"properties": {"rows": {"items": {"type": "number"}}}}',
            '{"rows": [1, "x"]}',
            "output.rows[1]: 'x'",
        ),
        ('{"$defs": {"n": {"minimum": 3}}, "$ref": "#/$defs/n"}', "2", "output: 2 is less than"),
        ('{"$ref": "#"}', "1", "leads round in circles"),
        ('{"$ref": "#/nowhere"}', "1", "cannot be followed"),
        ('{"pattern": "("}', '"x"', "cannot be followed"),
        ('{"pattern": "^(a+)+$"}', '"' + "a" * 60 + '!"', "could not be checked within its bounds"),
    ],
)
async def test_an_output_is_held_against_its_schema(schema, output, says):
    """The path that failed is named; a schema that never ends costs its process only."""
    async with open_checker(Telemetry()) as checker:
        problem = await checker.problem_of_output(schema, output)
        assert problem is None if says is None else says in problem


async def test_a_schema_that_multiplies_costs_bounded_time():
    """References that fan out double the work at every level: 2**40 checks in 3 kB."""
    levels = {f"n{n}": {"allOf": [{"$ref": f"#/$defs/n{n + 1}"}] * 2} for n in range(40)}
    schema = str({"$defs": {**levels, "n40": {}}, "$ref": "#/$defs/n0"}).replace("'", '"')
    async with open_checker(Telemetry()) as checker:
        assert await checker.problem_of_output(schema, "1") == "could not be checked within its bounds"


async def _until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)
