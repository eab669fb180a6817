"""Domain services without sockets: the rules on a real database, with one or two sites."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from cackled import config
from cackled.cache.soft import SoftCache
from cackled.database.routing import Database
from cackled.database.testing import database_for_test, server
from cackled.domain.bans import Bans
from cackled.domain.blocks import Blocks
from cackled.domain.channels import ChannelRef, parse_id
from cackled.domain.errors import Refused
from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.domain.sites import SiteDirectory
from cackled.events import Position
from cackled.metrics import Metrics
from cackled.products import PRODUCTS
from cackled.products.comments.moderation import CommentModeration
from cackled.products.comments.service import Comments, Written
from cackled.products.registry import Registry
from tests.support.shapes import Described

clock: Any = reactor
DESCRIBED = Described()
ANN, BOB, CAT = 11, 22, 33


class DomainCase(TestCase):
    """A migrated database with site 1, and what works on it."""

    settings: dict[str, Any] = {}
    connections = 4

    async def setUp(self) -> None:
        self.dsns: list[str] = []
        self.database: Database = await database_for_test(
            self, prepare=self.dsns.append, settings=config.Database(connections=self.connections)
        )
        self.name = self.dsns[0].split("dbname=")[1].split()[0]
        # The sites that were closed to whom they were open to before.
        self.closed: list[int] = []
        self.sites = SiteDirectory(
            self.database, on_closed=self.closed.append, shape=Registry(PRODUCTS).settings({})
        )
        made = await self.sites.add("One", ["one.example"], site_id=1, settings=json.dumps(self.settings))
        assert made is not None
        self.site: Site = made
        self.evicted: list[Position] = []
        self.cache = SoftCache(clock=clock, max_bytes=1 << 20, ttl=60.0, metrics=Metrics())
        self.comments = self.of(self.site)
        self.bans = Bans(self.site, self.database)
        self.blocks = Blocks(self.site, self.database)
        self.comment_moderation = CommentModeration(self.site, self.database)
        self.addCleanup(self.described)

    def described(self) -> None:
        """See that every event in the log is as its product declares it, whatever the test was about."""
        # Those of type x are made up.
        for kind, data in self.sql("select type, data from event where type <> 'x'"):
            self.assertEqual(DESCRIBED.event(kind, json.loads(data)), [], data)

    def of(self, site: Site) -> Comments:
        """The comments of *site*."""
        return Comments(site, self.database, self.cache, self.evicted.append)

    def sql(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        """Run SQL as the superuser."""
        return server().execute(sql, *args, database=self.name)

    async def post(
        self, text: str = "hello", *, by: int = ANN, key: str = "page", parent: int | None = None, name: str = "Ann",
        **more: Any,
    ) -> Written:  # fmt: skip
        """Write a comment."""
        return await self.comments.post(Session(1, by), ChannelRef(key), text, name, parent=parent, **more)

    async def refused(self, work: Any) -> Refused:
        """Await *work*, which is to be refused; gives the refusal."""
        try:
            result = await work
        except Refused as error:
            return error
        self.fail(f"not refused: {result!r}")

    def events(self, channel: int | None = None) -> list[tuple[int, str, Any]]:
        """The log of a channel: (seq, type, data)."""
        rows = self.sql(
            "select seq, type, data from event where site_id = 1 and channel_id = %s order by seq",
            self.site.channel("comments", "page") if channel is None else channel,
        )
        return [(seq, kind, json.loads(data)) for seq, kind, data in rows]

    def channel(self, key: str = "page") -> tuple[int, int, int]:
        """A channel's (seq, n_visible, n_root)."""
        rows = self.sql(
            "select seq, k.n_visible, k.n_root from channel x join comment_channel k on k.channel_id = x.id "
            "where x.site_id = 1 and k.site_id = 1 and x.id = %s",
            self.site.channel("comments", key),
        )
        return rows[0]


def the_id(written: Written) -> int:
    """The id of the comment that was written."""
    return parse_id(json.loads(written.comment)["id"])
