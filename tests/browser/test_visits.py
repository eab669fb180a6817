"""What a reader finds again: what is new since the last visit, folded branches, some comments by themselves."""

from __future__ import annotations

from tests.support.browser import MockCase


class VisitTests(MockCase):
    def ready(self):
        page = self.plain()
        self.until(page, "document.querySelector('.mc-tools')")
        return page

    def visit(self, page, seconds: int) -> None:
        """The last visit was so many seconds ago."""
        kept = "JSON.stringify({plain: {at: Date.now() - at * 1000}})"
        page.evaluate(f"at => localStorage.setItem('cackle:visits:1', {kept})", seconds)

    def test_new_since(self) -> None:
        """At the first visit nothing is marked; later what came since, and a button leads from one to the next."""
        self.seed(*({"text": f"n{n}", "ago": 6000 - 100 * n} for n in range(30)))
        page = self.ready()
        self.soon(lambda: self.assertEqual(page.query_selector_all(".mc-isnew, .mc-next:not([hidden])"), []))
        # It goes without a word of this visit.
        page.evaluate("document.querySelector('#mc-container').cackle.widget.keepVisit = null")
        self.visit(page, 5000)
        page.reload()
        page.wait_for_selector(".mc-next:not([hidden])")
        self.soon(lambda: self.assertGreater(page.evaluate("document.querySelectorAll('.mc-isnew').length"), 5))
        before = page.inner_text(".mc-next")
        page.click(".mc-next")
        self.until(page, "document.activeElement.querySelector('.mc-isnew')")
        self.until(page, f"document.querySelector('.mc-next').textContent !== {before!r}")

    def test_folded(self) -> None:
        """A branch that was folded is folded at the next visit, from the first render on."""
        self.seed({"text": "root"}, {"text": "a", "parent": 0}, {"text": "b", "parent": 0})
        page = self.ready()
        page.click(".mc-thread")
        page.reload()
        page.wait_for_selector(".mc-c")
        self.soon(
            lambda: self.assertTrue(page.evaluate("document.querySelector('.mc-c').classList.contains('mc-collapsed')"))
        )
        page.click(".mc-unfold")
        page.reload()
        page.wait_for_selector(".mc-c")
        self.soon(
            lambda: self.assertFalse(
                page.evaluate("document.querySelector('.mc-c').classList.contains('mc-collapsed')")
            )
        )

    def test_filters(self) -> None:
        """Comments of staff, and one's own, by themselves; each leads to its place; Escape shuts."""
        self.seed({"text": "root"}, {"text": "by the house", "name": "Eve", "badges": ["staff"]}, {"text": "more"})
        page = self.ready()
        self.post(page, "Mine")
        page.click(".mc-filter")
        page.click(".mc-entry >> text=By staff")
        page.wait_for_selector(".mc-filtered")
        self.soon(lambda: self.assertEqual(page.locator(".mc-foundtext").all_inner_texts(), ["by the house"]))
        page.keyboard.press("Escape")
        self.soon(lambda: self.assertEqual(page.query_selector_all(".mc-filtered"), []))
        page.click(".mc-filter")
        page.click(".mc-entry >> text=My comments")
        page.wait_for_selector(".mc-foundtext")
        self.soon(lambda: self.assertEqual(page.locator(".mc-foundtext").all_inner_texts(), ["Mine"]))
        page.click(".mc-foundtext")
        self.until(page, "document.activeElement.classList.contains('mc-c')")

    def test_lifted(self) -> None:
        """What staff answers stands before other answers; what is featured before other comments."""
        self.seed(
            {"text": "root"}, {"text": "a", "parent": 0}, {"text": "b", "parent": 0, "badges": ["staff"]},
            {"text": "best", "score": 9, "up": 9}, {"text": "chosen", "featured": True},
        )  # fmt: skip
        page = self.ready()
        self.soon(lambda: self.assertEqual(self.texts(page), ["chosen", "best", "root", "b", "a"]))
