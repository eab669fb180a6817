"""Pictures on pages without scripts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.api.thread_pictures import pictures


class PictureTests(SynchronousTestCase):
    """HTML of pictures."""

    def test_words(self) -> None:
        """Each is a link with words: its own, or whose it is and its place."""
        shown = [{"url": "/media/1-a/800.webp", "alt": "A <cat>"}, {"url": "/media/1-b/800.webp"}]
        made = pictures(shown, "https://c", "Ann")
        self.assertIn('alt="A &lt;cat&gt;"', made)
        self.assertIn('alt="Ann 2"', made)
        self.assertNotIn('alt=""', pictures([{"url": "https://x.example/a.jpg"}], "https://c"))

    def test_nothing_else(self) -> None:
        """What is no address of a picture is left out."""
        for url in ("", "//x.example/a", "javascript:x", "http://x.example/a"):
            self.assertEqual(pictures([{"url": url, "alt": "x"}], "https://c"), "")
