"""Results that are hidden leak nowhere: canary counts are looked for in every output."""

from __future__ import annotations

import json
import re
from typing import Any

from cackled.events import channel_id
from tests.products.polls.common import PollCase

# Voters of each option: numbers that stand nowhere else.
VOTES = (307, 211, 0)


class HiddenCase(PollCase):
    """Polls with 518 voters."""

    async def cast(self, poll: str) -> None:
        items: list[Any] = [
            (10_000 + 1_000 * option + n, 0, None, "", str(option + 1))
            for option, count in enumerate(VOTES) for n in range(count)
        ]  # fmt: skip
        for begin in range(0, len(items), 300):
            await self.service.send(int(poll), items[begin : begin + 300])

    async def everywhere(self, poll: str, listener: Any) -> bytes:
        """All that a stranger can get of a poll."""
        channel = channel_id("polls", poll)
        answers = [
            await self.ask("GET", f"/api/v1/sites/1/polls/{poll}"),
            await self.ask("GET", f"/api/v1/sites/1/polls/{poll}?readPreference=nearest"),
            await self.ask("GET", f"/api/v1/sites/1/polls/{poll}", authorization=await self.visitor()),
            await self.ask("GET", f"/api/v1/sites/1/polls/{poll}/voters?option=1"),
            await self.first(poll),
            await self.first(poll, "&after=1"),
            await self.ask("GET", f"/rt/poll?sub=1/{channel}@0&wait=0"),
        ]
        self.assertEqual(answers[0].status, 200)
        hooks = self.sql("select body from outbox where kind = 'webhook'")
        log = self.sql("select data from event where channel_id = %s", channel)
        return b"".join(one.raw for one in answers) + json.dumps([hooks, log]).encode() + listener.data

    def seen(self, heard: bytes) -> bool:
        # As numbers of their own: ids, times and digests have all kinds of digits.
        return re.search(rb"(?<![\w.-])(307|211|518)(?![\w.-])", heard) is not None


class HiddenTests(HiddenCase):
    """What is hidden, until it is not."""

    async def test_hidden(self) -> None:
        """Neither counts nor voters are in any answer, event or webhook while hidden; voters see what they may."""
        await self.application.sites.change(1, "webhook_url", "https://hooks.example/")
        await self.application.sites.change(1, "webhook_secret", "0123456789abcdef")
        for results in ("voted", "closed", "staff"):
            for kind in ("single", "multiple", "ranked"):
                poll = await self.make(results=results, kind=kind, quota=0)
                listener = await self.listen(poll)
                await self.cast(poll)
                self.assertFalse(self.seen(await self.everywhere(poll, listener)), (results, kind))
                me = (await self.vote(await self.visitor(), poll, "3")).json()["me"]
                self.assertEqual(me["results"] is not None, results == "voted")
                self.assertEqual(me["outcome"] is not None, results == "voted" and kind == "ranked")
                found = await self.results(poll)
                self.assertEqual(([one["votes"] for one in found["options"]], found["voters"]), ([307, 211, 1], 519))
                if results != "voted":
                    # The number of the channel does not tell of votes either.
                    self.assertEqual([kind for kind, _ in self.events(poll)], ["poll.updated"])

    async def test_closing(self) -> None:
        """With the poll's end they are there for everybody, but those that are for staff alone."""
        for results, seen in (("closed", True), ("voted", True), ("staff", False)):
            poll = await self.make(results=results)
            listener = await self.listen(poll)
            await self.cast(poll)
            self.assertEqual((await self.change(poll, 1, closed=True)).status, 200)
            await listener.has(b"poll.closed")
            self.assertEqual(self.seen(await self.everywhere(poll, listener)), seen, results)

    async def test_quiz(self) -> None:
        """The right answer and why are hidden until one has answered, or the quiz is closed; answers are final."""
        options = [{"text": "one"}, {"text": "two", "correct": True}, {"text": "three"}]
        poll = await self.make(kind="quiz", options=options, explanation="canary because")
        listener, ann = await self.listen(poll), await self.visitor()
        self.assertNotIn(b"canary", await self.everywhere(poll, listener))
        self.assertNotIn(b'"correct":true', await self.everywhere(poll, listener))
        me = (await self.vote(ann, poll, "1")).json()["me"]
        self.assertEqual(me["answer"], {"correct": ["2"], "explanation": "canary because"})
        self.assertEqual((await self.vote(ann, poll, "2")).slug, "voted")
        self.assertEqual((await self.vote(ann, poll)).slug, "voted")
        self.assertNotIn(b"canary", await self.everywhere(poll, listener))
        self.assertEqual((await self.change(poll, 1, closed=True)).status, 200)
        found = (await self.poll(poll))["poll"]
        self.assertEqual(([one["correct"] for one in found["options"]], found["explanation"]),
                         ([False, True, False], "canary because"))  # fmt: skip

    async def test_voters(self) -> None:
        """Names are shown where the poll says so, of those who show theirs, to whoever may see the counts."""
        secret, shown = await self.make(), await self.make(identity="account", voters_shown=True, results="voted")
        path = f"/api/v1/sites/1/polls/{secret}/voters?option=1"
        self.assertEqual((await self.ask("GET", path)).slug, "secret-voters")
        self.sql("insert into person (site_id, visitor_id, name, skeleton, level, private) values "
                 "(1, 5, 'Ann', 'ann', 1, false), (1, 6, 'Bob', 'bob', 1, true)")  # fmt: skip
        await self.service.send(int(shown), [(5, 1, None, "", "1"), (6, 1, None, "", "1"), (7, 1, None, "", "2")])
        path = f"/api/v1/sites/1/polls/{shown}/voters?option=1"
        self.assertEqual((await self.ask("GET", path)).slug, "secret-voters")
        from cackled.domain.sessions import SIGNED_IN, Session

        rows = await self.service.voters(int(shown), 1, 0, Session(1, 7, SIGNED_IN))
        self.assertEqual([row[1] for row in rows], ["Ann"])


class OutcomeTests(PollCase):
    """Ranked polls."""

    async def test_outcome(self) -> None:
        """The rounds are in the first render; while the poll is open they may be seconds old, then exact."""
        poll = await self.make(kind="ranked", quota=0)

        async def cast(first: int, *ballots: str) -> None:
            await self.service.send(int(poll), [(first + n, 0, None, "", one) for n, one in enumerate(ballots)])

        await cast(1, "1,2", "1", "2,3", "3,2", "3,2")
        outcome = (await self.first(poll)).json()["poll"]["outcome"]
        self.assertEqual((outcome["winner"], [one["out"] for one in outcome["rounds"]]), ("3", ["2", ""]))
        await cast(10, "2,1", "2,1", "2,1")
        await self.change(poll, 1, closed=True)
        outcome = (await self.first(poll)).json()["poll"]["outcome"]
        self.assertEqual((outcome["winner"], outcome["rounds"][0]["counts"]), ("2", [["1", 2], ["2", 4], ["3", 2]]))
        self.assertEqual((await self.results(poll))["outcome"], outcome)
