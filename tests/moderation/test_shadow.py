"""Unnoticed bans: whoever is banned that way finds everything as somebody would who is not, and others find nothing."""

from __future__ import annotations

import json
import random
from typing import Any

from cackled.domain.channels import ChannelRef
from cackled.domain.sessions import Session
from cackled.domain.site import Site
from cackled.moderation.banning import Banning
from cackled.moderation.items import Deed
from cackled.moderation.queue import Queue
from cackled.moderation.queue_feature import UNHUSH_OVER
from cackled.products.comments.moderated import make as make_comments
from cackled.products.comments.moderation import CommentModeration
from cackled.products.comments.pages import Wanted
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id
from tests.moderation.test_decisions import EVE

OTHERS = (BOB, 44, 55)


class World:
    """One site of the test, with its own copy of what happens."""

    def __init__(self, case: DomainCase, site: Site) -> None:
        self.case = case
        self.site = site
        self.comments = case.of(site)
        self.reports = CommentModeration(site, case.database)
        queue = Queue(site, case.database, {"comment": make_comments}, case.evicted.append)
        self.banning = Banning(site, case.database, queue)
        self.ids: list[int] = []

    def seq(self) -> int:
        """Where the page's channel stands."""
        return self.case.sql("select seq from channel where product = 'comments' and site_id = %s", self.site.id)[0][0]

    async def post(self, by: int, text: str) -> Any:
        """Write; gives what the author is answered, without numbers."""
        written = await self.comments.post(Session(self.site.id, by), ChannelRef("page"), text, "Ann")
        made = json.loads(written.comment)
        self.ids.append(the_id(written))
        return {name: made[name] for name in made.keys() - {"id", "root", "created"}}

    async def page(self, visitor: int) -> dict[str, Any]:
        """What a visitor finds when the page loads: counts by comment, and the own votes."""
        loaded = json.loads(b"{" + (await self.comments.page("page", Wanted(size=100), after=self.seq())).value + b"}")
        me = json.loads(await self.comments.mine("page", Session(self.site.id, visitor)))
        found = {one["id"]: one for one in loaded["page"]["comments"]}
        found |= {one["id"]: one for one in me.get("own", [])}
        places = {str(one): at for at, one in enumerate(self.ids)}
        return {
            "counts": {
                places[key]: (one["up"], one["down"], one["html"], one.get("reactions"))
                for key, one in sorted(found.items())
            },
            "reactions": {places[key]: names for key, names in sorted(me.get("reactions", {}).items())},
            "votes": {places[key]: value for key, value in sorted(me["votes"].items())},
        }


