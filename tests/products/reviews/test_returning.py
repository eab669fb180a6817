"""Our own export of reviews comes back: random sites out and in are the same, and what others wrote is called so."""

from __future__ import annotations

import json
import random
from typing import Any

from cackled.importing.records import BadFile
from cackled.products.reviews.exporting import write_jsonl
from cackled.products.reviews.importing import IMPORTS
from tests.media import corpus
from tests.products.reviews.common import REVIEWS, ReviewCase
from tests.support.returning import Returning

FORMAT = next(one for one in IMPORTS.formats if one.name == "reviews-jsonl")
TABLES = ("review", "review_summary", "review_criterion", "review_vote", "review_flag", "review_mark",
          "review_revision", "review_change", "review_reply", "import_item", "import_author", "import_run")  # fmt: skip
DEEDS = ("post", "post", "question", "answer", "edit", "edit", "vote", "vote", "flag", "reply", "hide", "delete",
         "label")  # fmt: skip
PAGES = ("mug", "kettle", "a page/with?signs=1&é")


class ReturnCase(ReviewCase, Returning):
    """Site 1, with the ways of its reviews out and in."""

    product = "reviews"
    imports = IMPORTS
    format = FORMAT
    writes = write_jsonl
    tables = TABLES

    async def random_site(self, seed: int, steps: int = 70) -> None:
        """Reviews, questions and all that is done to them, at random."""
        await self.setting(questions=True, criteria="quality: Quality")
        chance = random.Random(seed)
        people = [await self.visitor() for _ in range(6)]
        made: list[tuple[str, str]] = []
        questions: list[str] = []
        for step in range(steps):
            deed, who = chance.choice(DEEDS), chance.choice(people)
            if deed in ("post", "question") or not made:
                kind = "question" if deed == "question" else "review"
                words = {"text": f"It *holds* {step} <b> \u202e ünï"} | (
                    {"title": f"Title {step}", "pros": "warm\nlarge", "cons": "heavy", "recommend": step % 2 == 0,
                     "criteria": {"quality": chance.randint(1, 5)}, "experienced": "2026-02-03"}
                    if kind == "review" else {"kind": "question"}
                )  # fmt: skip
                star = None if kind == "question" else chance.randint(1, 5)
                answer = await self.post(who, star, chance.choice(PAGES), **words)
                if answer.status == 201:
                    made.append((answer.json()["review"]["id"], who))
                    if kind == "question":
                        questions.append(made[-1][0])
                continue
            number, whose = chance.choice(made)
            one = f"{REVIEWS}/{number}"
            if deed == "answer" and questions:
                page = self.sql("select h.key from review r join channel h on h.site_id = 1 and h.id = r.channel_id "
                                "where r.id = %s", int(questions[-1]))[0][0]  # fmt: skip
                answer = await self.post(who, None, page, kind="answer", parent=questions[-1], text=f"Yes {step}")
                if answer.status == 201:
                    made.append((answer.json()["review"]["id"], who))
            elif deed == "edit":
                await self.ask("PATCH", one, {"text": f"Changed {step}"}, authorization=whose)
            elif deed == "vote":
                await self.ask("PUT", f"{one}/vote", {"value": chance.choice((1, -1))}, authorization=who)
            elif deed == "flag":
                await self.ask("POST", f"{one}/flags", {"reason": "spam"}, authorization=who)
            elif deed == "reply":
                await self.owner.ask("PUT", f"{one}/reply", {"text": f"Thank you **{step}**"})
            elif deed == "hide":
                state = chance.choice(("reject", "spam", "approve"))
                body = {"items": [f"review:{number}"], "deed": state, "why": "offtopic"}
                await self.owner.ask("POST", "/api/v1/sites/1/queue/actions", body)
            elif deed == "delete" and chance.random() < 0.4:
                await self.ask("DELETE", one, authorization=whose)
            elif deed == "label":
                self.sql("update review set incentivized = true, featured = true where id = %s", int(number))

    async def seen(self) -> Any:
        """What readers see of all pages."""
        found = []
        for key in PAGES:
            for kind in ("review", "question"):
                query = {"channel": key, "kind": kind, "sort": "old", "size": "100", "readPreference": "primary"}
                answer = await self.ask("GET", f"{REVIEWS}?" + "&".join(f"{k}={_quoted(v)}" for k, v in query.items()))
                assert answer.status == 200, answer
                read = answer.json()
                found.append((read["summary"], read["page"]))
        return found


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


