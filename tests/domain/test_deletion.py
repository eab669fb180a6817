"""A site is deleted with all it has, and stays deleted."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import execute

from cackled.domain.channels import ChannelRef
from cackled.domain.deletion import Deletions
from cackled.domain.erasure import append, read
from cackled.domain.errors import BadField, NotFound
from cackled.domain.sessions import Session
from cackled.products.comments import PRODUCT
from tests.domain.common import DomainCase, clock


class DeletionTests(DomainCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.journal = Path(self.mktemp())
        self.deletions = Deletions(self.sites, self.database, clock, self.journal, execute, PRODUCT.counted)
        other = await self.sites.add("Two", ["two.example"])
        assert other is not None
        self.other = other
        for number in range(5):
            await self.post(f"number {number}", key=f"page{number % 2}", by=10 + number)
            await self.of(other).post(Session(other.id, 9), ChannelRef("page"), f"other {number}", "Bob")
        await self.bans.ban("word", "spam")

    def left(self, site: int) -> dict[str, int]:
        tables = self.sql("select shard.tables()")
        counts = {t: self.sql(f"select count(*) from {t} where site_id = %s", site)[0][0] for (t,) in tables}
        return {table: count for table, count in counts.items() if count}

    async def test_all_of_it(self) -> None:
        """Every table is empty of it, in batches; the other site has all it had."""
        self.patch(__import__("cackled.domain.deletion", fromlist=["x"]), "BATCH", 2)
        before = self.left(self.other.id)
        held = await self.deletions.holdings(1)
        self.assertEqual((held["pages"], held["comments"], held["visitors"], held["bans"]), (2, 5, 5, 1))
        self.closed.clear()
        self.assertGreater(await self.deletions.delete(1), 10)
        self.assertEqual(self.left(1), {})
        self.assertEqual(self.left(self.other.id), before)
        self.assertRaises(NotFound, self.sites.get, 1)
        self.assertEqual(self.closed, [1])
        self.assertEqual(read(self.journal)[0], {(1, 0)})

    async def test_number_is_not_given_again(self) -> None:
        """Neither by itself nor when asked for."""
        await self.deletions.delete(self.other.id)
        made = await self.sites.add("Three", ["three.example"])
        assert made is not None
        self.assertGreater(made.id, self.other.id)
        error = await self.refused(self.sites.add("Two", ["two.example"], site_id=self.other.id))
        self.assertIsInstance(error, BadField)

    async def test_latecomers(self) -> None:
        """What another node wrote before it heard of it goes with the next look."""
        await self.deletions.delete(1)
        await self.post("too late")
        await self.deletions.sync()
        self.assertNotEqual(self.left(1), {}, "not before everybody has heard of it")
        self.sql("update catalog.deleted_site set deleted_at = now() - interval '2 minutes'")
        await self.deletions.sync()
        self.assertEqual(self.left(1), {})
        self.assertEqual(self.sql("select site_id, done from catalog.deleted_site"), [(1, True)])

    async def test_restored(self) -> None:
        """A database from before has to forget it again, and a journal learns from the database."""
        append(self.journal, [(1, 0), (self.other.id, 77)])
        await self.deletions.sync()
        self.assertEqual(self.left(1), {})
        self.assertRaises(NotFound, self.sites.get, 1)
        self.assertIsNotNone(self.sites.find(self.other.id))
        self.journal.unlink()
        await self.deletions.sync()
        self.assertEqual(read(self.journal)[0], {(1, 0)})

    async def test_rename(self) -> None:
        """Names are one line of printable characters."""
        self.assertEqual((await self.sites.rename(1, "  Our \t blog ")).name, "Our blog")
        for bad in ("", "  ", "x" * 201, "a\x1b[0m"):
            self.assertIsInstance(await self.refused(self.sites.rename(1, bad)), BadField)

    async def test_posting_is_stopped(self) -> None:
        """Nobody writes or changes anything while posting is off; all of it can be read, shown closed."""
        import json

        from cackled.products.comments.pages import Wanted

        written = await self.post("first", by=11)
        number = int(json.loads(written.comment)["id"])
        site = await self.sites.change(1, "posting", False)
        comments = self.of(site)
        for work in (
            comments.post(Session(1, 11), ChannelRef("page"), "more", "Ann"), comments.edit(Session(1, 11), number, "x")
        ):
            error = await self.refused(work)
            self.assertEqual((error.status, error.slug), (403, "locked"))
        page = json.loads(b"{" + (await comments.page("page", Wanted("best", 25, None, None))).value + b"}")
        self.assertTrue(page["channel"]["locked"])
        empty = json.loads(b"{" + (await comments.page("nobody", Wanted("best", 25, None, None))).value + b"}")
        self.assertTrue(empty["channel"]["locked"])
        site = await self.sites.change(1, "posting", True)
        page = json.loads(b"{" + (await self.of(site).page("page", Wanted("best", 25, None, None))).value + b"}")
        self.assertFalse(page["channel"]["locked"])
