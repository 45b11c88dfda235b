"""The whole way once, on a real engine of our own: sign in, run, step through time, cancel, and see it killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect
from private_engine import move_images, private_engine

from orchestrator import load_settings
from orchestrator.bootstrap import runtimes_on_offer

pytestmark = [
    pytest.mark.docker,
    # The SDK forgets to close the socket of a connection that is refused; the collector does.
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning"),
]
ROOT = Path(__file__).parent.parent.parent
IMAGE = runtimes_on_offer(load_settings())["python"].image
STARTS_WITHIN_SECONDS = 120
PATIENT_MS = 120_000


@contextmanager
def served(data: Path, engine: str) -> Iterator[tuple[str, str]]:
    """`sandbox-orch serve` on that engine: its address and the administrator's key."""
    own = {
        "DOCKER_URL": engine, "RUNTIMES": "python", "WARM_TARGET": "2", "CONTAINERS_MAXIMUM": "6",
        "ENGINE_CALL_SECONDS": "5", "QUEUE_SECONDS": "120", "CGROUP_PARENT": "sandbox-orch-browser",
        "HEALTH_EVERY_SECONDS": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", "from orchestrator.cli.main import main; main()", "serve", "--port", "0", "--data", str(data)],
        stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, **{f"SANDBOX_ORCH_{name}": value for name, value in own.items()}},
    )  # fmt: skip
    watchdog = threading.Timer(STARTS_WITHIN_SECONDS, process.kill)
    watchdog.start()
    try:
        lines = []
        while not (found := re.search(r"listening on (http://\S+)", lines[-1] if lines else "")):
            lines.append(process.stderr.readline())
            assert lines[-1], "".join(lines)
        watchdog.cancel()
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield found[1], (data / "admin.key").read_text().strip()
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()


def test_from_the_key_to_a_killed_engine_and_back(tmp_path, tabs):
    """A real job, its real output and figures, one cancelled in the middle, and an engine that dies and returns."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a private engine needs root")
    with private_engine({}) as engine:
        move_images(engine.address, [IMAGE])
        with served(tmp_path, engine.address) as (url, key):
            _allow_debug(tmp_path)
            tab = tabs(url)
            page = tab.sign_in(key)
            _run(page)
            _step_through(page)
            _cancel(page)
            page.get_by_role("link", name="Overview").click()
            alarm = page.locator("#alarm")
            expect(alarm).to_be_hidden(timeout=PATIENT_MS)
            engine.kill()
            expect(alarm).to_contain_text("The container engine does not answer", timeout=PATIENT_MS)
            engine.start()
            expect(alarm).to_be_hidden(timeout=PATIENT_MS)


def _run(page) -> None:
    page.get_by_role("link", name="Playground").click()
    code = "print('héllo')\nlarge = b'x' * 4_000_000\noutput = {'sum': sum(input), 'big': 2 ** 64}"
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_label("Input, a JSON value").fill("[1, 2, 3]")
    page.get_by_role("button", name="Run").click()
    result = page.get_by_role("region", name="Result")
    expect(result.get_by_text("succeeded", exact=True)).to_be_visible(timeout=PATIENT_MS)
    expect(result.locator("[data-part=output]")).to_have_text(
        '{\n  "sum": 6,\n  "big": 18446744073709551616\n}'
    )
    expect(result.locator("[data-stream=stdout]")).to_have_text("héllo\n")
    result.get_by_role("link").click()
    expect(page.get_by_text("stood ready")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile(r"^memory .*[KM]iB .*16\.0 MiB"))).to_be_visible()


def _allow_debug(data: Path) -> None:
    """The administrator's tenant may use debug mode, and has its code kept."""
    subprocess.run(
        [sys.executable, "-c", "from orchestrator.cli.main import main; main()", "tenants", "set", "admin", "--debug", "--keep-code"],
        cwd=ROOT, env={**os.environ, "SANDBOX_ORCH_DATA_FOLDER": str(data)}, check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def _step_through(page) -> None:
    page.reload()
    page.get_by_role("link", name="Playground").click()
    code = "def double(value):\n    twice = value * 2\n    print(twice)\n    return twice\n\noutput = double(input)\n"
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_label("Input, a JSON value").fill("21")
    for part in ("console", "stack traces", "profile", "steps"):
        page.get_by_label(part, exact=True).check()
    page.get_by_role("button", name="Run").click()
    result = page.get_by_role("region", name="Result")
    expect(result.get_by_text("succeeded", exact=True)).to_be_visible(timeout=PATIENT_MS)
    where, variables = result.locator(".step-where"), result.get_by_label("Variables")
    expect(where).to_contain_text("Step 1 of ")
    result.get_by_role("button", name="Breakpoint on line 4").click()
    result.get_by_role("button", name="On to the next breakpoint").click()
    expect(where).to_contain_text("line 4 in double")
    expect(variables).to_contain_text("twice42")
    result.get_by_role("button", name="First step").click()
    expect(variables).not_to_contain_text("twice")
    result.get_by_role("button", name="Last step").click()
    expect(variables).to_contain_text("output42")
    result.get_by_role("tab", name="Console").click()
    expect(result.get_by_role("list", name="Console")).to_contain_text("42")


def _cancel(page) -> None:
    page.get_by_role("link", name="Playground").click()
    page.get_by_label("Code", exact=True).fill("import time\nprint('so far', flush=True)\ntime.sleep(100)")
    page.get_by_text("Limits", exact=True).click()
    page.get_by_label("wall time, ms").fill("20000")
    page.get_by_role("button", name="Run").click()
    result = page.get_by_role("region", name="Result")
    expect(result.locator("[data-stream=stdout]")).to_have_text("so far\n", timeout=PATIENT_MS)
    result.get_by_role("button", name="Cancel this job").click()
    expect(result.get_by_text("cancelled", exact=True)).to_be_visible(timeout=PATIENT_MS)
    expect(result.locator("[data-stream=stdout]")).to_have_text("so far\n")
