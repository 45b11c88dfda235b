"""`policies/payload.py`: what tenant code said of itself can choose its own output or error, nothing else."""

from __future__ import annotations

import json

import pytest

from orchestrator.domain.outcome import JobError, Outcome
from orchestrator.policies.payload import MAX_MESSAGE, MAX_NAME, MAX_STACK, Payload, parse_payload


@pytest.mark.parametrize("output", [None, 0, "", [], {"a": [1.5, True]}])
def test_an_output_is_passed_on(output):
    """Any JSON value can be the output, null too."""
    text = json.dumps({"status": "ok", "output": output, "outcome": "cancelled"})
    assert parse_payload(text) == Payload(outcome=Outcome.SUCCEEDED, output=output)


@pytest.mark.parametrize(
    ("status", "outcome"), [("error", Outcome.ERROR), ("invalid_output", Outcome.INVALID_OUTPUT)]
)
def test_an_error_is_passed_on(status, outcome):
    """Name, message, stack and position come through as they are."""
    error = {"name": "TypeError", "message": "no", "stack": "at job.js", "line": 3, "column": 1}
    text = json.dumps({"status": status, "error": error})
    assert parse_payload(text) == Payload(outcome=outcome, error=JobError(**error))


@pytest.mark.parametrize(
    "text",
    [None, 7, b"{}", "", "{", "[]", '"ok"', "{}", '{"status":"ok"}', '{"status":["error"]}', '{"status":"killed"}',
     '{"status":"ok","output":NaN}', '{"status":"ok","output":1e999}', '{"status":"ok","output":"\\ud800"}',
     '{"status":"ok","output":' + "[" * 200 + "]" * 200 + "}"],
)  # fmt: skip
def test_whatever_is_no_payload_is_an_invalid_output(text):
    """Hostile text is a value with a reason, never an exception."""
    payload = parse_payload(text)
    assert payload.outcome is Outcome.INVALID_OUTPUT
    assert payload.error is not None
    assert payload.error.message.startswith("output: ")


@pytest.mark.parametrize(
    "error", [None, 7, "text", [], {}, {"name": 7, "message": None, "stack": 1, "line": "3"}]
)
def test_a_malformed_error_becomes_a_plain_one(error):
    """Fields of a wrong type are left out."""
    payload = parse_payload(json.dumps({"status": "error", "error": error}))
    assert payload.error == JobError(name="Error", message="")


@pytest.mark.parametrize(
    ("position", "kept"), [(1, 1), (0, None), (-1, None), (True, None), (1.0, None), (2**31, None)]
)
def test_positions_are_small_whole_numbers_above_zero(position, kept):
    """Lines and columns count from 1; anything else is unknown."""
    payload = parse_payload(json.dumps({"status": "error", "error": {"line": position, "column": position}}))
    assert payload.error is not None
    assert (payload.error.line, payload.error.column) == (kept, kept)


def test_long_texts_are_cut():
    """No error is longer than docs/protocol.md allows."""
    error = {"name": "n" * 9999, "message": "m" * 9999, "stack": "s" * 99_999}
    payload = parse_payload(json.dumps({"status": "error", "error": error}))
    assert payload.error is not None
    assert len(payload.error.name) == MAX_NAME
    assert len(payload.error.message) == MAX_MESSAGE
    assert len(payload.error.stack or "") == MAX_STACK
