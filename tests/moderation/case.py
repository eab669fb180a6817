"""Moderation with a real database, and comments that are judged by it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import msgspec
from twisted.internet import reactor
from twisted.internet.task import Clock

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.metrics import Metrics
from cackled.moderation.moderation import Moderation
from cackled.moderation.rules import Rules
from cackled.moderation.store import Kept
from cackled.outbound.post import Answer, NotSent
from cackled.products.comments.judged import JUDGED
from cackled.products.comments.service import Comments
from tests.domain.common import DomainCase


class CountedDatabase:
    """A database that notes the queries that judging sends."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def site(self, site: int) -> Any:
        return _Counted(self, self._database.site(site))


class _Counted:
    def __init__(self, counted: CountedDatabase, inner: Any) -> None:
        self._counted = counted
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def read(self, query: Query, *args: Any, **more: Any) -> Any:
        self._counted.asked.append(query.name)
        return await self._inner.read(query, *args, **more)

    async def write(self, query: Query, *args: Any) -> Any:
        self._counted.asked.append(query.name)
        return await self._inner.write(query, *args)


class ModerationCase(DomainCase):
    """`self.moderation` judges what `self.comments` writes; `self.clock` is its clock, `self.now` the time of day."""

    async def setUp(self) -> None:
        await super().setUp()
        self.clock = Clock()
        self.now = 1_790_000_000.0
        self.counted = CountedDatabase(self.database)
        # What servers that are asked answer: an Answer, or an exception; and what was asked.
        self.answers: list[Any] = []
        self.requests: list[tuple[str, list[tuple[bytes, bytes]], bytes, dict[str, Any]]] = []
        self.moderation = self.make()
        self.comments = self.of(self.site)

    def make(self) -> Moderation:
        """Another process' moderation."""
        counted: Any = self.counted
        return Moderation(
            counted, self.sites, self.clock, lambda: self.now, random.Random(5), [JUDGED], Metrics(), self.answered
        )

    def of(self, site: Site) -> Comments:
        judge = getattr(self, "moderation", None)
        return Comments(
            site, self.database, self.cache, self.evicted.append, judge=None if judge is None else judge.judge
        )

    async def answered(
        self, method: bytes, url: str, headers: list[tuple[bytes, bytes]], body: bytes, **more: Any
    ) -> Answer:
        self.requests.append((url, headers, body, more))
        answer = self.answers.pop(0) if self.answers else NotSent("nobody answers")
        if isinstance(answer, Exception):
            raise answer
        made: Answer = answer
        return made

    async def rules(self, site: Site | None = None, **document: Any) -> Kept:
        """Keep these rules."""
        site = site or self.site
        before = await self.moderation.store.kept(site)
        made = msgspec.convert(document, Rules)
        return await self.moderation.store.change(site, made, before.version, "account:1")

    def state(self, comment: int) -> tuple[int, Sequence[str]]:
        """A comment's status and marks."""
        status = self.sql("select status from comment where id = %s", comment)[0][0]
        rows = self.sql("select mark from comment_mark where comment_id = %s order by mark", comment)
        return status, [row[0] for row in rows]


clock: Any = reactor
