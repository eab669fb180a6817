"""Photos of imported reviews: links at first, fetched by us where the site wants that, from servers of every kind."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import succeed
from twisted.internet.threads import deferToThread
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from cackled.domain.outbox import Work
from cackled.domain.uploads import Uploads
from cackled.importing.mapping import UrlMap
from cackled.importing.run import Importing, Options
from cackled.importing.spool import Report
from cackled.outbound.guard import Policy
from cackled.outbound.post import GuardedHttp
from cackled.products.product import OutboxParts
from cackled.products.reviews.importing import IMPORTS
from cackled.products.reviews.photos import ReviewPhotos
from tests.media import corpus
from tests.products.reviews.common import REVIEWS, ReviewCase

clock: Any = reactor
FORMAT = next(one for one in IMPORTS.formats if one.name == "reviews")
COLUMNS = ("title", "body", "rating", "review_date", "reviewer_name", "reviewer_email", "product_id", "product_handle",
           "reply", "picture_urls")  # fmt: skip
# Later than any day on which this runs: what is dated later than now is put back.
NOW = 3_000_000_000.0


class Pictures(Resource):
    """A server of pictures; ``asked`` counts by path."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, int] = {}
        self.pages: dict[str, tuple[int, bytes]] = {}

    def render_GET(self, request: Request) -> bytes:
        """What is at a path."""
        path = request.path.decode()
        self.asked[path] = self.asked.get(path, 0) + 1
        status, body = self.pages.get(path, (404, b""))
        request.setResponseCode(status)
        return body


