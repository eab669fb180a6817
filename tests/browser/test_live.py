"""Live delivery, over each transport, through cuts, lost history and shared connections."""

from __future__ import annotations

import time

from tests.support.browser import MockCase

FAILS = "class { constructor() { setTimeout(() => this.onerror && this.onerror({}), 5); } close() {} };"
NO_WEBSOCKET = f"window.WebSocket = {FAILS}"
NO_EVENTSOURCE = f"window.EventSource = {FAILS}"
ALONE = "delete window.BroadcastChannel;"


class LiveTests(MockCase):
    def connected(self, *kinds: str) -> None:
        """Wait until the server has exactly these connections."""
        for _ in range(100):
            if self.steer()["live"] == sorted(kinds):
                return
            self.idle.wait_for_timeout(100)
        self.fail(f"{self.steer()['live']} instead of {kinds}")

    def setUp(self) -> None:
        super().setUp()
        self.idle = self.context().new_page()

    def conversation(self, script: str, kind: str) -> None:
        first = self.plain(script=script)
        second = self.plain(script=script)
        self.connected(kind, kind)
        self.post(first, "One")
        second.wait_for_selector("text=One")
        second.click(".mc-reply")
        second.fill(".mc-slot .mc-input", "Two, in answer")
        second.fill(".mc-slot .mc-nick", "Grace")
        second.click(".mc-slot .mc-formbtn")
        first.wait_for_selector(".mc-replies >> text=Two, in answer")
        second.click(".mc-up >> nth=0")
        self.until(first, "document.querySelector('.mc-score').textContent === '1'")
        first.click(".mc-edit")
        first.fill(".mc-main .mc-input", "One, said better")
        first.click(".mc-formbtn >> text=Save")
        second.wait_for_selector("text=One, said better")
        self.soon(lambda: self.assertEqual(second.locator(".mc-edited").count(), 1))
        first.click(".mc-more >> nth=0")
        first.click(".mc-entry >> text=Delete")
        second.wait_for_selector("text=This comment was deleted")
        for page in (first, second):
            self.until(page, "document.querySelector('.mc-title').textContent === '1 comment'")
            self.soon(lambda: self.assertEqual(self.texts(page), ["Two, in answer"]))

    def test_websocket(self) -> None:
        """Two readers see each other's posts, replies, votes, edits and deletions over WebSocket."""
        self.conversation("", "Ws")

    def test_eventsource(self) -> None:
        """The same where WebSocket is blocked."""
        self.conversation(NO_WEBSOCKET, "Sse")

    def test_longpoll(self) -> None:
        """The same where both are blocked."""
        self.conversation(NO_WEBSOCKET + NO_EVENTSOURCE, "Poll")

    def test_blocked_by_the_network(self) -> None:
        """WebSocket and EventSource exist but never connect: the widget finds long polling by itself."""
        self.steer(block=["ws", "sse"])
        page = self.plain(script=ALONE)
        self.connected("Poll")
        self.seed({"text": "Through the slow door", "live": True})
        page.wait_for_selector("text=Through the slow door")

    def test_cut(self) -> None:
        """What was said while the line was cut is there after it, once, in order."""
        page = self.plain(script=ALONE)
        self.connected("Ws")
        self.steer(block=["ws", "sse", "poll"], drop=True)
        self.seed(*({"text": f"While away {n}", "live": True} for n in range(3)))
        page.wait_for_selector(".mc-bar.mc-on")
        self.steer(block=[])
        page.wait_for_selector("text=While away 2")
        self.soon(lambda: self.assertEqual(sorted(self.texts(page)), [f"While away {n}" for n in range(3)]))
        self.until(page, "!document.querySelector('.mc-bar.mc-on')")

    def test_history_lost(self) -> None:
        """recovered:false reloads the page of comments."""
        page = self.plain(script=ALONE)
        self.connected("Ws")
        self.seed("Never announced")
        self.steer(forget=True, drop=True)
        page.wait_for_selector("text=Never announced")
        self.soon(lambda: self.assertEqual(self.texts(page), ["Never announced"]))

    def test_history_lost_while_writing(self) -> None:
        """A reload for lost history leaves an open reply and its text alone."""
        self.seed("First")
        page = self.plain(script=ALONE)
        self.connected("Ws")
        page.click(".mc-reply")
        page.fill(".mc-slot .mc-input", "Half a sent")
        self.seed("Never announced")
        self.steer(forget=True, drop=True)
        page.click("text=1 new comment")
        page.wait_for_selector("text=Never announced")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-slot .mc-input"), "Half a sent"))

    def test_tabs_share(self) -> None:
        """Three tabs hold one connection; when its tab closes another takes it over, and nothing is lost."""
        context = self.context()
        tabs = [self.plain(context=context) for _ in range(3)]
        self.connected("Ws")
        self.seed({"text": "To all", "live": True})
        for tab in tabs:
            tab.wait_for_selector("text=To all")
        tabs.pop(0).close()
        self.seed({"text": "In between", "live": True})
        self.connected("Ws")
        self.seed({"text": "After", "live": True})
        for tab in tabs:
            tab.wait_for_selector("text=After")
            self.soon(lambda: self.assertEqual(sorted(self.texts(tab)), ["After", "In between", "To all"]))

    def test_tab_that_opens_later(self) -> None:
        """A tab whose page of comments is older than the shared connection gets what it lacks."""
        context = self.context()
        first = self.plain(context=context)
        self.connected("Ws")
        late = context.new_page()

        def between(route) -> None:
            body = route.fetch()
            self.seed({"text": "Meanwhile", "live": True})
            # Until the first tab has had it, and the second can't hear of it any more.
            time.sleep(0.7)
            route.fulfill(response=body)

        late.route("**/bootstrap*", between)
        late.goto(f"{self.base}/pages/plain.html")
        late.wait_for_selector("text=Meanwhile")
        first.wait_for_selector("text=Meanwhile")
        self.connected("Ws")

    def test_behind_the_pill(self) -> None:
        """Comments that come above what somebody reads wait, and nothing moves; a click shows them."""
        self.seed(*(f"Comment {n}\n\nwith\n\nlines" for n in range(20)))
        page = self.plain(script=ALONE)
        self.connected("Ws")
        page.locator(".mc-c").nth(10).scroll_into_view_if_needed()
        place = page.locator(".mc-c").nth(10).bounding_box()
        self.seed({"text": "Fresh one", "live": True}, {"text": "Fresh two", "live": True})
        page.wait_for_selector("text=2 new comments")
        self.soon(lambda: self.assertEqual(page.locator(".mc-c").nth(10).bounding_box(), place))
        self.soon(lambda: self.assertNotIn("Fresh one", self.texts(page)))
        page.click(".mc-pill")
        self.until(page, "document.querySelectorAll('.mc-c').length === 22")
        self.until(page, "document.querySelector('.mc-c').getBoundingClientRect().top > 0")
        self.soon(lambda: self.assertFalse(page.is_visible(".mc-pill")))

    def test_below_the_fold(self) -> None:
        """A reply further down moves nothing: it stands in its place, and the pill tells of it until it was seen."""
        root = self.seed(*(f"Comment {n}\n\nwith\n\nlines" for n in range(20)))[0]
        page = self.plain("o=%7B%22sort%22:%22new%22%7D", script=ALONE)
        self.connected("Ws")
        self.steer(seed={"plain": [{"text": "Far below", "parent": root, "live": True}]})
        page.wait_for_selector("text=1 new comment")
        self.soon(lambda: self.assertIn("Far below", self.texts(page)))
        page.click(".mc-pill")
        self.until(page, "document.querySelector('.mc-replies .mc-c').getBoundingClientRect().bottom < innerHeight")
        self.soon(lambda: self.assertFalse(page.is_visible(".mc-pill")))
        page.evaluate("scrollTo(0, 0)")
        self.steer(seed={"plain": [{"text": "Far below, too", "parent": root, "live": True}]})
        page.wait_for_selector("text=1 new comment")
        page.locator(".mc-text >> text=Far below, too").scroll_into_view_if_needed()
        self.until(page, "document.querySelector('.mc-pill').hidden")

    def test_back_and_forward(self) -> None:
        """A page that comes back from the browser's history is live again, and has what it missed."""
        context = self.context()
        page = self.plain(context=context)
        self.connected("Ws")
        page.goto(f"{self.base}/pages/looks.css")
        self.seed({"text": "Meanwhile", "live": True})
        page.go_back()
        page.wait_for_selector("text=Meanwhile")
        self.connected("Ws")
        self.seed({"text": "Live again", "live": True})
        page.wait_for_selector("text=Live again")

    def test_own_post_once(self) -> None:
        """The event of one's own comment may come before the answer: it stands there once, counted once."""
        page = self.plain(script=ALONE)
        self.connected("Ws")
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 201, "delay": 0.5}])
        page.evaluate("""() => { window.most = 0; new MutationObserver(() => {
            window.most = Math.max(window.most, document.querySelectorAll('.mc-c').length); }).observe(
            document.querySelector('.mc-list'), {childList: true}); }""")
        self.post(page, "Just once")
        page.wait_for_timeout(300)
        self.soon(lambda: self.assertEqual(page.evaluate("window.most"), 1))
        self.soon(lambda: self.assertEqual(self.texts(page), ["Just once"]))
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-title"), "1 comment"))

    def test_answer_lost(self) -> None:
        """The server kept the comment but its answer was lost: the retry with the same key makes no second one."""
        page = self.plain(script=ALONE)
        self.connected("Ws")
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 500, "commit": True}])
        self.post(page, "Kept though unanswered")
        page.wait_for_timeout(300)
        self.soon(lambda: self.assertEqual(self.texts(page), ["Kept though unanswered"]))
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-title"), "1 comment"))

    def test_presence_and_typing(self) -> None:
        """How many read, and who writes, in a line that is always reserved."""
        first = self.plain(script=ALONE)
        second = self.plain(script=ALONE)
        self.until(first, "document.querySelector('.mc-online.mc-on .mc-long')?.textContent === '2 reading'")
        before = first.locator(".mc-list").bounding_box()
        second.click(".mc-input")
        second.fill(".mc-nick", "Grace")
        second.type(".mc-input", "Hm")
        first.wait_for_selector("text=Grace is writing…")
        self.soon(lambda: self.assertEqual(first.locator(".mc-list").bounding_box(), before))
        # Until then: what they wrote is there.
        first.evaluate("""
            new MutationObserver(() => {
              window.left = window.left ?? document.querySelector('.mc-typing').textContent;
            }).observe(document.querySelector('.mc-list'), {childList: true})
        """)
        second.keyboard.press("Control+Enter")
        self.until(first, "window.left !== undefined")
        self.soon(lambda: self.assertEqual(first.evaluate("window.left"), ""))

    def test_move(self) -> None:
        """A server that drains sends its clients away; they come back where they are told."""
        page = self.plain(script=ALONE)
        self.connected("Ws")
        page.evaluate("window.moves = []; const m = Cackle.move; Cackle.move = u => { moves.push(u); return m(u); }")
        host = self.base.partition("//")[2]
        self.steer(signals=[{"channel": "plain", "type": "x", "data": {}}])
        self.steer(raw={"type": "move", "host": host, "after": 0.01})
        self.until(page, "window.moves.length")
        self.connected("Ws")
        self.seed({"text": "After the move", "live": True})
        page.wait_for_selector("text=After the move")

    def test_locked(self) -> None:
        """A closed conversation closes under the reader's eyes."""
        self.seed("Last word")
        page = self.plain(script=ALONE)
        self.connected("Ws")
        self.steer(lock="plain")
        page.wait_for_selector("text=Comments are closed.")
        self.soon(lambda: self.assertEqual(page.locator(".mc-reply").count(), 0))
