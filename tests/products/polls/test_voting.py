"""Voting: who counts once, what is refused, and that counts are exact whatever comes at once."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from cackled.database.query import ReadPreference
from cackled.domain.sessions import BY_SITE, GUEST, SIGNED_IN, Session
from cackled.products.polls import service
from tests.products.polls.common import OPTIONS, PollCase


class VoteTests(PollCase):
    """One voter after another."""

    async def test_single(self) -> None:
        """A vote counts, is changed, and taken back; again the same changes nothing; pages are told."""
        poll, ann, bob = await self.make(), await self.visitor(), await self.visitor()
        listener = await self.listen(poll)
        first = await self.vote(ann, poll, "3")
        self.assertEqual(first.status, 200, first)
        results = {"id": poll, "voters": 1, "options": [
            {"id": "1", "votes": 0}, {"id": "2", "votes": 0}, {"id": "3", "votes": 1}]}  # fmt: skip
        self.assertEqual(first.json()["me"], {"options": ["3"], "results": results, "answer": None, "outcome": None})
        self.assertEqual((await self.vote(ann, poll, "3")).json()["position"], first.json()["position"])
        await self.vote(bob, poll, "1")
        await self.vote(ann, poll, "2")
        found = await self.poll(poll, ann)
        self.assertEqual((self.counts(found["poll"]), found["poll"]["voters"]), ([1, 1, 0], 2))
        self.assertEqual(found["me"]["options"], ["2"])
        gone = await self.vote(ann, poll)
        self.assertEqual((gone.json()["me"]["options"], gone.json()["me"]["results"]["voters"]), ([], 1))
        self.assertEqual((await self.vote(ann, poll)).status, 200)
        self.assertEqual(self.counts((await self.first(poll)).json()["poll"]), [1, 0, 0])
        told = [data for kind, data in self.events(poll) if kind == "poll.voted"]
        self.assertEqual(told[0], results)
        self.assertEqual([one["voters"] for one in told], [1, 2, 2, 1])
        await listener.has(json.dumps(told[-1], separators=(",", ":")).encode())
        self.assertEqual((await self.first(poll)).json()["position"], gone.json()["position"])

    async def test_multiple(self) -> None:
        """As many as the poll asks for, each once, of those that there are; voters are counted, not votes."""
        poll, ann = await self.make(kind="multiple", min=2, max=2), await self.visitor()
        self.assertEqual((await self.vote(ann, poll, "1")).slug, "choices")
        self.assertEqual((await self.vote(ann, poll, "1", "2", "3")).slug, "choices")
        self.assertEqual((await self.vote(ann, poll, "1", "1")).slug, "choices")
        for wrong in ("4", "0", "x", "-1", "99999999999", "1.0", "٣"):
            self.assertEqual((await self.vote(ann, poll, "1", wrong)).slug, "option", wrong)
        self.assertEqual((await self.ask("PUT", f"/api/v1/sites/1/polls/{poll}/vote", {"options": []},
                                         authorization=ann)).slug, "bad-field")  # fmt: skip
        self.assertEqual((await self.vote(ann, poll, "3", "1")).status, 200)
        found = await self.poll(poll)
        self.assertEqual((self.counts(found["poll"]), found["poll"]["voters"]), ([1, 0, 1], 1))

    async def test_number(self) -> None:
        """A scale has an option for each of its numbers."""
        poll = await self.make(kind="number", options=[], low=0, high=10, step=5)
        found = (await self.poll(poll))["poll"]
        self.assertEqual([(one["text"], one["value"]) for one in found["options"]], [("0", 0), ("5", 5), ("10", 10)])
        await self.vote(await self.visitor(), poll, "2")
        self.assertEqual(self.counts((await self.poll(poll))["poll"]), [0, 1, 0])

    async def test_final(self) -> None:
        """Where votes are final they are neither changed nor taken back; the same again is no fault."""
        poll, ann = await self.make(changeable=False), await self.visitor()
        await self.vote(ann, poll, "1")
        self.assertEqual((await self.vote(ann, poll, "1")).status, 200)
        self.assertEqual((await self.vote(ann, poll, "2")).slug, "voted")
        self.assertEqual((await self.vote(ann, poll)).slug, "voted")
        self.assertEqual(self.counts((await self.poll(poll))["poll"]), [1, 0, 0])

    async def test_who(self) -> None:
        """A session is needed, one of this site; no poll of another site is seen; who is banned is told so."""
        poll, other = await self.make(), await self.visitor(2)
        self.assertEqual((await self.ask("PUT", f"/api/v1/sites/1/polls/{poll}/vote", {"options": ["1"]})).status, 401)
        self.assertEqual((await self.vote(other, poll, "1")).status, 401)
        path = f"/api/v1/sites/2/polls/{poll}"
        self.assertEqual((await self.ask("PUT", f"{path}/vote", {"options": ["1"]}, authorization=other)).slug, "poll")
        self.assertEqual((await self.ask("GET", path)).slug, "not-found")
        self.assertEqual((await self.ask("GET", f"/bootstrap?widget=Poll&site=2&poll={poll}")).slug, "not-found")
        self.assertEqual((await self.ask("GET", "/bootstrap?widget=Poll&site=1")).slug, "bad-field")
        self.assertEqual((await self.ask("GET", "/bootstrap?widget=Poll&site=1&poll=x")).status, 404)
        ann = await self.visitor()
        await self.application.bans(self.site).ban("visitor", self.visitor_of(ann), None)
        self.assertEqual((await self.vote(ann, poll, "1")).slug, "banned")
        await self.application.sites.change(1, "polls.voting", False)
        self.assertEqual((await self.vote(await self.visitor(), poll, "1")).slug, "voting-off")

    async def test_identity(self) -> None:
        """Accounts, confirmed mail and the site's own visitors: who is not known like that can't vote; mail counts once
        however many accounts have it."""

        async def vote(poll: str, visitor: int, level: int) -> str:
            try:
                await self.service.vote(Session(1, visitor, level), int(poll), ["1"], None, "")
            except Exception as error:
                return getattr(error, "slug", repr(error))
            return ""

        account, sso, mail = [await self.make(identity=one) for one in ("account", "sso", "mail")]
        self.assertEqual(await vote(account, 5, GUEST), "sign-in")
        self.assertEqual([await vote(account, 5, SIGNED_IN), await vote(account, 6, BY_SITE)], ["", ""])
        self.assertEqual([await vote(sso, 5, SIGNED_IN), await vote(sso, 6, BY_SITE)], ["sign-in", ""])
        people = ((5, "Ann@x.example", True), (6, "ann@x.example", True), (7, "b@x.example", False))
        for visitor, address, sure in people:
            self.sql(
                "insert into person (site_id, visitor_id, name, skeleton, email, email_verified, level) "
                "values (1, %s, 'n', 'n', %s, %s, 1)", visitor, address, sure,
            )  # fmt: skip
        self.assertEqual([await vote(mail, one, SIGNED_IN) for one in (5, 6, 7, 8)], ["", "", "sign-in", "sign-in"])
        self.assertEqual((await self.poll(mail))["poll"]["voters"], 1)
        self.assertEqual((await self.poll(account))["poll"]["voters"], 2)

    async def test_private(self) -> None:
        """On a private site polls take a grant."""
        poll = await self.make()
        await self.application.sites.change(1, "channel_secret", "0123456789abcdef" * 3)
        await self.application.sites.change(1, "private", True)
        self.assertEqual((await self.ask("GET", f"/api/v1/sites/1/polls/{poll}")).status, 401)
        self.assertEqual((await self.first(poll)).status, 401)


class AtOnceTests(PollCase):
    """Many at the same moment."""

    async def test_one_voter(self) -> None:
        """1,000 votes of one voter at once, for whatever, are one."""
        poll = await self.make(quota=0)
        self.patch(service, "MOST_VOTES", 7)
        polls = [self.service for _ in range(3)]
        work = [
            Deferred.fromCoroutine(
                polls[n % 3].vote(Session(1, 77), int(poll), [str(n % 3 + 1)], "192.0.2.1", "https://one.example")
            )
            for n in range(1_000)
        ]
        await gatherResults(work)
        found = (await self.poll(poll))["poll"]
        self.assertEqual((found["voters"], sum(self.counts(found))), (1, 1))
        self.assertEqual(self.sql("select count(*), min(state) from ballot"), [(1, 1)])

    async def test_many_voters(self) -> None:
        """1,000 voters at once are 1,000, in few statements and events; so in two processes."""
        poll = await self.make(quota=0)
        one = self.service
        other = type(one)(self.application.parts, self.site)
        other._queue = type(one._queue)(50, 5_000)
        work = [
            Deferred.fromCoroutine(polls.vote(Session(1, 1_000 + n), int(poll), [str(n % 3 + 1)], None, ""))
            for n in range(1_000)
            for polls in ((one, other)[n % 2],)
        ]
        await gatherResults(work)
        found = (await self.poll(poll))["poll"]
        self.assertEqual((found["voters"], self.counts(found)), (1_000, [334, 333, 333]))
        told = [data for kind, data in self.events(poll) if kind == "poll.voted"]
        self.assertEqual(told[-1]["voters"], 1_000)
        self.assertLess(len(told), 60)

    async def test_refused_in_a_batch(self) -> None:
        """One that is refused does not take others with it; each learns its own end, in its place."""
        poll = await self.make()
        items: list[Any] = [(5, 0, None, "", "1"), (6, 0, None, "", "9"), (5, 0, None, "", "2"), (7, 0, None, "", "3")]
        rows = await self.service.send(int(poll), items)
        self.assertEqual([row[2] for row in rows], [None, "option", None, None])
        self.assertEqual([json.loads(row[3])["options"] for row in rows], [["1"], [], ["2"], ["3"]])
        self.assertEqual(self.counts((await self.poll(poll))["poll"]), [0, 1, 1])


class NetworkTests(PollCase):
    """Many votes from one place."""

    async def cast(self, poll: str, number: int, address: str) -> str:
        """The vote of the voter of that number."""
        try:
            await self.service.vote(Session(1, number), int(poll), [str(number % 3 + 1)], address, "https://one.example")
        except Exception as error:
            return getattr(error, "slug", repr(error))
        return ""

    async def within_one(self, seconds: int, act: Callable[[], Awaitable[Any]]) -> Any:
        """What *act* returns when it began and ended within one hour or minute of the database's clock."""
        span = f"select floor(extract(epoch from now()) / {seconds})"
        while True:
            began = self.sql(span)
            found = await act()
            if self.sql(span) == began:
                return found

    async def test_quota(self) -> None:
        """So many new votes of an address in an hour; of IPv6 by /64, with more in the networks around. Who has voted
        may change it."""

        async def votes() -> Any:
            poll = await self.make(quota=2)
            four = [await self.cast(poll, n, "192.0.2.1") for n in (1, 2, 3)]
            four.append(await self.cast(poll, 4, "192.0.2.2"))
            four.append(await self.cast(poll, 1, "192.0.2.1"))
            return poll, four, [await self.cast(poll, 10 + n, f"2001:db8:0:{n // 2:x}::{n}") for n in range(10)]

        poll, four, six = await self.within_one(3600, votes)
        self.assertEqual(four, ["", "", "quota", "", ""])
        self.assertEqual(six, [""] * 8 + ["quota"] * 2, "8 of a /56")
        self.assertEqual(await self.cast(poll, 30, "2001:db8:0:100::1"), "")
        self.sql("update poll_network set since = since - interval '1 hour'")
        self.assertEqual(await self.cast(poll, 3, "192.0.2.1"), "")
        self.assertEqual((await self.poll(poll))["poll"]["voters"], 13)

    async def test_burst(self) -> None:
        """Beyond so many of a network in a minute votes are held back: their voters see them, nobody else; the owner
        counts them or strikes all of the burst, and that so many were is told."""

        async def votes() -> tuple[str, str]:
            both = await self.make(burst=3, quota=0), await self.make(burst=3, quota=0)
            for which in both:
                for number in range(8):
                    self.assertEqual(await self.cast(which, number, f"192.0.2.{number}"), "")
                await self.cast(which, 50, "198.51.100.1")
            return both

        poll, other = await self.within_one(60, votes)
        found = (await self.poll(poll))["poll"]
        self.assertEqual((found["voters"], found["removed"]), (4, 0))
        mine = await self.service.mine(int(poll), Session(1, 7), ReadPreference.PRIMARY)
        self.assertEqual(json.loads(mine)["options"], ["2"])
        (burst,) = (await self.results(poll))["bursts"]
        self.assertEqual((burst["network"], burst["votes"], burst["held"]), ("192.0.2.0/24", 8, 5))
        minute = {"network": burst["network"], "minute": burst["minute"]}
        path = "/api/v1/sites/1/polls/{}/bursts"
        struck = await self.owner.ask("POST", path.format(poll), {**minute, "action": "strike"})
        self.assertEqual(struck.json()["votes"], 8)
        found = (await self.poll(poll))["poll"]
        self.assertEqual((found["voters"], found["removed"], sum(self.counts(found))), (1, 8, 1))
        self.assertEqual(await self.cast(poll, 1, "192.0.2.1"), "")
        self.assertEqual((await self.poll(poll))["poll"]["voters"], 1, "struck for good")
        counted = await self.owner.ask("POST", path.format(other), {**minute, "action": "count"})
        self.assertEqual(counted.json()["votes"], 5)
        found = (await self.poll(other))["poll"]
        self.assertEqual((found["voters"], found["removed"], sum(self.counts(found))), (9, 0, 9))
        for wrong in ({"network": "x"}, {"minute": "yesterday"}, {"network": "192.0.2.1/24"}):
            answer = await self.owner.ask("POST", path.format(poll), {**minute, "action": "count", **wrong})
            self.assertEqual(answer.slug, "bad-field", answer)


