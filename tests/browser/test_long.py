"""Long conversations: what is far from the window is no burden, and nothing of it is lost."""

from __future__ import annotations

from tests.support.browser import MockCase

NODES = "document.querySelectorAll('.mc-list *').length"


class LongTests(MockCase):
    def test_window(self) -> None:
        """Of a thousand comments only those near the window have their nodes; a link, a reply and a search find all."""
        self.seed(*({"text": f"number {n} " + "word " * (n % 40)} for n in range(1000)))
        page = self.plain()
        self.until(page, "document.querySelector('.mc-tools')")
        a_comment = page.evaluate("document.querySelector('.mc-c').querySelectorAll('*').length + 1")
        page.click(".mc-loadall")
        self.until(page, "document.querySelectorAll('.mc-list > .mc-c').length === 1000")
        page.evaluate("scrollTo(0, 0)")
        # A window of a few screens, and the places of the others.
        self.until(page, f"{NODES} < 1000 + 80 * {a_comment}")
        tall = page.evaluate("document.documentElement.scrollHeight")
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
        page.wait_for_timeout(300)
        self.soon(lambda: self.assertAlmostEqual(page.evaluate("document.documentElement.scrollHeight"), tall, delta=2))
        self.until(page, f"{NODES} < 1000 + 80 * {a_comment}")
        seen = "document.elementFromPoint(200, innerHeight / 2).closest('.mc-c')"
        self.until(page, f"{seen} && {seen}.querySelector('.mc-text')")
        last = page.evaluate("document.querySelector('.mc-list > .mc-c:last-child').id")
        self.soon(lambda: self.assertIsNone(page.query_selector(f"#{last} .mc-text")))
        page.evaluate(f"location.hash = '{last}'")
        self.until(page, f"document.activeElement.id === '{last}'")
        self.soon(lambda: self.assertIsNotNone(page.query_selector(f"#{last} .mc-text")))
        page.keyboard.press("Control+f")
        self.until(page, "document.querySelectorAll('.mc-text').length === 1000")
        page.click(f"#{last} .mc-reply")
        page.evaluate("scrollTo(0, 0)")
        self.until(page, f"{NODES} < 1000 + 80 * {a_comment}")
        # Where somebody writes it stays.
        self.soon(lambda: self.assertIsNotNone(page.query_selector(f"#{last} .mc-slot .mc-input")))

    def test_short(self) -> None:
        """A conversation of fifty comments keeps all."""
        self.seed(*({"text": f"number {n}"} for n in range(50)))
        page = self.plain()
        page.click(".mc-loadall")
        self.until(page, "document.querySelectorAll('.mc-text').length === 50")
        self.soon(lambda: self.assertEqual(page.query_selector_all(".mc-loadall, .mc-listfoot .mc-more"), []))
