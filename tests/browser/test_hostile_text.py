"""Stored attacks on whoever looks: in code, input, output, streams, errors, names, metadata and debug, text stays text."""

from __future__ import annotations

import json
import time

import httpx
import pytest
from conftest_browser import OPERATOR
from live import live_service
from making import ok_payload, result_frame, stream_frame
from playwright.sync_api import expect
from pools import RUNTIME
from recorded_debug import value
from records import finished_record

from orchestrator.api.examples import RESULT
from orchestrator.domain.outcome import Outcome
from orchestrator.domain.tenant import Tenant

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><animate onbegin=alert(1) attributeName=x dur=1s>",
    "\"><iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "'><details open ontoggle=alert(1)>x</details>",
    "<a href='javascript:alert(1)' id=evil autofocus onfocus=alert(1) tabindex=1>x</a>",
    "<form action=javascript:alert(1)><input type=submit><button formaction=javascript:alert(1)>x</button></form>",
    "<style>@import url(//evil.example/x.css);*{background:url(//evil.example/y)}</style>",
    "<link rel=stylesheet href=//evil.example/z.css><meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/><object data=//evil.example/o></object><embed src=//evil.example/e>",
    "</pre></code></bdi></textarea></title></script><script>alert(1)</script>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math><noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<xss-element id=evil></xss-element><template shadowrootmode=open><script>alert(1)</script></template>",
    "{{constructor.constructor('alert(1)')()}}${alert(1)}#{alert(1)}<%= alert(1) %>",
    "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "__proto__", "constructor",
    "`);alert(1);//", "';alert(1)//", "*/alert(1)/*", "<!--><script>alert(1)</script>-->", "<![CDATA[<script>alert(1)</script>]]>",
    "\u202ealert\u2066(1)\u2069\u200b\u200f\ufeff\u2028\u2029\u0085\x1b[2J\x1b]0;evil\x07\x00\x7f\u00ad\U000e0041",
    "&lt;script&gt;alert(1)&lt;/script&gt;&#60;img src=x onerror=alert(1)&#62;", "\ud800<img src=x onerror=alert(1)>\udfff",
)  # fmt: skip
ALL = "\n".join(HOSTILE)
INJECTED = (
    "document.querySelectorAll('main script, main iframe, main object, main embed, main style, main link, main meta,"
    ' main base, main img:not([src^="/dashboard/"]), main math, main animate, main template, xss-element, #evil,'
    ' [onerror], [onload], [onclick], [onfocus], [ontoggle], [style*=url], main a:not([href^="#/"])\').length'
)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A service whose every job prints, and answers, all of it."""
    with live_service(tmp_path_factory.mktemp("live"), sampling={"every_seconds": 0.2}) as running:

        def answer(job):
            name = str(job["job"])
            printed = ALL.encode("utf-8", "replace").decode()
            return [
                stream_frame(name, printed),
                stream_frame(name, printed, name="stderr"),
                result_frame(name, payload=ok_payload({text: [text] for text in printed.split("\n")})),
            ]

        running.house.backend.answer = answer
        yield running


def is_clean(tab) -> None:
    assert tab.ask(INJECTED) == 0
    tab.check_clean()


def test_what_a_job_printed_and_answered_stays_text(live, tabs):
    """The page of a job that was really run, and of one that is run from the playground."""
    key = live.key(Tenant(name="mallory", keep_code=True))
    code = f"x = {json.dumps(ALL, ensure_ascii=False)}\n# {HOSTILE[0]}\noutput = x".encode(
        "utf-8", "replace"
    ).decode()
    metadata = {f"{number} {text}"[:64].encode("utf-8", "replace").decode(): text.encode("utf-8", "replace").decode()
                for number, text in enumerate(HOSTILE)}  # fmt: skip
    body = {
        "runtime": RUNTIME,
        "code": "output = 1",
        "input": ALL.encode("utf-8", "replace").decode(),
        "metadata": metadata,
    }
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.post(f"{live.url}/v1/jobs", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["id"]
    assert httpx.get(f"{live.url}/v1/jobs/{job_id}?wait=20", headers=headers).json()["outcome"] == "succeeded"
    tab = tabs(live)
    page = tab.sign_in(live.key(*OPERATOR))
    tab.go("#/jobs")
    expect(page.locator(f"[data-job='{job_id}']")).to_contain_text("<script>alert(1)</script>")
    is_clean(tab)
    tab.go(f"#/jobs/{job_id}")
    expect(page.locator("[data-stream=stdout]")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator("[data-stream=stdout]")).to_contain_text("U+202Ealert")
    expect(page.locator("[data-part=output]")).to_contain_text("<xss-element")
    is_clean(tab)
    tab.go(
        f"#/jobs?search={'%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E'}&tenant=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
    )
    expect(page.get_by_role("searchbox")).to_have_value("<img src=x onerror=alert(1)>")
    is_clean(tab)
    tab.go("#/playground")
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_label("Input, a JSON value").fill(json.dumps(HOSTILE[0]) + HOSTILE[1])
    expect(page.get_by_text("The input is no JSON")).to_be_visible()
    expect(page.locator(".findings").first).to_be_visible()
    is_clean(tab)
    page.get_by_label("Code", exact=True).fill("output = input")
    page.get_by_label("Input, a JSON value").fill(json.dumps(HOSTILE[0]))
    page.get_by_role("button", name="Run").click()
    expect(page.locator("[data-part=output]")).to_contain_text("<iframe")
    is_clean(tab)


@pytest.mark.parametrize(
    "hash_",
    [
        "#/jobs/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "#/<img src=x onerror=alert(1)>",
        "#/__proto__",
        "#javascript:alert(1)",
    ],
)
def test_addresses_are_no_way_in(live, tabs, hash_):
    """Whatever stands behind the mark, a view of ours is shown."""
    tab = tabs(live)
    page = tab.sign_in(live.key(*OPERATOR))
    tab.go(hash_)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    is_clean(tab)


def test_errors_findings_names_and_debug_stay_text(live, tabs):
    """Every text of a result that comes from a tenant, in every view there is."""
    values = [value(text, text, (text, value(text))) for text in HOSTILE]
    places = [{"file": text, "line": 1, "column": 1, "function": text} for text in HOSTILE]
    common = {"truncated": True}
    debug = {
        "console": [{"at_ms": 1, "level": text, "stream": text, "arguments": values, "position": places[0], **common} for text in HOSTILE],
        "errors": [
            {
                "name": text, "message": text, "relation": text, "parent": None, **common,
                "frames": [{"position": each, "excerpt": [{"line": 1, "text": text}]} for each in places],
            }
            for text in HOSTILE[:4]
        ],
        "steps": [
            {
                "event": event, "position": each, "depth": 0, "value": values[number], **common,
                "changed": [{"name": text, "value": shown} for text, shown in zip(HOSTILE, values, strict=True)],
            }
            for number, each in enumerate(places)
            for event in ("line", "return")
        ],
        "profile": {
            "format": HOSTILE[0], "complete": False,
            "content": {
                "profiles": [{"type": "sampled", "unit": "milliseconds", "samples": [[number] for number in range(len(HOSTILE))], "weights": [1] * len(HOSTILE)}],
                "shared": {"frames": [{"name": text, "line": 1} for text in HOSTILE]},
            },
        },
        "truncated": list(HOSTILE), "unreadable": 1,
    }  # fmt: skip
    finding = {
        "rule": HOSTILE[1],
        "severity": "warn",
        "message": ALL,
        "line": 1,
        "column": 1,
        "end_line": 1,
        "end_column": 2,
    }
    result = {
        **RESULT, "outcome": "error", "success": False, "output": None, "debug": debug,
        "error": {"name": ALL, "message": ALL, "stack": ALL, "line": 1, "column": 3},
        "findings": [finding], "code_changes": list(HOSTILE), "files": dict.fromkeys(HOSTILE, ""),
        "container": {**RESULT["container"], "image_digest": HOSTILE[1], "profile_digest": HOSTILE[0]},
    }  # fmt: skip
    request = {
        "runtime": RUNTIME, "code": ALL, "mode": "function", "input_json": ALL, "entrypoint": None, "stdin": "", "args": [], "files": {},
    }  # fmt: skip
    now = time.time()
    record = finished_record(
        tenant="root", runtime=HOSTILE[1], accepted_at=now, started_at=now, finished_at=now + 1, outcome=Outcome.ERROR, request=request,
        result=result, metadata={text: text for text in HOSTILE},
    )  # fmt: skip
    live.run(live.house.store.add([record]))
    tab = tabs(live)
    page = tab.sign_in(live.key(*OPERATOR))
    tab.go(f"#/jobs/{record.id}")
    expect(page.get_by_label("Error")).to_contain_text("<script>alert(1)</script>")
    for name in ("Steps", "Console", "Flame graph", "Errors"):
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel")).to_contain_text("<script>alert(1)</script>")
        is_clean(tab)
    for summary in page.locator("summary").all():
        summary.click()
    is_clean(tab)
    page.get_by_role("button", name="Open in the playground").click()
    expect(page.get_by_label("Code", exact=True)).to_be_visible()
    is_clean(tab)


def test_the_watch_would_notice(live, tabs):
    """The page without our care: the policy refuses markup and script, and the spies tell of both."""
    tab = tabs(live)
    tab.sign_in(live.key(*OPERATOR))
    for attempt in (
        "document.querySelector('main').innerHTML = '<img src=x onerror=alert(1)>'",
        "document.querySelector('main').setAttribute('onclick', 'alert(1)')",
        "document.body.append(Object.assign(document.createElement('script'), {text: 'alert(1)'}))",
        "setTimeout('alert(1)', 0)",
    ):
        assert (
            tab.ask(
                f"(() => {{ try {{ {attempt}; return 'done'; }} catch (error) {{ return error.name; }} }})()"
            )
            == "TypeError"
        )
    assert len(tab.ask("globalThis.violations")) == 4
    assert tab.ask("globalThis.ran") == tab.ask(INJECTED) == 0
    tab.ask(
        "document.querySelector('main').append(Object.assign(document.createElement('img'), {id: 'evil'})); alert(1)"
    )
    assert tab.ask(INJECTED) > 0
    assert tab.ask("globalThis.ran") == 1
    assert tab.problems
    tab.ask("globalThis.ran = 0; globalThis.violations = []")
    tab.problems.clear()
