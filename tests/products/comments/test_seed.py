"""The demo: made once, by however many daemons, and lively."""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred, gatherResults

from cackled.database.routing import ReadPreference
from cackled.domain import demo
from cackled.domain.parts import ServiceParts
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.domain.write_batching import WriteQueues
from cackled.products.comments import seed
from cackled.products.comments.pages import Wanted
from tests.domain.common import DomainCase

COUNTS = """
    select h.key, k.n_visible, h.seq from channel h join comment_channel k on k.channel_id = h.id order by h.key
"""


class EnsureTests(DomainCase):
    """`demo.ensure`."""

    async def setUp(self) -> None:
        await super().setUp()
        self.sql("truncate catalog.site cascade")
        await self.sites.refresh(ReadPreference.PRIMARY)

    async def fill(self, site: Site) -> None:
        """Write the demo's conversations."""
        parts = ServiceParts(
            database=self.database, cache=self.cache, evict=self.evicted.append, queues=WriteQueues()
        )
        await seed.fill(parts, site)

    async def test_made_once(self) -> None:
        """Site 1 and its pages; a second time nothing is added, and what visitors wrote stays."""
        site = await demo.ensure(self.sites, [self.fill])
        self.assertEqual(site.id, 1)
        for origin in ("http://localhost:8080", "http://127.0.0.1", "http://[::1]:80"):
            self.assertTrue(site.allows_origin(origin), origin)
        counts = self.sql(COUNTS)
        self.assertIn("demo", [row[0] for row in counts])
        await demo.ensure(self.sites, [self.fill])
        self.assertEqual(self.sql(COUNTS), counts)

    async def test_lively(self) -> None:
        """Votes, ages and threads; no comment is younger than its parent's."""
        await demo.ensure(self.sites, [self.fill])
        site = self.sites.get(1)
        page = json.loads(b"{" + (await self.of(site).page("demo", Wanted())).value + b"}")
        comments = page["page"]["comments"]
        self.assertGreater(len(comments), 4)
        self.assertTrue(any(one["replies"] for one in comments))
        self.assertTrue(any(one["up"] > 10 for one in comments))
        wrong = self.sql(
            "select c.id from comment c join comment p on p.id = c.parent_id where c.created_at < p.created_at"
        )
        self.assertEqual(wrong, [])
        self.assertEqual(self.sql("select id from comment where created_at > now() or n_thread < 0"), [])

    async def test_queue(self) -> None:
        """Moderators find what waits, what is spam and what was reported; readers see nothing of it."""
        await demo.ensure(self.sites, [self.fill])
        told = self.sql("select status, count(*) from comment where status <> 1 group by 1 order by 1")
        self.assertEqual(told, [(0, 2), (2, 1)])
        self.assertEqual(self.sql("select status, n_flags from comment where n_flags > 0"), [(1, 2)])
        site = self.sites.get(1)
        page = (await self.of(site).page("demo", Wanted())).value.decode()
        for words in ("elderflower", "sixty every month", "Luxury"):
            self.assertNotIn(words, page)

    async def test_two_at_once(self) -> None:
        """Two daemons that start at the same moment make it once."""
        directories = [SiteDirectory(self.database) for _ in range(2)]
        for one in directories:
            await one.refresh()
        work = [Deferred.fromCoroutine(demo.ensure(one, [self.fill])) for one in directories]
        await gatherResults(work, consumeErrors=True)
        twice = self.sql("select channel_id, html, count(*) from comment group by 1, 2 having count(*) > 1")
        self.assertEqual(twice, [])
        for one in directories:
            await one.refresh(ReadPreference.PRIMARY)
            self.assertTrue(one.get(1).allows_origin("http://localhost:1"))
