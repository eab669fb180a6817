"""Forgetting, following, recounting, moving, the demo's polls; two tenants."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from cackled.database.query import ReadPreference
from cackled.domain.people import Following
from cackled.domain.sessions import Session
from cackled.products import polls
from cackled.products.polls.seed import POLLS
from cackled.products.polls.service import Polls
from tests.products.polls.common import PollCase
from tests.support.moving import MovingCase


class UpkeepTests(PollCase):
    """What becomes of votes."""

    async def test_erased(self) -> None:
        """Of an open poll the vote goes, a result that was told stays without its voter; options lose their words."""
        open_, closed = await self.make(write_in=True), await self.make()
        ann, bob = await self.visitor(), await self.visitor()
        for poll in (open_, closed):
            await self.vote(ann, poll, "1")
            await self.vote(bob, poll, "1")
        for who, text in ((ann, "canary words"), (bob, "others' words")):
            await self.ask("POST", f"/api/v1/sites/1/polls/{open_}/options", {"text": text}, authorization=who)
        await self.owner.ask("PUT", f"/api/v1/sites/1/polls/{open_}/options/4", {"shown": True})
        await self.change(closed, 1, closed=True)
        told = await self.application.erasures.erase(1, int(self.visitor_of(ann)))
        self.assertEqual(told, 2)
        self.assertEqual(self.counts((await self.poll(open_))["poll"])[0], 1)
        self.assertEqual(self.counts((await self.poll(closed))["poll"])[0], 2)
        mine = self.sql("select count(*) from ballot where visitor_id = %s", int(self.visitor_of(ann)))
        self.assertEqual(mine, [(0,)])
        for table in ("poll_option", "ballot", "event", "outbox", "poll"):
            held = json.dumps(self.sql(f"select x::text from {table} x"))
            self.assertNotIn("canary", held, table)
            self.assertNotIn(f"{self.visitor_of(ann)}", held, table)
        self.assertNotIn(b"canary", (await self.first(open_)).body)
        self.assertIn("others", json.dumps((await self.results(open_))["options"]))

    async def test_carried(self) -> None:
        """Who signs in keeps their guest's vote; where both have voted one of them counts."""
        both, guest = await self.make(), await self.make()
        await self.service.send(int(both), [(5, 0, None, "", "1"), (9, 1, None, "", "2")])
        await self.service.send(int(guest), [(5, 0, None, "", "3")])
        following = Following(self.application.database, [polls.PRODUCT.authored], self.application.router.wrote_here)
        await following.follow(1, 9, 5)
        self.assertEqual(self.counts((await self.poll(both))["poll"]), [0, 1, 0])
        self.assertEqual(self.counts((await self.poll(guest))["poll"]), [0, 0, 1])
        await self.service.vote(Session(1, 9, 1), int(guest), ["1"], None, "")
        self.assertEqual(self.counts((await self.poll(guest))["poll"]), [1, 0, 0])

    async def test_recount(self) -> None:
        """Counts that differ from the ballots are put right, told, and an error for operators; others are left."""
        poll, other = await self.make(kind="ranked"), await self.make()
        await self.service.send(int(poll), [(n, 0, None, "", "1,2") for n in range(1, 6)])
        await self.service.send(int(other), [(n, 0, None, "", "2") for n in range(1, 4)])
        await self.application.housekeeping.run()
        self.assertEqual(self.flushLoggedErrors(), [])
        told = len(self.events(other))
        self.sql("update poll_option set votes = 77 where poll_id = %s and number = 2", int(poll))
        self.sql("update poll set voters = 0, voted_at = now() where id = %s", int(poll))
        await self.application.housekeeping.run()
        found = (await self.poll(poll))["poll"]
        self.assertEqual((self.counts(found), found["voters"]), ([5, 0, 0], 5))
        self.assertEqual(self.infrastructure.metrics.value("counts_wrong_total", task="recount_poll"), 1)
        self.assertEqual(len(self.events(other)), told)

    async def test_networks_are_forgotten(self) -> None:
        """The coarse network of a vote is kept for a month; the counts of networks for hours."""
        poll = await self.make(burst=5)
        await self.service.vote(Session(1, 5), int(poll), ["1"], "192.0.2.1", "")
        self.sql("update ballot set created_at = now() - interval '31 days'")
        self.sql("update poll_network set since = now() - interval '3 hours'")
        await self.application.housekeeping.run()
        self.assertEqual(self.sql("select count(network), count(*) from ballot"), [(0, 1)])
        self.assertEqual(self.sql("select count(*) from poll_network"), [(0,)])

    async def test_demo(self) -> None:
        """One poll of each kind, with votes, made once, whoever begins; one that is made later has its own id."""
        assert polls.PRODUCT.seed is not None
        for _ in range(2):
            await gatherResults(
                [Deferred.fromCoroutine(polls.PRODUCT.seed(self.application.parts, self.site)) for _ in range(2)]
            )
        for number, demo in enumerate(POLLS, 1):
            found = (await self.poll(str(number)))["poll"]
            self.assertEqual(found["question"], demo.body.question)
            whole, _ = await Polls(self.application.parts, self.site).whole(number)
            self.assertEqual(whole.voters, sum(demo.ballots.values()))
        self.assertGreater(int(await self.make()), len(POLLS))

    async def test_tenants(self) -> None:
        """Of two sites with polls of the same id neither sees the other's, in answers, caches or live."""
        for site, word in ((1, "canary1"), (2, "canary2")):
            one = self.application.sites.get(site)
            editor = polls.make_editor(self.application.parts, one)
            members = polls.editor.drafts.new_poll(one, POLLS[0].body, 0.0)
            await editor.save(7, 0, False, {**members, "question": word}, "")
        listener = await self.listen("7")
        for _ in range(2):
            for site, own, other in ((1, b"canary1", b"canary2"), (2, b"canary2", b"canary1")):
                for path in (f"/bootstrap?widget=Poll&site={site}&poll=7", f"/api/v1/sites/{site}/polls/7",
                             f"/api/v1/sites/{site}/polls/7?readPreference=nearest",
                             f"/threads/{site}?widget=Poll&poll=7", f"/threads/{site}/fragment?widget=Poll&poll=7",
                             ):  # fmt: skip
                    answer = await self.ask("GET", path)
                    self.assertIn(own, answer.body)
                    self.assertNotIn(other, answer.raw)
        two = await self.visitor(2)
        body = {"options": ["1"]}
        self.assertEqual((await self.ask("PUT", "/api/v1/sites/2/polls/7/vote", body, authorization=two)).status, 200)
        self.assertEqual((await self.ask("PUT", "/api/v1/sites/1/polls/7/vote", body, authorization=two)).status, 401)
        self.assertEqual(self.counts((await self.poll("7"))["poll"]), [0, 0, 0, 0])
        await self.service.vote(Session(1, 5), 7, ["2"], None, "")
        await listener.has(b'"votes":1')
        self.assertNotIn(b'{"id":"1","votes":1}', listener.data)
        held = await self.application.deletions.holdings(1)
        self.assertEqual((held["polls"], held["poll votes"]), (1, 1))
        await self.application.deletions.delete(1)
        self.assertEqual(self.sql("select distinct site_id from poll union select site_id from ballot"), [(2,)])

    async def test_own_votes_at_once(self) -> None:
        """A vote is in the voter's next read, whichever server answers."""
        poll = await self.make()
        for number in range(1, 4):
            ballot = await self.service.vote(Session(1, number), int(poll), ["1"], None, "")
            answer = await self.first(poll, f"&after={ballot.position.seq}")
            self.assertEqual(answer.json()["poll"]["voters"], number)
        me = await self.service.mine(int(poll), Session(1, 99), ReadPreference.NEAREST)
        self.assertEqual(json.loads(me)["options"], [])
        for path in (f"/api/v1/sites/1/polls/{poll}?", f"/bootstrap?widget=Poll&site=1&poll={poll}&"):
            for preference in ("primary", "primaryPreferred", "secondaryPreferred", "nearest"):
                for after, stale in ((ballot.position.seq, None), (99, "1")):
                    answer = await self.ask("GET", f"{path}readPreference={preference}&after={after}")
                    self.assertEqual((answer.status, answer.headers.get("x-cackled-stale")), (200, stale), path)


