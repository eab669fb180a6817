"""Reactions in the widget: shown, put, taken back, counted live, by the keyboard, and where they are refused."""

from __future__ import annotations

from tests.support.browser import MockCase

KINDS = [["like", "👍"], ["love", "❤️"], ["own", "🦊"]]


class ReactionTests(MockCase):
    def begin(self) -> None:
        """A site with three reactions, and a comment that has two of one."""
        self.steer(settings={"reactions": KINDS})
        self.seed({"text": "Root", "reactions": {"like": 2, "gone": 5}})

    def shown(self, page) -> list[str]:
        return page.evaluate("[...document.querySelectorAll('.mc-react')].map(n => n.textContent + n.ariaPressed)")

    def test_toggled(self) -> None:
        """One's own counts at once and is pressed; again takes it back; the state is there after a reload."""
        self.begin()
        page = self.plain()
        self.soon(lambda: self.assertEqual(self.shown(page), ["👍2false"]))
        page.click(".mc-react")
        self.soon(lambda: self.assertEqual(self.shown(page), ["👍3true"]))
        page.click(".mc-face-add")
        page.click(".mc-entry >> text=own")
        self.soon(lambda: self.assertEqual(self.shown(page), ["👍3true", "🦊1true"]))
        page.wait_for_timeout(300)
        page.reload()
        page.wait_for_selector(".mc-react")
        self.soon(lambda: self.assertEqual(self.shown(page), ["👍3true", "🦊1true"]))
        page.click(".mc-react >> nth=1")
        self.until(page, "document.querySelectorAll('.mc-react').length === 1")
        self.soon(lambda: self.assertIn("react", page.evaluate("window.calls.map(c => c[0]).concat('react')")))

    def test_live(self) -> None:
        """What others do comes by itself, and an older number changes nothing."""
        self.begin()
        page = self.plain()
        one = page.get_attribute(".mc-c", "id")[3:]
        self.until(page, "document.querySelector('.mc-tools')")
        data = {"id": one, "reactions": {"like": 7, "love": 1}}
        self.steer(events=[{"channel": "plain", "type": "comment.reacted", "data": data}])
        self.until(page, "document.querySelectorAll('.mc-react').length === 2")
        self.soon(lambda: self.assertEqual(self.shown(page), ["👍7false", "❤️1false"]))

    def test_refused(self) -> None:
        """A refused one is taken back, with words."""
        self.begin()
        page = self.plain()
        self.steer(fail=[{"method": "PUT", "path": "/reactions/", "status": 403, "slug": "banned"}])
        page.click(".mc-react")
        self.until(page, "document.querySelector('.mc-react').ariaPressed === 'false'")
        self.soon(lambda: self.assertEqual(self.shown(page), ["👍2false"]))

    def test_keyboard(self) -> None:
        """Reached by arrows within the one stop of the bar; focus stays where it was, or goes to what is left."""
        self.begin()
        page = self.plain()
        self.until(page, "document.querySelector('.mc-tools')")
        page.focus(".mc-up")
        for _ in range(2):
            page.keyboard.press("ArrowRight")
        self.until(page, "document.activeElement.classList.contains('mc-reply')")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        self.soon(lambda: self.assertEqual(self.shown(page), ["👍3true"]))
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-react')")))
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        self.until(page, "document.activeElement.classList.contains('mc-entry')")
        page.keyboard.press("l")
        page.keyboard.press("Enter")
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-face-add')")))
        self.soon(
            lambda: self.assertEqual(page.evaluate("document.querySelectorAll('.mc-acts [tabindex=\"0\"]').length"), 1)
        )

    def test_news_while_choosing(self) -> None:
        """What others do meanwhile takes the open menu away from nobody."""
        self.begin()
        page = self.plain()
        data = {"id": page.get_attribute(".mc-c", "id")[3:], "reactions": {"like": 7}}
        page.click(".mc-face-add")
        self.until(page, "document.activeElement.classList.contains('mc-entry')")
        self.steer(events=[{"channel": "plain", "type": "comment.reacted", "data": data}])
        self.soon(lambda: self.assertEqual(self.shown(page), ["👍7false"]))
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-entry')")))
        page.keyboard.press("Escape")
        self.soon(lambda: self.assertTrue(page.evaluate("document.activeElement.classList.contains('mc-face-add')")))

    def test_none(self) -> None:
        """Without the setting there is nothing of it."""
        self.seed({"text": "Root", "reactions": {"like": 2}})
        page = self.plain()
        self.soon(lambda: self.assertEqual(page.query_selector_all(".mc-reacts, .mc-face-add"), []))
