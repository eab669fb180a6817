"""What moderators decide, on open pages of the real daemon: a comment that waits, comes out, and goes again."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import psycopg2

from cackled.accounts.tokens import hash_token
from cackled.database import embedded
from tests.browser.test_daemon import CHANNEL
from tests.browser.test_live import ALONE
from tests.support.browser import BrowserCase
from tests.support.daemon import Daemon

KEY = "cackled_1_key-of-a-server-that-moderates"


class ModeratedTests(BrowserCase):
    """Two readers, and a server with a key that decides."""

    def setUp(self) -> None:
        super().setUp()
        self.daemon = Daemon.for_test(self)
        self.url = self.daemon.url

    def sql(self, sql: str, *args: Any) -> None:
        """Run SQL as the owner."""
        folder = (self.daemon.data() / "postmaster.pid").read_text().splitlines()[4]
        connection = psycopg2.connect(host=folder, port=5432, user=embedded.ROLE, dbname=embedded.DATABASE)
        connection.autocommit = True
        connection.cursor().execute(sql, args or None)
        connection.close()

    def staff(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the server."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/sites/1{path}", None if body is None else json.dumps(body).encode(), method=method,
            headers={"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def reader(self, context: Any = None) -> Any:
        """A page of the demo site with one conversation."""
        context = context or self.context()
        context.add_init_script(ALONE)
        context.route(
            "**/demo/demo.js", lambda route: route.fulfill(body=CHANNEL % "held", content_type="text/javascript")
        )
        page = self.page(f"{self.url}/demo?embed=1", context=context)
        self.until(page, "performance.getEntriesByType('resource').some(e => e.name.includes('later.js'))")
        page.wait_for_timeout(500)
        return page

    def test_waits(self) -> None:
        """Its author sees that it waits, after a reload too; others see it once it is approved."""
        self.sql(
            "insert into moderation_rules (site_id, version, rules, changed_by) values (1, 1, %s, 'test')",
            json.dumps({"moderation": "pre"}),
        )
        self.sql(
            "insert into catalog.site_key (site_id, name, scopes, secret_hash, secret, hint) "
            "values (1, 'test', '{moderate}', %s, '', 'x')", hash_token(KEY),
        )  # fmt: skip
        mine = self.context()
        ann, bob = self.reader(mine), self.reader()
        self.post(ann, "please read this first")
        self.soon(lambda: self.assertEqual(ann.locator(".mc-waits").inner_text(), "Waiting for approval"))
        self.soon(lambda: self.assertEqual((self.texts(bob), ann.locator(".mc-reply").count()), ([], 0)))
        ann.close()
        ann = self.reader(mine)
        self.soon(
            lambda: self.assertEqual(
                (self.texts(ann), ann.locator(".mc-waits").count()), (["please read this first"], 1)
            )
        )
        item = self.staff("GET", "/moderation/items")["items"][0]
        self.staff("POST", "/moderation/actions", {"items": [item["id"]], "action": "approve"})
        bob.wait_for_selector("text=please read this first")
        self.until(ann, "!document.querySelector('.mc-waits')")
        for page in (ann, bob):
            self.until(page, "document.querySelector('.mc-title').textContent === '1 comment'")
            self.soon(lambda: self.assertEqual(len(self.texts(page)), 1))
        self.post(bob, "another")
        self.staff("POST", "/moderation/actions", {"items": [self.staff("GET", "/moderation/items")["items"][0]["id"]],
                                                   "action": "approve"})  # fmt: skip
        self.until(ann, "document.querySelectorAll('.mc-text').length === 2")
        pinned = self.staff("POST", "/moderation/actions", {"items": [item["id"]], "action": "pin"})
        for page in (ann, bob):
            self.until(page, "document.querySelector('.mc-c').innerText.includes('Pinned')")
            self.soon(lambda: self.assertIn("please read this first", self.texts(page)[0]))
        self.staff("POST", f"/moderation/actions/{pinned['id']}/undo")
        self.until(ann, "!document.querySelector('.mc-list').innerText.includes('Pinned')")
        self.staff("POST", "/moderation/actions", {"items": [item["id"]], "action": "reject"})
        self.until(bob, "[...document.querySelectorAll('.mc-text')].every(n => !n.innerText.includes('please'))")

    def test_warned_and_nudged(self) -> None:
        """A warning is read before the next comment goes out, once; who is asked to reword may send it all the same."""
        self.sql(
            "insert into moderation_rules (site_id, version, rules, changed_by) values (1, 1, %s, 'test')",
            json.dumps({"words": [{"text": "idiot", "action": "hold"}]}),
        )
        self.sql(
            "insert into catalog.site_key (site_id, name, scopes, secret_hash, secret, hint) "
            "values (1, 'test', '{moderate}', %s, '', 'x')", hash_token(KEY),
        )  # fmt: skip
        self.daemon.admin("site set 1 comments.nudge yes")
        ann, bob = self.reader(), self.reader()

        def send(text: str) -> None:
            ann.click(".mc-input >> nth=0")
            ann.fill(".mc-input >> nth=0", text)
            ann.keyboard.press("Control+Enter")

        self.post(ann, "first words")
        author = self.staff("GET", "/moderation/items?state=all&q=first")["items"][0]["author"]["id"]
        self.staff("POST", f"/moderation/authors/{author}/warnings", {"text": "Please <b>be kind</b>."})
        send("second words")
        self.soon(lambda: self.assertEqual(ann.locator(".mc-told").inner_text(), "Please <b>be kind</b>."))
        self.soon(lambda: self.assertIn("A moderator has a message for you", ann.locator("span.mc-error").inner_text()))
        self.soon(lambda: self.assertEqual(self.texts(bob), ["first words"]))
        ann.click(".mc-retry")
        self.soon(lambda: self.assertIn("second words", self.texts(bob)))
        self.soon(lambda: self.assertEqual(ann.locator(".mc-told").count(), 0))
        self.post(ann, "third words")  # it was read: nothing more is asked
        send("you idiot")
        self.soon(lambda: self.assertIn("This may hurt somebody", ann.locator("span.mc-error").inner_text()))
        ann.locator(".mc-act:has(+ .mc-discard)").click()
        self.soon(lambda: self.assertEqual(ann.locator(".mc-input").first.input_value(), "you idiot"))
        ann.fill(".mc-input >> nth=0", "you friend")
        ann.keyboard.press("Control+Enter")
        self.soon(lambda: self.assertIn("you friend", self.texts(bob)))
        send("an idiot, I say")
        self.soon(lambda: self.assertIn("This may hurt somebody", ann.locator("span.mc-error").inner_text()))
        ann.click(".mc-retry")
        self.soon(lambda: self.assertEqual(ann.locator(".mc-waits").inner_text(), "Waiting for approval"))
        self.assertNotIn("an idiot, I say", self.texts(bob))

    def test_shadow(self) -> None:
        """Who is banned unnoticed sees what they wrote, counted, after a reload as well; nobody else does."""
        self.sql(
            "insert into catalog.site_key (site_id, name, scopes, secret_hash, secret, hint) "
            "values (1, 'test', '{moderate}', %s, '', 'x')", hash_token(KEY),
        )  # fmt: skip
        mine = self.context()
        ann, bob = self.reader(mine), self.reader()
        self.post(ann, "one")
        bob.wait_for_selector("text=one")
        who = self.staff("GET", "/moderation/items?state=all&q=one&channel=held")["items"][0]["author"]["id"]
        self.staff("POST", "/bans", {"kind": "visitor", "value": who, "shadow": True})
        self.post(ann, "two")
        ann.wait_for_timeout(500)
        self.soon(lambda: self.assertEqual(ann.locator(".mc-title").inner_text(), "2 comments"))
        ann.close()
        ann = self.reader(mine)
        self.soon(
            lambda: self.assertEqual((sorted(self.texts(ann)), ann.locator(".mc-waits").count()), (["one", "two"], 0))
        )
        self.soon(lambda: self.assertEqual(ann.locator(".mc-title").inner_text(), "2 comments"))
        self.soon(lambda: self.assertEqual(self.texts(bob), ["one"]))
        self.soon(lambda: self.assertEqual(bob.locator(".mc-title").inner_text(), "1 comment"))
