"""Writing in the widget: posts, replies, votes, edits, deletions, drafts and failures."""

from __future__ import annotations

from tests.support.browser import MockCase


class WritingTests(MockCase):
    def test_calls(self) -> None:
        """The page's callbacks are called."""
        self.seed("Root")
        page = self.plain()
        self.post(page, "Mine")
        page.click(".mc-up")
        page.click(".mc-edit")
        page.fill(".mc-main .mc-input", "Mine, edited")
        page.click(".mc-formbtn >> text=Save")
        page.wait_for_selector(".mc-edited")
        page.click(".mc-reply >> nth=0")
        names = page.evaluate("window.calls.map(c => c[0])")
        for name in ("ready", "loggedin", "submit", "create", "vote", "edit", "reply"):
            self.assertIn(name, names)

    def test_draft_survives(self) -> None:
        """A half-written comment and a half-written reply are there after a reload."""
        self.seed("Root")
        page = self.plain()
        page.click(".mc-reply")
        page.type(".mc-slot .mc-input", "A reply, unfinished")
        page.click(".mc-input >> nth=0")
        page.type(".mc-input >> nth=0", "Unfinished")
        page.wait_for_timeout(400)
        page.reload()
        page.wait_for_selector(".mc-c")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input >> nth=0"), "Unfinished"))
        page.click(".mc-reply")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-slot .mc-input"), "A reply, unfinished"))

    def test_failed_post(self) -> None:
        """Too fast: the comment stands there with words and Retry; the retry has the same key; no draft is left."""
        keys = []
        page = self.plain()
        page.on(
            "request",
            lambda r: (
                keys.append(r.headers.get("idempotency-key"))
                if r.method == "POST" and r.url.endswith("/comments")
                else None
            ),
        )
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 429, "retry": 8}])
        page.click(".mc-input")
        page.fill(".mc-input", "Too fast")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=That’s a bit fast. Try again in 8 seconds.")
        page.click("text=Retry")
        self.until(page, "!document.querySelector('.mc-retry, .mc-sending')")
        self.assertEqual(len(keys), 2)
        self.assertEqual(len(set(keys)), 1)
        page.reload()
        page.wait_for_selector("text=Too fast")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input"), ""))
        self.soon(lambda: self.assertEqual(self.texts(page), ["Too fast"]))

    def test_failed_post_survives_reload(self) -> None:
        """A comment that could not be sent is sent after a reload, once."""
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 422, "detail": "No.", "times": 1}])
        page = self.plain()
        page.click(".mc-input")
        page.fill(".mc-input", "Persistent")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=Not sent.")
        page.reload()
        page.wait_for_selector("text=Persistent")
        self.until(page, "!document.querySelector('.mc-retry, .mc-sending')")
        page.reload()
        page.wait_for_selector("text=Persistent")
        self.soon(lambda: self.assertEqual(self.texts(page), ["Persistent"]))
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input"), ""))

    def test_failed_post_back_to_the_box(self) -> None:
        """Edit of an unsent comment gives the text back."""
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 422, "detail": "No.", "times": 9}])
        page = self.plain()
        page.click(".mc-input")
        page.fill(".mc-input", "Not like this")
        page.keyboard.press("Control+Enter")
        page.click("text=Edit")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input"), "Not like this"))
        self.soon(lambda: self.assertEqual(self.texts(page), []))

    def test_dimmed_until_acknowledged(self) -> None:
        """A comment stands there at once, dimmed until the server has it."""
        page = self.plain()
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 201, "delay": 1}])
        page.click(".mc-input")
        page.fill(".mc-input", "Optimistic")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".mc-sending >> text=Optimistic")
        page.wait_for_selector(".mc-c:not(.mc-sending) >> text=Optimistic")

    def test_expired_session(self) -> None:
        """A session the server no longer knows is replaced without a word."""
        page = self.plain()
        self.post(page, "First")
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 401}])
        self.post(page, "Second")
        self.soon(lambda: self.assertEqual(len(self.texts(page)), 2))

    def test_vote(self) -> None:
        """A vote counts at once, is pressed, can be taken back, is there after a reload, and is undone if refused."""
        self.seed({"text": "Root", "score": 4, "up": 4})
        page = self.plain()
        page.click(".mc-up")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-score"), "5"))
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-up", "aria-pressed"), "true"))
        page.wait_for_timeout(300)
        page.reload()
        page.wait_for_selector(".mc-c")
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-up", "aria-pressed"), "true"))
        page.click(".mc-down")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-score"), "3"))
        page.click(".mc-down")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-score"), "4"))
        page.wait_for_timeout(300)
        self.steer(fail=[{"method": "PUT", "path": "/vote", "status": 403}])
        page.click(".mc-up")
        self.until(page, "document.querySelector('.mc-score').textContent === '4'")
        self.soon(lambda: self.assertEqual(page.text_content(".mc-bar"), "You aren’t allowed to do this."))

    def test_calls_come_late(self) -> None:
        """Where what calls can't be fetched, it is as without a connection: that is said, and may be tried again."""
        self.seed({"text": "Root", "score": 4, "up": 4})
        page = self.plain()
        away = [True]
        page.route("**/calls.js", lambda route: route.abort() if away[0] else route.continue_())
        page.reload()
        page.click(".mc-up")
        self.until(page, "document.querySelector('.mc-bar').textContent === 'There is no connection to the server.'")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-score"), "4"))
        away[0] = False
        page.click(".mc-up")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-score"), "5"))
        self.until(page, "document.querySelector('.mc-up').getAttribute('aria-pressed') === 'true'")

    def test_quick_votes(self) -> None:
        """Five quick clicks leave what the last one meant, here and on the server."""
        self.seed({"text": "Root"})
        page = self.plain()
        page.evaluate("() => { const up = document.querySelector('.mc-up'); for (let n = 0; n < 5; n++) up.click(); }")
        page.wait_for_timeout(800)
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-score"), "1"))
        self.soon(lambda: self.assertEqual(self.plain().inner_text(".mc-score"), "1"))

    def test_keyboard_only(self) -> None:
        """Write, open the menu and walk in it, reply and leave with Escape: without a mouse, with visible focus."""
        self.seed("Root")
        page = self.plain()
        page.focus(".mc-input")
        page.keyboard.type("By keyboard")
        page.keyboard.press("Shift+Tab")
        page.keyboard.type("Ada")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".mc-c:not(.mc-sending) .mc-badge")
        page.focus(".mc-more >> nth=0")
        page.keyboard.press("Enter")
        page.wait_for_selector(".mc-menu")
        self.soon(lambda: self.assertEqual(page.evaluate("document.activeElement.textContent"), "Copy link"))
        page.keyboard.press("d")
        self.soon(lambda: self.assertEqual(page.evaluate("document.activeElement.textContent"), "Delete"))
        page.keyboard.press("Escape")
        self.soon(lambda: self.assertEqual(page.locator(".mc-menu").count(), 0))
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-more')")))
        outline = page.evaluate("(s => [s.outlineWidth, s.outlineOffset])(getComputedStyle(document.activeElement))")
        self.assertEqual(outline, ["2px", "2px"])
        page.focus(".mc-reply >> nth=0")
        page.keyboard.press("Enter")
        page.wait_for_selector(".mc-slot .mc-input")
        page.keyboard.type("Hm")
        page.keyboard.press("Escape")
        self.soon(lambda: self.assertEqual(page.locator(".mc-slot .mc-input").count(), 0))
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-reply')")))

    def test_announced(self) -> None:
        """New comments are spoken in one breath."""
        page = self.plain(script="delete window.BroadcastChannel;")
        self.until(page, "document.querySelector('.mc-live, [aria-live=polite][role=log]')")
        page.wait_for_timeout(700)
        self.seed({"text": "One", "live": True}, {"text": "Two", "live": True}, {"text": "Three", "live": True})
        said = "3 new comments. Ann: One Ann: Two Ann: Three"
        self.until(page, f"document.querySelector('[role=log]').textContent === '{said}'")

    def test_block_author(self) -> None:
        """A blocked author's comments fold away, also after a reload; unblocking brings them back."""
        self.seed({"text": "Annoying", "name": "Troll"}, {"text": "Nice", "name": "Ann"})
        page = self.plain()
        page.click(".mc-c:has-text('Annoying') .mc-more")
        page.click(".mc-entry >> text=Block author")
        page.wait_for_selector("text=You blocked this author")
        self.soon(lambda: self.assertEqual(self.texts(page), ["Nice"]))
        page.wait_for_timeout(300)
        page.reload()
        page.wait_for_selector("text=You blocked this author")
        page.click("text=Unblock")
        page.wait_for_selector("text=Annoying")

    def test_report(self) -> None:
        """A report is sent and thanked for."""
        self.seed("Rude")
        page = self.plain()
        page.click(".mc-c .mc-more")
        page.click(".mc-entry >> text=Report")
        self.until(page, "document.querySelector('.mc-bar').textContent === 'Reported. Thank you.'")
        self.soon(lambda: self.assertTrue([line for line in self.steer()["log"] if "/flags" in line]))

    def test_edit_window(self) -> None:
        """No Edit after the window; a refusal for lateness is said."""
        page = self.plain()
        self.post(page, "Mine")
        self.soon(lambda: self.assertEqual(page.locator(".mc-edit").count(), 1))
        self.steer(fail=[{"method": "PATCH", "path": "/comments", "status": 409, "slug": "window"}])
        page.click(".mc-edit")
        page.fill(".mc-main .mc-input", "Too late")
        page.click(".mc-formbtn >> text=Save")
        page.wait_for_selector("text=The time for editing is over.")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-main .mc-input"), "Too late"))

    def test_counter(self) -> None:
        """Near the limit the characters left are counted; over it, posting waits."""
        page = self.plain()
        page.click(".mc-input")
        page.fill(".mc-input", "x" * 7990)
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-left"), "10 characters left"))
        page.fill(".mc-input", "x" * 8001)
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-left"), "1 character too long"))
        self.soon(lambda: self.assertTrue(page.is_disabled(".mc-formbtn")))

    def test_toolbar(self) -> None:
        """The formatting bar comes when asked for, and marks the selection."""
        page = self.plain()
        page.click(".mc-input")
        page.fill(".mc-input", "bold")
        page.click(".mc-tool")
        page.wait_for_selector(".mc-editor")
        page.evaluate("document.querySelector('.mc-input').select()")
        page.click(".mc-mark >> nth=0")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input"), "**bold**"))