class ReturnTests(ReturnCase):
    """Out, and in again."""

    async def test_random(self) -> None:
        """Random sites are the same afterwards, for readers and in the next export; figures too."""
        for seed in (20270301, 20270302, 20270303):
            self.emptied()
            await self.random_site(seed)
            before, lines = await self.seen(), await self.out()
            self.assertGreater(len(lines), 10)
            told = b"".join(lines).replace(b" ", b"")
            for name in ('"votes":[[', '"changes":[[', '"reply":{', '"question"', '"answer"', '"flags":[['):
                self.assertIn(name.encode(), told, seed)
            self.emptied()
            dry = await self.back(lines, dry=True)
            self.assertEqual(self.sql("select count(*) from review"), [(0,)])
            report = await self.back(lines)
            self.assertEqual((dry.added, dry.left), (report.added, report.left))
            self.assertEqual((report.added, report.left), (len(lines) - 1, {}))
            self.assertEqual(await self.out(), lines)
            after = await self.seen()
            self.assertEqual(after, before)
            for key in PAGES:
                self.counts_agree(key)
            again = await self.back(lines)
            self.assertEqual((again.added, again.present), (0, len(lines) - 1))
            self.assertEqual(await self.out(), lines)

    async def test_pictures(self) -> None:
        """Uploaded pictures have whole addresses in lines, and come back as they were."""
        await self.application.sites.change(1, "media.pictures", True)
        auth = await self.visitor()
        sent = await self.ask("POST", "/api/v1/sites/1/media?alt=A%20%22mug%22", corpus.picture(),
                              content_type="image/jpeg", authorization=auth)  # fmt: skip
        name = sent.json()["id"]
        text = 'it says "url": "/media/x"'
        made = await self.post(auth, 5, "mug", text=text, media=[name, "https://one.example/a.png"])
        self.assertEqual(made.status, 201, made)
        kept = self.sql("select id, src, media from review")
        site, database = self.application.sites.get(1), self.application.database
        for base in ("https://talk.example", ""):
            lines = b"".join([part async for part in write_jsonl(database, site, base)]).splitlines()
            (found,) = (json.loads(line) for line in lines[1:])
            addresses = {one["url"] for one in found["media"]}
            self.assertEqual(addresses, {f"{base}/media/{name}/400.webp", "https://one.example/a.png"})
            self.assertEqual(found["text"], text)
            self.emptied()
            report = await self.back(lines)
            self.assertEqual((report.added, report.left), (1, {}))
            self.assertEqual(self.sql("select id, src, media from review"), kept)
            self.assertEqual(self.sql("select item, shown from media"), [(f"review:{kept[0][0]}", True)])

    async def test_into_itself(self) -> None:
        """Where all is here, nothing changes; what was lost comes back; undone, the same is lost again."""
        await self.setting(questions=True)
        await self.random_site(20270304, 30)
        lines = await self.out()
        report = await self.back(lines)
        self.assertEqual((report.added, report.present), (0, len(lines) - 1))
        self.assertEqual((await self.back(lines, dry=True)).present, len(lines) - 1)
        lost = self.sql("select id from review where kind = 0 and status = 1 order by id limit 1")[0][0]
        self.sql("delete from review where id = %s", lost)
        report = await self.back(lines, label="again")
        self.assertEqual((report.added, report.present), (1, len(lines) - 2))
        await self.last.undo()
        self.assertEqual(self.sql("select count(*) from review where id = %s", lost), [(0,)])

    async def test_what_others_wrote(self) -> None:
        """A line that was changed, or is of another site, is shown as imported; nothing of it is taken on trust."""
        await self.setting(questions=True)
        number = await self.made(star=2, text="It leaks")
        self.sql("update review set verified = 'order' where id = %s", int(number))
        lines = await self.out()
        self.emptied()
        forged = lines[1].replace(b'"star" : 2', b'"star" : 5').replace(b'"extra" : ""', b'"extra" : ",\\"x\\":1"')
        self.assertNotEqual(forged, lines[1])
        await self.back([lines[0], forged])
        (one,) = (await self.page())["page"]["reviews"]
        self.assertEqual((one["star"], one["verified"], one["source"]), (5, "source", "One"))
        self.assertNotIn("x", one["author"])
        summary = await self.summary()
        self.assertEqual((summary["count"], summary["own"]["count"]), (1, 0))
        self.emptied()
        # Whoever runs the server may vouch for it.
        await self.back([lines[0], forged], own=True)
        (one,) = (await self.page())["page"]["reviews"]
        self.assertEqual((one["star"], one["verified"], one["source"], one["id"]), (5, "order", None, number))

    async def test_hostile(self) -> None:
        """Lines of any shape are left out with a reason, whether or not somebody vouches for them."""
        await self.made(text="It holds")
        lines = await self.out()
        whole = json.loads(lines[1])
        self.emptied()
        rows: list[Any] = [None, 1, [], {}, {"type": "review"}, {"type": "vote"}, "x", {**whole, "id": "1" * 40}]
        for name in whole:
            for value in (None, [], {}, "x", -1, 2**70, [[1]], [["a", 1]], {"a": {"b": 1}}, "\u0000", "9" * 30, True,
                          [["5", 1], ["5", 1], [{}, []]], "2026-13-45"):  # fmt: skip
                rows.append({**whole, "id": str(1000 + len(rows)), name: value})
        sent = [lines[0], *(json.dumps(row).encode() for row in rows), b"{", b"\xff\xfe", b'{"type":"review"' * 3]
        for own in (False, True):
            report = await self.back(sent, own=own)
            self.assertEqual(report.items, report.added + report.present)
            self.assertGreater(report.left.get("broken", 0), 5)
            self.assertEqual((await self.ask("GET", f"{REVIEWS}?channel=mug")).status, 200)
            self.assertEqual((await self.ask("GET", "/bootstrap?widget=Review&site=1&channel=mug")).status, 200)
            await self.out()
            self.counts_agree()
            await self.last.undo()
            self.assertEqual(self.sql("select count(*) from review"), [(0,)])
        for head in (b"{}", b'{"type":"export","version":1,"product":"polls"}', b"", b'{"type":"export","version":2}'):
            with self.assertRaises(BadFile):
                await self.back([head, lines[1]])

    async def test_forgotten(self) -> None:
        """Who was forgotten stays so, with their votes."""
        ann, ben = await self.visitor(), await self.visitor()
        first = await self.made(ann, text="By Ann")
        second = await self.made(ben, text="By Ben")
        await self.ask("PUT", f"{REVIEWS}/{second}/vote", {"value": 1}, authorization=ann)
        lines = await self.out()
        await self.application.erasures.erase(1, int(self.visitor_of(ann)))
        self.sql("delete from review where site_id = 1")
        self.sql("delete from review_vote where site_id = 1")
        self.sql("delete from review_summary where site_id = 1")
        await self.back(lines)
        (one,) = (await self.page())["page"]["reviews"]
        self.assertEqual((one["id"], one["up"]), (second, 0))
        self.assertEqual(self.sql("select count(*) from review where id = %s", int(first)), [(0,)])
