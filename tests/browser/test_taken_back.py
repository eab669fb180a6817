"""Nothing typed is lost, and what was done by mistake can be undone: deletions, edits, drafts, refusals, names."""

from __future__ import annotations

from tests.browser.test_live import ALONE
from tests.support.browser import MockCase, Page

SOON = "document.getElementById('mc-container').cackle.widget.undo = 300"


class Writer(MockCase):
    def submit(self, page: Page, text: str) -> None:
        """Write without waiting for the server."""
        page.click(".mc-input >> nth=0")
        page.fill(".mc-input >> nth=0", text)
        page.keyboard.press("Control+Enter")

    def delete(self, page: Page, text: str) -> None:
        """Delete the comment of that text by its menu, with the keyboard."""
        page.focus(f".mc-c:has(> .mc-body :text-is('{text}')) > .mc-body .mc-more")
        page.keyboard.press("Enter")
        page.wait_for_selector(".mc-menu")
        page.keyboard.press("d")
        page.keyboard.press("Enter")

    def calls(self, start: str) -> list[str]:
        """What the server was asked that begins so."""
        return [line for line in self.steer()["log"] if line.startswith(start)]


class DeletingTests(Writer):
    def test_undo(self) -> None:
        """A deletion, by a double click too, waits for a while in which it can be undone; the server is not asked."""
        page = self.plain(script=ALONE)
        self.post(page, "Mine")
        page.click(".mc-more.mc-act")
        page.wait_for_selector(".mc-menu")
        page.dblclick(".mc-entry >> text=Delete", force=True)
        page.wait_for_selector("text=This comment was deleted")
        page.click(".mc-undo")
        page.wait_for_selector("text=Mine")
        self.delete(page, "Mine")
        page.wait_for_selector("text=This comment was deleted")
        self.soon(lambda: self.assertEqual(page.evaluate("document.activeElement.textContent"), "Undo"))
        self.soon(lambda: self.assertEqual(page.text_content("[role=log]"), "This comment was deleted"))
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Mine")
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-more')")))
        self.assertEqual(self.calls("DELETE"), [])

    def test_focus_goes_on(self) -> None:
        """After a deletion by keyboard the focus is at the neighbour, at last at the box; it never falls out."""
        page = self.plain(script=ALONE)
        for text in ("One", "Two", "Three"):
            self.post(page, text)
        page.evaluate(SOON)
        for text, left in (("Three", 2), ("One", 1), ("Two", 0)):
            self.delete(page, text)
            self.until(page, f"document.querySelectorAll('.mc-c').length === {left}")
            inside = page.evaluate("document.activeElement.className")
            self.assertIn("mc-c" if left else "mc-input", inside.split(), text)
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-title"), "Comments"))

    def test_refused(self) -> None:
        """A deletion that the server refuses brings the comment back, and says so."""
        page = self.plain(script=ALONE)
        self.post(page, "Mine")
        page.evaluate(SOON)
        self.steer(fail=[{"method": "DELETE", "path": "/comments", "status": 403}])
        self.delete(page, "Mine")
        self.until(page, "document.querySelector('.mc-bar.mc-on')?.textContent === 'You aren’t allowed to do this.'")
        self.soon(lambda: self.assertEqual(self.texts(page), ["Mine"]))

    def test_page_goes(self) -> None:
        """Who deletes and leaves has deleted."""
        page = self.plain(script=ALONE)
        self.post(page, "Mine")
        self.delete(page, "Mine")
        page.wait_for_selector(".mc-undo")
        page.goto(f"{self.base}/pages/looks.css")
        other = self.plain(script=ALONE)
        self.until(other, "document.querySelector('.mc-empty')?.textContent.startsWith('No comments yet')")


