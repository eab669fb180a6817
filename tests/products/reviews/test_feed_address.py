"""The feed of product ratings at its address: who gets it, in parts, whole or not at all."""

from __future__ import annotations

import gzip
from typing import Any
from xml.etree import ElementTree

from twisted.internet.defer import Deferred, gatherResults

from cackled.api import file_feeds
from cackled.database.errors import Unavailable
from cackled.products.reviews import ratings_feed
from tests.products.reviews.common import REVIEWS, ReviewCase
from tests.products.reviews.test_ratings_feed import problems

FEED = "/feeds/1/reviews.xml"


class AddressTests(ReviewCase):
    """Over HTTP, as Google asks."""

    async def fill(self, most: int = 1) -> None:
        """Reviews of a page with an address."""
        await self.owner.ask(
            "PUT", "/api/v1/sites/1/products", {"channel": "mug", "url": "https://one.example/mug", "name": "Mug"}
        )
        for n in range(most):
            await self.made(star=n % 5 + 1, text=f"text {n}")

    async def address(self, renew: bool = False) -> Any:
        """What owners are told."""
        method, path = ("POST", f"{REVIEWS}/feed/renewal") if renew else ("GET", f"{REVIEWS}/feed")
        answer = await self.owner.ask(method, path)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    @staticmethod
    def path(told: Any) -> str:
        """The path of an address."""
        return "/" + str(told["url"]).split("/", 3)[3]

    async def test_public(self) -> None:
        """Off there is nothing; public it is whole, valid, plain and packed, in several batches, for HEAD too."""
        self.patch(ratings_feed, "BATCH", 3)
        await self.fill(8)
        self.assertEqual((await self.ask("GET", FEED, origin=None)).status, 404)
        self.assertEqual(await self.address(), {"url": None, "keyed": False})
        await self.setting(feed="public")
        plain = await self.ask("GET", FEED, origin=None)
        self.assertEqual((plain.status, plain.headers["content-type"]), (200, "application/xml; charset=utf-8"))
        root = ElementTree.fromstring(plain.body)
        self.assertEqual((plain.whole, problems(root), len(list(root.iter("review")))), (True, [], 8))
        packed = await self.ask("GET", self.path(await self.address()), origin=None)
        self.assertEqual(packed.headers["content-type"], "application/gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        head = await self.ask("HEAD", FEED, origin=None)
        self.assertEqual((head.status, head.body), (200, b""))
        for path, status in (("/feeds/1/reviews.xml.gz.gz", 404), ("/feeds/9/reviews.xml", 404),
                             ("/feeds/x/reviews.xml", 404), ("/feeds/1/reviews.xml/a", 404),
                             ("/feeds/1/reviews.xml?key=%ff", 400)):  # fmt: skip
            self.assertEqual((await self.ask("GET", path, origin=None)).status, status, path)
        self.assertEqual((await self.ask("POST", FEED, {}, origin=None)).status, 405)

    async def test_private(self) -> None:
        """The key opens it, nothing else does; a new key ends the old one; owners alone are told."""
        await self.fill()
        await self.setting(feed="private")
        told = await self.address()
        self.assertEqual((told["keyed"], told), (True, await self.address()))
        self.assertEqual((await self.ask("GET", self.path(told), origin=None)).status, 200)
        for path in (FEED, f"{FEED}?key=", f"{FEED}?key=x", f"{FEED}?key=%C3%A9{'x' * 5000}"):
            self.assertEqual((await self.ask("GET", path, origin=None)).status, 404, path)
        await self.application.sites.change(2, "reviews.feed", "private")
        self.assertEqual((await self.ask("GET", self.path(told).replace("/1/", "/2/"), origin=None)).status, 404)
        fresh = await self.address(renew=True)
        self.assertNotEqual(fresh, told)
        self.assertEqual((await self.ask("GET", self.path(told), origin=None)).status, 404)
        self.assertEqual((await self.ask("GET", self.path(fresh), origin=None)).status, 200)
        self.assertNotIn((await self.ask("GET", f"{REVIEWS}/feed")).status, (200, 500))

    async def test_closed(self) -> None:
        """A closed site's feed always takes the key; what only some may read is in nobody's feed."""
        await self.fill()
        await self.made(star=5, text="hidden talk", key="inner")
        await self.setting(feed="public")
        await self.owner.ask("PUT", "/api/v1/sites/1/products", {"channel": "inner", "url": "https://one.example/inner"})
        self.assertIn(b"hidden talk", (await self.ask("GET", FEED, origin=None)).body)
        await self.application.sites.change(1, "locks", "inner read signed-in")
        feed = await self.ask("GET", FEED, origin=None)
        self.assertIn(b"text 0", feed.body)
        self.assertNotIn(b"hidden talk", feed.body)
        await self.application.sites.change(1, "private", True)
        self.assertEqual((await self.ask("GET", FEED, origin=None)).status, 404)
        self.assertEqual((await self.ask("GET", self.path(await self.address()), origin=None)).status, 200)

    async def test_broken_off(self) -> None:
        """Where reading fails on the way, nobody takes what came for the whole; too many at once are told to wait."""
        self.patch(ratings_feed, "BATCH", 2)
        await self.fill(5)
        await self.setting(feed="public")
        real = ratings_feed.Feed.parts

        async def breaks(feed: Any) -> Any:
            number = 0
            async for part in real(feed):
                number += 1
                if number == 3:
                    raise Unavailable("gone")
                yield part

        self.patch(ratings_feed.Feed, "parts", breaks)
        answer = await self.ask("GET", FEED, origin=None)
        self.assertFalse(answer.whole)
        self.assertIn(b"text 0", answer.body)
        with self.assertRaises(ElementTree.ParseError):
            ElementTree.fromstring(answer.body)
        self.patch(file_feeds, "MOST", 0)
        busy = await self.ask("GET", FEED, origin=None)
        self.assertEqual((busy.status, busy.slug, busy.headers["retry-after"]), (429, "too-fast", "30"))

    async def test_together(self) -> None:
        """Those who come at the same moment are bounded as well, and make room when they are over."""
        await self.fill()
        await self.setting(feed="private")
        feed = self.path(await self.address())
        asked = [Deferred.fromCoroutine(self.ask("GET", feed, origin=None)) for _ in range(5)]
        statuses = sorted(answer.status for answer in await gatherResults(asked))
        self.assertEqual(statuses, [200] * file_feeds.MOST + [429] * (5 - file_feeds.MOST))
        for method in ("GET", "HEAD", "GET"):
            self.assertEqual((await self.ask(method, feed, origin=None)).status, 200)