class ShadowTests(DomainCase):
    """Two sites where the same happens; in the first one visitor is banned now and then."""

    connections = 6

    async def setUp(self) -> None:
        await super().setUp()
        twin = await self.sites.add("Two", ["two.example"], site_id=2)
        assert twin is not None
        self.first, self.twin = World(self, self.site), World(self, twin)

    def seqs(self) -> list[int]:
        """Where the page's channel stands in both."""
        return [row[0] for row in self.sql("select seq from channel where product = 'comments' order by site_id")]

    async def both(self, what: str, *args: Any) -> tuple[Any, Any]:
        """Do something in both; gives what was answered, and how far the channel's number rose."""
        answers = []
        for at, world in enumerate((self.first, self.twin)):
            before = (self.seqs() or [0, 0])[at] if len(self.seqs()) > at else 0
            if what == "vote":
                visitor, place, value = args
                made = await world.comments.vote(Session(world.site.id, visitor), world.ids[place], value)
                told: Any = (made.up, made.down, made.value, made.position.seq - before)
            elif what == "react":
                visitor, place, on = args
                done = await world.comments.react(Session(world.site.id, visitor), world.ids[place], "like", on)
                told = (done.reactions, done.position.seq - before)
            elif what == "flag":
                visitor, place = args
                told = await world.reports.flag(Session(world.site.id, visitor), world.ids[place], "rude")
            else:
                told = await world.post(*args)
            answers.append((told, self.seqs()[at] - before))
        return answers[0], answers[1]

    def public(self) -> list[tuple[int, int, int]]:
        """Counts of the first site's comments, for everybody."""
        return self.sql("select up, down, n_flags from comment where site_id = 1 and status = 1 order by id")

    async def run_seed(self, seed: int) -> None:
        rng = random.Random(seed)
        for number in range(3):
            await self.both("post", ANN, f"words {number}")
        votes: dict[tuple[int, int], int] = {}
        ban: int | None = None
        for step in range(40):
            place, other = rng.randrange(3), rng.choice(OTHERS)
            kind = rng.choice(("vote", "vote", "react", "other", "flag", "post", "ban"))
            if kind == "vote":
                value = rng.choice((-1, 0, 1, 1))
                one, two = await self.both("vote", CAT, place, value)
                if ban is not None:
                    self.assertEqual(one, two, (seed, step))
                else:
                    self.assertEqual(one[0][:3], two[0][:3], (seed, step))
            elif kind == "other":
                value = rng.choice((-1, 0, 1))
                votes[other, place] = value
                await self.both("vote", other, place, value)
            elif kind == "react":
                one, two = await self.both("react", CAT, place, rng.choice((True, True, False)))
                self.assertEqual(one, two, (seed, step))
                await self.both("react", other, place, rng.choice((True, False)))
            elif kind == "flag":
                one, two = await self.both("flag", CAT, place)
                self.assertEqual(one, two, (seed, step))
            elif kind == "post":
                one, two = await self.both("post", CAT, f"mine {step}")
                self.assertEqual(one, two, (seed, step))
            elif ban is None:
                ban = (await self.first.banning.ban(EVE, "visitor", str(CAT), shadow=True)).ban
            else:
                await self.first.banning.lift(EVE, ban)
                ban = None
            self.assertEqual(await self.first.page(CAT), await self.twin.page(CAT), (seed, step, kind))
            if ban is not None:
                for at, (up, down, flags) in enumerate(self.public()[:3]):
                    cast = [value for (_, place), value in votes.items() if place == at]
                    self.assertEqual((up, down, flags), (cast.count(1), cast.count(-1), 0), (seed, step, kind))
        rows = self.sql(
            "select c.up, c.down, count(*) filter (where v.value = 1), count(*) filter (where v.value = -1) "
            "from comment c left join vote v on v.site_id = c.site_id and v.comment_id = c.id and v.counted group by "
            "c.site_id, c.id, c.up, c.down"
        )
        for up, down, ups, downs in rows:
            self.assertEqual((up, down), (ups, downs))

    async def test_twins(self) -> None:
        """Whoever is banned finds what their twin finds, in answers and on the page; nobody else hears of them."""
        for seed in range(4):
            await self.run_seed(seed)
            for table in ("comment", "comment_channel", "channel", "event", "vote", "flag", "ban", "hushed", "post_key",
                          "comment_reaction", "comment_mark", "moderation_action"):  # fmt: skip
                self.sql(f"delete from {table}")
            self.first, self.twin = World(self, self.site), World(self, self.twin.site)
            self.evicted.clear()
            self.cache.clear()

    async def test_silent(self) -> None:
        """No event tells of a count when votes go or come back, which they also do when a ban runs out."""
        await self.both("post", ANN, "words")
        await self.both("vote", CAT, 0, 1)
        await self.both("flag", CAT, 0)
        self.assertEqual(self.public(), [(1, 0, 1)])
        told = len(self.events())
        made = await self.first.banning.ban(EVE, "visitor", str(CAT), shadow=True)
        self.assertEqual(self.public(), [(0, 0, 0)])
        self.assertEqual([kind for _, kind, _ in self.events()[told:]], ["channel.updated"])
        await self.first.banning.lift(EVE, made.ban)
        self.assertEqual(self.public(), [(1, 0, 1)])
        self.assertNotIn("comment.voted", [kind for _, kind, _ in self.events()[told:]])
        await self.first.banning.ban(EVE, "visitor", str(CAT), shadow=True)
        self.sql("update ban set until = now() - interval '1 second'")
        await self.database.system.write(UNHUSH_OVER)
        self.assertEqual((self.public(), self.sql("select 1 from hushed")), ([(1, 0, 1)], []))

    async def test_overlapping(self) -> None:
        """Two bans of one visitor: what the first took comes back when the last is lifted."""
        await self.both("post", ANN, "words")
        await self.both("vote", CAT, 0, -1)
        first = await self.first.banning.ban(EVE, "visitor", str(CAT), shadow=True)
        second = await self.first.banning.ban(EVE, "account", str(CAT), shadow=True)
        await self.first.banning.lift(EVE, first.ban)
        self.assertEqual(self.public(), [(0, 0, 0)])
        await self.first.banning.lift(EVE, second.ban)
        self.assertEqual(self.public(), [(0, 1, 0)])

    async def test_taken_along(self) -> None:
        """What an unnoticed ban takes along is seen by its author still, by nobody else, and comes back."""
        await self.both("post", CAT, "mine")
        seen = await self.first.page(CAT)
        made = await self.first.banning.ban(EVE, "visitor", str(CAT), shadow=True, take="spam")
        action, = self.sql("select action from moderation_action")  # fmt: skip
        self.assertEqual(action, ("hush",))
        deed = Deed(action="hush", number=made.action or 0, who=EVE.actor, name=EVE.name)
        await make_comments(self.database, self.site).decide(self.first.ids[0], None, deed)
        self.assertEqual(await self.first.page(CAT), seen)
        self.assertEqual((await self.first.page(BOB))["counts"], {})