class KeptTests(Writer):
    def test_edit_left(self) -> None:
        """An edit left by Escape is kept, which is said, and is there when Edit is chosen again; saving ends it."""
        page = self.plain(script=ALONE)
        self.post(page, "Mine")
        page.click(".mc-edit")
        page.fill(".mc-main .mc-input", "Mine, much better")
        page.keyboard.press("Escape")
        self.until(page, "document.querySelector('.mc-bar.mc-on')?.textContent === 'Your text is kept for later.'")
        page.reload()
        page.click(".mc-edit")
        page.wait_for_selector(".mc-main .mc-input")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-main .mc-input"), "Mine, much better"))
        page.click(".mc-formbtn >> text=Save")
        page.wait_for_selector(".mc-edited")
        page.click(".mc-edit")
        page.fill(".mc-main .mc-input", "x")
        page.fill(".mc-main .mc-input", "Mine, much better")
        page.keyboard.press("Escape")
        self.soon(
            lambda: self.assertIsNone(
                page.evaluate("Object.keys(localStorage).find(k => k.startsWith('cackle:edit')) ?? null")
            )
        )

    def test_quick_reload(self) -> None:
        """The last words before a reload are there after it: of the box, of a reply, of an edit, and the name."""
        root = self.seed("Root")[0]
        page = self.plain(script=ALONE)
        self.post(page, "Mine")
        page.click(f"#mc-{root} .mc-reply")
        page.click(".mc-edit")
        page.wait_for_selector(".mc-main > .mc-form")
        page.fill(".mc-main > .mc-form .mc-input", "Edited")
        page.fill(".mc-slot .mc-input", "Replied")
        page.fill(".mc-slot .mc-nick", "Grace")
        page.fill(".mc-input >> nth=0", "Written")
        page.reload()
        page.wait_for_selector(".mc-c")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input >> nth=0"), "Written"))
        page.click(f"#mc-{root} .mc-reply")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-slot .mc-input"), "Replied"))
        self.soon(lambda: self.assertEqual(page.input_value(".mc-slot .mc-nick"), "Grace"))
        page.click(".mc-edit")
        page.wait_for_selector(".mc-main > .mc-form")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-main > .mc-form .mc-input"), "Edited"))

    def test_refused_for_good(self) -> None:
        """Asking again is offered only where it may help; every unsent comment can be discarded, and that undone."""
        page = self.plain(script=ALONE)
        for status, retry in ((422, 0), (403, 0), (413, 0), (409, 0), (429, 1), (503, 1), (0, 1)):
            self.steer(
                fail=[
                    {
                        "method": "POST",
                        "path": "/comments",
                        "status": status,
                        "detail": "No.",
                        "times": 1 if status else 4,
                    }
                ]
            )
            self.submit(page, f"Refused with {status}")
            page.wait_for_selector(".mc-discard")
            self.soon(lambda: self.assertEqual(page.locator(".mc-retry").count(), retry, status))
            page.click(".mc-discard")
            page.wait_for_selector("text=Discarded.")
            page.click(".mc-undo")
            page.wait_for_selector(f"text=Refused with {status}")
            page.evaluate(SOON)
            page.click(".mc-discard")
            self.until(page, "!document.querySelector('.mc-c')")
            page.evaluate(SOON.replace("300", "6000"))
        page.reload()
        page.wait_for_selector(".mc-empty")
        self.soon(lambda: self.assertEqual(page.input_value(".mc-input"), ""))

    def test_words_of_a_vote(self) -> None:
        """A vote without a network is no text that is safe; a comment is."""
        self.seed("Root")
        page = self.plain(script=ALONE)
        self.post(page, "The session is open")
        page.context.set_offline(True)
        page.click(".mc-up")
        self.until(page, "document.querySelector('.mc-bar').textContent === 'There is no connection to the server.'")
        self.submit(page, "Written without")
        page.wait_for_selector("text=There is no connection to the server. Your text is safe.")

    def test_dead_link(self) -> None:
        """A link to a comment that is gone says so."""
        page = self.page(f"{self.base}/pages/plain.html#mc-123", script=ALONE)
        words = "The linked comment is no longer there."
        self.until(page, "w => document.querySelector('.mc-bar.mc-on')?.textContent === w", words)


