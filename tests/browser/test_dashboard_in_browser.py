"""The dashboard in a real browser, over the whole service on the fake backend: what a person does and sees."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from conftest_browser import OPERATOR
from live import live_service
from making import ok_payload, result_frame, stream_frame
from playwright.sync_api import expect
from pools import RUNTIME
from recorded_debug import DEBUG, SOURCE
from records import finished_record

from orchestrator.api.examples import RESULT
from orchestrator.domain.errors import EngineUnavailable
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.tenant import Tenant

SAMPLING = {"every_seconds": 0.2, "look_at_engine_every_seconds": 0.2}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A service that prints, and whose jobs take as long as their input says."""
    with live_service(tmp_path_factory.mktemp("live"), sampling=SAMPLING, stream_seconds=2.0) as running:
        yield running


@pytest.fixture(scope="module")
def operator_key(live):
    return live.key(*OPERATOR)


def submit(live, key: str, **changes) -> str:
    """A job by the API; its id."""
    import httpx

    body = {"runtime": RUNTIME, "code": "output = input", "input": 1, **changes}
    answer = httpx.post(f"{live.url}/v1/jobs", json=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def keep(live, **changes) -> str:
    """A finished job put straight into the store; its id."""
    now = time.time()
    record = finished_record(
        tenant="root", accepted_at=now, started_at=now, finished_at=now + 0.01, **changes
    )
    live.run(live.house.store.add([replace(record, result={**record.result, "id": record.id})]))
    return record.id


def test_a_wrong_key_is_said_to_be_wrong_and_a_right_one_opens(live, operator_key, tabs):
    """The key stays in the tab: after a reload one is still signed in, after signing out no more."""
    tab = tabs(live)
    page = tab.open()
    page.get_by_label("API key").fill("so_wrong_key")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert").filter(has_text="unknown, revoked or expired")).to_be_visible()
    tab.sign_in(operator_key)
    page.reload()
    expect(page.get_by_role("heading", name="This host")).to_be_visible()
    assert tab.ask("document.cookie + JSON.stringify(localStorage)").count(operator_key) == 0
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert tab.ask("JSON.stringify(sessionStorage)") == "{}"


def test_run_a_job_watch_it_appear_and_open_it(live, operator_key, tabs):
    """From the playground to the result, the list, the page of the job, and the overview's figures."""
    tab = tabs(live)
    page = tab.sign_in(operator_key)
    page.get_by_role("link", name="Playground").click()
    page.get_by_label("Runtime").select_option(RUNTIME)
    page.get_by_label("Code", exact=True).fill("output = input  # from the page")
    page.get_by_label("Input, a JSON value").fill("20")
    expect(page.get_by_text("The validator has nothing to say.")).to_be_visible()
    page.get_by_label("Input, a JSON value").press("Control+Enter")
    result = page.get_by_role("region", name="Result")
    expect(result.get_by_text("succeeded", exact=True)).to_be_visible()
    expect(result.locator("[data-stream=stdout]")).to_have_text("hello\n")
    expect(result.locator("[data-stream=stderr]")).to_contain_text("ohESC[2J")
    expect(result.get_by_text("Where its time went")).to_be_visible()
    link = result.get_by_role("link")
    job_id = link.get_attribute("href").rpartition("/")[2]
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.locator(f"[data-job='{job_id}']")).to_contain_text("succeeded")
    late = submit(live, operator_key, metadata={"order": "late-comer"})
    expect(page.locator(f"[data-job='{late}']")).to_contain_text("late-comer")
    page.locator(f"[data-job='{job_id}'] a").click()
    expect(page.locator("[data-part=output]")).to_contain_text(job_id)
    expect(page.get_by_text("wall time")).to_be_visible()
    expect(page.get_by_text("stood ready")).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    tile = page.locator(".tile", has_text="Jobs per second")
    expect(tile).to_contain_text(re.compile(r"[1-9]\d* in five minutes"))
    expect(page.get_by_role("img", name=re.compile("Containers, by state: leased 0, warm 2"))).to_be_visible()


