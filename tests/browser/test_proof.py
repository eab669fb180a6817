"""Proof of work in a real browser against the real daemon: nothing typed is lost, and nobody has to do anything."""

from __future__ import annotations

import json
from typing import Any

import psycopg2

from tests.browser.test_live import ALONE
from tests.support.browser import BrowserCase
from tests.support.daemon import Daemon

CHANNEL = "window.cackle_widget = [{widget: 'Comment', id: 1, channel: 'proof'}]; "
HELLO = "Hello from a stranger"


class ProofTests(BrowserCase):
    def strangers_page(self, **blocked: Any) -> tuple[Any, Any]:
        """A page of a site whose strangers have to work, and a cursor."""
        daemon = Daemon.for_test(self)
        folder = daemon.data().parent / "run"
        link = psycopg2.connect(host=str(folder), port=5432, user="cackled", dbname="cackled")
        link.autocommit = True
        self.addCleanup(link.close)
        cursor = link.cursor()
        rules = json.dumps({"spam": {"proof": "strangers"}})
        cursor.execute("select keep_rules(1, 0, %s, 'account:1', false)", (rules,))
        context = self.context()
        context.add_init_script(ALONE)
        context.route("**/demo/demo.js", lambda route: route.fulfill(body=CHANNEL, content_type="text/javascript"))
        for pattern, handler in blocked.items():
            context.route(f"**/{pattern}.js", handler)
        return self.page(f"{daemon.url}/demo?embed=1", context=context), cursor

    def test_stranger(self) -> None:
        """A stranger's browser works, and the comment stands there; the second one needs no work any more."""
        page, cursor = self.strangers_page()
        sent: list[tuple[int, str | None, bool]] = []

        def note(response: Any) -> None:
            asked = response.request
            if asked.method == "POST" and response.url.endswith("/comments"):
                proof = '"proof":' in (asked.post_data or "")
                sent.append((response.status, asked.headers.get("idempotency-key"), proof))

        page.on("response", note)
        self.post(page, HELLO)
        self.assertEqual([(status, proof) for status, _, proof in sent], [(428, False), (201, True)])
        self.assertEqual(len({key for _, key, _ in sent}), 1)
        self.soon(lambda: self.assertEqual(page.locator(".mc-text").all_inner_texts(), [HELLO]))
        self.post(page, "And once more")
        self.assertEqual([status for status, _, _ in sent], [428, 201, 201])
        cursor.execute("select count(*), min(status) from comment where author_name = 'Ada'")
        self.assertEqual(cursor.fetchone(), (2, 1))

    def test_without_the_part(self) -> None:
        """Where the part that works can't be loaded the text stays, and can be sent again."""
        away = [True]
        page, _ = self.strangers_page(proof=lambda route: route.abort() if away[0] else route.continue_())
        page.click(".mc-input >> nth=0")
        page.fill(".mc-input >> nth=0", HELLO)
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".mc-retry")
        self.soon(lambda: self.assertEqual(page.locator(".mc-text").all_inner_texts(), [HELLO]))
        away[0] = False
        page.click(".mc-retry")
        self.until(page, "!document.querySelector('.mc-sending, .mc-retry')")
        self.soon(lambda: self.assertEqual(page.locator(".mc-text").all_inner_texts(), [HELLO]))
