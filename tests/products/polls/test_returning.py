"""Our own export of polls comes back: random sites out and in are the same, and nobody makes results up with a file."""

from __future__ import annotations

import json
import random
from typing import Any

from cackled.importing.records import BadFile
from cackled.products.polls.exporting import write_jsonl
from cackled.products.polls.importing import IMPORTS
from tests.media import corpus
from tests.products.polls.common import PollCase
from tests.support.returning import Returning

FORMAT = IMPORTS.formats[0]
TABLES = ("poll", "poll_option", "ballot", "poll_network", "import_item", "import_run")
KINDS: tuple[dict[str, Any], ...] = (
    {"kind": "single", "write_in": True}, {"kind": "multiple", "min": 1, "max": 2, "results": "voted"},
    {"kind": "ranked", "results": "closed"}, {"kind": "number", "options": [], "low": -1, "high": 2},
    {"kind": "quiz", "options": [{"text": "2"}, {"text": "4", "correct": True}], "explanation": "Two and two."},
)  # fmt: skip


class ReturnTests(PollCase, Returning):
    """Out, and in again."""

    product = "polls"
    imports = IMPORTS
    format = FORMAT
    writes = write_jsonl
    tables = TABLES

    async def random_site(self, seed: int, steps: int = 90) -> tuple[list[str], list[str]]:
        """Polls of all kinds, and all that is done to them; gives them, and who voted."""
        chance = random.Random(seed)
        people = [await self.visitor() for _ in range(6)]
        polls = [await self.make(quota=0, description="Words \u202e", **kind) for kind in KINDS]
        for step in range(steps):
            poll, who = chance.choice(polls), chance.choice(people)
            deed = chance.choice(("vote", "vote", "vote", "withdraw", "propose", "decide", "close", "strike"))
            found = (await self.poll(poll))["poll"]
            if deed == "vote":
                options = [one["id"] for one in found["options"]]
                count = chance.randint(1, found["max"]) if found["kind"] in ("multiple", "ranked") else 1
                await self.vote(who, poll, *chance.sample(options, count))
            elif deed == "withdraw":
                await self.vote(who, poll)
            elif deed == "propose":
                path = f"/api/v1/sites/1/polls/{polls[0]}/options"
                await self.ask("POST", path, {"text": f"Idea {step}"}, authorization=who)
            elif deed == "decide":
                rows = self.sql("select number from poll_option where poll_id = %s and state = 0", int(polls[0]))
                if rows:
                    one = f"/api/v1/sites/1/polls/{polls[0]}/options/{rows[0][0]}"
                    await self.owner.ask("PUT", one, {"shown": chance.random() < 0.7})
            elif deed == "close" and chance.random() < 0.3:
                await self.change(poll, found["version"], closed=True)
            elif deed == "strike" and chance.random() < 0.3:
                self.sql("update ballot set state = 3 where poll_id = %s and state = 1 and visitor_id = %s",
                         int(poll), int(self.visitor_of(who)))  # fmt: skip
        return polls, people

    async def seen(self, polls: list[str], people: list[str]) -> Any:
        """What a stranger and each voter see of all polls."""
        found = []
        for poll in polls:
            for who in (None, *people):
                query = f"/bootstrap?widget=Poll&site=1&poll={poll}&readPreference=primary"
                read = (await self.ask("GET", query, authorization=who)).json()
                found.append((read["poll"], read.get("me")))
        return found

    async def test_random(self) -> None:
        """Random sites are the same afterwards: for strangers, for voters, and in the next export."""
        for seed in (20270401, 20270402):
            self.emptied()
            polls, people = await self.random_site(seed)
            # What was struck out counts no more.
            self.sql("update poll p set voters = (select count(*) from ballot b where b.poll_id = p.id and state = 1)")
            self.sql("update poll_option o set votes = (select count(*) from ballot b join poll p on p.id = b.poll_id "
                     "where b.poll_id = o.poll_id and b.state = 1 "
                     "and o.number = any(counted_options(p.kind, b.options)))")  # fmt: skip
            before, lines = await self.seen(polls, people), await self.out()
            told = b"".join(lines)
            ballots = sum(b'"type":"ballot"' in line for line in lines)
            self.assertGreater(ballots, 5)
            votes = told.partition(b'"type":"ballot"')[2]
            for who in people:
                self.assertNotIn(self.visitor_of(who).encode(), votes)
            self.emptied()
            dry = await self.back(lines, dry=True)
            self.assertEqual((dry.added, self.sql("select count(*) from poll")), (len(lines) - 1, [(0,)]))
            report = await self.back(lines)
            self.assertEqual((report.added, report.left), (len(lines) - 1, {}))
            self.assertEqual(await self.out(), lines)
            self.assertEqual(await self.seen(polls, people), before)
            # Who has voted has, and nobody votes twice.
            counted = self.sql("select count(*) from ballot")
            for who in people:
                found = (await self.poll(polls[3]))["poll"]
                await self.vote(who, polls[3], found["options"][0]["id"])
            self.assertLessEqual(self.sql("select count(*) from ballot where poll_id = %s", int(polls[3]))[0][0], 6)
            self.assertGreaterEqual(self.sql("select count(*) from ballot"), counted)
            again = await self.back(lines, label="")
            self.assertEqual(again.added, 0)
            first = self.sql("select min(id) from import_run where not dry and added > 0")[0][0]
            await self.last.undo(first)
            for table in ("poll", "poll_option", "ballot"):
                self.assertEqual(self.sql(f"select count(*) from {table} where site_id = 1"), [(0,)], table)

    async def test_pictures(self) -> None:
        """Uploaded pictures have whole addresses in lines, and come back as they were; so do lines of before."""
        sent = await self.owner.ask(
            "POST", "/api/v1/sites/1/pictures?alt=x", corpus.picture(), content_type="image/jpeg"
        )
        picture = sent.json()
        linked = f"https://one.example{picture['url']}"
        await self.make(options=[{"text": "a", "image": picture["url"]}, {"text": "b", "image": linked}, {"text": "c"}])
        kept = self.sql("select number, image from poll_option order by number")
        self.assertEqual(kept, [(1, picture["url"]), (2, linked), (3, "")])
        site, database = self.application.sites.get(1), self.application.database
        for base in ("https://talk.example", "http://127.0.0.1:8080", ""):
            lines = b"".join([part async for part in write_jsonl(database, site, base)]).splitlines()
            options = json.loads(lines[1])["options"]
            self.assertEqual([one["image"] for one in options], [base + picture["url"], linked, ""])
            self.assertEqual([one.get("picture") for one in options], [picture["id"], None, None])
            # Signed, and changed by hand: no other words than those that were checked are taken from it.
            for given in (lines, [lines[0], lines[1].replace(b"Which", b"What")]):
                self.emptied()
                report = await self.back(given)
                self.assertEqual((report.added, report.left), (1, {}))
                self.assertEqual(self.sql("select number, image from poll_option order by number"), kept)
                self.assertEqual(self.sql("select shown from media"), [(True,)])

    async def test_into_itself(self) -> None:
        """Polls that are here stay as they are; a vote that was withdrawn since does not come back."""
        ann, poll = await self.visitor(), await self.make()
        await self.vote(ann, poll, "1")
        lines = await self.out()
        await self.vote(ann, poll)
        report = await self.back(lines)
        self.assertEqual((report.added, report.present), (0, 2))
        self.assertEqual((await self.poll(poll))["poll"]["voters"], 0)
        self.assertEqual((await self.back(lines, dry=True)).present, 2)

    async def test_nobody_makes_results_up(self) -> None:
        """A ballot that this server did not write is left out, a poll gets another number; they may be vouched for."""
        ann, poll = await self.visitor(), await self.make()
        await self.vote(ann, poll, "1")
        lines = await self.out()
        self.emptied()
        forged = [lines[0], lines[1].replace(b"Which", b"What"), lines[2].replace(b"[1]", b"[2]")]
        self.assertEqual(len({*lines, *forged}), 5)
        report = await self.back(forged)
        self.assertEqual((report.added, report.left), (1, {"unsigned": 1}))
        ((number, voters),) = self.sql("select id, voters from poll")
        self.assertNotEqual(str(number), poll)
        self.assertEqual((voters, self.sql("select count(*) from ballot")), (0, [(0,)]))
        self.emptied()
        report = await self.back(forged, own=True)
        self.assertEqual(report.added, 2)
        self.assertEqual(self.sql("select id, voters from poll"), [(int(poll), 1)])

    async def test_numbers_of_others(self) -> None:
        """A number that this server never gave raises nobody's numbers, and never meets a later poll's."""
        poll = await self.make()
        lines = await self.out()
        self.emptied()
        for id in (int(poll), 2**62, int(poll) + 1):
            sent = [lines[0], json.dumps({**json.loads(lines[1]), "id": str(id), "question": f"Poll {id}?"}).encode()]
            self.assertEqual((await self.back(sent, own=True)).added, 1)
        self.assertLess(self.sql("select max(id) from poll")[0][0], int(poll) + 20)
        self.assertNotEqual(await self.make(), poll)

    async def test_hostile(self) -> None:
        """Lines of any shape are left out with a reason, whether or not somebody vouches for them."""
        ann, poll = await self.visitor(), await self.make()
        await self.vote(ann, poll, "1")
        lines = await self.out()
        self.emptied()
        rows: list[Any] = [None, 1, [], {}, {"type": "poll"}, {"type": "ballot"}, {"type": "vote"}]
        values: tuple[Any, ...] = (
            None, [], {}, "x", -1, 0, 2**40, 2**70, [[1]], [1, 1], [7], ["1"], {"a": 1}, "\u0000", "9" * 30, True,
            [{"number": 1, "state": 1}] * 3, [{"number": n, "state": 1, "text": "t", "votes": [], "place": "x"} for n in
             range(1, 80)], "2026-13-45", "9999-01-01T00:00:00Z",
        )  # fmt: skip
        for line in lines[1:]:
            whole = json.loads(line)
            for name in whole:
                for value in values:
                    more = {} if whole["type"] == "ballot" else {"id": str(1000 + len(rows))}
                    rows.append({**whole, **more, name: value})
        for value in values:
            option = {"number": 5, "state": 1, "text": "t", "place": 9, "image": "", "video": "", "value": None}
            for name in (*option, "item", "proposer", "status", "version", "marks", "created", "correct"):
                whole = json.loads(lines[1])
                whole["options"].append({**option, name: value})
                rows.append({**whole, "id": str(1000 + len(rows))})
        sent = [lines[0], lines[1], *(json.dumps(row).encode() for row in rows), b"{", b"\xff\xfe"]
        for own in (False, True):
            report = await self.back(sent, own=own)
            self.assertGreater(report.left.get("broken", 0), 20)
            for (number,) in self.sql("select id from poll where site_id = 1"):
                answer = await self.ask("GET", f"/bootstrap?widget=Poll&site=1&poll={number}")
                self.assertEqual(answer.status, 200, answer)
            await self.out()
            await self.last.undo()
            self.assertEqual(self.sql("select count(*) from poll"), [(0,)])
        for head in (b"{}", b'{"type":"export","version":1,"product":"reviews"}', b""):
            with self.assertRaises(BadFile):
                await self.back([head, lines[1]])

    async def test_forgotten(self) -> None:
        """A forgotten voter's ballot comes back where the result was told, and leads to nobody; not to an open poll."""
        ann = await self.visitor()
        opened, closed = await self.make(), await self.make()
        for poll in (opened, closed):
            await self.vote(ann, poll, "1")
        await self.change(closed, 1, closed=True)
        lines = await self.out()
        await self.application.erasures.erase(1, int(self.visitor_of(ann)))
        for table in TABLES:
            self.sql(f"delete from {table} where site_id = 1")
        await self.back(lines)
        rows = self.sql("select poll_id, voter, visitor_id from ballot")
        self.assertEqual([(row[0], row[1][0], row[2]) for row in rows], [(int(closed), "x", None)])
        self.assertNotIn(self.visitor_of(ann), str(rows))
