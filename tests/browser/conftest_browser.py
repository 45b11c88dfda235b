"""A real browser, headless, without a network but this machine's; and what must never be seen in one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from importlib import resources

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from orchestrator.domain.tenant import Scope

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WITHIN_MS = 30_000
# What the browser itself says where an answer is a 401 or a page is cut off: the network panel's words, not the page's.
NETWORK = "Failed to load resource"
SPY = """
globalThis.ran = 0;
globalThis.violations = [];
globalThis.alert = globalThis.confirm = globalThis.prompt = () => { globalThis.ran += 1; };
document.addEventListener("securitypolicyviolation", (event) => {
  globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def browser(engine_answers):
    """Chromium, for the tests of one file: the driver's loop must not be there while others run theirs.

    So the engine is asked before there is one.
    """
    path = chromium()
    if path is None:
        if os.geteuid() == 0:
            pytest.fail("no Chromium here: ./test installs Debian's (install_test_browser in tools/setup.sh)")
        pytest.skip("NOT TESTED: no Chromium here, and only root may install it")
    expect.set_options(timeout=WITHIN_MS)
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield running
        running.close()


class Tab:
    """One page in a context of its own, watched."""

    def __init__(self, browser: Browser, url: str, **options) -> None:
        self.url = url
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        self.context = browser.new_context(**options)
        self.context.add_init_script(SPY)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WITHIN_MS)
        self.problems: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", self._note)
        self.page.on(
            "dialog", lambda dialog: (self.problems.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        self.page.on("request", self._note_request)
        self._devtools = self.context.new_cdp_session(self.page)

    def _note(self, message) -> None:
        if message.type in ("error", "warning") and NETWORK not in message.text:
            self.problems.append(f"{message.type}: {message.text}")

    def _note_request(self, request) -> None:
        if not request.url.startswith((self.url, "blob:", "data:")):
            self.foreign.append(request.url)

    def ask(self, expression: str):
        """The value of an expression in the page; by the debugger's way in, which the page's policy leaves open."""
        answer = self._devtools.send(
            "Runtime.evaluate", {"expression": expression, "returnByValue": True, "awaitPromise": True}
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, path: str = "") -> Page:
        self.page.goto(f"{self.url}/{path}")
        return self.page

    def sign_in(self, key: str) -> Page:
        self.open()
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("navigation", name="Main")).to_be_visible()
        return self.page

    def go(self, place: str) -> Page:
        """Another view, as its address says."""
        self.ask(f"location.hash = {json.dumps(place)}")
        return self.page

    def check_accessible(self) -> None:
        """What axe-core finds wrong, of any severity."""
        if not self.ask("Boolean(globalThis.axe)"):
            self.ask(
                resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8") + ";0"
            )
        found = self.ask(
            "axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations.map((each) => "
            "`${each.id}: ${each.nodes.map((node) => node.html + ' ' + node.failureSummary).join(' | ')}`))"
        )
        assert found == [], "\n".join(found)

    def check_clean(self) -> None:
        """Nothing ran that is not ours, nothing was refused by the policy, nobody else was asked."""
        assert self.ask("globalThis.ran") == 0
        assert (found := self.ask("globalThis.violations")) == [], found
        assert self.problems == [], self.problems
        assert self.foreign == [], self.foreign


@pytest.fixture
def tabs(browser):
    """Makes tabs; at the end each of them must be clean."""
    with contextlib.ExitStack() as stack:
        made: list[Tab] = []

        def make(live_or_url, **options) -> Tab:
            tab = Tab(browser, getattr(live_or_url, "url", live_or_url), **options)
            stack.callback(tab.context.close)
            made.append(tab)
            return tab

        yield make
        for tab in made:
            tab.check_clean()


OPERATOR = ("root", Scope.ADMIN)
