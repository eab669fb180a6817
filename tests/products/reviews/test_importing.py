"""Reviews of other systems: each format is read, what can't be used is told by row, and a run is taken back."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from cackled.importing.mapping import UrlMap
from cackled.importing.records import BadFile, Left
from cackled.importing.run import Importing, Options
from cackled.importing.source import Source
from cackled.importing.spool import Report
from cackled.products.reviews.importing import IMPORTS
from cackled.products.reviews.importing.record import ImportedReview
from cackled.products.reviews.importing.tables import star_of
from tests.products.reviews.common import ReviewCase

clock: Any = reactor
FORMATS = {one.name: one for one in IMPORTS.formats}
# Later than any day on which this runs: what is dated later than now is put back.
NOW = 3_000_000_000.0
JUDGE = "title,body,rating,review_date,source,curated,reviewer_name,reviewer_email,product_id,product_handle,reply,"
JUDGE += "reply_date,picture_urls,ip_address,location\n"
# The header of each system, and a row of it.
HEADERS = {
    "Judge.me": (JUDGE, 'Good,"It, ""holds""\ntea",5,2025-03-02 10:12:00 UTC,web,ok,Ann,ann@mail.example,1,mug,Thanks,'
                 "2025-03-03,https://x.example/a.jpg,203.0.113.9,US\n"),
    "WooCommerce": (
        "comment_ID,comment_post_ID,comment_author,comment_author_email,comment_author_url,comment_author_IP,"
        "comment_date,comment_date_gmt,comment_content,comment_approved,comment_parent,user_id,rating,verified,title,"
        "product_SKU,product_title\n",
        "7,mug,Ann,ann@mail.example,,203.0.113.9,2025-03-02 11:12:00,2025-03-02 10:12:00,<p>It holds</p>,1,0,0,4,1,"
        "Good,S,Mug\n"),
    "Site Reviews": ("date,date_gmt,rating,content,name,email,ip_address,is_approved,assigned_posts,user_id\n",
                     "2025-03-02,2025-03-02,3,It holds,Ann,a@b.example,,1,mug,0\n"),
    "Shopify Product Reviews": (
        "product_handle,state,rating,title,author,email,location,body,reply,created_at,replied_at\n",
        "mug,published,2,Good,Ann,a@b.example,,It holds,,2025-03-02 10:12:00 -0500,\n"),
    "Loox": ("id,status,rating,email,nickname,full_name,review,date,productId,handle,img,variant,verified_purchase\n",
             "7,Active,5,a@b.example,Ann,Ann B,It holds,2025-03-02,1,mug,https://x.example/a.jpg,blue,TRUE\n"),
    "Stamped": ("product_id,rating,author,body,created_at,product_handle,productTitle,published,title,email,reply\n",
                "1,5,Ann,It holds,2025-03-02 10:12:00,mug,Mug,TRUE,Good,a@b.example,\n"),
    "Yotpo": ("Review Title;Review Content;Review Score;Date;Product ID;Product Title;Product URL;Display Name;Email;"
              "Verified Purchase\n",
              "Good;It holds;5;2025-03-02;mug;Mug;https://one.example/mug;Ann;a@b.example;Yes\n"),
    "Okendo": ("Review ID,Product ID,Product Name,Rating,Title,Body,Reviewer Name,Is Verified Buyer,Date Created,"
               "Status\n",
               "7,mug,Mug,5,Good,It holds,Ann,true,2025-03-02,approved\n"),
    "PowerReviews": ("Review Id,Page Id,Review Display,Title,Date,Location,Text,Rating,Verified Buyer,Status\n",
                     "7,mug,Ann,Good,2025-03-02,,It holds,5,Yes,Approved\n"),
}  # fmt: skip


class ReadTests(SynchronousTestCase):
    """What readers make of files."""

    def read(self, content: str | bytes, format: str = "reviews") -> list[Any]:
        """The records of a file."""
        path = Path(self.mktemp())
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(FORMATS[format].read(Source(path)))

    def test_each_system(self) -> None:
        """Each is known by its columns, whatever its divider, line ends and mark at the beginning."""
        for name, (head, row) in HEADERS.items():
            for content in (head + row, "\ufeff" + (head + row).replace("\n", "\r\n")):
                records = self.read(content)
                one = next(record for record in records if isinstance(record, ImportedReview))
                self.assertEqual((one.origin, one.page, one.author.name), (name, "mug", "Ann"), name)
                self.assertIn("It", one.text)
                self.assertEqual(one.state, "approved", name)
                self.assertIsNotNone(one.created, name)
        ids = [self.read("".join(HEADERS["Judge.me"]))[1].id for _ in range(2)]
        self.assertEqual(ids[0], ids[1])

    def test_verified_only_by_yes(self) -> None:
        """Verified is what says so in so many words."""
        head, row = HEADERS["Loox"]
        for word, verified in (("TRUE", True), ("yes", True), ("", False), ("no", False), ("maybe", False)):
            one = self.read(head + row.replace("TRUE", word))[1]
            self.assertEqual(one.verified, verified, word)

    def test_dates(self) -> None:
        """Dates that can be read in two ways are asked about; ones that can't are read."""
        head, row = HEADERS["Judge.me"]

        def made(*dates: str) -> str:
            return head + "".join(row.replace("2025-03-02 10:12:00 UTC", date) for date in dates)

        with self.assertRaisesRegex(BadFile, "reviews-dmy"):
            self.read(made("03/04/2025"))
        with self.assertRaises(BadFile):
            self.read(made("13/04/2025", "04/13/2025"))
        day = 86_400
        first, second = (one.created for one in self.read(made("13/04/2025", "03/04/2025"))[1:3])
        self.assertEqual(first - second, 10 * day)
        dmy = self.read(made("03/04/2025"), "reviews-dmy")[1].created
        mdy = self.read(made("03/04/2025"), "reviews-mdy")[1].created
        self.assertEqual(dmy - mdy, 30 * day)

    def test_rows_that_cant_be_used(self) -> None:
        """They are told by their number, without their words."""
        head, row = HEADERS["PowerReviews"]
        broken = row.replace(",5,", ",six,") + row.replace("2025-03-02", "yesterday") + row.replace("mug", "")
        left = [one for one in self.read(head + broken + row) if isinstance(one, Left)]
        self.assertEqual(
            [(one.reason, one.detail) for one in left],
            [("broken", "row 2: rating"), ("broken", "row 3: date"), ("no-page", "row 4")],
        )
        left = [one for one in self.read(head + row.replace("2025-03-02", "2999-01-01")) if isinstance(one, Left)]
        self.assertEqual([(one.reason, one.detail) for one in left], [("broken", "row 2: date in the future")])
        for text, found in (("5", (True, 5)), ("4.0", (True, 4)), ("4,0", (True, 4)), ("", (True, None)),
                            ("0", (True, None)), ("4.5", (False, None)), ("6", (False, None)), ("-1", (False, None)),
                            ("nan", (False, None)), ("inf", (False, None)), ("٥", (True, 5))):  # fmt: skip
            self.assertEqual(star_of(text), found, text)
        for content in ("", "a,b\n1,2\n", "title,body,rating,review_date,reviewer_name\n", b"\xff\xfe\x00"):
            with self.assertRaises(BadFile):
                self.read(content)

    def test_cackle(self) -> None:
        """Answers of Cackle's API."""
        row = {"id": 7, "star": 4, "pros": "warm", "cons": "", "comment": "It <b>holds</b>", "recom": True, "up": 3,
               "down": 1, "created": 1_740_000_000_000, "status": "approved", "vb": True, "media": "https://x.example/a",
               "chan": {"channel": "mug", "url": "https://one.example/mug", "title": "Mug"},
               "author": {"id": 3, "name": "Ann", "email": "a@b.example"}, "ip": "203.0.113.9"}  # fmt: skip
        for content in ([row], {"reviews": [row]}):
            one = self.read(json.dumps(content), "cackle-reviews")[1]
            self.assertEqual((one.star, one.pros, one.recommend, one.verified, one.up), (4, "warm", True, True, 3))
            self.assertEqual(one.created, 1_740_000_000)

    def test_yandex(self) -> None:
        """Feedback of Yandex Market; what was paid for is labelled."""
        row = {"feedbackId": 1, "createdAt": "2025-03-02T10:12:00+03:00",
               "identifiers": {"orderId": 1, "offerId": "mug"}, "author": "Аня",
               "description": {"advantages": "тёплая", "disadvantages": "тяжёлая", "comment": "ок"},
               "statistics": {"rating": 5, "recommended": True, "paidAmount": 50}}  # fmt: skip
        for content in ({"feedbacks": [row]}, [row], {"result": {"feedbacks": [row]}}):
            one = next(r for r in self.read(json.dumps(content), "yandex-market") if isinstance(r, ImportedReview))
            self.assertEqual((one.pros, one.cons, one.incentivized), ("тёплая", "тяжёлая", True))


