"""Sharing with Bluesky, VK and X from a page, in Chromium: connected, shared, let go; how the boxes look."""

from __future__ import annotations

import json
import os
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cackled.database.testing import server
from tests.browser.test_access import AXE
from tests.browser.test_daemon import OnePage
from tests.browser.test_sharing import PAGE
from tests.support import networks
from tests.support.bluesky import DID, HANDLE, LocalBluesky
from tests.support.browser import BrowserCase
from tests.support.daemon import ROOT, Daemon
from tests.support.vk_server import LocalVk
from tests.support.x_server import LocalX

SITE = Path(networks.__file__).with_name("site")
NAMES = ("Bluesky", "VK", "X")
# Where a picture of each look is put, to be looked at.
PICTURES = os.environ.get("CACKLED_TEST_PICTURES", "")
# The page around them is not ours to judge.
RUN = """async () => (await axe.run('.mc-nets', {resultTypes: ['violations']})).violations
    .map(v => v.id + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join(' | '))"""
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LOOKS: dict[str, tuple[str, dict[str, Any]]] = {
    "light": ("", {}),
    "dark": (", theme: 'dark'", {}),
    "phone": ("", PHONE),
    "right to left": (", lang: 'ar'", PHONE),
}


class NetworkDaemon(Daemon):
    """The daemon with networks of this machine; ``there`` says where they are."""

    there: dict[str, str]

    def _child(self, cwd: Path) -> dict[str, Any]:
        made = super()._child(cwd)
        made["env"]["PYTHONPATH"] = os.pathsep.join((str(SITE), str(ROOT)))
        made["env"]["CACKLED_NETWORKS"] = json.dumps(self.there)
        return made


class NetworkTests(BrowserCase):
    """A page of site 1, whose visitors may share with all three."""

    def setUp(self) -> None:
        super().setUp()
        self.bluesky, self.vk, self.x = LocalBluesky(), LocalVk(), LocalX()
        for one in (self.bluesky, self.vk, self.x):
            self.addCleanup(one.close)
        base = server().create()
        self.addCleanup(server().drop, base)
        NetworkDaemon.there = {
            "x": self.x.url, "vk": self.vk.url, "plc": self.bluesky.url, "did": DID, "handle": HANDLE,
        }  # fmt: skip
        ports = [self.bluesky.port, self.vk.port, self.x.port]
        self.daemon = NetworkDaemon.for_test(
            self,
            f"[database]\ndsn = {json.dumps(server().dsn(base))}\n"
            f"[outbound]\nnetworks = ['127.0.0.0/8']\nports = {ports}\n",
        )
        self.x.secret = "the-secret"
        for name, value in (("bluesky", "yes"), ("vk_client", "4711"), ("x_client", "site-client"),
                            ("x_secret", "the-secret")):  # fmt: skip
            self.daemon.admin(f"site set 1 sharing.{name} {value}")
        self.x.redirect = f"{self.daemon.url}/share/1/x/callback"
        self.vk.redirect = f"{self.daemon.url}/share/1/vk/callback"

    def site(self, options: str = "") -> str:
        """The address of a page with the widget."""
        page = ThreadingHTTPServer(("127.0.0.1", 0), partial(OnePage, PAGE % (options, self.daemon.url)))
        threading.Thread(target=page.serve_forever, daemon=True).start()
        self.addCleanup(page.server_close)
        self.addCleanup(page.shutdown)
        place = f"127.0.0.1:{page.server_address[1]}"
        self.daemon.admin(f"site origins 1 add http://{place}")
        self.bluesky.page, self.bluesky.link = f"{place}/", f"http://{place}/article#mc-"
        self.vk.link = f"http://{place}/"
        return f"http://{place}/article"

    def connect(self, page: Any, name: str) -> None:
        """Connect the account at a network; Bluesky's has to be named."""
        with page.expect_popup() as opened:
            page.click(f".mc-netconnect >> text='{self.words(page, name)}'")
        window = opened.value
        if name == "Bluesky":
            window.fill("input[name=instance]", HANDLE)
            window.keyboard.press("Enter")
        page.wait_for_selector(f".mc-net:has-text('{name}') .mc-tick")
        self.soon(lambda: self.assertTrue(window.is_closed()))

    def words(self, page: Any, name: str) -> str:
        """What the button of the network says."""
        found = [one for one in page.locator(".mc-netconnect").all_inner_texts() if one.split()[-1] == name]
        self.assertEqual(len(found), 1, name)
        return found[0]

    def test_share(self) -> None:
        """Each is connected in its window; one comment goes to all three, once; each is let go again."""
        page = self.page(self.site(), wait=".mc-form")
        page.locator(".mc-input >> nth=0").focus()
        page.wait_for_selector(".mc-netconnect")
        for name in NAMES:
            self.connect(page, name)
        page.fill(".mc-input >> nth=0", "to everybody")
        page.click(".mc-formbtn >> nth=0")
        self.soon(lambda: self.assertEqual(
            [one.split()[-1] for one in sorted(page.locator(".mc-shares a").all_inner_texts())], list(NAMES)))
        (record,), (wall,), (tweet,) = self.bluesky.records.values(), self.vk.wall.values(), self.x.tweets.values()
        for text in (record["text"], wall["message"], tweet):
            self.assertTrue(text.startswith("to everybody\n\n"), text)
        page.locator(".mc-input >> nth=0").focus()
        for left in (2, 1, 0):
            page.locator(".mc-netdrop").first.click()
            self.soon(lambda left=left: self.assertEqual(page.locator(".mc-netdrop").count(), left))
        self.soon(lambda: self.assertEqual(
            (self.bluesky.access, self.bluesky.revoked, self.vk.access, self.x.access), ({}, 1, set(), set())))
        for one in (self.bluesky, self.vk, self.x):
            self.assertEqual(one.wrong, [])

    def test_looks(self) -> None:
        """Nothing for axe to say where one is connected and others are not, in each look; nothing is too wide."""
        for look, (options, shape) in LOOKS.items():
            page = self.page(self.site(options), wait=".mc-form", **shape)
            if look == "right to left":
                page.evaluate("document.documentElement.dir = 'rtl'")
            if look == "dark":
                page.add_style_tag(content="body {background: #111; color: #eee}")
            page.locator(".mc-input >> nth=0").focus()
            page.wait_for_selector(".mc-netconnect")
            with page.expect_popup() as opened:
                page.locator(".mc-netconnect").last.click()
            page.wait_for_selector(".mc-net .mc-tick")
            self.soon(lambda window=opened.value: self.assertTrue(window.is_closed()))
            page.evaluate(AXE.read_text())
            self.soon(lambda page=page, look=look: self.assertEqual(page.evaluate(RUN), [], look))
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth - innerWidth"), 0, look)
            if PICTURES:
                page.screenshot(path=f"{PICTURES}/networks {look}.png")
