"""Flags, blocks and bans on a real database."""

from __future__ import annotations

import time

from twisted.internet.defer import Deferred, gatherResults

from cackled.domain.moderation import Moderation
from cackled.domain.sessions import Session
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id


class ModerationTests(DomainCase):
    """`Moderation`."""

    async def test_flags(self) -> None:
        """Each visitor counts once, at the same moment too; nothing of it is told to the page."""
        one = the_id(await self.post())
        work = [Deferred.fromCoroutine(self.moderation.flag(Session(1, by), one, "spam")) for by in (BOB, CAT) * 10]
        self.assertEqual(max(await gatherResults(work)), 2)
        self.assertEqual(self.sql("select n_flags from comment"), [(2,)])
        self.assertEqual(len(self.events()), 1)
        self.assertEqual((await self.refused(self.moderation.flag(Session(1, BOB), 5, ""))).slug, "comment")
        error = await self.refused(self.moderation.flag(Session(1, BOB), one, "x" * 501))
        self.assertEqual((error.status, error.field), (422, "reason"))
        await self.moderation.flag(Session(1, ANN), one, "a\x00b\nc")
        self.assertEqual(self.sql("select reason from flag where visitor_id = %s", ANN), [("ab c",)])

    async def test_blocks(self) -> None:
        """A visitor's own, once each, at most 500, and not oneself."""
        me = Session(1, ANN)
        for author in (BOB, CAT, BOB):
            await self.moderation.block(me, author)
        self.assertEqual(await self.moderation.blocked(me), [str(BOB), str(CAT)])
        self.assertEqual(await self.moderation.blocked(Session(1, BOB)), [])
        await self.moderation.unblock(me, BOB)
        await self.moderation.unblock(me, BOB)
        self.assertEqual(await self.moderation.blocked(me), [str(CAT)])
        self.assertEqual((await self.refused(self.moderation.block(me, ANN))).field, "author")
        self.sql("insert into block select 1, %s, n from generate_series(1000, 1600) n", ANN)
        await self.moderation.block(me, 5)
        self.assertEqual(self.sql("select count(*) from block where author_id = 5"), [(0,)])

    async def test_bans(self) -> None:
        """Kept, listed, renewed and lifted by what they name; networks in one way of writing."""
        await self.moderation.ban("ip", "192.0.2.7/24", until=time.time() + 3600)
        await self.moderation.ban("ip", "2001:db8::1")
        await self.moderation.ban("visitor", str(BOB))
        again = await self.moderation.ban("visitor", str(BOB), until=time.time() + 60)
        await self.moderation.ban("word", " casino ")
        bans = await self.moderation.bans()
        self.assertEqual(
            {(one.kind, one.value) for one in bans},
            {("ip", "192.0.2.0/24"), ("ip", "2001:db8::1/128"), ("visitor", str(BOB)), ("word", "casino")},
        )
        self.assertEqual([one.id for one in bans if one.kind == "visitor"], [again])
        self.assertTrue(await self.moderation.unban("ip", "192.0.2.200/24"))
        self.assertFalse(await self.moderation.unban("ip", "192.0.2.200/24"))
        self.assertFalse(await self.moderation.unban("ip", "nonsense"))
        self.sql("update ban set until = now() - interval '1 second'")
        self.assertEqual(await self.moderation.bans(), [])

    async def test_wrong_bans(self) -> None:
        """What can't be banned is refused by its field."""
        for kind, value, field in (
            ("ip", "nonsense", "value"), ("ip", "1.2.3.4/99", "value"), ("visitor", "x", "value"),
            ("visitor", "", "value"), ("visitor", "-1", "value"), ("word", "x", "kind"), ("word", "x" * 101, "kind"),
            ("word", "\u200b", "kind"), ("colour", "red", "kind"),
        ):  # fmt: skip
            error = await self.refused(self.moderation.ban(kind, value))
            self.assertEqual((error.status, error.field), (400, field), (kind, value))

    async def test_own_site(self) -> None:
        """Another site's moderators see and lift nothing here, and flag nothing."""
        one = the_id(await self.post())
        await self.moderation.ban("word", "casino")
        other = await self.sites.add("Two", [], site_id=2)
        assert other is not None
        theirs = Moderation(other, self.database)
        self.assertEqual(await theirs.bans(), [])
        self.assertFalse(await theirs.unban("word", "casino"))
        self.assertEqual((await self.refused(theirs.flag(Session(2, BOB), one, ""))).status, 404)
        await theirs.block(Session(2, ANN), BOB)
        self.assertEqual(await self.moderation.blocked(Session(1, ANN)), [])

    async def test_lock(self) -> None:
        """Nobody writes in a closed conversation; closing and opening is told once each, and only where it changes."""
        await self.post()
        channel = self.site.channel("page")
        before = self.sql("select seq from channel")[0][0]
        self.assertEqual((await self.moderation.lock(channel, True)).seq, before + 1)
        self.assertEqual((await self.moderation.lock(channel, True)).seq, before + 1)
        self.assertEqual((await self.refused(self.post())).status, 403)
        self.assertEqual((await self.moderation.lock(channel, False)).seq, before + 2)
        await self.post()
        told = self.sql("select data from event where type = 'channel.updated' order by seq")
        self.assertEqual(told, [('{"comments":1,"locked":true}',), ('{"comments":1,"locked":false}',)])
        self.assertEqual((await self.refused(self.moderation.lock(5, True))).status, 404)

    async def test_remove(self) -> None:
        """A moderator removes anybody's comment, once."""
        one = the_id(await self.post())
        position = await self.moderation.remove(one)
        self.assertEqual(self.sql("select status, src from comment"), [(4, "")])
        self.assertEqual(position.seq, self.sql("select seq from channel")[0][0])
        self.assertEqual((await self.refused(self.moderation.remove(one))).status, 404)