class ImportTests(ReviewCase):
    """From the file to the page, and back."""

    async def bring(self, content: str, format: str = "reviews", *, dry: bool = False) -> Report:
        """Import a file into site 1."""
        path = Path(self.mktemp())
        path.write_text(content)
        self.work = Importing(
            self.site, self.application.parts.database, deferToThread, Path(self.mktemp()), lambda: NOW, clock,
        )  # fmt: skip
        self.run = await self.work.begin("reviews", FORMATS[format], path, Options(), dry=dry, who="test")
        return await self.work.go(self.run, path, FORMATS[format], IMPORTS, UrlMap())

    def rows(self, count: int) -> str:
        """A file of Judge.me of *count* reviews on three pages."""
        file = io.StringIO()
        writer = csv.writer(file)
        for n in range(count):
            writer.writerow([
                f"Title {n}", f"Text {n}", 1 + n % 5, f"2024-{1 + n % 12:02}-{1 + n % 28:02} 10:00:00 UTC", "web", "ok",
                f"Name {n % 7}", f"n{n % 7}@mail.example", n % 3, f"product-{n % 3}",
                "Thanks" if n % 4 == 0 else "", "",
                "https://x.example/a.jpg" if n % 6 == 0 else "", "", "",
            ])  # fmt: skip
        return JUDGE + file.getvalue()

    async def test_odd_values(self) -> None:
        """Dates that there are not, texts that no database takes, values of any other kind: the rest comes."""
        good = {"id": 1, "chan": {"channel": "p"}, "star": 5, "comment": "fine", "up": 1}
        wrong = (None, [], {}, "\0", 1e308, -1, 10**18, True, "9999-99-99", [None, {}], "http://\u2100/", 10**16)
        rows = [{**good, "id": f"{name}-{n}", name: value} for name in (
            "star", "comment", "pros", "created", "chan", "author", "anonym", "up", "down", "media", "details",
            "status", "ip", "recom", "vb",
        ) for n, value in enumerate(wrong)]  # fmt: skip
        rows += [{**good, "id": f"a{n}", "author": {"id": value, "name": value, "email": value, "www": value}}
                 for n, value in enumerate(wrong)]  # fmt: skip
        report = await self.bring(json.dumps({"reviews": [good, *rows]}), "cackle-reviews")
        self.assertGreater(report.added, 120)
        table = JUDGE + "A,Good,5,2025-03-02,web,ok,Ann\0,a\0@b.example,1,mug,Thanks,99999999999999999,,,\n"
        self.assertEqual((await self.bring(table)).added, 1)

    async def test_report_by_row(self) -> None:
        """A dry run tells which rows can't be used, and what of them."""
        rows = self.rows(3).replace("Text 1,2,", "Text 1,six,").replace("2024-03-03", "2024-13-45")
        report = await self.bring(rows, dry=True)
        self.assertEqual((report.added, report.left), (1, {"broken": 2}))
        self.assertEqual(report.examples, {"broken": ["row 3: rating", "row 4: date"]})

    async def test_whole(self) -> None:
        """A dry run writes nothing; all comes with its date and source; again nothing; undone, nothing is left."""
        await self.made(star=5, key="product-0")
        dry = await self.bring(self.rows(60), dry=True)
        self.assertEqual((dry.items, dry.added), (60, 60))
        self.assertEqual(self.sql("select count(*) from review"), [(1,)])
        report = await self.bring(self.rows(60))
        self.assertEqual((report.added, report.present), (60, 0))
        page = await self.page("product-0", "&sort=new&size=100")
        self.assertEqual((page["summary"]["count"], page["summary"]["own"]["count"]), (21, 1))
        one = page["page"]["reviews"][-1]
        self.assertEqual((one["source"], one["verified"], one["created"][:4]), ("Judge.me", None, "2024"))
        self.assertNotIn("mail.example", json.dumps(page))
        for key in ("product-0", "product-1", "product-2"):
            self.counts_agree(key)
        self.assertEqual(self.events("product-1")[-1][0], "summary.updated")
        again = await self.bring(self.rows(60))
        self.assertEqual((again.added, again.present), (0, 60))
        first = self.sql("select min(id) from import_run where not dry")[0][0]
        await self.work.undo(first, IMPORTS)
        self.assertEqual(self.sql("select count(*) from review"), [(1,)])
        self.assertEqual(self.sql("select count(*) from review_reply"), [(0,)])
        for key in ("product-0", "product-1"):
            self.counts_agree(key)
        self.assertEqual((await self.summary("product-0"))["count"], 1)
