"""Reactions on a real database: counted once a visitor and name, exactly, for those who may."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.errors import BadField
from cackled.domain.sessions import Session
from cackled.products import PRODUCTS
from cackled.products.comments.pages import Wanted
from cackled.products.comments.settings import CommentSettings
from cackled.products.registry import Registry
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id


def start(work: Any) -> Deferred[Any]:
    return Deferred.fromCoroutine(work)


class ReactionTests(DomainCase):
    async def react(self, comment: int, name: str, by: int, on: bool = True) -> tuple[Any, int]:
        """React; gives the counts and the number of the channel."""
        made = await self.comments.react(Session(1, by), comment, name, on, address="192.0.2.1")
        return json.loads(made.reactions), made.position.seq

    async def mine(self, by: int) -> Any:
        return json.loads(await self.comments.mine("page", Session(1, by)))

    async def shown(self) -> Any:
        """The reactions of the first comment as everybody sees them."""
        page = json.loads(b"{" + (await self.comments.page("page", Wanted(), after=self.channel()[0])).value + b"}")
        return page["page"]["comments"][0].get("reactions")

    async def test_once_each(self) -> None:
        """One of each name a visitor, in any number of names; the same again is no event; what is left is shown."""
        one = the_id(await self.post())
        for name, by, on, counts, seq in (
            ("like", BOB, True, {"like": 1}, 2), ("like", BOB, True, {"like": 1}, 2),
            ("👍", BOB, True, {"like": 1, "👍": 1}, 3), ("like", ANN, True, {"like": 2, "👍": 1}, 4),
            ("sad", CAT, False, {"like": 2, "👍": 1}, 4), ("👍", BOB, False, {"like": 2}, 5),
        ):  # fmt: skip
            self.assertEqual(await self.react(one, name, by, on), (counts, seq))
        self.assertEqual(await self.shown(), {"like": 2})
        self.assertEqual((await self.mine(BOB))["reactions"], {str(one): ["like"]})
        self.assertNotIn("reactions", await self.mine(CAT))
        told = [data for _, kind, data in self.events() if kind == "comment.reacted"]
        self.assertEqual(told[-1], {"id": str(one), "reactions": {"like": 2}})
        await self.react(one, "like", BOB, False)
        self.assertEqual((await self.react(one, "like", ANN, False))[0], {})
        self.assertIsNone(await self.shown())
        self.assertEqual(self.events()[-1][2], {"id": str(one), "reactions": {}})

    async def test_at_once(self) -> None:
        """Many at the same moment are all counted, the same visitor's once."""
        one = the_id(await self.post())
        await gatherResults([start(self.react(one, "like", BOB)) for _ in range(40)])
        await gatherResults([start(self.react(one, ("like", "sad")[n % 2], 100 + n // 2)) for n in range(80)])
        self.assertEqual(await self.shown(), {"like": 41, "sad": 40})
        rows = self.sql("select name, count(*) from comment_reaction group by name order by name")
        self.assertEqual(rows, [("like", 41), ("sad", 40)])
        await gatherResults([start(self.react(one, "sad", 100 + n, False)) for n in range(40)])
        self.assertEqual(await self.shown(), {"like": 41})

    async def test_bans(self) -> None:
        """Who is banned is refused; who is not to be heard sees their own, and nobody else does."""
        one = the_id(await self.post())
        await self.react(one, "like", CAT)
        self.sql("insert into ban (site_id, kind, value) values (1, 'visitor', %s)", str(BOB))
        error = await self.refused(self.comments.react(Session(1, BOB), one, "like", True))
        self.assertEqual((error.status, error.slug), (403, "banned"))
        self.sql("update ban set shadow = true")
        before = self.channel()
        self.assertEqual((await self.react(one, "like", BOB))[0], {"like": 2})
        self.assertEqual((await self.react(one, "sad", BOB))[0], {"like": 2, "sad": 1})
        # The number rises as with every reaction, and says nothing of theirs: they listen, too.
        seq, *rest = before
        self.assertEqual((await self.shown(), self.channel()), ({"like": 1}, (seq + 2, *rest)))
        told = [data for _, kind, data in self.events() if kind == "comment.reacted"]
        self.assertEqual([one["reactions"] for one in told], [{"like": 1}] * 3)
        mine = await self.mine(BOB)
        self.assertEqual(sorted(mine["reactions"][str(one)]), ["like", "sad"])
        self.assertEqual([each["reactions"] for each in mine["own"]], [{"like": 2, "sad": 1}])
        self.assertEqual((await self.react(one, "sad", BOB, False))[0], {"like": 2})

    async def test_not_there(self) -> None:
        """A comment that is gone, of another site, or waits takes none, but of its author."""
        one = the_id(await self.post())
        self.sql("update comment set status = 0, shown = false")
        self.assertEqual((await self.refused(self.react(one, "like", BOB))).slug, "comment")
        self.assertEqual((await self.react(one, "like", ANN))[0], {"like": 1})
        self.assertEqual([kind for _, kind, _ in self.events()], ["comment.created"])
        self.sql("update comment set status = 4")
        for comment in (one, 77):
            self.assertEqual((await self.refused(self.react(comment, "like", BOB))).status, 404)

    async def test_erased_and_carried(self) -> None:
        """They go with their visitor, and follow a guest who signs in; doubles are counted once."""
        one, other = the_id(await self.post()), the_id(await self.post("another"))
        for by, comment in ((BOB, one), (CAT, one), (BOB, other)):
            await self.react(comment, "like", by)
        await self.react(other, "sad", BOB)
        self.sql("insert into person (site_id, visitor_id, name, skeleton, level) values (1, %s, 'Cat', 'cat', 1)", CAT)
        for _ in range(9):
            rows = self.sql("select channel, seq from carry_comments(1, %s, %s, 1)", CAT, BOB)
            if not rows or rows[-1][0] is not None:
                break
        counts = dict(self.sql("select id, reactions from comment"))
        self.assertEqual(counts, {one: {"like": 1}, other: {"like": 1, "sad": 1}})
        self.assertEqual(self.sql("select distinct visitor_id from comment_reaction"), [(CAT,)])
        self.sql("select * from erase_reactions(1, %s, 2)", CAT)
        rows = self.sql("select channel, seq from erase_reactions(1, %s, 2)", CAT)
        self.assertIsNotNone(rows[-1][0])
        self.assertEqual(self.sql("select reactions from comment"), [(None,), (None,)])
        self.assertEqual(self.events()[-1][1], "comment.reacted")


class SettingTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Names with what is shown for them, in their order; a name alone is shown itself."""
        settings = CommentSettings(reactions="like 👍,  ❤️ , so-so  meh")
        self.assertEqual(list(settings.shown_reactions.items()), [("like", "👍"), ("❤️", "❤️"), ("so-so", "meh")])
        self.assertEqual(CommentSettings(reactions="").shown_reactions, {})
        self.assertEqual(len(CommentSettings().shown_reactions), 6)

    def test_refused(self) -> None:
        """Too many, too long, or more than two words."""
        shape = Registry(PRODUCTS).settings({})
        for wrong in ("a b c", "x" * 33, ",".join("abcdefghijklm"), "like\n👍 x"):
            with self.assertRaises(BadField):
                shape.check("comments", "reactions", wrong, "comments.reactions")
        for right in ("", "like", "👍,👎", "like 👍, love ❤️, "):
            shape.check("comments", "reactions", right, "comments.reactions")
