"""The feed of product ratings: whole, valid by the rules of its schema, replaced in one step."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from xml.etree import ElementTree

from cackled.domain.commands import CommandError, OperatorParts, Usage
from cackled.products.reviews import ratings_feed
from tests.media import corpus
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


# As xs:dateTime has it, with its zone.
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


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
    if element.tag in ("review_url", "product_url", "url") and not re.match("https?://[^/]", element.text or ""):
        found.append(f"{element.tag}: {element.text} is no whole address")
    if element.tag == "review_timestamp" and not TIMESTAMP.fullmatch(element.text or ""):
        found.append(f"review_timestamp: {element.text}")
    if element.tag in ("is_verified_purchase", "is_incentivized_review", "is_spam") and element.text != "true":
        found.append(f"{element.tag}: {element.text}")
    if element.tag == "collection_method" and element.text not in ("unsolicited", "post_fulfillment"):
        found.append(f"collection_method: {element.text}")
    if element.tag in ("review_id", "content", "name", "product_name", "title") and not (element.text or "").strip():
        found.append(f"{element.tag} says nothing")
    if element.tag == "version" and element.text != "2.4":
        found.append(f"version: {element.text}")
    if element.tag == "reviews":
        ids = [one.text for one in element.iter("review_id")]
        if len(ids) != len(set(ids)):
            found.append("a review_id twice")
    if element.tag == "product_ids" and element.find("mpns") is not None and element.find("brands") is None:
        found.append("an mpn needs a brand")
    return found + [problem for child in element for problem in problems(child)]


class FeedTests(ReviewCase):
    """From the reviews to the file."""

    own_url = ""

    @property
    def operator(self) -> OperatorParts:
        """What commands use."""
        return OperatorParts(
            sites=self.application.sites, database=self.application.parts.database, evict=lambda position: None,
            own_url=self.own_url,
        )  # fmt: skip

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

    async def test_pictures_and_staff(self) -> None:
        """Pictures are at whole addresses, of the command too; what the site's own staff wrote is not in it."""
        await self.application.sites.change(1, "media.pictures", True)
        ann = await self.visitor()
        made = await self.ask(
            "POST", "/api/v1/sites/1/media?alt=A%20mug", corpus.picture(), content_type="image/jpeg", authorization=ann
        )
        picture = made.json()["id"]
        facts = {"channel": "mug", "url": "https://one.example/mug", "name": "Mug"}
        await self.owner.ask("PUT", "/api/v1/sites/1/products", facts)
        await self.made(ann, 4, text="with a picture", media=["https://one.example/a.png", picture])
        self.sql("update review set staff = true where id = %s", int(await self.made(star=5, text="by staff")))
        await self.setting(feed="public")
        answer = await self.ask("GET", "/feeds/1/reviews.xml", origin=None)
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        for own_url, begins in (("https://c.example/", "https://c.example/media/"), ("", None)):
            self.own_url = own_url
            root = await self.run_feed(folder / "feed.xml")
            found = [one.text or "" for one in root.iter("url")]
            self.assertEqual((problems(root), found[0]), ([], "https://one.example/a.png"))
            self.assertEqual([one.startswith(begins or "") for one in found[1:]], [True] if begins else [])
        root = ElementTree.fromstring(answer.body)
        self.assertEqual(problems(root), [])
        self.assertEqual([one.text for one in root.iter("content")], ["with a picture"])
        urls = [one.text or "" for one in root.iter("url")]
        self.assertEqual(len(urls), 2)
        self.assertRegex(urls[1], r"^https?://[^/]+/media/1-")
        fetched = await self.ask("GET", "/media/" + urls[1].partition("/media/")[2])
        self.assertEqual((fetched.status, fetched.headers["content-type"][:6]), (200, "image/"))

    async def test_empty(self) -> None:
        """A site without reviews has a feed with none, which takes away what Google has."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        root = await self.run_feed(folder / "feed.xml")
        self.assertEqual((problems(root), len(root.findall("reviews")), len(list(root.iter("review")))), ([], 1, 0))

    async def test_replaced_while_it_is_read(self) -> None:
        """Who reads the file while it is written anew reads the old one to its end; the next has the new one."""
        facts = {"channel": "mug", "url": "https://one.example/mug", "name": "Mug"}
        await self.owner.ask("PUT", "/api/v1/sites/1/products", facts)
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        await self.made(text="first " * 400)
        await self.run_feed(folder / "feed.xml")
        with open(folder / "feed.xml", "rb") as reader:
            begun = reader.read(200)
            await self.made(text="second")
            root = await self.run_feed(folder / "feed.xml")
            old = ElementTree.fromstring(begun + reader.read())
        self.assertEqual((len(list(old.iter("review"))), len(list(root.iter("review")))), (1, 2))

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
