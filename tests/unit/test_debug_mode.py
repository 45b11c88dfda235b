"""Debug mode on the host: who may ask, what is sent, what becomes of the answer. On the fake backend."""

from __future__ import annotations

import json

import pytest
from apis import job, open_house
from making import ok_payload, result_frame
from test_debug_report import CPUPROFILE, ENTRY, LINK, STEP
from test_run import answering, make_job
from test_run import open_house as open_runner

from orchestrator.api.examples import DEBUGGED
from orchestrator.client.values import JobRequest, result_from_wire
from orchestrator.domain.debug import MAX_DEBUG_BYTES, DebugOptions
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.tenant import Tenant
from orchestrator.scheduler.run import job_frame
from orchestrator.scheduler.transcript import DebugText
from orchestrator.wire import request_from_wire, request_to_wire, result_to_wire

EVERYTHING = DebugOptions(console=True, stack_traces=True, profile=True, steps=True)


def debug_frame(*records, **changes) -> dict[str, object]:
    payload = "".join(f"{json.dumps(record)}\n" for record in records)
    return {"type": "debug", "job": "the-job", "payload": payload, **changes}


# -- what is asked and answered --------------------------------------------------------------------------


@pytest.mark.virtual_time
async def test_the_job_frame_says_what_is_asked_for_and_only_then():
    """Without debug mode the frame is what it was before there was any."""
    assert "debug" not in json.loads(job_frame(make_job())[4:])
    frame = json.loads(job_frame(make_job(debug=DebugOptions(steps=True)))[4:])
    assert frame["debug"] == {"console": False, "stack_traces": False, "profile": False, "steps": True}


@pytest.mark.virtual_time
async def test_a_report_comes_with_the_result_and_changes_nothing_else_in_it():
    """Records of several frames are one report, with the source's lines."""
    backend = answering(
        debug_frame(ENTRY, STEP),
        debug_frame({"kind": "errors", "errors": [LINK]}),
        debug_frame("nonsense"),
        result_frame("the-job", payload=ok_payload(7)),
    )
    async with open_runner(backend) as house:
        spoken = await house.run(make_job(debug=EVERYTHING, code="one\ntwo\nthree"))
    assert (spoken.outcome, spoken.output) == (Outcome.SUCCEEDED, 7)
    assert (len(spoken.debug.console), len(spoken.debug.steps), spoken.debug.unreadable) == (1, 1, 1)
    assert [each.text for each in spoken.debug.errors[0].frames[0].excerpt] == ["one", "two", "three"]


@pytest.mark.virtual_time
@pytest.mark.parametrize("payload", [None, 7, ["x"], {"a": 1}])
async def test_a_frame_that_is_no_text_only_cuts_the_report(payload):
    """It is never a broken protocol: nothing hangs on it."""
    backend = answering(
        debug_frame(ENTRY), debug_frame(payload=payload), result_frame("the-job", payload=ok_payload(7))
    )
    async with open_runner(backend) as house:
        spoken = await house.run(make_job(debug=DebugOptions(console=True)))
    assert (spoken.output, len(spoken.debug.console), spoken.debug.truncated) == (7, 1, ("console",))


@pytest.mark.virtual_time
async def test_who_did_not_ask_gets_no_debug_frame():
    """From a runner that nobody asked it has no place in a job."""
    backend = answering(debug_frame(ENTRY), result_frame("the-job", payload=ok_payload(7)))
    async with open_runner(backend) as house:
        spoken = await house.run()
    assert (spoken.outcome, spoken.debug) == (Outcome.KILLED, None)


def test_what_is_kept_of_a_runners_records_is_bounded():
    """The first frame that has no room ends it."""
    kept = DebugText(most=10)
    for payload in ("12345", "123456", "1"):
        kept.add({"payload": payload})
    assert (kept.text(), kept.cut_off) == ("12345", True)
    whole = DebugText()
    whole.add({"payload": "x" * MAX_DEBUG_BYTES})
    assert not whole.cut_off


# -- as JSON ---------------------------------------------------------------------------------------------


