"""Pictures whose files are elsewhere: cached on each node's disk, and gone from every disk when they are gone."""

from __future__ import annotations

from pathlib import Path
from time import time
from typing import Any

from cackled.media.disk_cache import DiskCache, Place
from cackled.media.edge import EdgeFiles
from cackled.media.purging import KEPT_DAYS, Purging
from cackled.media.resource import Gallery
from cackled.media.store import MediaStore
from cackled.media.sweeping import Sweeping
from cackled.metrics import Metrics
from tests.api.common import ApiCase
from tests.media import corpus
from tests.media.test_media import MediaCase


class NodesCase(MediaCase):
    """Files in the database, and a second node beside the one that listens."""

    toml = ApiCase.toml + '[media]\norigin = "database"\n'

    async def setUp(self) -> None:
        await super().setUp()
        self.here = Path(self.infrastructure.config.state) / "media-cache"
        self.there = Path(self.mktemp())
        self.disk = DiskCache(self.there, 1 << 30, 1_000, free=lambda folder: (1.0, 1.0))
        in_thread, reactor = self.infrastructure.in_thread, self.infrastructure.reactor
        database = self.application.database
        self.gallery = Gallery(
            database, EdgeFiles(self.application.shared[MediaStore].origin, self.disk, reactor, in_thread, Metrics()),
            reactor.seconds, in_thread,
        )  # fmt: skip
        self.purging = Purging(database, self.disk, reactor, in_thread)
        for one in (self.purging, self.application.shared[Purging]):
            # As at the start of a daemon.
            await one.purge()

    async def shown(self, color: str) -> tuple[dict[str, Any], list[bytes]]:
        """A picture that everybody may see, and the contents of its files, after both nodes served them."""
        made = await self.added(corpus.picture(color=color))
        self.sql("update media set shown = true, item = 'comment:1' where id = %s", made["id"].partition("-")[2])
        bodies = []
        for one in made["files"]:
            answer = await self.ask("GET", one["src"])
            self.assertEqual(answer.status, 200)
            bodies.append(answer.body)
            name = one["src"].rpartition("/")[2]
            site = self.application.sites.get(1)
            found = await self.gallery.find(site, made["id"].partition("-")[2], name)
            assert found is not None
            await self.gallery.body(site, found, 0, found.known.bytes - 1)
        return made, bodies

    def holds(self, folder: Path, bodies: list[bytes]) -> int:
        """How many files of a node's disk hold one of these contents."""
        files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
        return sum(any(body in file for body in bodies) for file in files)


class CachedTests(NodesCase):
    """Serving."""

    async def test_from_disk(self) -> None:
        """Each node has its own; with the database's files gone it still serves, ranges and conditions as ever."""
        made, bodies = await self.shown("red")
        self.assertEqual((self.holds(self.here, bodies), self.holds(self.there, bodies)), (5, 5))
        self.sql("delete from media_file")
        src = made["files"][0]["src"]
        self.assertEqual((await self.ask("GET", src)).body, bodies[0])
        self.assertEqual((await self.ask("GET", src, range="bytes=3-9")).body, bodies[0][3:10])
        self.assertEqual((await self.ask("GET", src, range=f"bytes={len(bodies[0])}-")).status, 416)
        other = (await self.added(corpus.picture(color="blue")))["files"][0]["src"]
        self.sql("update media_file set body = set_byte(body, 9, get_byte(body, 9) # 1)")
        self.assertEqual((await self.ask("GET", other)).status, 503)
        self.assertEqual(len(self.application.shared[Gallery].trouble()), 1)


class GoneTests(NodesCase):
    """Removing."""

    async def test_erased_everywhere(self) -> None:
        """Who is forgotten is forgotten by every disk: by that of a node that was away too; others' pictures stay."""
        _, mine = await self.shown("red")
        self.auth = await self.visitor()
        _, others = await self.shown("blue")
        await self.purging.purge()
        self.assertEqual(self.holds(self.there, mine), 5)
        await self.application.erasures.erase(1, int(self.mine["visitor"]))
        own = self.application.shared[Purging]
        self.assertEqual((await own.purge(), self.holds(self.here, mine), self.holds(self.here, others)), (5, 0, 5))
        self.assertEqual((await self.purging.purge(), self.holds(self.there, mine)), (5, 0))
        self.assertEqual(self.holds(self.there, others), 5)
        self.sql("update media_gone set since = now() - interval '2 hours'")
        await self.application.shared[Sweeping].sweep()
        kept = [bytes(row[0]) for row in self.sql("select body from media_file")]
        self.assertFalse(set(kept) & set(mine))
        self.assertTrue(set(others) <= set(kept))

    async def test_clock_ahead(self) -> None:
        """A node that followed by a clock an hour ahead, or whose database's clock was put back, misses nothing."""
        _, mine = await self.shown("red")
        await self.purging.purge()
        (self.there / ".followed").write_text(repr(time() + 3_600))
        self.sql("select drop_media(1, array(select id from media))")
        self.assertEqual((await self.purging.purge(), self.holds(self.there, mine)), (5, 0))
        self.assertLess(float((self.there / ".followed").read_text()), time() + 600)

    async def test_late_fill(self) -> None:
        """What a node was just fetching when it went goes with the files of the origin."""
        _, mine = await self.shown("red")
        await self.purging.purge()
        self.sql("select drop_media(1, array(select id from media))")
        await self.purging.purge()
        digest = bytes(self.sql("select hash from media_gone")[0][0])
        self.disk.store(Place(1, digest, "320.webp", 0, len(mine[0])), mine[0])
        self.sql("update media_gone set since = now() - interval '2 hours'")
        self.sql("update media_removed set removed_at = now() - interval '1 hour'")
        await self.application.shared[Sweeping].sweep()
        self.assertEqual((await self.purging.purge(), self.holds(self.there, mine)), (1, 0))

    async def test_restored(self) -> None:
        """A backup from before the erasure is put back: the erasure is done again, and the disks follow."""
        _, mine = await self.shown("red")
        for table in ("media", "media_file"):
            self.sql(f"create table saved_{table} as select * from {table}")
        visitor = int(self.mine["visitor"])
        await self.application.erasures.erase(1, visitor)
        await self.purging.purge()
        self.sql("delete from media_file; delete from media_gone; delete from media_removed; delete from erasure")
        for table in ("media", "media_file"):
            self.sql(f"insert into {table} select * from saved_{table}")
        made = self.sql("select id from media")[0][0]
        site = self.application.sites.get(1)
        name = self.sql("select name from media_file order by name limit 1")[0][0]
        self.gallery.hide(f"1-{made}")
        found = await self.gallery.find(site, made, name)
        assert found is not None
        await self.gallery.body(site, found, 0, found.known.bytes - 1)
        self.assertEqual(self.holds(self.there, mine), 1)
        await self.application.erasures.sync()
        self.assertEqual(self.sql("select count(*) from media"), [(0,)])
        await self.purging.purge()
        self.assertEqual(self.holds(self.there, mine), 0)

    async def test_away_for_long(self) -> None:
        """A node that was away for longer than removals are noted begins anew; notes go after that time."""
        _, mine = await self.shown("red")
        await self.purging.purge()
        (self.there / ".followed").write_text("1000.0")
        await self.purging.purge()
        self.assertEqual((self.holds(self.there, mine), self.disk.used()), (0, (0, 0)))
        self.sql("insert into media_removed values (1, 'x', now() - interval '%s days')" % (KEPT_DAYS + 1))
        await self.application.housekeeping.run()
        self.assertEqual(self.sql("select count(*) from media_removed"), [(0,)])
