"""The feed of product ratings: whole, valid by the rules of its schema, replaced in one step."""

from __future__ import annotations

import gzip
from pathlib import Path
from xml.etree import ElementTree

from cackled.domain.commands import CommandError, OperatorParts, Usage
from cackled.products.reviews import ratings_feed
from tests.products.reviews.common import ReviewCase

# The elements of each, in their order; a question mark: it may be missing, a star: there may be several or none.
SCHEMA = {
    "feed": ("version", "aggregator?", "publisher", "reviews"),
    "publisher": ("name", "favicon?"),
    "reviews": ("review*",),
    "review": (
        "review_id", "reviewer", "is_verified_purchase?", "is_incentivized_review?", "review_timestamp", "title?",
        "content", "review_language?", "review_country?", "pros?", "cons?", "review_url", "reviewer_images?", "ratings",
        "products", "is_spam?", "collection_method?", "transaction_id?",
    ),
    "reviewer": ("name", "reviewer_id?"), "pros": ("pro*",), "cons": ("con*",), "ratings": ("overall",),
    "products": ("product*",), "product": ("product_ids?", "product_name?", "product_url"),
    "product_ids": ("gtins?", "mpns?", "skus?", "brands?", "asins?"), "gtins": ("gtin*",), "mpns": ("mpn*",),
    "skus": ("sku*",), "brands": ("brand*",), "reviewer_images": ("reviewer_image*",), "reviewer_image": ("url",),
}  # fmt: skip


def problems(element: ElementTree.Element) -> list[str]:
    """What is against the schema, below and in an element."""
    found = []
    wanted = SCHEMA.get(element.tag, ())
    names = [child.tag for child in element]
    at = 0
    for name in wanted:
        plain = name.rstrip("?*")
        count = 0
        while at < len(names) and names[at] == plain:
            at, count = at + 1, count + 1
            if not name.endswith("*"):
                break
        if not count and name == plain:
            found.append(f"{element.tag} lacks {name}")
    if at < len(names):
        found.append(f"{element.tag}: {names[at]} is not there, or not in its place")
    if element.tag == "overall" and not (element.text in "12345" and element.attrib == {"min": "1", "max": "5"}):
        found.append("overall")
    if element.tag == "review_url" and element.get("type") not in ("singleton", "group"):
        found.append("review_url")
    if element.tag == "product_ids" and element.find("mpns") is not None and element.find("brands") is None:
        found.append("an mpn needs a brand")
    return found + [problem for child in element for problem in problems(child)]


class FeedTests(ReviewCase):
    """From the reviews to the file."""

    @property
    def operator(self) -> OperatorParts:
        """What commands use."""
        return OperatorParts(
            sites=self.application.sites, database=self.application.parts.database, evict=lambda position: None
        )

    async def run_feed(self, path: Path) -> ElementTree.Element:
        """Write and read it."""
        await ratings_feed.ratings_feed(self.operator, ["1", str(path)])
        raw = path.read_bytes()
        return ElementTree.fromstring(gzip.decompress(raw) if path.suffix == ".gz" else raw)

    async def test_whole(self) -> None:
        """All stars are in it, in the schema's order; what was imported, hidden or has no words is not."""
        facts = {"channel": "mug", "url": "https://one.example/mug?a=1&b=2", "name": "Mug & cup", "mpn": "M1"}
        await self.owner.ask("PUT", "/api/v1/sites/1/products", facts)
        order = {"order": "A-1", "products": [{"channel": "mug"}], "request": False}
        token = (await self.owner.ask("POST", "/api/v1/sites/1/reviews/orders", order)).json()["token"]
        for star in range(1, 6):
            await self.made(star=star, title=f"<T{star}> ]]>", text="a \x0b b \U0001f375", pros="one\n- two", cons="")
        await self.made(star=5, text="bought", order=token)
        await self.made(star=3, text="")
        self.sql("update review set source = 'Judge.me' where star = 4 returning 1")
        hidden = self.sql("select id from review where star = 2")[0][0]
        self.sql("select set_review_status(1, %s, 3, 'offtopic', false)", hidden)
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        for name in ("feed.xml", "feed.xml.gz"):
            root = await self.run_feed(folder / name)
            self.assertEqual(problems(root), [])
            self.assertEqual(sorted(one.text or "" for one in root.iter("overall")), ["1", "3", "5", "5"])
            self.assertEqual([one.text for one in root.iter("pro")][:2], ["one", "two"])
            self.assertEqual(len(list(root.iter("is_verified_purchase"))), 1)
            self.assertEqual(list(root.iter("mpn")), [])
            self.assertEqual({one.text for one in root.iter("product_url")}, {"https://one.example/mug?a=1&b=2"})
        self.assertEqual(sorted(one.name for one in folder.iterdir()), ["feed.xml", "feed.xml.gz"])
        facts = {"channel": "mug", "brand": "B", "gtin": "4006381333931"}
        await self.owner.ask("PUT", "/api/v1/sites/1/products", facts)
        root = await self.run_feed(folder / "feed.xml")
        self.assertEqual((problems(root), len(list(root.iter("mpn")))), ([], 4))

    async def test_refused(self) -> None:
        """What can't be written leaves what was there; wrong words are told in a line."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "feed.xml").write_text("old")
        for words in (["1", "feed.xml"], ["1", str(folder)], ["1", str(folder / "no" / "feed.xml")], ["9", "/tmp/x"]):
            with self.assertRaises(CommandError):
                await ratings_feed.ratings_feed(self.operator, words)
        for words in ([], ["x", "/tmp/y"], ["1"]):
            with self.assertRaises(Usage):
                await ratings_feed.ratings_feed(self.operator, words)
        self.assertEqual((folder / "feed.xml").read_text(), "old")