def test_jobs_are_filtered_and_searched(live, operator_key, tabs):
    """By what the metadata says and how it ended; the address holds the filter."""
    wanted = submit(live, operator_key, metadata={"order": "needle 4711"})
    other = submit(live, operator_key, metadata={"order": "hay"})
    tab = tabs(live)
    page = tab.sign_in(operator_key)
    tab.go("#/jobs")
    expect(page.locator(f"[data-job='{other}']")).to_be_visible()
    page.get_by_role("searchbox").fill("needle")
    expect(page.locator(f"[data-job='{other}']")).to_have_count(0)
    expect(page.locator("[data-job]")).to_have_count(1)
    expect(page.locator(f"[data-job='{wanted}']")).to_be_visible()
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("needle")
    expect(page.locator("[data-job]")).to_have_count(1)
    page.get_by_label("Outcome").select_option("killed")
    expect(page.get_by_text("No job fits.")).to_be_visible()


def test_a_long_job_is_cancelled(live, operator_key, tabs):
    """One press, and it has ended as cancelled, here and in the service."""
    job_id = submit(live, operator_key, input=600_000)
    tab = tabs(live)
    page = tab.sign_in(operator_key)
    tab.go(f"#/jobs/{job_id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("running")
    expect(page.locator("[data-stream=stdout]")).to_have_text("hello\n")
    page.get_by_role("button", name="Cancel this job").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Cancel this job")).to_have_count(0)
    assert live.run(live.house.store.get(job_id, tenant=None)).outcome == "cancelled"


def test_a_tenant_sees_its_own_and_nothing_of_the_host(live, operator_key, tabs):
    """No host, no containers, no job of another; another's address leads nowhere."""
    theirs = submit(live, operator_key)
    key = live.key("tenant-of-its-own")
    own = submit(live, key)
    tab = tabs(live)
    page = tab.sign_in(key)
    expect(page.get_by_role("heading", name="Your jobs")).to_be_visible()
    expect(page.locator(".tile", has_text="Jobs per second")).to_contain_text("1 in five minutes")
    for title in ("Host: processors and memory", "Containers, by state", "Jobs refused, by reason"):
        expect(page.get_by_text(title)).to_have_count(0)
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.locator(f"[data-job='{own}']")).to_be_visible()
    expect(page.locator("[data-job]")).to_have_count(1)
    tab.go(f"#/jobs/{theirs}")
    expect(page.get_by_text("no such job")).to_be_visible()


def test_findings_are_shown_in_the_editor_while_typing(live, operator_key, tabs):
    """Underlined at their place, in the gutter and in words; gone when they are mended."""
    tab = tabs(live)
    page = tab.sign_in(operator_key)
    tab.go("#/playground")
    page.get_by_label("Runtime").select_option(RUNTIME)
    code = page.get_by_label("Code", exact=True)
    code.fill("x = 1\nimport subprocess\noutput = x")
    expect(page.get_by_text("It would be rejected:")).to_be_visible()
    place = page.get_by_role("button", name="line 2, column 8")
    expect(place).to_be_visible()
    expect(page.locator(".gutter .reject")).to_have_text("2")
    marked = "[...CSS.highlights.get('code-reject')].map((range) => range.toString())"
    assert tab.ask(marked) == ["subprocess"]
    place.click()
    assert tab.ask("document.activeElement.selectionStart") == len("x = 1\nimport ")
    code.fill("output = 1")
    expect(page.get_by_text("The validator has nothing to say.")).to_be_visible()
    expect(page.locator(".gutter .reject")).to_have_count(0)
    page.get_by_label("Input, a JSON value").fill("{")
    expect(page.get_by_text("The input is no JSON")).to_be_visible()
    page.get_by_label("Mode").select_option("program")
    page.get_by_label("Standard input").fill("a line")
    expect(page.get_by_text("The input is no JSON")).to_be_hidden()
    sent = []
    # The fake engine runs no programs: what would be sent to it is enough, and a refusal is shown.
    page.route(
        "**/v1/jobs",
        lambda route: (
            sent.append(route.request.post_data_json),
            route.fulfill(status=422, json={"detail": "not here"}),
        ),
    )
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert").filter(has_text="not here")).to_be_visible()
    assert [(each["mode"], each["stdin"], "input" in each) for each in sent] == [("program", "a line", False)]
    page.get_by_label("Mode").select_option("function")
    expect(page.get_by_label("Input, a JSON value")).to_have_value("{")


