"""Sharing what one writes from a page, in Chromium, against the real daemon and a Mastodon instance on this machine."""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any

from cackled.database.testing import server
from tests.browser.test_daemon import OnePage
from tests.support.browser import BrowserCase
from tests.support.daemon import Daemon
from tests.support.mastodon import LocalMastodon

PAGE = """<!doctype html><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Article</title><h1>An article</h1>
<div id="mc-container"></div>
<script>cackle_widget = [{widget: 'Comment', id: 1, channel: 'article'%s}]</script>
<script async src="%s/widget.js"></script>"""


class SharingTests(BrowserCase):
    """A page of site 1, on an origin of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.instance = LocalMastodon()
        self.addCleanup(self.instance.close)
        base = server().create()
        self.addCleanup(server().drop, base)
        self.daemon = Daemon.for_test(
            self,
            f"[database]\ndsn = {json.dumps(server().dsn(base))}\n"
            f"[outbound]\nnetworks = ['127.0.0.0/8']\nports = [{self.instance.port}]\n",
        )
        self.daemon.admin("site set 1 sharing.mastodon yes")
        self.daemon.admin(f"site set 1 sharing.mastodon_server {self.instance.url}")

    def site(self, options: str = "") -> str:
        """The address of a page with the widget."""
        page = ThreadingHTTPServer(("127.0.0.1", 0), partial(OnePage, PAGE % (options, self.daemon.url)))
        threading.Thread(target=page.serve_forever, daemon=True).start()
        self.addCleanup(page.server_close)
        self.addCleanup(page.shutdown)
        address = f"http://127.0.0.1:{page.server_address[1]}"
        self.daemon.admin(f"site origins 1 add {address}")
        return f"{address}/article"

    def connect(self, page: Any) -> None:
        """Open the field and connect the account."""
        page.wait_for_selector(".mc-form")
        page.locator(".mc-input >> nth=0").focus()
        with page.expect_popup() as opened:
            page.click(".mc-netconnect")
        if not opened.value.is_closed():
            opened.value.wait_for_event("close")
        page.wait_for_selector(".mc-net .mc-tick")

    def write(self, page: Any, text: str) -> None:
        """Write a comment."""
        page.locator(".mc-input >> nth=0").focus()
        page.fill(".mc-input >> nth=0", text)
        page.click(".mc-formbtn >> nth=0")

    def test_share(self) -> None:
        """Connected in a window, ticked, remembered; where it is there stands below the comment; let go again."""
        page = self.page(self.site())
        self.connect(page)
        self.soon(lambda: self.assertTrue(page.is_checked(".mc-net .mc-tick")))
        self.write(page, "to everybody")
        page.wait_for_selector(".mc-shares a >> text=Shared on Mastodon")
        (status,) = self.instance.statuses.values()
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-shares a", "href"), status["url"]))
        self.assertIn("to everybody\n\nhttp://127.0.0.1", status["content"])
        page.reload()
        page.wait_for_selector(".mc-form")
        page.locator(".mc-input >> nth=0").focus()
        page.wait_for_selector(".mc-net .mc-tick")
        self.soon(lambda: self.assertTrue(page.is_checked(".mc-net .mc-tick")))
        page.uncheck(".mc-net .mc-tick")
        self.write(page, "to this page alone")
        page.wait_for_selector(".mc-list >> text=to this page alone")
        page.locator(".mc-input >> nth=0").focus()
        page.click(".mc-netdrop")
        page.wait_for_selector(".mc-netconnect >> text=Connect Mastodon")
        self.soon(lambda: self.assertEqual(len(self.instance.revoked), 1))
        self.assertEqual(len(self.instance.statuses), 1)
        self.assertEqual(self.instance.wrong, [])

    def test_failed(self) -> None:
        """What the network refuses is said with its reason, and tried again when that is asked for; in Arabic too."""
        page = self.page(self.site(", lang: 'ar'"))
        self.connect(page)
        self.instance.answers = [422]
        self.write(page, "once more")
        page.wait_for_selector(".mc-shares .mc-netagain")
        self.soon(lambda: self.assertIn("لم تقبل", page.inner_text(".mc-shares")))
        page.click(".mc-shares .mc-netagain")
        page.wait_for_selector(".mc-shares a")
        self.assertEqual(len(self.instance.statuses), 1)