class PhotoTests(ReviewCase):
    """From the table to the page."""

    timeout = 300

    async def setUp(self) -> None:
        await super().setUp()
        self.application.outbox.stop()
        self.there = Pictures()
        listening = clock.listenTCP(0, Site(self.there), interface="127.0.0.2")
        self.addCleanup(listening.stopListening)
        self.web = listening.getHost().port
        names = {"shop.example": "127.0.0.2", "within.example": "127.0.0.1"}
        http = _Plain(GuardedHttp(
            clock, lambda host: succeed([names[host]]), Policy(ports=(self.web,), networks=("127.0.0.2/32",))
        ))  # fmt: skip
        unused: Any = None
        self.photos = ReviewPhotos(OutboxParts(
            sites=self.application.sites, database=self.application.database, send=None, sender="", links=unused,
            own_url="", clock=clock, uploads=lambda: self.application.shared[Uploads], http=http,
        ))  # fmt: skip

    def link(self, path: str, host: str = "shop.example") -> str:
        """An address there."""
        return f"https://{host}:{self.web}{path}"

    async def bring(self, *photos: str, wished: bool = True, name: str = "file") -> Report:
        """Import a review for each of *photos* (some, divided by blanks)."""
        file = io.StringIO()
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for n, some in enumerate(photos):
            rows.writerow([f"Title {n}", "Text", "4", "2025-03-02 10:00:00 UTC", f"Ann {n}", f"a{n}@mail.example", "1",
                           "mug", "", some])  # fmt: skip
        path = Path(self.mktemp())
        path.write_text(file.getvalue())
        self.work = Importing(
            self.site, self.application.parts.database, deferToThread, Path(self.mktemp()), lambda: NOW, clock,
        )  # fmt: skip
        self.run = await self.work.begin(
            "reviews", FORMAT, path, Options(photos=wished), dry=False, who="test", name=name
        )
        return await self.work.go(self.run, path, FORMAT, IMPORTS, UrlMap())

    async def deliver(self) -> int:
        """Do the work that is due; gives how much it was."""
        rows = self.sql(
            "update outbox set done_at = now() where kind = 'review-photos' and done_at is null and next_at <= now() "
            "returning id, site_id, kind, body"
        )
        for number, site, kind, body in rows:
            await self.photos.deliver(Work(number, site, kind, body, 1, 0.0))
        return len(rows)

    async def shown(self) -> list[dict[str, Any]]:
        """The photos of the page."""
        page = await self.page(query="&sort=old&readPreference=primary")
        return [one for review in page["page"]["reviews"] for one in review["media"]]

    async def test_links_only(self) -> None:
        """Not wished: nothing is asked for, and the address is none that a page loads."""
        await self.bring(self.link("/a.jpg"), wished=False)
        self.assertEqual(await self.deliver(), 0)
        self.assertEqual(await self.shown(), [{"url": "", "alt": "", "link": self.link("/a.jpg")}])
        thread = await self.ask("GET", "/threads/1/fragment?widget=Review&channel=mug")
        self.assertIn(f'href="{self.link("/a.jpg")}"', thread.body.decode())
        self.assertNotIn("<img", thread.body.decode())
        queue = await self.owner.ask("GET", "/api/v1/sites/1/queue?kind=review&state=approved")
        self.assertNotIn('"url":""', queue.body.decode())
        self.assertEqual(self.there.asked, {})
        # A link is no photo: neither is it counted as one, nor found among those with photos, nor sorted before others.
        self.assertEqual((await self.summary())["with_media"], 0)
        for query in ("&media=1", "&media=1&q=text"):
            self.assertEqual((await self.page(query=query))["page"]["reviews"], [])
        other = await self.made(media=["https://one.example/a.png"], text="text")
        newest = await self.made(text="newest")
        found = (await self.page(query="&sort=media"))["page"]["reviews"]
        self.assertEqual(found[0]["id"], other)
        self.assertIn(newest, [one["id"] for one in found])
        self.assertEqual((await self.summary())["with_media"], 1)
        for query in ("&media=1", "&media=1&q=text"):
            self.assertEqual([one["id"] for one in (await self.page(query=query))["page"]["reviews"]], [other])
        self.counts_agree()

    async def test_fetched(self) -> None:
        """Wished: each is fetched once, shown from here, told live, and the same contents are kept once."""
        raw = corpus.picture()
        for path in ("/a.jpg", "/b.jpg"):
            self.there.pages[path] = 200, raw
        self.there.pages["/c.jpg"] = 200, corpus.picture(color="#204060")
        await self.bring(f"{self.link('/a.jpg')} {self.link('/b.jpg')}", self.link("/c.jpg"))
        while await self.deliver():
            pass
        photos = await self.shown()
        self.assertEqual(len(photos), 3)
        for one in photos:
            self.assertNotIn("link", one)
            self.assertTrue(one["url"].startswith(f"/media/{one['id']}/"), one)
            self.assertEqual((await self.ask("GET", one["url"])).status, 200)
        self.assertEqual(self.there.asked, {"/a.jpg": 1, "/b.jpg": 1, "/c.jpg": 1})
        self.assertEqual(self.sql("select count(distinct hash) from media"), [(2,)])
        self.assertEqual(self.events()[-1][0], "review.updated")
        self.assertEqual((await self.summary())["with_media"], 2)
        self.counts_agree()
        self.assertEqual(self.sql("select count(*) from review_photo"), [(0,)])
        # Taken back as a whole, its pictures are with nothing.
        await self.work.undo(self.run, IMPORTS)
        self.assertEqual(self.sql("select count(*) from review"), [(0,)])
        self.assertEqual(self.sql("select distinct item, shown from media"), [("", False)])

    async def test_wished_later(self) -> None:
        """The same file once more, with the wish, brings the photos of what was there."""
        self.there.pages["/a.jpg"] = 200, corpus.picture()
        await self.bring(self.link("/a.jpg"), wished=False)
        report = await self.bring(self.link("/a.jpg"), name="again")
        self.assertEqual((report.added, report.present), (0, 1))
        await self.deliver()
        self.assertIn("id", (await self.shown())[0])

    async def test_what_cant_be_had(self) -> None:
        """What is no picture stays a link at once; what does not answer is tried again, and given up in the end."""
        self.there.pages |= {"/page": (200, corpus.SCRIPT), "/svg": (200, corpus.SVG), "/empty": (200, b"")}
        paths = ("/page", "/svg", "/empty", "/gone")
        links = [self.link(path) for path in paths] + [self.link("/a.jpg", "within.example")]
        await self.bring(*links)
        for _ in range(4):
            await self.deliver()
            self.sql("update review_photo set next_at = now()")
            self.sql("update outbox set next_at = now() where kind = 'review-photos' and done_at is null")
        await self.deliver()
        self.assertEqual({one["link"] for one in await self.shown()}, set(links))
        self.assertEqual(self.there.asked, {"/page": 1, "/svg": 1, "/empty": 4, "/gone": 4})
        self.assertEqual(self.sql("select count(*) from review_photo"), [(0,)])
        self.assertEqual(self.sql("select count(*) from media where item <> ''"), [(0,)])

    async def test_gone_meanwhile(self) -> None:
        """A review that was taken back, or whose visitor is forgotten, gets no photo."""
        self.there.pages["/a.jpg"] = 200, corpus.picture()
        await self.bring(self.link("/a.jpg"))
        visitor = self.sql("select visitor_id from review")[0][0]
        await self.application.erasures.erase(1, visitor)
        while await self.deliver():
            pass
        self.assertEqual(self.sql("select count(*) from review_photo"), [(0,)])
        self.assertEqual(self.sql("select count(*) from media where item <> '' or shown"), [(0,)])
        self.assertEqual(self.there.asked, {})

    async def test_author_keeps_links(self) -> None:
        """Whoever changes an imported review of theirs may leave its links in it, and add none."""
        await self.bring(self.link("/a.jpg"), wished=False)
        visitor = await self.visitor()
        self.sql("update review set visitor_id = %s", int(self.visitor_of(visitor)))
        (review,) = (str(row[0]) for row in self.sql("select id from review"))
        sent = {"text": "Changed", "media": [self.link("/a.jpg")]}
        changed = await self.ask("PATCH", f"{REVIEWS}/{review}", sent, authorization=visitor)
        self.assertEqual(changed.status, 200, changed)
        self.assertEqual((await self.shown())[0]["link"], self.link("/a.jpg"))
        sent["media"].append(self.link("/b.jpg"))
        refused = await self.ask("PATCH", f"{REVIEWS}/{review}", sent, authorization=visitor)
        self.assertEqual(refused.status, 422, refused)


class _Plain:
    """Asks over http what is at https: the test's server has no certificate."""

    def __init__(self, http: GuardedHttp) -> None:
        self._http = http

    def ask(self, method: bytes, url: str, *args: Any, **more: Any) -> Any:
        """The answer at *url*."""
        return self._http.ask(method, url.replace("https://", "http://", 1), *args, **more)