class WhoTests(Writer):
    def test_one_name(self) -> None:
        """A name typed in one form is in all others of the page, also of a second widget; a nameless one is a guest."""
        ids = self.seed(
            {"text": "Named", "name": "Ann"}, {"text": "Nameless", "name": "Guest"}, {"text": "Ru", "name": "Гость"}
        )
        page = self.plain(script=ALONE)
        page.evaluate("""() => { const n = document.createElement('div'); n.id = 'second'; document.body.append(n);
            cackle_widget.push({widget: 'Comment', id: 1, channel: 'other', container: 'second'}); }""")
        page.wait_for_selector("#second .mc-header")
        page.click(f"#mc-{ids[0]} .mc-reply")
        page.fill(".mc-slot .mc-nick", "Grace")
        self.soon(
            lambda: self.assertEqual(
                page.evaluate("[...document.querySelectorAll('.mc-nick')].map(n => n.value)"), ["Grace"] * 3
            )
        )
        page.click(f"#mc-{ids[1]} .mc-reply")
        self.soon(lambda: self.assertEqual(page.input_value(f"#mc-{ids[1]} .mc-nick"), "Grace"))
        self.submit(page, "By name")
        page.wait_for_selector(".mc-name >> text=Grace")
        weights = page.evaluate("""() => Object.fromEntries([...document.querySelectorAll('#mc-container .mc-name')]
            .map(n => [n.closest('.mc-main').querySelector('.mc-text').innerText.trim(),
                       [n.textContent, getComputedStyle(n).fontWeight]]))""")
        self.assertEqual(weights["Nameless"], ["Guest", "400"])
        self.assertEqual(weights["Ru"], ["Guest", "400"])
        self.assertEqual(weights["Named"], ["Ann", "650"])

    def test_name_first(self) -> None:
        """The name's field stands before the text, and says whether it must be given."""
        page = self.plain(script=ALONE)
        page.click(".mc-input")
        self.soon(lambda: self.assertEqual(page.get_attribute(".mc-nick", "placeholder"), "Your name (optional)"))
        order = page.evaluate(
            "[...document.querySelectorAll('.mc-form input:not([hidden]), .mc-form textarea')].map(n => n.localName)"
        )
        self.assertEqual(order, ["input", "textarea"])

    def test_looking_in(self) -> None:
        """Who only passes through the box opens no session; the first words do."""
        self.seed("Root")
        page = self.plain(script=ALONE)
        page.click(".mc-input")
        page.click(".mc-reply")
        for _ in range(12):
            page.keyboard.press("Tab")
        page.wait_for_timeout(300)
        self.assertEqual(self.calls("POST"), [])
        page.fill(".mc-input >> nth=0", "H")
        self.until(page, "!!JSON.parse(localStorage.getItem('cackle:1') || '{}').token")
        self.assertEqual(self.calls("POST"), ["POST /api/v1/sites/1/sessions"])

    def test_face(self) -> None:
        """The face beside a first comment keeps its colour from the first moment."""
        page = self.plain(
            script=ALONE
            + """
            window.hues = new Set();
            setInterval(() => document.querySelectorAll('.mc-c .mc-avatar').forEach(
                n => hues.add(getComputedStyle(n).backgroundColor)), 5);"""
        )
        self.steer(fail=[{"method": "POST", "path": "/comments", "status": 201, "delay": 0.4}])
        self.submit(page, "First")
        page.wait_for_selector(".mc-c:not(.mc-sending) .mc-badge")
        page.wait_for_timeout(100)
        self.soon(lambda: self.assertEqual(page.evaluate("hues.size"), 1))

    def test_own_votes(self) -> None:
        """One's own comment shows its score and offers no vote."""
        self.seed("Root")
        page = self.plain(script=ALONE)
        self.post(page, "Mine")
        mine = ".mc-c:has-text('Mine')"
        self.soon(lambda: self.assertEqual(page.locator(f"{mine} .mc-up").count(), 0))
        self.soon(lambda: self.assertEqual(page.inner_text(f"{mine} .mc-score"), "0"))
        self.soon(lambda: self.assertEqual(page.locator(".mc-up").count(), 1))

    def test_addressee(self) -> None:
        """At the last level an answer names whom it answers, not whom it hangs on; drafts of two don't mix."""
        self.seed("L0", *({"text": f"L{n}", "parent": n - 1, "name": f"N{n}"} for n in range(1, 6)))
        page = self.plain(script=ALONE)
        deepest = ".mc-c:has(> .mc-body :text-is('L5')) > .mc-body"
        above = ".mc-c:has(> .mc-body :text-is('L4')) > .mc-body"
        self.soon(lambda: self.assertEqual(page.text_content(f"{deepest} .mc-to"), "to \u2068N4\u2069"))
        page.click(f"{deepest} .mc-reply")
        self.soon(lambda: self.assertEqual(page.get_attribute(f"{deepest} .mc-input", "placeholder"), "Reply to N5"))
        self.soon(lambda: self.assertEqual(page.input_value(f"{deepest} .mc-input"), "@N5 "))
        page.type(f"{deepest} .mc-input", "Half")
        page.keyboard.press("Escape")
        page.click(f"{above} .mc-reply")
        self.soon(lambda: self.assertEqual(page.input_value(f"{above} .mc-input"), ""))
        page.keyboard.press("Escape")
        page.click(f"{deepest} .mc-reply")
        self.soon(lambda: self.assertEqual(page.input_value(f"{deepest} .mc-input"), "@N5 Half"))
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=@N5 Half")
        mine = ".mc-c:has(> .mc-body :text-is('@N5 Half')) > .mc-body"
        self.until(page, "!document.querySelector('.mc-sending')")
        self.soon(lambda: self.assertEqual(page.locator(f"{mine} .mc-to").count(), 0))
