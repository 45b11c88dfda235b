"""Takes the pictures of docs/dashboard.md: the whole service over the fake engine, busy, seen by a headless Chromium.

Run it where the tests run: `.venv/bin/python tools/take_screenshots.py`. It writes docs/images/*.png.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/browser")]

import httpx  # noqa: E402
from conftest_browser import FLAGS, OPERATOR, chromium  # noqa: E402
from live import Live, live_service  # noqa: E402
from making import ok_payload, result_frame, stream_frame  # noqa: E402
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402
from pools import RUNTIME  # noqa: E402
from recorded_debug import DEBUG, SOURCE  # noqa: E402
from records import finished_record  # noqa: E402

from orchestrator.api.examples import RESULT  # noqa: E402
from orchestrator.domain.errors import EngineUnavailable  # noqa: E402
from orchestrator.domain.outcome import Outcome  # noqa: E402
from orchestrator.domain.tenant import Priority, Tenant  # noqa: E402

IMAGES = ROOT / "docs/images"
DESK = {"width": 1360, "height": 860}
PHONE = {"width": 390, "height": 800}
BUSY_SECONDS = 100
REJECTED_SHARE, FAILED_SHARE = 0.04, 0.08
FAILING = 'prices = {"apple": 3, "pear": 4}\n\ndef price_of(name):\n    return prices[name] * 2\n\noutput = [price_of(each) for each in input]\n'
REJECTED = 'import json\nimport subprocess\n\nnames = json.loads(input["names"])\nsubprocess.run(["ls"])\noutput = [name.title() for name in names]\n'


def main() -> None:
    """All pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, live_service(Path(folder), maximum=5, target=3) as live:
        key = live.key(*OPERATOR)
        stop = threading.Event()
        crowd = threading.Thread(target=_be_busy, args=(live, stop))
        crowd.start()
        try:
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium(), headless=True, args=FLAGS)
                time.sleep(BUSY_SECONDS)
                _take_all(browser, live, key)
                browser.close()
        finally:
            stop.set()
            crowd.join()


def _be_busy(live: Live, stop: threading.Event) -> None:
    """Three tenants with jobs of all kinds, in waves."""
    chance = random.Random(7)  # noqa: S311 - a picture, not a secret
    keys = [live.key(Tenant(name=name, keep_code=True)) for name in ("acme", "blue-whale")]
    keys.append(live.key(Tenant(name="curio", rate_per_second=2, burst=4)))
    live.house.backend.answer = lambda job: _answer(live, job, chance)
    with httpx.Client(base_url=live.url, timeout=30) as client:
        began = time.monotonic()
        while not stop.is_set():
            wave = 1 + (int(time.monotonic() - began) % 40) // 8
            for _ in range(chance.randint(0, 3 * wave)):
                _submit(client, chance, chance.choice(keys))
            stop.wait(0.25)


def _submit(client: httpx.Client, chance: random.Random, key: str) -> None:
    code = REJECTED if chance.random() < REJECTED_SHARE else "output = sorted(input)"
    body = {
        "runtime": RUNTIME, "code": code, "input": max(1, round(chance.lognormvariate(5.0, 0.8))),
        "priority": chance.choice([each.value for each in Priority]),
        "metadata": {"order": str(chance.randint(4000, 9999)), "flow": chance.choice(["prices", "sort", "mail rules"])},
    }  # fmt: skip
    client.post("/v1/jobs", json=body, headers={"Authorization": f"Bearer {key}"})


def _answer(live: Live, job: dict, chance: random.Random) -> list:
    name = str(job["job"])
    container = next(
        each for each in live.house.backend.containers.values() if each.jobs and each.jobs[-1] is job
    )
    container.readings = replace(container.readings, memory_peak_bytes=int(chance.lognormvariate(14.2, 0.6)))
    payload = ok_payload(sorted([9, 3, 7, 1]))
    if chance.random() < FAILED_SHARE:
        payload = '{"status": "error", "error": {"name": "KeyError", "message": "\'plum\'", "line": 4, "column": 12}}'

    def push() -> None:
        if not container.is_dead:
            container._push(stream_frame(name, "sorted 4 values\n"))  # noqa: SLF001
            container._push(result_frame(name, payload=payload))  # noqa: SLF001

    live._loop.call_later(float(str(job["input"])) / 1000, push)  # noqa: SLF001
    return []


def _keep(live: Live, code: str, **changes: object) -> str:
    now = time.time()
    request = {
        "runtime": RUNTIME, "code": code, "mode": "function", "input_json": '["apple", "plum"]', "entrypoint": None,
        "stdin": "", "args": [], "files": {},
    }  # fmt: skip
    record = finished_record(
        tenant="acme", accepted_at=now, started_at=now, finished_at=now + 0.004, request=request,
        metadata={"order": "4711", "flow": "prices"}, limits=_LIMITS, code_sha256="9f86d081" * 8, input_sha256="3c1a52f0" * 8,
        **changes,
    )  # fmt: skip
    record = replace(record, id="0d4c7a1f6a9e4d0f8c6b2e9a51f3b7c2"[: -len(record.id)] + record.id)
    live.run(live.house.store.add([record]))
    return record.id


_LIMITS = {
    "wall_time_ms": 500, "cpu_time_ms": 500, "memory_bytes": 16 * 2**20, "output_bytes": 2**20, "processes": 16,
    "disk_bytes": 8 * 2**20,
}  # fmt: skip


