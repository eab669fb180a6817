"""Reviews as pages for search engines: what is shown, what is told in the words of schema.org, and what is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from cackled.products.reviews.thread import data
from cackled.products.reviews.thread.places import Facts
from tests.products.reviews.common import ReviewCase
from tests.support.product_rules import violations
from tests.support.search_rules import Page


class ThreadTests(ReviewCase):
    async def thread(self, key: str = "mug", part: str = "", query: str = "") -> tuple[Page, Any]:
        """A page, and its answer."""
        answer = await self.ask("GET", f"/threads/1{part}?widget=Review&channel={key}{query}")
        self.assertEqual(answer.status, 200, answer)
        return Page(answer.body.decode()), answer

    async def test_page(self) -> None:
        """Reviews with their figures, escaped; the structured data is valid, and says what the page says."""
        await self.made(star=5, title="<b>Fine</b>", text="Warm *and* round.", pros="warm", recommend=True)
        await self.made(star=4, text="Good </script><script>", cons="heavy", recommend=False)
        page, answer = await self.thread()
        self.assertEqual(page.wrong, [])
        self.assertIn("4.5 out of 5 stars · 2 reviews", page.text)
        self.assertIn("50 % recommend it", page.text)
        self.assertIn("<b>Fine</b>", page.text)
        self.assertIn("Warm", page.text)
        self.assertNotIn(b"<b>Fine", answer.body)
        (data,) = page.data
        self.assertEqual(violations(data), [])
        self.assertEqual((data["@type"], data["name"]), ("Product", "mug"))
        rating = data["aggregateRating"]
        self.assertEqual((rating["ratingValue"], rating["reviewCount"], rating["bestRating"]), (4.5, 2, 5))
        self.assertEqual([one["reviewRating"]["ratingValue"] for one in data["review"]], [4, 5])
        for one in data["review"]:
            for line in one["reviewBody"].split("\n"):
                self.assertIn(line, page.text)
        part, answer = await self.thread(part="/fragment")
        self.assertEqual(violations(part.data[0]), [])
        self.assertIn(b"noindex", answer.headers["x-robots-tag"].encode())

    async def test_nothing(self) -> None:
        """Where there is no review nothing is told to search engines, and no robot keeps the page."""
        page, answer = await self.thread("none")
        self.assertEqual(page.data, [])
        self.assertEqual(answer.headers["x-robots-tag"], "noindex")
        self.assertNotIn(b"aggregateRating", answer.body)

    async def test_staff(self) -> None:
        """What the site's own staff wrote is told to search engines neither as a review nor in the figures; the page
        has those figures, too.
        """
        own = await self.made(star=5, text="By the shop")
        await self.made(star=2, text="By a buyer")
        self.sql("select count_reviews(array[r], array[(jsonb_populate_record(r, '{\"staff\": true}'))::review]) "
                 "from review r where id = %s", int(own))  # fmt: skip
        self.sql("update review set staff = true where id = %s", int(own))
        self.counts_agree()
        summary = await self.summary()
        self.assertEqual((summary["count"], summary["own"]), (2, {"count": 1, "average": 2}))
        page, _ = await self.thread()
        (told,) = page.data
        self.assertEqual(violations(told), [])
        self.assertEqual((told["aggregateRating"]["ratingValue"], told["aggregateRating"]["reviewCount"]), (2, 1))
        self.assertEqual([one["reviewRating"]["ratingValue"] for one in told["review"]], [2])
        self.assertIn("One: 2 out of 5 stars · 1 review", page.text)

    async def test_hidden_words(self) -> None:
        """What was hidden, or taken back, is in no page, list, summary, first render or feed of events."""
        await self.made(star=5, text="visible words")
        mine = await self.visitor()
        gone = await self.made(mine, star=1, text="zebracanary text", title="zebracanary title", pros="zebracanary pro")
        await self.ask("DELETE", f"/api/v1/sites/1/reviews/{gone}", authorization=mine)
        refused = await self.made(star=2, text="yakcanary text", title="yakcanary", cons="yakcanary con")
        body = {"items": [f"review:{refused}"], "action": "reject", "why": "offtopic"}
        done = await self.owner.ask("POST", "/api/v1/sites/1/moderation/actions", body)
        self.assertEqual(done.status, 200, done)
        paths = [
            "/threads/1?widget=Review&channel=mug", "/threads/1/fragment?widget=Review&channel=mug",
            "/api/v1/sites/1/reviews?channel=mug", "/api/v1/sites/1/reviews?channel=mug&q=yakcanary",
            "/api/v1/sites/1/reviews?channel=mug&star=1&star=2", "/api/v1/sites/1/reviews/summary?channel=mug",
            "/api/v1/sites/1/reviews/ratings?channel=mug", "/bootstrap?widget=Review&site=1&channel=mug",
        ]  # fmt: skip
        for path in paths:
            answer = await self.ask("GET", path)
            self.assertEqual(answer.status, 200, path)
            self.assertNotRegex(answer.body.decode(), "zebracanary|yakcanary", path)
        page, _ = await self.thread()
        self.assertEqual(page.data[0]["aggregateRating"]["reviewCount"], 1)

    async def test_two_sites(self) -> None:
        """Another site's page of the same key has none of it."""
        await self.made(star=5, text="only here")
        answer = await self.ask("GET", "/threads/2?widget=Review&channel=mug")
        self.assertNotIn(b"only here", answer.body)

    async def test_pages(self) -> None:
        """Further pages have the rest, and neither figures nor structured data."""
        for n in range(27):
            await self.made(star=1 + n % 5, text=f"review number {n:02}")
        page, _ = await self.thread()
        (after,) = [one["href"] for one in page.links if one.get("rel") == "next" and one["tag"] == "a"]
        answer = await self.ask("GET", after)
        second = Page(answer.body.decode())
        self.assertIn("review number 00", second.text)
        self.assertNotIn("review number 26", second.text)
        self.assertEqual(second.data, [])
        self.assertEqual(len(page.data[0]["review"]), 5)


