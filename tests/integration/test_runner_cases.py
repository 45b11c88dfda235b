"""What the runners answer, frame by frame, on containers made exactly as jobs get them."""

import asyncio
import json
from collections.abc import Mapping

import pytest
import runner_cases_node
import runner_cases_python

from orchestrator import Orchestrator
from orchestrator.backends.frames import encode_frame

NO_ANSWER_SECONDS = 1.5
ANSWER_SECONDS = 60.0


JOB = runner_cases_python.JOB_DEFAULTS


def whole(job: Mapping[str, object]) -> dict[str, object]:
    """A case's fields over those that every job has."""
    return {**JOB, **job, "limits": {**JOB["limits"], "cpu_time_ms": 20_000, **job.get("limits", {})}}


async def answer(orchestrator: Orchestrator, runtime: str, job: Mapping[str, object], within: float):
    """The result frame, None where none came in time; and both streams, joined."""
    streams = {"stdout": "", "stderr": ""}
    deadline = asyncio.get_running_loop().time() + 120
    async with orchestrator.pool.lease(runtime, deadline=deadline) as lease:
        # The runner alone is tried here: around it there is as much room as its class has.
        lease.inject(encode_frame(job), orchestrator.runtimes[runtime].ceiling)
        try:
            async with asyncio.timeout(within):
                while (frame := await lease.receive()) is not None and frame["type"] != "result":
                    streams[frame["name"]] += frame["text"]
        except TimeoutError:
            frame = None
    return frame, streams


def by_name(cases):
    return [pytest.param(whole(job), expected, id=name) for name, job, expected in cases]


@pytest.mark.parametrize(("job", "expected"), by_name(runner_cases_node.CASES))
async def test_the_node_runner_answers_as_the_protocol_says(orchestrator, job, expected):
    """The one result frame, its payload and the streams are what the case says."""
    within = NO_ANSWER_SECONDS if expected.get("ends") == "deadline" else ANSWER_SECONDS
    frame, streams = await answer(orchestrator, "node", job, within)
    assert runner_cases_node.mismatch(expected, result=frame, **streams) is None


@pytest.mark.parametrize(("job", "expected"), by_name(runner_cases_python.CASES))
async def test_the_python_runner_answers_as_the_protocol_says(orchestrator, job, expected):
    """The one result frame, its payload and the streams are what the case says."""
    never = "how" in expected and expected["how"] is None
    frame, streams = await answer(orchestrator, "python", job, NO_ANSWER_SECONDS if never else ANSWER_SECONDS)
    assert (frame is None) == never
    if frame is not None:
        check_frame(frame, expected)
    for name in ("stdout", "stderr"):
        if name in expected:
            assert streams[name] == expected[name]
        assert expected.get(f"{name}_has", "") in streams[name]


def check_frame(frame: Mapping[str, object], expected: Mapping[str, object]) -> None:
    for field in ("how", "exit_code", "signal"):
        if field in expected:
            assert frame[field] == expected[field], frame
    if "files" in expected:
        assert (frame.get("files") or {}) == expected["files"]
    payload = json.loads(frame["payload"]) if frame.get("payload") else {}
    if "payload" in expected:
        assert payload == expected["payload"]
    if "status" in expected:
        assert payload["status"] == expected["status"]
    error = payload.get("error") or {}
    for field, value in expected.get("error", {}).items():
        assert error[field] == value, error
    assert expected.get("message_has", "") in error.get("message", "")
    assert expected.get("stack_has", "") in (error.get("stack") or "")
    if "stack_lacks" in expected:
        assert expected["stack_lacks"] not in (error.get("stack") or "")
