"""CommentRecent and CommentTop: lists of a site's comments in a column of the page."""

from __future__ import annotations

from tests.support.browser import MockCase

LISTS = """() => {
  document.body.insertAdjacentHTML('beforeend', '<div id="mc-last"></div><div id="mine"><i>kept</i></div>');
  cackle_widget.push({widget: 'CommentRecent', id: 1, size: 2, textSize: 12, ...window.more});
  cackle_widget.push({widget: 'CommentTop', id: 1, container: 'mine', html: window.html});
}"""


class LatelyTests(MockCase):
    def test_lists(self) -> None:
        """The latest with face, name, text, page and time, each a link; the best by a template."""
        self.seed(
            {"text": "first <b>one</b>", "score": 5, "name": "<i>Eve</i>"}, {"html": "<p>second</p><p>much longer</p>"},
            {"text": "third"},
        )  # fmt: skip
        page = self.plain()
        page.evaluate("window.html = '<b class=\"n\">{author}</b>: {text} <em>{score}</em> {nothing} <u>x</u>'")
        page.evaluate(LISTS)
        page.wait_for_selector("#mc-last .mc-late")
        self.soon(
            lambda: self.assertEqual(page.locator("#mc-last .mc-latetext").all_inner_texts(), ["third", "second much…"])
        )
        self.soon(lambda: self.assertEqual(page.locator("#mc-last .mc-avatar").count(), 2))
        self.soon(lambda: self.assertIn("A <b>page</b> ·", page.inner_text("#mc-last .mc-lateplace >> nth=0")))
        self.soon(
            lambda: self.assertRegex(
                page.get_attribute("#mc-last a >> nth=0", "href"), r"https://x\.example/plain#mc-\d+"
            )
        )
        page.wait_for_selector("#mine .mc-late")
        first = page.inner_text("#mine .mc-latelink >> nth=0")
        self.assertEqual(first, "<i>Eve</i>: first <b>one</b> 5 {nothing} <u>x</u>")
        self.soon(
            lambda: self.assertEqual(
                page.evaluate("document.querySelectorAll('#mine i, #mine u, #mine b.n').length"), 3
            )
        )
        self.soon(
            lambda: self.assertEqual(
                page.evaluate("getComputedStyle(document.querySelector('#mine .mc-avatar')).width"), "32px"
            )
        )

    def test_failed(self) -> None:
        """Where the server has nothing to say, what the page has there stays."""
        self.steer(fail=[{"method": "GET", "path": "/lately", "status": 404, "times": 9}])
        page = self.plain()
        page.evaluate(LISTS)
        page.wait_for_timeout(300)
        self.soon(lambda: self.assertEqual(page.inner_text("#mine"), "kept"))