class RuleTests(ReviewCase):
    async def test_elsewhere(self) -> None:
        """What was collected elsewhere, and what the site's own wrote, is told nowhere; a long name is cut."""
        await self.made(star=4, text="ours")
        found = (await self.page())["page"]["reviews"][0]
        summary = await self.summary()
        for change in ({"source": "Judge.me"}, {"staff": True}, {"star": None}):
            told = self.told([{**found, **change}], summary)
            self.assertNotIn("review", told)
        told = self.told([{**found, "author": {"id": "1", "name": "x" * 300}}], summary)
        self.assertEqual(violations(told), [])
        self.assertIsNone(self.told([found], {**summary, "own": {"count": 0, "average": None}}))

    def told(self, reviews: list[Any], summary: Any) -> Any:
        """The structured data of reviews."""
        facts = Facts(brand="Acme", gtin="4006381333931", image="https://shop.example/mug.jpg")
        render: Any = SimpleNamespace(language="en")
        return data.product(render, "Mug", "https://shop.example/mug", facts, summary, reviews)

    def test_checker(self) -> None:
        """The checker finds what is against the rules."""
        good = {
            "@context": "https://schema.org", "@type": "Product", "name": "Mug",
            "aggregateRating": {"@type": "AggregateRating", "ratingValue": 4, "reviewCount": 1},
        }  # fmt: skip
        self.assertEqual(violations(good), [])
        for bad in (
            {**good, "@type": "Organization"},
            {**good, "@type": "LocalBusiness"},
            {**good, "name": ""},
            {**good, "aggregateRating": {**good["aggregateRating"], "reviewCount": 0}},  # type: ignore[dict-item]
            {**good, "aggregateRating": {**good["aggregateRating"], "ratingValue": 6}},  # type: ignore[dict-item]
            {**good, "aggregateRating": {**good["aggregateRating"], "bestRating": 4}},  # type: ignore[dict-item]
            {"@context": "https://schema.org", "@type": "Product", "name": "Mug"},
        ):
            self.assertNotEqual(violations(bad), [])