class WriteInTests(PollCase):
    """Options of visitors."""

    async def test_proposals(self) -> None:
        """They wait for the owner; then everybody sees and can choose them; one at a time of each visitor."""
        poll, ann, bob = await self.make(write_in=True), await self.visitor(), await self.visitor()
        path = f"/api/v1/sites/1/polls/{poll}/options"

        async def propose(auth: str, text: str) -> Any:
            return await self.ask("POST", path, {"text": text}, authorization=auth)

        made = await propose(ann, "  canary\u202e  yellow ")
        self.assertEqual((made.status, made.json()), (201, {"id": "4"}))
        self.assertEqual((await propose(bob, "Canary Yellow")).json(), {"id": "4"})
        self.assertEqual((await propose(ann, "pink")).slug, "proposals")
        self.assertEqual((await propose(bob, "\u200b")).slug, "option")
        self.assertEqual((await self.vote(ann, poll, "4")).slug, "option")
        self.assertNotIn(b"canary", (await self.first(poll)).body)
        self.assertEqual((await self.results(poll))["options"][3]["state"], 0)
        shown = await self.owner.ask("PUT", f"{path}/4", {"shown": True})
        self.assertEqual(shown.status, 200, shown)
        self.assertIn(b"canary", (await self.first(poll)).body)
        self.assertEqual((await self.vote(ann, poll, "4")).status, 200)
        await propose(bob, "rude")
        self.assertEqual((await self.owner.ask("PUT", f"{path}/5", {"shown": False})).status, 200)
        self.assertEqual((await self.owner.ask("PUT", f"{path}/5", {"shown": True})).status, 404)
        self.assertEqual((await self.owner.ask("PUT", f"{path}/99999999999", {"shown": True})).status, 404)
        self.assertEqual((await self.vote(bob, poll, "5")).slug, "option")
        self.assertNotIn("canary", json.dumps(self.events(poll)))
        plain = await self.make()
        path = f"/api/v1/sites/1/polls/{plain}/options"
        self.assertEqual((await propose(ann, "pink")).slug, "no-write-in")


class ShapeTests(PollCase):
    """Odd requests."""

    async def test_ids(self) -> None:
        """What is no id of a poll is not there; never a fault."""
        ann = await self.visitor()
        for poll in ("0", "x", "9" * 19, "9" * 30, "-1", "1%00"):
            self.assertIn((await self.vote(ann, poll, "1")).status, (404,), poll)
            self.assertEqual((await self.ask("GET", f"/api/v1/sites/1/polls/{poll}")).status, 404)
        self.assertEqual(len(OPTIONS), 3)