def test_the_stream_is_taken_up_again_after_the_network_was_gone(live, operator_key, tabs):
    """It says so, and goes on by itself; what it missed is there."""
    tab = tabs(live)
    page = tab.sign_in(operator_key)
    pill = page.locator("#connection")
    expect(pill).to_have_text("live")
    tab.context.set_offline(True)
    expect(pill).to_have_text("reconnecting…")
    for _ in range(3):
        submit(live, operator_key, metadata={"order": "while away"})
    tab.context.set_offline(False)
    expect(pill).to_have_text("live")
    expect(page.locator(".tile", has_text="Jobs per second")).to_contain_text(
        re.compile(r"([3-9]|\d\d+) in five minutes")
    )


def test_an_engine_that_answers_no_more_is_shown_and_its_return_too(live, operator_key, tabs):
    """To the operator and to tenants, in words; with the moment since when."""
    tab, other = tabs(live), tabs(live)
    page, theirs = tab.sign_in(operator_key), other.sign_in(live.key("waiting"))

    async def refuse():
        raise EngineUnavailable("no answer")

    answers, live.house.backend.info = live.house.backend.info, refuse
    try:
        for each in (page, theirs):
            expect(each.locator("#alarm")).to_contain_text("The container engine does not answer")
            expect(each.locator("#alarm")).to_contain_text("Since ")
    finally:
        live.house.backend.info = answers
    for each in (page, theirs):
        expect(each.locator("#alarm")).to_be_hidden()


