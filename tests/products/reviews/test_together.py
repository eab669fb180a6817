"""What comes at the same time, or from somewhere else: imports into one page, links of orders, exports of a site."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, DeferredList, gatherResults

from cackled.domain.channels import ChannelRef
from cackled.domain.errors import Refused
from cackled.domain.sessions import GUEST, Session
from cackled.importing.formats import Format
from cackled.importing.run import Busy
from cackled.products.reviews.answers import ChannelBody, PostBody
from cackled.products.reviews.exporting import write_jsonl
from cackled.products.reviews.importing import IMPORTS
from cackled.products.reviews.service import Reviews
from tests.products.reviews.common import REVIEWS, ReviewCase
from tests.products.reviews.test_returning import TABLES
from tests.support.returning import Returning

FORMATS: dict[str, Format] = {one.name: one for one in IMPORTS.formats}
COLUMNS = ("title", "body", "rating", "review_date", "reviewer_name", "reviewer_email", "product_id", "product_handle",
           "reply", "picture_urls")  # fmt: skip


def table(first: int, count: int) -> list[bytes]:
    """Lines of a table of *count* reviews of one page, by as many authors; numbered from *first*."""
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(COLUMNS)
    for n in range(first, first + count):
        rows.writerow([f"Title {n}", f"Text {n}", 1 + n % 5, "2024-03-13 10:00:00 UTC", f"Name {n}",
                       f"n{n}@mail.example", "1", "mug", "Thanks" if n % 4 == 0 else "", ""])  # fmt: skip
    return file.getvalue().encode().splitlines()


class ImportCase(ReviewCase, Returning):
    """Tables of reviews that are imported."""

    product = "reviews"
    imports = IMPORTS
    format: ClassVar[Format] = FORMATS["reviews"]
    writes = write_jsonl
    tables = TABLES

    async def together(self, *files: tuple[str, list[bytes]]) -> Any:
        """Import files, each under a label of its own, at the same time; the imports and their reports."""
        begun = [await self.begun(lines, label=label) for label, lines in files]
        return begun, await gatherResults([Deferred.fromCoroutine(one.go()) for one in begun])

    def stars(self) -> list[int]:
        """How many reviews of the page have each number of stars, counted anew."""
        rows = dict(self.sql("select star, count(*) from review where status = 1 group by star"))
        return [rows.get(star, 0) for star in range(1, 6)]


class ImportsTogetherTests(ImportCase):
    """Two imports into one page at the same time."""

    async def test_two_sources(self) -> None:
        """Counts are exact while somebody writes, too; the one is taken back, the other stays as it was."""
        begun, reports = await self.together(("a", table(0, 420)), ("b", table(300, 420)))
        self.assertEqual([(one.added, one.present, one.left) for one in reports], [(420, 0, {})] * 2)
        own = await self.made(star=5, text="Written here")
        self.assertEqual((await self.summary())["count"], 841)
        self.counts_agree()
        rows = "select id, star, src, visitor_id from review where import_id = %s order by id"
        kept = self.sql(rows, begun[1].run)
        undone = Deferred.fromCoroutine(begun[0].undo())
        await self.made(star=1, text="Written meanwhile")
        await undone
        self.assertEqual((await self.summary())["histogram"], self.stars())
        self.assertEqual((await self.summary())["count"], 422)
        self.counts_agree()
        self.assertEqual(self.sql(rows, begun[1].run), kept)
        self.assertEqual(self.sql("select count(*) from review where id = %s", int(own)), [(1,)])
        await begun[1].undo()
        self.assertEqual((await self.summary())["count"], 2)
        self.counts_agree()

    async def test_one_file_twice(self) -> None:
        """The same file at the same time is refused while the first is under way, and brings nothing afterwards."""
        begun = [await self.begun(table(0, 420), label="a") for _ in range(2)]
        results = await DeferredList([Deferred.fromCoroutine(one.go()) for one in begun], consumeErrors=True)
        done, failed = [one for fine, one in results if fine], [one for fine, one in results if not fine]
        self.assertEqual((done[0].added, [one.type for one in failed]), (420, [Busy]))
        self.assertEqual((await self.summary())["histogram"], [84] * 5)
        self.counts_agree()
        again = await self.back(table(0, 420), label="a")
        self.assertEqual((again.added, again.present), (0, 420))


class OtherSiteTests(ImportCase):
    """What site 1 gave out goes into site 2."""

    format: ClassVar[Format] = FORMATS["reviews-jsonl"]

    async def test_into_another(self) -> None:
        """There it is what others wrote: it comes with its source, nothing is taken for verified, twice is once, and
        site 1 keeps its own.
        """
        await self.setting(questions=True)
        order = {"order": "1", "products": [{"channel": "mug"}], "request": False}
        token = (await self.owner.ask("POST", f"{REVIEWS}/orders", order)).json()["token"]
        first = await self.made(star=4, text="It holds", order=token)
        answer = await self.post(await self.visitor(), 2, text="It leaks")
        await self.owner.ask("PUT", f"{REVIEWS}/{answer.json()['review']['id']}/reply", {"text": "Sorry"})
        await self.post(await self.visitor(), None, kind="question", text="Is it blue?")
        before, lines = await self.page(), await self.out()
        report = await self.back(lines, site=2)
        self.assertEqual((report.added, report.left), (3, {}))
        told = (await self.ask("GET", "/api/v1/sites/2/reviews?channel=mug&sort=old")).json()
        found = [(one["star"], one["verified"], one["source"], bool(one["reply"])) for one in told["page"]["reviews"]]
        self.assertEqual(sorted(found), [(2, None, "One", True), (4, "source", "One", False)])
        self.assertEqual((told["summary"]["count"], told["summary"]["own"]["count"]), (2, 0))
        thread = await self.ask("GET", "/threads/2?widget=Review&channel=mug", origin=None)
        self.assertIn(b"It holds", thread.body)
        self.assertNotIn(b"aggregateRating", thread.body)
        self.assertNotIn("order", json.dumps([one["verified"] for one in told["page"]["reviews"]]))
        again = await self.back(lines, site=2)
        self.assertEqual((again.added, again.present), (0, 3))
        self.assertEqual(await self.page(), before)
        ours = self.sql("select visitor_id from review where site_id = 1")
        theirs = self.sql("select visitor_id from review where site_id = 2")
        self.assertFalse({*ours} & {*theirs})
        await self.ask("DELETE", f"{REVIEWS}/{first}", authorization=await self.visitor())
        await self.last.undo(self.sql("select min(id) from import_run where site_id = 2 and not dry")[0][0])
        self.assertEqual(self.sql("select count(*) from review where site_id = 2"), [(0,)])
        self.assertEqual((await self.page())["summary"]["count"], 2)


class OrderTests(ReviewCase):
    """A link of an order."""

    async def token(self, name: str = "1", *channels: str) -> str:
        """The token of a new order of mugs, or of *channels*."""
        order = {"order": name, "products": [{"channel": one} for one in channels or ("mug",)], "request": False}
        noted = await self.owner.ask("POST", f"{REVIEWS}/orders", order)
        self.assertEqual(noted.status, 201, noted)
        return str(noted.json()["token"])

    async def at_once(self, token: str, *places: tuple[Reviews, str]) -> list[Any]:
        """Reviews by as many visitors with one token at the same time: what became of each."""
        posts = []
        for n, (service, key) in enumerate(places):
            body = PostBody(channel=ChannelBody(key), name=f"N{n}", star=5, text="tea", order=token)
            work = service.post(Session(1, 10_001 + 2 * n, GUEST), ChannelRef(key), body)
            posts.append(Deferred.fromCoroutine(work))
        return [
            value if done else value.value for done, value in await DeferredList(posts, consumeErrors=True)
        ]

    async def test_parallel(self) -> None:
        """Thirty at once with one link, through two services as two nodes have them: one is verified, the others are
        refused; for another product of the order it holds once more, and in a browser of another buyer not at all.
        """
        token = await self.token("1", "mug", "cup")
        nodes = self.service, Reviews(self.application.parts, self.site)
        for key in ("mug", "cup"):
            found = await self.at_once(token, *((nodes[n % 2], key) for n in range(30)))
            refused = [one.slug for one in found if isinstance(one, Refused)]
            self.assertEqual((len(found) - len(refused), set(refused)), (1, {"order-used"}))
            self.assertEqual((await self.summary(key))["verified"], 1)
            self.counts_agree(key)
        self.assertEqual(self.sql("select count(*), count(distinct order_id) from review"), [(2, 1)])
        # What was noted again is the same order: its new link does not hold for what was reviewed.
        again = await self.token("1", "mug", "cup", "pot")
        self.assertEqual((await self.post(await self.visitor(), 5, order=again)).slug, "order-used")
        self.assertEqual((await self.post(await self.visitor(), 5, "pot", order=again)).status, 201)

    async def test_after_erasure(self) -> None:
        """Who used it and was forgotten has used it: the link is no second voice, and names nobody any more."""
        token = await self.token()
        ann = await self.visitor()
        self.assertEqual((await self.post(ann, 5, order=token)).status, 201)
        await self.application.erasures.erase(1, int(self.visitor_of(ann)))
        self.assertEqual((await self.post(await self.visitor(), 1, order=token)).slug, "order-used")
        told = (await self.ask("POST", f"{REVIEWS}/order", {"token": token})).json()
        self.assertEqual((told["name"], [one["used"] for one in told["products"]]), ("", [True]))
        self.assertEqual((await self.summary())["count"], 0)

    async def test_of_an_edit(self) -> None:
        """A review that was written without a link does not become a buyer's by a change."""
        token, ann = await self.token(), await self.visitor()
        number = await self.made(ann, 3)
        body = {"star": 4, "order": token}
        await self.ask("PATCH", f"{REVIEWS}/{number}", body, authorization=ann)
        (one,) = (await self.page())["page"]["reviews"]
        self.assertIsNone(one["verified"])
        self.assertEqual((await self.post(await self.visitor(), 5, order=token)).status, 201)
