"""What browser tests stand on: Debian's chromium through Playwright, and the mock server as a child process.

Playwright's synchronous interface runs in the test's own thread; trial's reactor is not running meanwhile.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

try:
    from playwright.sync_api import Page, sync_playwright
except ImportError:  # pragma: no cover
    sync_playwright = None  # type: ignore[assignment]

# The shell is the same engine without the browser's own windows: a page takes a third of the CPU.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).resolve().parents[2]
# Generous: a loaded machine is slow, and a wait ends as soon as what it waits for is there.
PATIENCE = 60_000
# How many times slower the browser runs pages: with CACKLED_TEST_SLOW=4, tests that read too early fail here, too.
SLOW = float(os.environ.get("CACKLED_TEST_SLOW") or 1)

_open: dict[str, Any] = {}


def browser():
    """The one browser of the test run, started when first needed.

    Raises:
        SkipTest: this machine has none.
    """
    if sync_playwright is None:
        raise SkipTest("playwright is not installed")
    if CHROMIUM is None:
        raise SkipTest("chromium is not installed")
    if "playwright" not in _open:
        _open["playwright"] = sync_playwright().start()
        atexit.register(_open["playwright"].stop)
    # One that died costs one test.
    if "browser" not in _open or not _open["browser"].is_connected():
        _open["browser"] = _open["playwright"].chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    return _open["browser"]


def mock(env: str = "prod") -> str:
    """The address of the mock server, started when first needed (trial has no class-level fixtures)."""
    if env not in _open:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.browser.mock", "0", env], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        atexit.register(child.kill)
        _open[env] = f"http://127.0.0.1:{child.stdout.readline().strip()}"
    return _open[env]


class BrowserCase(SynchronousTestCase):
    """Tests in the one browser; each page that is not given a context has a profile of its own."""

    def setUp(self) -> None:
        self.browser = browser()
        self.problems: list[str] = []
        # Whatever a test is about: no script may fail in the page, and no policy be broken.
        self.addCleanup(lambda: self.assertEqual(self.problems, []))

    def page(self, url: str, *, context=None, script: str = "", wait: str = ".mc-header", **options) -> Page:
        """A page in a context (a browser profile) of its own, unless one is given, with the widget rendered."""
        if context is None:
            context = self.context(**options)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        if SLOW > 1:
            context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOW})
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on(
            "console",
            lambda message: self.problems.append(message.text) if "Content Security" in message.text else None,
        )
        if script:
            page.add_init_script(script)
        page.goto(url)
        if wait:
            page.wait_for_selector(wait)
        return page

    def context(self, **options):
        context = self.browser.new_context(**{"viewport": {"width": 900, "height": 900}, **options})
        self.addCleanup(context.close)
        return context

    @staticmethod
    def until(page: Page, expression: str, arg: object = None) -> None:
        """Wait until JavaScript *expression* is true (asked from outside: a page's policy may forbid eval)."""
        end = time.monotonic() + PATIENCE / 1000
        while not page.evaluate(expression, arg):
            if time.monotonic() > end:
                seen = page.evaluate("document.body.innerText.slice(-1500)")
                raise AssertionError(f"never became true: {expression} ({arg}); the page ends with:\n{seen}")
            page.wait_for_timeout(50)

    @staticmethod
    def soon(check: Callable[[], object]) -> None:
        """Wait until *check* (``assert`` methods, short waits) holds; its last failure is raised.

        What a page shows follows an action some time later, so nothing is looked at only once.
        """
        from playwright.sync_api import TimeoutError as WaitTimeout

        end = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                check()
                return
            except (AssertionError, WaitTimeout):
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)

    @staticmethod
    def texts(page: Page) -> list[str]:
        """The text of every comment in the page, in order."""
        return page.evaluate("[...document.querySelectorAll('.mc-text')].map(n => n.innerText.trim())")

    def post(self, page: Page, text: str, name: str = "Ada") -> None:
        """Write a comment and wait until the server has acknowledged it."""
        before = page.locator(".mc-c:not(.mc-sending)").count()
        page.click(".mc-input >> nth=0")
        page.fill(".mc-input >> nth=0", text)
        page.fill(".mc-nick >> nth=0", name)
        page.keyboard.press("Control+Enter")

        def acknowledged() -> None:
            # Tests write faster than people: what was too fast is sent again, as its author would.
            again = page.locator(".mc-retry >> nth=0")
            if again.count():
                again.click(timeout=2000)
            self.assertTrue(page.evaluate(
                "n => document.querySelectorAll('.mc-c:not(.mc-sending)').length > n"
                " && !document.querySelector('.mc-sending, .mc-retry')", before,
            ))  # fmt: skip

        self.soon(acknowledged)


class MockCase(BrowserCase):
    """With the mock server; each test begins with an empty one."""

    env = "prod"

    def setUp(self) -> None:
        super().setUp()
        self.base = mock(self.env)
        self.steer(reset=True)
        self.addCleanup(lambda: self.assertEqual(self.steer()["drift"], []))

    def steer(self, **order) -> dict:
        """Tell the mock; see its docstring."""
        request = urllib.request.Request(f"{self.base}/_mock", json.dumps(order).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def seed(self, *rows, channel: str = "plain") -> list[str]:
        """Comments, given as text or as a dict; -> all ids of this call."""
        return self.steer(seed={channel: [{"text": r} if isinstance(r, str) else r for r in rows]})["ids"]

    def plain(self, query: str = "", **options) -> Page:
        """The plain test page."""
        return self.page(f"{self.base}/pages/plain.html?{query}", **options)
