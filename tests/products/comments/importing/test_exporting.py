"""What is taken out can be read again, by us and by those whose form it is in."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from cackled.domain.text import render
from cackled.products.comments.exporting import EXPORTS
from tests.domain.common import ANN, BOB, the_id
from tests.products.comments.importing.common import ImportCase
from tests.products.comments.importing.test_formats import REMARK
from tests.products.comments.importing.test_writing import waline

FORMATS = {one.name: one for one in EXPORTS}


class ExportCase(ImportCase):
    """A site with comments of all kinds."""

    async def setUp(self) -> None:
        await super().setUp()
        first = await self.post("Hello *all*\n\n=1+1 ]]> & <b>", name="Ann", by=ANN, key="/x?a=1", idempotency_key="1")
        answer = await self.post("yes", name="Bob \u0416 & Co", by=BOB, key="/x?a=1", parent=the_id(first))
        await self.post("below", name="Ann", by=ANN, key="/x?a=1", parent=the_id(answer))
        await self.comments.vote(_session(BOB), the_id(first), 1)
        await self.post("elsewhere", name="Ann", by=ANN, key="not an address")
        await self.comment_moderation.remove(the_id(answer))
        await self.bring("remark42", REMARK)
        await self.bring("waline", waline({"url": "/w", "status": "waiting"}, {"url": "/w", "status": "spam"}))
        await self.sites.add("Two", ["two.example"], site_id=2)
        self.other = self.sites.get(2)

    async def taken(self, format: str, site: Any = None) -> bytes:
        """An export whole."""
        return b"".join([part async for part in FORMATS[format].write(self.database, site or self.site)])


def _session(visitor: int) -> Any:
    from cackled.domain.sessions import Session

    return Session(1, visitor)


class ExportTests(ExportCase):
    """Every format, back again."""

    async def test_mentions(self) -> None:
        """JSON lines keep who is mentioned; other systems get the name; from elsewhere a number means nobody."""
        await self.post(f"@[x](visitor:{ANN}) hi", name="Bob", by=BOB, key="/m")
        ((html, source),) = self.sql("select html, src from comment where html like '%%mention-%%'")
        self.assertEqual(html, f'<p><span class="mention-{ANN}">@Ann</span> hi</p>')
        report = await self.bring("jsonl", await self.taken("jsonl"), site=self.other)
        self.assertEqual(report.changed, {})
        kept = self.sql("select html, src from comment where site_id = 2 and html like '%%mention-%%'")
        self.assertEqual(kept, [(html, source)])
        noted = "select visitor_id from comment_mention where site_id = %s"
        self.assertEqual([self.sql(noted, site) for site in (1, 2)], [[(ANN,)], [(ANN,)]])
        for format in ("wxr", "disqus", "csv"):
            text = (await self.taken(format)).decode()
            self.assertIn("@Ann", text, format)
            self.assertNotIn("mention-", text, format)
            self.assertNotIn("visitor:", text, format)
        await self.bring("waline", waline({"objectId": "f1", "url": "/f", "comment": f"@[Eve](visitor:{ANN}) you"}))
        rows = self.sql("select src, html from comment where src like '%%Eve%%'")
        self.assertEqual(rows, [("@Eve you", "<p>@Eve you</p>")])

    async def test_jsonl(self) -> None:
        """Into an empty site: the same trees, states, votes, times, numbers and visitors; into its own: nothing new."""
        export = await self.taken("jsonl")
        report = await self.bring("jsonl", export, site=self.other)
        self.assertEqual((report.left, report.changed), ({}, {}))
        self.assertEqual(self.tree(2), self.tree(1))
        same = "id, parent_id, root_id, depth, visitor_id, author_name, src, html, status, shown, up, down, n_replies, "
        same += "n_thread, rank, created_at, edited_at, host(ip), featured, locked"
        self.assertEqual(
            self.sql(f"select {same} from comment where site_id = 2 order by id"),
            self.sql(f"select {same} from comment where site_id = 1 order by id"),
        )
        for columns, table in (
            ("channel_id, visitor_id, comment_id, value", "vote"), ("id, key, url, title, locked", "channel"),
            ("channel_id, n_visible, n_root, n_pending, pinned", "comment_channel"),
            ("visitor_id, email", "import_author"),
        ):  # fmt: skip
            rows = [self.sql(f"select {columns} from {table} where site_id = {site} order by 1, 2") for site in (1, 2)]
            self.assertEqual(rows[1], rows[0], table)
        before = self.sql("select count(*) from comment where site_id = 1")
        again = await self.bring("jsonl", export)
        self.assertEqual((again.added, again.present), (0, report.added))
        self.assertEqual(self.sql("select count(*) from comment where site_id = 1"), before)
        self.check_sound()
        # And out again: the same bytes but for the site's own line, and the codes, which are each site's.
        other = await self.taken("jsonl", self.other)
        self.assertEqual(_unsigned(other)[1:], _unsigned(export)[1:])

    async def test_jsonl_after_a_loss(self) -> None:
        """What is missing comes back below what is there."""
        export = await self.taken("jsonl")
        before = self.tree()
        self.sql("delete from comment where src = 'below'")
        report = await self.bring("jsonl", export)
        self.assertEqual(report.added, 1)
        self.assertEqual(self.tree(), before)
        self.check_sound()

    async def test_wxr(self) -> None:
        """WordPress' form, read again."""
        export = await self.taken("wxr")
        await self.bring("wxr", export, site=self.other, by="name")
        for page in ("/x?a=1", "/a", "/w"):
            self.assertEqual(_shape(self.tree(2)[page]), _shape(self.tree(1)[page]), page)
        self.assertIn(b"<wp:comment_approved>trash<", export)

    async def test_disqus(self) -> None:
        """Disqus' form, read again: all but what waits."""
        export = await self.taken("disqus")
        await self.bring("disqus", export, site=self.other, by="name")
        for page in ("/x?a=1", "/a"):
            self.assertEqual(_shape(self.tree(2)[page]), _shape(self.tree(1)[page]), page)
        self.assertEqual([one["status"] for one in self.tree(2)["/w"]], [2])

    async def test_csv(self) -> None:
        """A line a comment; no cell is a formula."""
        await self.post("=cmd|' /C calc'!A0", name="@x", by=ANN, key="/f")
        rows = list(csv.DictReader(io.StringIO((await self.taken("csv")).decode("utf-8-sig"))))
        self.assertEqual(len(rows), self.sql("select count(*) from comment where site_id = 1")[0][0])
        found = {row["text"]: row for row in rows}
        self.assertEqual(found["'=cmd|' /C calc'!A0"]["name"], "'@x")
        self.assertEqual(found["elsewhere"]["page"], "not an address")

    async def test_nothing_of_others(self) -> None:
        """An export has nothing of another site."""
        for format in FORMATS:
            export = await self.taken(format, self.other)
            for words in (b"Hello", b"Ann", b"elsewhere", b"example.test"):
                self.assertNotIn(words, export, format)
        lines = [json.loads(line) for line in (await self.taken("jsonl", self.other)).splitlines()]
        self.assertEqual([line["type"] for line in lines], ["export"])


def _unsigned(export: bytes) -> list[bytes]:
    return [line.rpartition(b',"mac":"')[0] for line in export.splitlines()]


def _shape(comments: list[dict[str, Any]]) -> Any:
    """Names, texts and states of trees, as far as every form can say them: refused is deleted."""
    return [
        (one["name"] if one["status"] != 4 else "", one["text"] and render(one["text"]), one["status"],
         _shape(one["replies"]))
        for one in comments
    ]