def _failed() -> dict:
    error = {
        "name": "KeyError", "message": "'plum'", "line": 4, "column": 12,
        "stack": 'File "job.py", line 6, in <module>\nFile "job.py", line 4, in price_of\nKeyError: \'plum\'',
    }  # fmt: skip
    return {
        **RESULT, "outcome": "error", "success": False, "output": None, "error": error,
        "usage": {"wall_ms": 41.3, "cpu_ms": 38.9, "memory_peak_bytes": 5_413_696, "oom_kills": 0},
        "stdout": {"text": "apple costs 6\n", "bytes_total": 14, "truncated": False},
        "stderr": {"text": "\x1b[31mwarning\x1b[0m: no price for plum\n", "bytes_total": 41, "truncated": False},
        "timing": {**RESULT["timing"], "validated_ms": 1.4, "queued_ms": 3.1, "leased_ms": 3.4, "dispatched_ms": 3.7,
                   "first_byte_ms": 12.2, "executed_ms": 45.0, "collected_ms": 45.6, "total_ms": 45.6},
        "container": {"id": "3f0c2b5e8a6d", "image_digest": "sha256:" + "1c1b7f3a" * 8, "profile_digest": "sha256:" + "8a7f03bd" * 8,
                      "warm": True, "reused": False},
    }  # fmt: skip


def _profile() -> dict:
    """A flame graph with something in it."""
    chance = random.Random(3)  # noqa: S311 - a picture, not a secret
    names = [
        "main",
        "load",
        "parse",
        "tokenize",
        "rank",
        "score",
        "distance",
        "sort",
        "compare",
        "render",
        "escape",
    ]
    stacks = [
        (0,),
        (0, 1),
        (0, 1, 2),
        (0, 1, 2, 3),
        (0, 4),
        (0, 4, 5),
        (0, 4, 5, 6),
        (0, 4, 7),
        (0, 4, 7, 8),
        (0, 9),
        (0, 9, 10),
    ]
    weights = [chance.randint(200, 5000) * 1000 for _ in stacks]
    content = {
        "profiles": [{"type": "sampled", "unit": "nanoseconds", "samples": stacks, "weights": weights}],
        "shared": {"frames": [{"name": name, "line": 4 + 7 * number} for number, name in enumerate(names)]},
    }
    return {"format": "speedscope", "content": content, "complete": True}


def _take_all(browser: Browser, live: Live, key: str) -> None:
    failed = _keep(live, FAILING, outcome=Outcome.ERROR, result=_failed())
    debugged = _keep(
        live,
        SOURCE,
        result={
            **_failed(),
            "outcome": "succeeded",
            "success": True,
            "error": None,
            "output": 6,
            "debug": {**DEBUG, "profile": _profile(), "truncated": []},
        },
    )
    for scheme in ("light", "dark"):
        page = _open(browser, live, key, DESK, scheme)
        _shoot(page, f"overview-{scheme}", whole=True)
        _go(page, "#/jobs", "[data-job]")
        _shoot(page, f"jobs-{scheme}")
        _go(page, f"#/jobs/{failed}", ".waterfall")
        _shoot(page, f"job-{scheme}", whole=True)
        page.context.close()
    page = _open(browser, live, key, DESK, "light")
    _shoot_debug(page, debugged)
    _shoot_playground(page, "playground-light")
    page.context.close()
    page = _open(browser, live, key, DESK, "dark")
    _shoot_playground(page, "playground-dark")
    page.context.close()
    page = _open(browser, live, key, PHONE, "light")
    _shoot(page, "phone-overview")
    _go(page, "#/jobs", "[data-job]")
    _shoot(page, "phone-jobs")
    _go(page, f"#/jobs/{failed}", ".waterfall")
    _shoot(page, "phone-job")
    page.context.close()
    _shoot_killed(browser, live, key)


def _open(browser: Browser, live: Live, key: str, size: dict, scheme: str) -> Page:
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto(live.url)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.locator(".tile").first.wait_for()
    page.wait_for_timeout(2500)
    return page


def _go(page: Page, place: str, sign: str) -> None:
    page.goto(f"{page.url.partition('#')[0]}{place}")
    page.locator(sign).first.wait_for()
    page.wait_for_timeout(400)


def _shoot(page: Page, name: str, *, whole: bool = False) -> None:
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, full_page=whole, animations="disabled")
    print(f"{path.relative_to(ROOT)} {path.stat().st_size // 1024} KiB")


def _shoot_debug(page: Page, job: str) -> None:
    _go(page, f"#/jobs/{job}", ".steps")
    for _ in range(2):
        page.get_by_role("button", name="One step on").click()
    page.locator(".debug").screenshot(path=IMAGES / "debug-steps.png")
    page.get_by_role("tab", name="Flame graph").click()
    page.locator(".debug").screenshot(path=IMAGES / "debug-flame.png")
    page.get_by_role("tab", name="Console").click()
    page.locator(".debug").screenshot(path=IMAGES / "debug-console.png")


def _shoot_playground(page: Page, name: str) -> None:
    _go(page, "#/playground", ".editor")
    page.get_by_label("Code", exact=True).fill("output = sorted(input)  # the fake engine sorts for us\n")
    page.get_by_label("Input, a JSON value").fill("5")
    page.get_by_role("button", name="Run").click()
    page.locator(".waterfall").wait_for()
    page.get_by_label("Code", exact=True).fill(REJECTED)
    page.locator(".verdict.reject").wait_for()
    _shoot(page, name)


def _shoot_killed(browser: Browser, live: Live, key: str) -> None:
    async def refuse() -> None:
        raise EngineUnavailable("no answer")

    live.house.backend.info = refuse
    page = _open(browser, live, key, {"width": 1360, "height": 420}, "light")
    page.locator("#alarm").wait_for()
    _shoot(page, "engine-killed")
    page.context.close()


if __name__ == "__main__":
    main()