@pytest.mark.virtual_time
async def test_a_report_survives_its_wire_form():
    """What the client reads is what the service said, and JSON holds all of it."""
    backend = answering(
        debug_frame(ENTRY, {**STEP, "event": "return", "value": ["int", "1"]}, CPUPROFILE),
        debug_frame({"kind": "errors", "errors": [LINK]}),
        result_frame("the-job", payload=ok_payload(7)),
    )
    async with open_runner(backend) as house:
        spoken = await house.run(make_job(debug=EVERYTHING))
    wire = json.loads(json.dumps(result_to_wire(spoken)))
    assert result_from_wire(wire).debug == spoken.debug
    assert result_from_wire({**wire, "debug": None}).debug is None
    assert result_from_wire(DEBUGGED).debug is not None


@pytest.mark.virtual_time
async def test_a_request_keeps_what_it_asked_for():
    """In the store, and on the client's way to the service; requests of before have none."""
    spec = make_job(debug=DebugOptions(steps=True)).spec
    kept = json.loads(json.dumps(request_to_wire(spec)))
    assert request_from_wire(kept) == spec
    del kept["debug"]
    assert request_from_wire(kept).debug is None
    sent = JobRequest(runtime="python", code="1", debug=DebugOptions(profile=True)).to_wire()
    assert sent["debug"] == {"console": False, "stack_traces": False, "profile": True, "steps": False}
    assert "debug" not in JobRequest(runtime="python", code="1").to_wire()


# -- who may ask -------------------------------------------------------------------------------------------

ALLOWED = Tenant(name="alice", debug=True)


async def test_a_tenant_without_the_permission_is_refused_by_name(tmp_path):
    """A clear 422 that names the field; in a batch only that job; a request that asks for nothing is none."""
    async with open_house(tmp_path) as house, await house.client() as client:
        for place in ("/v1/execute", "/v1/jobs"):
            answer = await client.post(place, json=job(debug={"console": True}))
            assert answer.status_code == 422
            (error,) = answer.json()["errors"]
            assert (error["field"], "may not use debug mode" in error["problem"]) == ("debug", True)
        batch = await client.post("/v1/jobs/batch", json={"jobs": [job(), job(debug={"steps": True})]})
        assert [each["status"] for each in batch.json()["results"]] == [202, 422]
        assert (await client.post("/v1/execute", json=job(debug={"console": False}))).status_code == 200


async def test_a_tenant_with_the_permission_has_its_report_kept_with_the_result(tmp_path):
    """The answer, and the job as it is looked up later, have it; the events do too."""
    async with open_house(tmp_path) as house, await house.client(ALLOWED) as client:
        answer = await client.post("/v1/execute", json=job(debug={"console": True, "steps": True}))
        assert answer.status_code == 200, answer.text
        report = answer.json()["debug"]
        assert (report["console"], report["steps"], report["errors"]) == ([], [], None)
        submitted = await client.post("/v1/jobs", json=job(debug={"console": True}))
        looked_up = await client.get(f"/v1/jobs/{submitted.json()['id']}", params={"wait": 10})
        assert looked_up.json()["result"]["debug"]["console"] == []
        assert (await client.post("/v1/execute", json=job())).json()["debug"] is None


@pytest.mark.parametrize(
    ("debug", "field"), [({"colour": True}, "debug.colour"), ({"steps": 7}, "debug.steps"), ("all", "debug")]
)
async def test_what_is_no_part_of_debug_mode_is_refused_by_name(tmp_path, debug, field):
    """As every other field."""
    async with open_house(tmp_path) as house, await house.client(ALLOWED) as client:
        answer = await client.post("/v1/execute", json=job(debug=debug))
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_requests_without_debug_mode_keep_their_idempotency_keys(tmp_path):
    """Their fingerprint is what it was before there was debug mode; with it, it is another request."""
    async with open_house(tmp_path) as house, await house.client(ALLOWED) as client:
        key = {"Idempotency-Key": "k"}
        first = await client.post("/v1/execute", json=job(), headers=key)
        assert (await client.post("/v1/execute", json=job(), headers=key)).json()["id"] == first.json()["id"]
        other = await client.post("/v1/execute", json=job(debug={"steps": True}), headers=key)
        assert other.json()["type"].endswith("idempotency-key-reused")
