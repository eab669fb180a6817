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

    def test_branches(self) -> None:
        """On a phone, of thousands of answers few have nodes, and all can be reached."""
        rows: list[dict[str, object]] = [{"text": f"beside {n}"} for n in range(2_000)]
        root = len(rows)
        rows.append({"text": "the root"})
        for n in range(2_000):
            # Answers to the root, and chains of five below every tenth.
            parent = root if n % 10 > 4 or n % 10 == 0 else len(rows) - 1
            rows.append({"text": f"answer {n} " + "word " * (n % 30), "parent": parent})
        self.seed(*rows)
        page = self.plain(viewport={"width": 390, "height": 800}, is_mobile=True, has_touch=True)
        self.until(page, "document.querySelector('.mc-tools')")
        a_comment = page.evaluate("document.querySelector('.mc-c .mc-body, .mc-c').querySelectorAll('*').length + 1")
        # Of all pages answers come a hundred at a time, from the root's own button.
        more = page.locator("text=/more repl/").first
        for _ in range(100):
            before = page.evaluate("document.querySelectorAll('.mc-c').length")
            if not more.count():
                break
            more.scroll_into_view_if_needed()
            more.click()
            self.until(page, f"document.querySelectorAll('.mc-c').length > {before}")
        page.click(".mc-loadall")
        self.until(page, "document.querySelectorAll('.mc-list > .mc-c').length === 2001")
        # At its beginning the branch is there, and those of its answers that are far away are empty.
        page.evaluate("scrollTo(0, 0)")
        few = f"document.querySelectorAll('.mc-c').length > 2100 && {NODES} < 4500 + 200 * {a_comment}"
        self.until(page, few)
        for part in (0.2, 0.3, 0.1):
            tall = page.evaluate("document.documentElement.scrollHeight")
            page.evaluate(f"scrollTo(0, {part} * document.documentElement.scrollHeight)")
            # What is looked at is there, and nothing has moved.
            seen = "document.elementFromPoint(200, innerHeight / 2)?.closest('.mc-c')"
            self.until(page, f"{seen} && {seen}.querySelector('.mc-text')")
            self.until(page, few)
            now = page.evaluate("document.documentElement.scrollHeight")
            self.assertAlmostEqual(now, tall, delta=4)
        page.evaluate("scrollTo(0, 0)")
        page.keyboard.press("Control+f")
        self.until(page, "document.querySelectorAll('.mc-text').length === 4001")
        # The number beside a folded branch counts those that are away as well.
        page.keyboard.press("Escape")
        page.evaluate("document.querySelector('.mc-list > .mc-c .mc-thread').click()")
        self.until(page, "document.querySelector('.mc-unfold').innerText.includes('2,000')")

    def test_short(self) -> None:
        """A conversation of fifty comments keeps all."""
        self.seed(*({"text": f"number {n}"} for n in range(50)))
        page = self.plain()
        page.click(".mc-loadall")
        self.until(page, "document.querySelectorAll('.mc-text').length === 50")
        self.soon(lambda: self.assertEqual(page.query_selector_all(".mc-loadall, .mc-listfoot .mc-more"), []))