def test_debug_views_console_flame_graph_steps_and_stack(live, operator_key, tabs):
    """What was recorded is walked forwards and backwards, with the variables as they were."""
    request = {
        "runtime": RUNTIME, "code": SOURCE, "mode": "function", "input_json": "3", "entrypoint": None,
        "stdin": "", "args": [], "files": {},
    }  # fmt: skip
    job_id = keep(live, request=request, result={**RESULT, "debug": DEBUG})
    tab = tabs(live)
    page = tab.sign_in(operator_key)
    tab.go(f"#/jobs/{job_id}")
    where, variables = page.locator(".step-where"), page.get_by_label("Variables")
    expect(where).to_contain_text("Step 1 of 6: line 5")
    page.get_by_role("button", name="One step on").click()
    expect(where).to_contain_text("Step 2 of 6: line 2 in double, 1 deep")
    expect(variables).to_contain_text("value3")
    page.keyboard.press("ArrowRight")
    expect(where).to_contain_text("Step 3 of 6: line 3")
    expect(variables.locator(".changed")).to_have_text("twice6")
    page.keyboard.press("ArrowLeft")
    expect(where).to_contain_text("Step 2 of 6")
    expect(variables).not_to_contain_text("twice")
    page.get_by_role("slider", name="Step").fill("3")
    expect(where).to_contain_text("Step 4 of 6: line 3 in double, 1 deep, returns 6")
    page.get_by_role("button", name="Breakpoint on line 6").click()
    page.get_by_role("button", name="On to the next breakpoint").click()
    expect(where).to_contain_text("line 6")
    expect(page.locator(".steps-code .here")).to_contain_text("output = total")
    page.get_by_role("button", name="First step").click()
    page.get_by_role("button", name="On, over what is called").click()
    expect(where).to_contain_text("Step 5 of 6: line 6")
    page.get_by_role("tab", name="Console").click()
    expect(page.get_by_label("Console", exact=True).locator("> li")).to_have_count(2)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Flame graph")).to_be_focused()
    bar = page.get_by_role("button", name=re.compile(r"^double, line 1: 6\.0 ms, 60"))
    bar.click()
    expect(page.get_by_text("double: 6.0 ms of 10 ms.")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as .cpuprofile").click()
    assert saved.value.suggested_filename.endswith(".cpuprofile")
    page.get_by_role("tab", name="Errors").click()
    expect(page.get_by_text("caused by ValueError")).to_be_visible()
    expect(page.get_by_text("Cut short by its bounds: steps.")).to_be_visible()
    tab.check_accessible()


def test_an_error_is_shown_with_its_line(live, operator_key, tabs):
    """The source line and the place in it, where the code was kept; said in words where it was not."""
    source = "first = 1\nsecond = first / 0\noutput = second"
    error = {
        "name": "ZeroDivisionError",
        "message": "division by zero",
        "stack": 'File "job.py", line 2',
        "line": 2,
        "column": 10,
    }
    result = {**RESULT, "outcome": "error", "success": False, "output": None, "error": error}
    request = {
        "runtime": RUNTIME,
        "code": source,
        "mode": "function",
        "input_json": "null",
        "entrypoint": None,
        "stdin": "",
        "args": [],
        "files": {},
    }
    kept = keep(live, outcome=Outcome.ERROR, request=request, result=result)
    dropped = keep(live, outcome=Outcome.ERROR, request=None, result=result)
    tab = tabs(live)
    page = tab.sign_in(operator_key)
    tab.go(f"#/jobs/{kept}")
    expect(page.locator(".bad .here")).to_contain_text("second = first / 0")
    expect(page.get_by_label("Error")).to_contain_text("at line 2, column 10")
    page.get_by_role("button", name="Open in the playground").click()
    expect(page.get_by_label("Code", exact=True)).to_have_value(source)
    tab.go(f"#/jobs/{dropped}")
    expect(page.get_by_text("The source line is not shown")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_every_view_is_accessible_and_fits_its_screen(live, operator_key, tabs, scheme, width):
    """No finding of axe-core, contrast included; nothing wider than the screen; on a desk and on a phone."""
    job_id = submit(live, operator_key, metadata={"a": "b", "long": "x" * 300})
    rejected = submit(live, operator_key, code="import subprocess")
    tab = tabs(live, viewport={"width": width, "height": 840}, color_scheme=scheme)
    page = tab.open()
    expect(page.get_by_label("API key")).to_be_visible()
    tab.check_accessible()
    tab.sign_in(operator_key)
    for place, sign in (
        ("#/overview", page.get_by_role("img", name=re.compile("Containers, by state: leased"))),
        ("#/jobs", page.locator(f"[data-job='{job_id}']")),
        (f"#/jobs/{job_id}", page.get_by_text("Where its time went")),
        (f"#/jobs/{rejected}", page.get_by_text("What the validator says")),
        ("#/playground", page.get_by_text("The validator has nothing to say.")),
    ):
        tab.go(place)
        expect(sign).to_be_visible()
        tab.check_accessible()
        assert tab.ask("document.documentElement.scrollWidth <= innerWidth"), place


def test_all_of_it_works_by_keyboard(live, operator_key, tabs):
    """The first stop leads to the content; charts, tabs and the editor can be entered and left."""
    tab = tabs(live)
    page = tab.sign_in(operator_key)
    tab.ask("document.activeElement.blur()")
    page.reload()
    expect(page.get_by_role("heading", name="This host")).to_be_visible()
    tab.ask("document.querySelector('.skip').focus()")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    chart = page.get_by_role("img", name=re.compile("^Containers, by state"))
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".card-head", has_text="Containers, by state").locator(".when")).not_to_have_text("")
    tab.go("#/playground")
    code = page.get_by_label("Code", exact=True)
    code.fill("")
    code.press("Tab")
    expect(code).to_have_value(re.compile(r"^ +$"))
    expect(code).to_be_focused()
    code.press("Escape")
    code.press("Tab")
    expect(code).not_to_be_focused()


def test_without_authentication_nobody_is_asked_for_a_key(tmp_path, tabs):
    """The page opens at once, as the API does."""
    with live_service(tmp_path, authentication=False, sampling=SAMPLING) as running:
        page = tabs(running).open()
        expect(page.get_by_role("heading", name="This host")).to_be_visible()
        expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


def test_a_key_that_is_revoked_is_signed_out(live, tabs):
    """At the next time that the stream is taken up, at the latest."""
    key = live.key(Tenant(name="leaver"))
    page = tabs(live).sign_in(key)
    (info,) = live.run(live.house.store.keys("leaver"))
    live.run(live.house.store.revoke_key(info.id, now=time.time()))
    expect(page.get_by_label("API key")).to_be_visible()


def frames_for(job, output, text):
    """What a runner answers: both streams, then the output."""
    name = str(job["job"])
    return [
        stream_frame(name, text), stream_frame(name, text, name="stderr"), result_frame(name, payload=ok_payload(output)),
    ]  # fmt: skip