class PollMoverTests(MovingCase):
    """Between shards."""

    names = ["pollzero", "pollone"]

    async def test_move(self) -> None:
        """Polls, options and ballots move with their site; votes go on, and new polls get ids of the new shard."""
        members: dict[str, Any] = {
            "kind": "single", "question": "q", "description": "", "explanation": "", "least": 1, "most": 1,
            "results": "always", "identity": "session", "quota": 5, "burst": 0, "changeable": True,
            "voters_shown": False, "write_in": False, "opens_at": None, "closes_at": None, "closed": False,
            "options": [{"id": None, "text": one, "image": "", "video": "", "value": None, "correct": False}
                        for one in "ab"],
        }  # fmt: skip
        make = "select save_poll(%s, %s, 70, '3', 0, false, %s, '', false)"
        vote = "select refused from vote_poll(%s, 3, array[%s]::bigint[], array[0], array['192.0.2.1'], array[''], "
        vote += "array['2'], false)"
        for site in (1, 2):
            self.sql(0, make, site, 3, json.dumps(members))
            for voter in (5, 6):
                self.assertEqual(self.sql(0, vote, site, voter), [(None,)])
        await self.mover().move([1], 1)
        found = self.sql(1, "select number, votes from poll_option where poll_id = 3 order by number")
        self.assertEqual(found, [(1, 0), (2, 2)])
        self.assertEqual(self.sql(0, "select distinct site_id from ballot where poll_id = 3"), [(2,)])
        self.assertEqual(self.sql(1, vote, 1, 7), [(None,)])
        self.assertEqual(self.sql(1, "select voters from poll where id = 3"), [(3,)])
        self.assertGreater(self.sql(1, "select nextval('poll_id_seq')")[0][0], 1 << 48)
