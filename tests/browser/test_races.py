"""Answers, events and clicks that meet in an unlucky order: nothing is lost, doubled, or shown in the wrong place."""

from __future__ import annotations

import time

from tests.browser.test_live import ALONE
from tests.support.browser import MockCase

NO_STORAGE = """
for (const name of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, name, {get() { throw new DOMException('no', 'SecurityError'); }});
"""
HEARD = """
window.heard = new Set();
const add = window.addEventListener, remove = window.removeEventListener;
window.addEventListener = function (type, f, o) {
    if (type === 'storage') heard.add(f);
    return add.call(this, type, f, o); };
window.removeEventListener = function (type, f, o) {
    heard.delete(f);
    return remove.call(this, type, f, o); };
"""


class RacesTests(MockCase):
    def connected(self, page) -> None:
        """Wait until the live line of the one page stands, by any way: one that was shut may have been given up."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if len(self.steer()["live"]) == 1:
                return
            page.wait_for_timeout(50)
        self.fail(f"{self.steer()['live']} for a live line")

    def submit(self, page, text: str) -> None:
        """Write without waiting for the server."""
        page.click(".mc-input")
        page.fill(".mc-input", text)
        page.keyboard.press("Control+Enter")

    def title(self, page, text: str) -> None:
        self.until(page, "t => document.querySelector('.mc-title').textContent === t", text)

    def test_another_order_while_sending(self) -> None:
        """The page is put in another order while a comment is on its way: it stands there once, and is sent once."""
        self.seed("One", "Two")
        page = self.plain(script=ALONE)
        self.post(page, "The session is open")
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 201, "delay": 0.8}])
        self.submit(page, "On its way")
        page.wait_for_selector(".mc-sending >> text=On its way")
        page.click(".mc-sort >> text=Old")
        self.until(page, "document.querySelector('.mc-text').innerText.trim() === 'One'")
        self.until(page, "!document.querySelector('.mc-sending')")
        self.soon(lambda: self.assertEqual(self.texts(page), ["One", "Two", "The session is open", "On its way"]))
        self.title(page, "4 comments")
        posts = [line for line in self.steer()["log"] if line == "POST /api/v1/sites/1/comments"]
        self.assertEqual(len(posts), 2)

    def test_another_order_with_unsent(self) -> None:
        """What could not be sent is still there in another order, also where the browser remembers nothing."""
        self.seed("One", "Two")
        page = self.plain(script=ALONE + NO_STORAGE)
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 422, "detail": "No.", "times": 9}])
        self.submit(page, "Not taken")
        page.wait_for_selector(".mc-discard")
        page.click(".mc-sort >> text=Old")
        self.until(page, "document.querySelector('.mc-text').innerText.trim() === 'One'")
        page.wait_for_timeout(300)
        self.soon(lambda: self.assertEqual(self.texts(page), ["One", "Two", "Not taken"]))
        self.soon(lambda: self.assertEqual(page.locator(".mc-discard").count(), 1))

    def test_votes_of_others_while_voting(self) -> None:
        """Others vote while one's own vote is on its way: theirs count when the answer, which is older, has come."""
        root = self.seed("Root")[0]
        page = self.plain(script=ALONE)
        self.post(page, "The session is open")
        self.connected(page)
        self.steer(fail=[{"method": "PUT", "path": "/vote", "status": 200, "delay": 0.8}])
        page.click(f"#mc-{root} .mc-up")
        self.until(page, "document.querySelector('.mc-up[aria-pressed=true]')")
        page.wait_for_timeout(300)
        data = {"id": root, "up": 5, "down": 0, "score": 5}
        self.steer(events=[{"channel": "plain", "type": "comment.voted", "data": data}])
        self.until(page, f"document.querySelector('#mc-{root} .mc-score').textContent === '5'")

    def test_event_that_the_page_has(self) -> None:
        """The event of a comment that came with a page loaded since is no second one."""
        self.seed("One", "Two")
        page = self.plain(script=ALONE)
        self.connected(page)
        # The line is cut, another order is loaded with what it would have told, then it tells.
        self.steer(block=["ws", "sse", "poll"], drop=True)
        self.seed({"text": "Three", "live": True})
        page.click(".mc-sort >> text=Old")
        self.title(page, "3 comments")
        self.steer(block=[])
        self.connected(page)
        self.seed({"text": "Four", "live": True})
        self.title(page, "4 comments")
        self.soon(lambda: self.assertEqual(sorted(self.texts(page)), ["Four", "One", "Three", "Two"]))

    def test_two_widgets_of_one_channel(self) -> None:
        """A second widget of the same conversation, opened later: both count alike."""
        page = self.plain(script=ALONE)
        self.connected(page)
        self.steer(block=["ws", "sse", "poll"], drop=True)
        self.seed({"text": "One", "live": True})
        page.evaluate("""() => { const n = document.createElement('div'); n.id = 'second'; document.body.append(n);
            cackle_widget.push({widget: 'Comment', id: 1, channel: 'plain', container: 'second'}); }""")
        page.wait_for_selector("#second >> text=One")
        self.steer(block=[])
        page.wait_for_selector("#mc-container >> text=One")
        page.wait_for_timeout(300)
        titles = page.locator(".mc-title")
        self.soon(lambda: self.assertEqual(titles.all_inner_texts(), ["1 comment", "1 comment"]))

    def test_more_while_resorting(self) -> None:
        """The next page of an order that was left meanwhile is not put below another order."""
        self.seed(*(f"Comment {n}" for n in range(60)))
        page = self.plain(script=ALONE)
        self.steer(fail=[{"method": "GET", "path": "cursor=25", "status": 200, "delay": 0.6}])
        page.click(".mc-listfoot .mc-more")
        page.click(".mc-sort >> text=Old")
        self.until(page, "document.querySelector('.mc-text').innerText.trim() === 'Comment 0'")
        page.wait_for_timeout(700)
        self.soon(lambda: self.assertEqual(self.texts(page), [f"Comment {n}" for n in range(25)]))
        page.click(".mc-listfoot .mc-more")
        self.until(page, "document.querySelectorAll('.mc-c').length === 50")
        self.soon(lambda: self.assertEqual(self.texts(page), [f"Comment {n}" for n in range(50)]))

    def test_edit_clicked_twice(self) -> None:
        """One form, however often Edit was clicked before it came."""
        page = self.plain(script=ALONE)
        self.post(page, "Mine")
        page.reload()
        page.wait_for_selector(".mc-edit")
        self.steer(fail=[{"method": "GET", "path": "/comments/", "status": 200, "delay": 0.5, "times": 9}])
        page.evaluate("() => { for (let n = 0; n < 2; n++) document.querySelector('.mc-edit').click(); }")
        page.wait_for_selector(".mc-main .mc-form")
        page.wait_for_timeout(400)
        self.soon(lambda: self.assertEqual(page.locator(".mc-main .mc-form").count(), 1))

    def test_closed_while_writing(self) -> None:
        """A conversation that is closed takes nobody's words away: neither an open edit nor what was not sent."""
        page = self.plain(script=ALONE)
        self.post(page, "Mine")
        self.connected(page)
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 422, "detail": "No.", "times": 9}])
        self.submit(page, "Not taken")
        page.wait_for_selector(".mc-discard")
        page.click(".mc-edit")
        page.fill(".mc-main .mc-input", "Half an edit")
        self.steer(lock="plain")
        page.wait_for_selector("text=Comments are closed.")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-main .mc-input"), "Half an edit"))
        self.soon(lambda: self.assertIn("Not taken", self.texts(page)))
        # Nothing to give the words back to: they stay.
        self.soon(
            lambda: self.assertEqual(page.locator(".mc-c:has-text('Not taken') .mc-acts >> text=Edit").count(), 0)
        )

    def test_forgotten(self) -> None:
        """A page that stays open for days keeps neither closed forms nor the names of those who wrote once."""
        self.seed("Root")
        page = self.plain(script=ALONE + HEARD)
        self.connected(page)
        before = page.evaluate("heard.size")
        for _ in range(3):
            page.click(".mc-reply")
            page.wait_for_selector(".mc-slot .mc-input")
            page.click(".mc-cancel")
        self.soon(lambda: self.assertEqual(page.evaluate("heard.size"), before))
        page.evaluate("""() => { window.it = document.getElementById('mc-container').cackle.widget;
            const now = Date.now; window.ahead = 0; Date.now = () => now() + window.ahead; }""")
        for n in range(2):
            self.steer(signals=[{"channel": "plain", "type": "typing", "data": {"name": f"Writer {n}"}}])
            page.wait_for_selector(f"text=Writer {n}")
            page.evaluate("window.ahead += 60000")
            # Looked at again by itself.
            self.until(page, "!document.querySelector('.mc-typing.mc-on')")
        self.soon(lambda: self.assertEqual(page.evaluate("Object.keys(window.it.reader.writers).length"), 0))

    def test_event_while_another_order_loads(self) -> None:
        """What is said while another order is on its way, and too late to be in it, is shown."""
        self.seed("One", "Two")
        page = self.plain(script=ALONE)
        self.connected(page)
        self.steer(fail=[{"method": "GET", "path": "sort=old", "status": 200, "delay": 0.7}])
        page.click(".mc-sort >> text=Old")
        page.wait_for_timeout(300)
        self.seed({"text": "Three", "live": True})
        self.until(page, "document.querySelectorAll('.mc-c').length === 3")
        self.until(page, "!document.querySelector('.mc-busy')")
        self.soon(lambda: self.assertEqual(self.texts(page), ["One", "Two", "Three"]))
        self.title(page, "3 comments")

    def test_link_far_down(self) -> None:
        """A link to a reply behind the first hundred of its thread leads there."""
        root = self.seed("Root")[0]
        rows = [{"text": f"Reply {n}", "parent": root} for n in range(130)]
        reply = self.steer(seed={"plain": rows})["ids"][-1]
        page = self.page(f"{self.base}/pages/plain.html#mc-{reply}", script=ALONE)
        page.wait_for_selector("text=Reply 129")
        self.until(page, "id => document.activeElement.id === 'mc-' + id", reply)

    def test_sent_when_back_online(self) -> None:
        """What could not be sent without a network is sent when there is one, also where the live line held."""
        page = self.plain(script=ALONE)
        self.post(page, "The session is open")
        page.context.set_offline(True)
        self.submit(page, "Written without")
        page.wait_for_selector(".mc-retry")
        page.context.set_offline(False)
        page.wait_for_selector(".mc-c:not(.mc-sending) .mc-edit >> nth=1")
        self.soon(lambda: self.assertEqual(sorted(self.texts(page)), ["The session is open", "Written without"]))
