"""Pictures on pages for readers without scripts, search engines among them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.api.thread_pictures import pictures
from tests.api.common import ORIGIN
from tests.media import corpus
from tests.media.test_media import MediaCase
from tests.support.search_rules import Page


class HtmlTests(SynchronousTestCase):
    """Whatever a product kept."""

    def test_written(self) -> None:
        """Size and words as known; addresses of ours and of https alone; nothing breaks out."""
        self.assertEqual(pictures([], "https://c"), "")
        self.assertEqual(pictures(None, "https://c"), "")
        for url in ("javascript:alert(1)", "//evil.example/x", "http://plain.example/x", "", "data:,x"):
            self.assertEqual(pictures([{"url": url}], "https://c"), "", url)
        wide = pictures([{"url": "/media/1-x/800.webp", "alt": '"><script>', "width": 1600, "height": 400}], "https://c")
        self.assertIn('src="https://c/media/1-x/800.webp" alt="&quot;&gt;&lt;script&gt;" width="320" height="80"', wide)
        self.assertEqual(Page(wide).wrong, [])
        self.assertNotIn("width", pictures([{"url": "https://a.example/x.jpg"}], "https://c"))


class ThreadPictureTests(MediaCase):
    """Over the real listener."""

    async def test_comment(self) -> None:
        """A comment's picture is on its page and in the fragment, at an address that answers; gone with the comment."""
        made = await self.added(corpus.picture(size=(900, 600)), query="?alt=A%20wall")
        said = await self.ask(
            "POST", "/api/v1/sites/1/comments",
            {"channel": {"key": "page"}, "name": "Ann", "text": "", "media": [made["id"]]},
            authorization=self.auth, origin=ORIGIN,
        )  # fmt: skip
        self.assertEqual(said.status, 201, said)
        for part in ("", "/fragment"):
            answer = await self.ask("GET", f"/threads/1{part}?channel=page")
            self.assertIn(b'alt="A wall" width="320" height="213" loading="lazy"', answer.body)
            src = answer.body.partition(b'<img src="')[2].partition(b'"')[0].decode()
            self.assertEqual((await self.ask("GET", "/media/" + src.partition("/media/")[2])).status, 200)
            self.assertEqual(Page(answer.body.decode()).wrong, [])
        await self.ask(
            "DELETE", f"/api/v1/sites/1/comments/{said.json()['comment']['id']}", authorization=self.auth, origin=ORIGIN
        )
        self.assertNotIn(b"<img", (await self.ask("GET", "/threads/1?channel=page")).body)
