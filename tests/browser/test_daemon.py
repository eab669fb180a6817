"""The widget against the real daemon: the demo page, live over each transport, through a crash of the server."""

from __future__ import annotations

import json
import re
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt

from tests.browser.bundles import WEB
from tests.browser.test_live import ALONE, NO_EVENTSOURCE, NO_WEBSOCKET
from tests.support.browser import BrowserCase
from tests.support.daemon import Daemon

BLOCKED = {"websocket": "", "eventsource": NO_WEBSOCKET, "longpoll": NO_WEBSOCKET + NO_EVENTSOURCE}
SECRET = "a-secret-of-the-site-that-is-long-enough"
CHANNEL = "window.cackle_widget = [{widget: 'Comment', id: 1, channel: %r}]; "


class OnePage(BaseHTTPRequestHandler):
    """Somebody's web site of one page."""

    def __init__(self, html: str, *args: Any) -> None:
        self.html = html.encode()
        super().__init__(*args)

    def do_GET(self) -> None:
        """The page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.html)))
        self.end_headers()
        self.wfile.write(self.html)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class DaemonTests(BrowserCase):
    daemon: Daemon | None = None

    def setUp(self) -> None:
        super().setUp()
        # One for all tests: each writes on a page of its own.
        if DaemonTests.daemon is None:
            DaemonTests.daemon = Daemon()
        self.url = DaemonTests.daemon.url

    def reader(self, channel: str, script: str = "", **options):
        """A page of the demo site with the conversation *channel* alone."""
        context = self.context(**options)
        context.add_init_script(ALONE + script)
        context.route(
            "**/demo/demo.js", lambda route: route.fulfill(body=CHANNEL % channel, content_type="text/javascript")
        )
        page = self.page(f"{self.url}/demo?embed=1", context=context)
        # Live once the shared connection has said so.
        self.until(page, "performance.getEntriesByType('resource').some(e => e.name.includes('later.js'))")
        page.wait_for_timeout(500)
        return page

    def both(self, pages, *texts: str) -> None:
        """Both pages come to show exactly these texts, in any order."""
        for page in pages:
            self.until(
                page,
                "t => [...document.querySelectorAll('.mc-text')].map(n => n.innerText.trim()).sort().join('|')"
                " === t.sort().join('|')",
                list(texts),
            )
            title = f"{len(texts)} comment{'s' * (len(texts) != 1)}"
            self.until(page, "t => document.querySelector('.mc-title').textContent === t", title)

    def conversation(self, way: str) -> None:
        script = BLOCKED[way]
        first, second = self.reader(f"e2e-{way}", script), self.reader(f"e2e-{way}", script)
        self.post(first, "Hello from *one*")
        self.both((first, second), "Hello from one")
        self.soon(lambda: self.assertEqual(second.locator(".mc-text em").inner_text(), "one"))
        second.click(".mc-reply")
        second.fill(".mc-slot .mc-input", "Hello from two")
        second.fill(".mc-slot .mc-nick", "Grace")
        second.click(".mc-slot .mc-formbtn")
        self.both((first, second), "Hello from one", "Hello from two")
        second.click(".mc-up >> nth=0")
        self.until(first, "document.querySelector('.mc-score').textContent === '1'")
        first.click(".mc-edit")
        self.soon(lambda: self.assertEqual(first.input_value(".mc-main .mc-input"), "Hello from *one*"))
        first.fill(".mc-main .mc-input", "Edited **by one**")
        first.click(".mc-formbtn >> text=Save")
        self.both((first, second), "Edited by one", "Hello from two")
        first.click(".mc-more >> nth=0")
        with first.expect_popup() as opened:
            first.click(".mc-entry >> text=My data")
        opened.value.wait_for_url("**/privacy/1/mine?token=*")
        self.soon(lambda: self.assertEqual(opened.value.locator("h1").inner_text(), "Your data"))
        opened.value.close()
        first.click(".mc-more >> nth=0")
        first.click(".mc-entry >> text=Delete")
        self.both((first, second), "Hello from two")
        second.wait_for_selector("text=This comment was deleted")
        second.click(".mc-replies .mc-more")
        second.click(".mc-entry >> text=Delete")
        first.wait_for_selector("text=No comments yet. Be the first.")
        second.wait_for_selector("text=No comments yet. Be the first.")

    def test_websocket(self) -> None:
        """Post, reply, vote, edit and delete in one window are live in the other over WebSocket."""
        self.conversation("websocket")

    def test_eventsource(self) -> None:
        """The same over EventSource."""
        self.conversation("eventsource")

    def test_longpoll(self) -> None:
        """The same over long polling."""
        self.conversation("longpoll")

    def test_crash(self) -> None:
        """Killed and started again between two posts: nothing is missing and nothing is double, on either page."""
        for way, script in BLOCKED.items():
            first, second = (self.reader(f"e2e-crash-{way}", script) for _ in range(2))
            self.post(first, "Before the crash")
            self.both((first, second), "Before the crash")
            DaemonTests.daemon.kill()
            # Written while the server is down: stays, is tried again by itself.
            second.click(".mc-input")
            second.fill(".mc-input", "During the crash")
            second.fill(".mc-nick", "Grace")
            second.keyboard.press("Control+Enter")
            second.wait_for_selector("text=Not sent.")
            DaemonTests.daemon.start()
            self.post(first, "After the crash")
            self.both((first, second), "Before the crash", "During the crash", "After the crash")
            for page in (first, second):
                page.reload()
                page.wait_for_selector(".mc-c")
            self.both((first, second), "Before the crash", "During the crash", "After the crash")

    def test_strange_origin(self) -> None:
        """A page of an origin that the site does not name shows the comments, with their other orders and pages, and
        says instead of the box that they can only be read; the console tells its owner why and what to do, once.
        """
        page = self.reader("strange")
        for text in ("First", "Second", "Third"):
            self.post(page, text)
        page.close()
        context = self.context()
        context.add_init_script(ALONE)
        html = f"<div id='mc-container'></div><script>{CHANNEL % 'strange'}</script>"
        html += f"<script src='{self.url}/widget.js'></script>"
        server = ThreadingHTTPServer(("127.0.0.9", 0), partial(OnePage, html))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        address = f"http://127.0.0.9:{server.server_port}"
        page = context.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        page.goto(address)
        page.wait_for_selector("text=Comments can only be read on this page.")
        self.soon(lambda: self.assertEqual(page.locator(".mc-input, .mc-reply, .mc-up").count(), 0))
        for order in ("New", "Old"):
            page.click(f".mc-sort >> text={order}")
            want = ["Third", "Second", "First"] if order == "New" else ["First", "Second", "Third"]
            shown = "[...document.querySelectorAll('.mc-text')].map(n => n.innerText.trim()).join()"
            self.until(page, f"w => {shown} === w", ",".join(want))
        page.click(".mc-more.mc-act >> nth=0")
        self.soon(lambda: self.assertEqual(page.locator(".mc-entry").all_inner_texts(), ["Copy link", "Share …"]))
        page.reload()
        page.wait_for_selector("text=Comments can only be read on this page.")
        reasons = [text for text in told if text.startswith("cackled: ")]
        self.assertLessEqual(len(reasons), 2)
        self.assertEqual(len(set(reasons)), 1)
        self.assertIn(f"{address} is not among the origins of site 1", reasons[0])
        self.assertIn(f"cackled admin site origins 1 add {address}", reasons[0])

    def test_private(self) -> None:
        """A private site shows nothing without a token of the site; with one, all is live over each transport, tabs of
        two channels share a connection, and names are told.
        """
        daemon = Daemon.for_test(self)
        daemon.admin(f"site set 1 channel_secret {SECRET}")
        daemon.admin("site set 1 private true")
        stranger = self.members(daemon, "one", None)
        stranger.wait_for_selector("text=Comments can’t be loaded")
        for way, script in BLOCKED.items():
            first = self.members(daemon, way, "Ann", ALONE + script)
            second = self.members(daemon, way, "Grace", ALONE + script)
            self.post(first, f"For members by {way}")
            self.both((first, second), f"For members by {way}")
            if way != "longpoll":  # presence comes along with events there
                self.until(first, "document.querySelector('.mc-online').title === '2 reading: Ann, Grace'")
            first.context.close()
            second.context.close()
        context = self.context()
        tabs = [self.members(daemon, channel, "Ann", context=context) for channel in ("red", "blue")]
        self.until(tabs[1], "performance.getEntriesByType('resource').some(e => e.name.includes('later.js'))")
        writer = self.members(daemon, "blue", "Grace", ALONE)
        self.post(writer, "Through the other tab")
        self.both((tabs[1], writer), "Through the other tab")
        # With another secret no grant holds any more: a page that can get another one goes on where it was.
        other = SECRET[::-1]
        pages = [self.members(daemon, "green", "Ann", ALONE + script, renew=other) for script in BLOCKED.values()]
        self.post(pages[0], "Before")
        self.both(pages, "Before")
        daemon.admin(f"site set 1 channel_secret {other}")
        writer = self.members(daemon, "green", "Grace", ALONE, secret=other)
        self.post(writer, "With another secret")
        self.both((*pages, writer), "Before", "With another secret")
        self.post(pages[0], "And back")
        self.both((*pages, writer), "Before", "With another secret", "And back")

    def members(self, daemon, channel: str, name: str | None, script: str = "", context=None, secret=SECRET, renew=""):
        """A page of a conversation that *name* may see, or a stranger may not; *renew*: the secret of a later grant."""
        context = context or self.context()
        if script:
            context.add_init_script(script)
        claims = {"aud": "site:1", "exp": int(time.time()) + 600, "channels": [channel], "name": name}
        token = jwt.encode(claims, secret, algorithm="HS256") if name else ""
        options = json.dumps({"widget": "Comment", "id": 1, "channel": channel, "token": token})
        if renew:
            later = jwt.encode(claims, renew, algorithm="HS256")
            options = f"Object.assign({options}, {{renew: () => Promise.resolve({json.dumps(later)})}})"
        page = context.new_page()
        page.route(
            "**/demo/demo.js",
            lambda route: route.fulfill(body=f"window.cackle_widget = [{options}];", content_type="text/javascript"),
        )
        page.goto(f"{daemon.url}/demo?embed=1")
        return page

    def test_demo(self) -> None:
        """The demo page reads well at once: comments, counter; no request is wasted, nothing jumps."""
        page = self.page(
            f"{self.url}/demo",
            script="""
            window.shift = 0;
            new PerformanceObserver(l => l.getEntries().forEach(e => window.shift += e.hadRecentInput ? 0 : e.value))
                .observe({type: 'layout-shift', buffered: true});
        """,
        )
        self.until(page, "document.querySelectorAll('.mc-c').length > 5")
        self.until(page, "document.querySelector('a[cackle-channel]').textContent.match(/^\\d+ comments$/)")
        page.wait_for_timeout(500)
        self.soon(lambda: self.assertEqual(page.evaluate("window.shift"), 0))
        asked = page.evaluate(
            "performance.getEntriesByType('resource').map(e => e.name).filter(n => /bootstrap|api/.test(n))"
        )
        self.assertEqual(len([name for name in asked if "/bootstrap" in name]), 1, asked)
        self.assertEqual([name for name in asked if "/sessions" in name], [])

    def test_demo_language(self) -> None:
        """What is embedded speaks the reader's language, in its direction; the pages are English, and say so."""
        known = re.findall(r"'(\w\w)'", re.search(r"known = \[(.*?)\]", (WEB / "demo" / "frame.js").read_text())[1])
        self.assertEqual(known, sorted(one.stem for one in (WEB / "locales").glob("*.json")))
        context = self.context(locale="ar")
        for path, place, shown in (
            ("", "mc-container", ".mc-header"), ("/reviews", "mc-review", ".mcr-head"),
            ("/polls", "mc-poll", ".mcp-poll"),
        ):  # fmt: skip
            page = self.page(f"{self.url}/demo{path}", context=context, wait=shown)
            at = "getComputedStyle(document.querySelector('h1')).direction"
            self.soon(lambda: self.assertEqual(page.evaluate(f"[document.documentElement.lang, {at}]"), ["en", "ltr"]))
            node = f"document.getElementById('{place}')"
            self.until(page, f"{node}.lang === 'ar' && getComputedStyle({node}).direction === 'rtl'")
            self.until(page, f"/[\u0600-\u06ff]/.test({node}.innerText)")

    def test_split(self) -> None:
        """/demo?split is two live windows on one conversation."""
        page = self.page(f"{self.url}/demo?split", wait="iframe")
        left, right = (page.frame_locator(f"iframe >> nth={n}") for n in (0, 1))
        right.locator(".mc-c >> nth=0").wait_for()
        left.locator(".mc-input >> nth=0").click()
        left.locator(".mc-input >> nth=0").fill("From the left window")
        left.locator(".mc-nick >> nth=0").fill("Left")
        left.locator(".mc-formbtn >> nth=0").click()
        right.locator("text=From the left window").wait_for()

    def test_devel(self) -> None:
        """env = devel: the sources one by one, in order, make the same widget."""
        daemon = Daemon.for_test(self, 'env = "devel"')
        page = self.page(f"{daemon.url}/demo")
        page.wait_for_selector(".mc-c")
        names = page.evaluate("[...document.scripts].map(s => s.src).filter(s => s.includes('/widget/devel/'))")
        self.assertGreater(len(names), 5)
