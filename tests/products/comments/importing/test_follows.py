"""Our own export of who follows what comes back; an address only as this server wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from cackled.events import channel_id
from cackled.importing.mapping import UrlMap
from cackled.importing.run import Importing, Options
from cackled.importing.spool import Report
from cackled.products.comments.follows_export import write_follows
from cackled.products.comments.importing import IMPORTS
from tests.api.common import ApiCase

clock: Any = reactor
FORMAT = next(one for one in IMPORTS.formats if one.name == "follows-jsonl")
TABLES = ("follow", "follower", "import_item")


class FollowTests(ApiCase):
    """Site 1."""

    timeout = 300

    async def out(self) -> list[bytes]:
        """The lines of an export."""
        parts = [part async for part in write_follows(self.application.parts.database, self.site)]
        return b"".join(parts).splitlines()

    async def back(self, lines: list[bytes], *, dry: bool = False, **chosen: Any) -> Report:
        """Import *lines*."""
        path = Path(self.mktemp())
        path.write_bytes(b"\n".join(lines) + b"\n")
        self.work = Importing(
            self.site, self.application.parts.database, deferToThread, Path(self.mktemp()), reactor.seconds, clock,
        )  # fmt: skip
        self.run = await self.work.begin("comments", FORMAT, path, Options(**chosen), dry=dry, who="test")
        return await self.work.go(self.run, path, FORMAT, IMPORTS, UrlMap())

    def fill(self) -> None:
        """Followers of all kinds."""
        page = channel_id("comments", "page")
        self.sql("insert into channel (site_id, id, product, key, url) values (1, %s, 'comments', 'page', 'https://x/')",
                 page)  # fmt: skip
        for number, state, zone in ((11, "confirmed", "Asia/Tokyo"), (12, "none", "UTC"), (13, "bounced", "UTC")):
            self.sql(
                "insert into follower (site_id, visitor_id, channel_id, email, email_state, zone, digest, "
                "quiet_from, created_at) values (1, %s, %s, %s, %s, %s, 'daily', 22, "
                "date_trunc('second', now()) - interval '1 day')",
                number, 900 + number, f"{state}@mail.example", state, zone,
            )  # fmt: skip
            self.sql("insert into follow (site_id, visitor_id, kind, target, created_at) values "
                     "(1, %s, 1, %s, date_trunc('second', now()) - interval '1 day'), "
                     "(1, %s, 2, 7, date_trunc('second', now()) - interval '1 hour')",
                     number, page, number)  # fmt: skip

    def emptied(self, *more: str) -> None:
        """Nobody follows anything."""
        for table in (*TABLES, *more):
            self.sql(f"delete from {table} where site_id = 1")

    async def test_whole(self) -> None:
        """Out, in, out again is equal; again it adds nothing; undone, what was chosen since stays."""
        self.fill()
        lines = await self.out()
        self.assertEqual(len(lines), 4)
        self.emptied("channel")
        self.assertEqual((await self.back(lines, dry=True)).added, 3)
        self.assertEqual((await self.back(lines)).added, 3)
        self.assertEqual(await self.out(), lines)
        again = await self.back(lines, label="again")
        self.assertEqual((again.added, again.present), (0, 3))
        first = self.sql("select run_id from import_item limit 1")[0][0]
        self.sql("insert into follow (site_id, visitor_id, kind, target) values (1, 12, 2, 99)")
        await self.work.undo(first, IMPORTS)
        self.assertEqual(self.sql("select visitor_id, target from follow"), [(12, 99)])
        self.assertEqual(self.sql("select visitor_id from follower"), [(12,)])

    async def test_addresses(self) -> None:
        """Of a line that was changed no address comes, nor one that stopped mail; who was forgotten stays so."""
        self.fill()
        lines = await self.out()
        self.emptied()
        forged = [line.replace(b"confirmed@", b"somebody@") for line in lines]
        await self.back(forged)
        self.assertEqual(self.sql("select distinct email from follower"), [("",)])
        self.assertEqual(self.sql("select email_state from follower where visitor_id = 11"), [("none",)])
        self.emptied()
        self.sql("insert into mail_stop (site_id, hash, reason) values "
                 "(1, sha256('confirmed@mail.example'), 'complained')")  # fmt: skip
        await self.application.erasures.erase(1, 12)
        await self.back(lines, label="stopped")
        rows = self.sql("select visitor_id, email, email_state from follower order by 1")
        self.assertEqual(rows, [(11, "", "none"), (13, "", "bounced")])

    async def test_hostile(self) -> None:
        """Lines of any shape are taken as far as they go, whether or not somebody vouches for them."""
        self.fill()
        lines = await self.out()
        self.emptied()
        whole = json.loads(lines[1])
        rows: list[Any] = [None, 1, [], {}, {"type": "follower"}]
        for name in whole:
            for value in (None, [], {}, "x", -1, 2**70, [[1]], [1, 99], "\u0000", [{}], [{"page": "p" * 5_000}],
                          [{"visitor": "9" * 30}], [{"page": 5, "visitor": "7", "url": "javascript:x"}], True):
                rows.append({**whole, "visitor": str(1_000 + len(rows)), name: value})
        sent = [lines[0], *(json.dumps(row).encode() for row in rows), b"{"]
        for own in (False, True):
            report = await self.back(sent, own=own)
            self.assertGreater(report.added, 50)
            await self.out()
            await self.work.undo(self.run, IMPORTS)
            self.assertEqual(self.sql("select count(*) from follower"), [(0,)])
