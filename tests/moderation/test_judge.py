"""What becomes of what somebody is about to write."""

from __future__ import annotations

import hashlib
from typing import Any

from cackled.domain.errors import Refused
from cackled.moderation.verdict import APPROVED, Verdict
from tests.domain.common import ANN, BOB, CAT, the_id
from tests.moderation.case import ModerationCase
from tests.moderation.common import draft

FLOOD = (
    "Hello friends, I have earned {n} dollars this week from home, and you can do it as well: just look at the page "
    "of my teacher and write to him today, places are limited"
)


class JudgeTests(ModerationCase):
    async def judge(self, text: str = "hello there", **more: Any) -> Verdict:
        return await self.moderation.judge(self.site, draft(text, **more))

    async def test_nothing(self) -> None:
        """A site without rules shows everything, and judging asks the database once in all."""
        for number in range(20):
            self.assertEqual(await self.judge(f"hello there {number}", visitor=number + 1), APPROVED)
        self.assertEqual(self.counted.asked, ["select_rules", "select_filter"])
        self.assertEqual(self.moderation.store.waited, 1)

    async def test_ordinary_post(self) -> None:
        """Rules that look at the text alone ask for nothing, whoever writes; nor does a filter that has learnt."""
        await self.rules(words=[{"text": "casino"}], links=2, capitals=80, trusted_after=3, close_days=0)
        self.counted.asked.clear()
        for number in range(20):
            self.assertEqual((await self.judge(f"hello there {number}", visitor=number + 1)).state, "approved")
        self.assertEqual(self.counted.asked, [])

    async def test_states(self) -> None:
        """Each action leads to its state, with marks and the words that decided."""
        await self.rules(words=[
            {"text": "aaa"}, {"text": "bbb", "action": "spam"}, {"text": "ccc", "action": "reject"},
            {"text": "ddd", "action": "refuse"},
        ])  # fmt: skip
        self.assertEqual(await self.judge("aaa"), Verdict("pending", ("word",), None, ("aaa",)))
        self.assertEqual(await self.judge("aaa bbb"), Verdict("spam", ("word",), None, ("bbb", "aaa")))
        self.assertEqual((await self.judge("ccc bbb")).state, "rejected")
        error = await self.refused(self.judge("ddd"))
        self.assertEqual((error.status, error.slug, error.extra), (422, "rule", {"reason": "word"}))
        # The word stands with the rule that has it, and not with another that holds the text as well.
        await self.rules(words=[{"text": "aaa"}], links=0, moderation="pre")
        verdict = await self.judge("aaa [x](https://example.com)")
        self.assertEqual((verdict.reasons[0], set(verdict.reasons), verdict.words), (
            "word", {"word", "link", "premoderation"}, ("aaa",),
        ))  # fmt: skip

    async def test_comments(self) -> None:
        """A comment that waits is stored with its marks and shown to nobody else."""
        await self.rules(moderation="pre")
        written = await self.post("hello")
        self.assertEqual(self.state(the_id(written)), (0, ["premoderation"]))
        self.assertEqual(self.events(), [])
        await self.rules(words=[{"text": "casino", "action": "spam"}])
        self.assertEqual(self.state(the_id(await self.post("casino"))), (2, ["word"]))
        self.assertEqual(self.state(the_id(await self.post("hello"))), (1, []))

    async def test_edits(self) -> None:
        """An edit is judged as a post is."""
        await self.rules(words=[{"text": "casino", "action": "refuse"}])
        written = await self.post("hello")
        error = await self.refused(self.comments.edit(self.session(ANN), the_id(written), "casino"))
        self.assertEqual(error.slug, "rule")

    async def test_names(self) -> None:
        """A guest can't look like staff."""
        await self.rules(names=["Admin"])
        error = await self.refused(self.post("hello", name="Аdmіn"))
        self.assertEqual((error.status, error.slug, error.field), (400, "name-taken", "name"))
        await self.rules(names=["Admin"], names_action="hold")
        self.assertEqual(self.state(the_id(await self.post("hello", name="Аdmіn"))), (0, ["name"]))

    async def test_first(self) -> None:
        """An author waits until enough was approved; trusted authors do not, nor does the filter hold them."""
        await self.rules(first=2)
        one, two = the_id(await self.post("hello")), the_id(await self.post("hello again"))
        self.assertEqual([self.state(one), self.state(two)], [(0, ["first"])] * 2)
        self.sql("update comment set status = 1, shown = true where id in (%s, %s)", one, two)
        self.assertEqual(self.state(the_id(await self.post("and again"))), (1, []))
        self.assertEqual(self.state(the_id(await self.post("hello", by=BOB))), (0, ["first"]))
        await self.rules(first=2, trusted=[str(BOB)])
        self.assertEqual(self.state(the_id(await self.post("hello", by=BOB))), (1, []))
        self.assertEqual((await self.judge("hello", visitor=CAT)).reasons, ("first",))

    async def test_trusted(self) -> None:
        """Who had enough approved, and nothing that was spam, is forgiven what strangers are held for; not words."""
        for _ in range(3):
            await self.post("hello")
        await self.rules(trusted_after=3, moderation="pre", links=0, words=[{"text": "casino"}])
        self.assertEqual((await self.judge("https://a.example", visitor=ANN)).state, "approved")
        self.assertEqual((await self.judge("casino", visitor=ANN)).reasons, ("word",))
        self.assertEqual((await self.judge("https://a.example", visitor=BOB)).reasons, ("link", "premoderation"))
        self.sql("update comment set status = 2 where id = (select max(id) from comment)")
        self.clock.advance(100)
        self.assertEqual((await self.judge("https://a.example", visitor=ANN)).state, "pending")

    async def test_closed(self) -> None:
        """A conversation closes by itself; one that nobody has begun is open."""
        await self.rules(close_days=30)
        await self.post("hello")
        begun = self.sql("select extract(epoch from created_at)::float8 from channel")[0][0]
        self.now = begun + 29 * 86_400
        await self.post("still open")
        self.now = begun + 31 * 86_400
        error = await self.refused(self.post("too late"))
        self.assertEqual((error.status, error.slug), (403, "locked"))
        await self.post("another page", key="other")

    async def test_slow(self) -> None:
        """So many seconds between two texts of an author, in any process; what was refused does not count."""
        await self.rules(slow_seconds=60)
        await self.post("hello")
        error = await self.refused(self.post("again"))
        self.assertEqual((error.status, error.slug), (429, "too-fast"))
        self.assertLessEqual(error.retry_after or 0, 60)
        await self.post("hello", by=BOB)
        other = self.make()
        error = await self.refused(other.judge(self.site, draft("from elsewhere")))
        self.assertEqual(error.slug, "too-fast")
        self.clock.advance(61)
        self.sql("update comment set created_at = now() - interval '61 seconds'")
        await self.rules(slow_seconds=60, words=[{"text": "casino", "action": "refuse"}])
        await self.refused(self.post("casino"))
        await self.post("again")

    async def test_once(self) -> None:
        """What is sent again under the same key is judged once, and is no repetition and not too soon."""
        await self.rules(slow_seconds=60)
        first = await self.post("hello", idempotency_key="k")
        again = await self.post("hello", idempotency_key="k")
        self.assertEqual((the_id(again), again.replayed), (the_id(first), True))
        self.assertEqual((await self.refused(self.post("hello", idempotency_key="k2"))).slug, "too-fast")

    async def test_duplicates(self) -> None:
        """What several others wrote nearly the same waits; so does what one writes again and again."""
        await self.rules(spam={"duplicates": 3})
        for number in range(3):
            self.assertEqual((await self.judge(FLOOD.format(n=number), visitor=number + 1)).state, "approved")
        self.assertEqual((await self.judge(FLOOD.format(n=9), visitor=9)).reasons, ("duplicate",))
        for _ in range(4):
            last = await self.judge(FLOOD.replace("teacher", "uncle Tom and of his aunt Mary").format(n=7), visitor=77)
        self.assertEqual(last.reasons, ("duplicate",))

    async def test_shared(self) -> None:
        """Copies and bursts are counted over all processes; what was refused, and other sites, do not count."""
        await self.rules(spam={"duplicates": 3, "burst": 6})
        others = [self.make(), self.make()]
        for number in range(3):
            judged = await others[number % 2].judge(self.site, draft(FLOOD.format(n=number), visitor=number + 1))
            self.assertEqual(judged.state, "approved")
        self.assertEqual((await self.judge(FLOOD.format(n=9), visitor=9)).reasons, ("duplicate",))
        two = await self.sites.add("Two", ["two.example"], site_id=2)
        assert two is not None
        self.assertEqual(await self.moderation.judge(two, draft(FLOOD.format(n=5), visitor=8)), APPROVED)
        for number in range(2):
            await others[0].judge(self.site, draft(f"hello {number}", visitor=number + 50))
        self.assertEqual((await self.judge("hello you", visitor=60)).reasons, ("burst",))
        self.assertEqual(self.sql("select distinct site_id from recent_text"), [(1,)])

    async def test_burst(self) -> None:
        """More a minute than usual: strangers wait."""
        await self.rules(spam={"burst": 5}, trusted=[str(BOB)])
        for number in range(5):
            self.assertEqual((await self.judge(f"hello {number}", visitor=number + 100)).state, "approved")
        self.assertEqual((await self.judge("hello", visitor=200)).reasons, ("burst",))
        self.assertEqual((await self.judge("hello", visitor=BOB)).state, "approved")
        self.clock.advance(61)
        self.assertEqual((await self.judge("hello", visitor=201)).state, "approved")

    async def test_machines(self) -> None:
        """What stands in the hidden field is spam; a form that was filled in no time waits."""
        await self.rules(spam={"least_seconds": 1})
        self.assertEqual((await self.judge(trap="https://a.example")).reasons, ("trap",))
        self.assertEqual((await self.judge(trap="x")).state, "spam")
        self.assertEqual((await self.judge(seconds=0.2)).reasons, ("fast",))
        self.assertEqual((await self.judge(seconds=20.0)).state, "approved")
        self.assertEqual((await self.judge(staff=True, trap="x")).state, "approved")

    async def test_proof(self) -> None:
        """A stranger's browser works first; the answer holds for that text, once, and for a while."""
        await self.rules(spam={"proof": "strangers"})
        error = await self.refused(self.judge("hello there"))
        self.assertEqual((error.status, error.slug), (428, "proof-needed"))
        proof = solve(error.extra)
        for wrong in (
            "", "x", "1.2.3.4.5", proof + "0", "." * 4, proof.replace(".", ".0", 1), "9" * 500, "é.ü.ö.ä.ß",
            ".".join([*proof.split(".")[:3], "1", proof.split(".")[4]]),
        ):  # fmt: skip
            self.assertEqual((await self.refused(self.judge("hello there", proof=wrong))).slug, "proof-needed", wrong)
        for more in ({"text": "hello others"}, {"visitor": BOB}, {"channel": 6}):
            more = {"text": "hello there", **more}
            self.assertEqual((await self.refused(self.judge(proof=proof, **more))).slug, "proof-needed", more)
        self.assertEqual((await self.judge("hello there", proof=proof)).state, "approved")
        self.assertEqual((await self.refused(self.judge("hello there", proof=proof))).slug, "proof-needed")
        late = solve((await self.refused(self.judge("hello there"))).extra)
        self.now += 700
        self.assertEqual((await self.refused(self.judge("hello there", proof=late))).slug, "proof-needed")

    async def test_proof_of_known(self) -> None:
        """Who had something approved, or signed in, or changes a text, need not."""
        await self.post("hello")
        await self.rules(spam={"proof": "strangers"})
        self.assertEqual((await self.judge(visitor=ANN)).state, "approved")
        self.assertEqual((await self.judge(visitor=BOB, known=True)).state, "approved")
        self.assertEqual((await self.judge(visitor=BOB, edits=5)).state, "approved")
        self.assertEqual((await self.refused(self.judge(visitor=BOB))).slug, "proof-needed")

    async def test_proof_elsewhere(self) -> None:
        """Another process takes the answer, and one site's is nothing to another."""
        other_site = await self.sites.add("Two", ["two.example"], site_id=2)
        assert other_site is not None
        await self.rules(spam={"proof": "strangers"})
        await self.rules(other_site, spam={"proof": "strangers"})
        proof = solve((await self.refused(self.judge("hello there"))).extra)
        other = self.make()
        error = await self.refused(other.judge(other_site, draft("hello there", proof=proof)))
        self.assertEqual(error.slug, "proof-needed")
        self.assertEqual((await other.judge(self.site, draft("hello there", proof=proof))).state, "approved")

    async def test_retry_is_no_repetition(self) -> None:
        """A text that comes again with its proof is not taken for a copy of itself, nor for too soon."""
        await self.rules(spam={"proof": "strangers", "duplicates": 1}, slow_seconds=60)
        text = FLOOD.format(n=1)
        for _ in range(4):
            error = await self.refused(self.judge(text))
            self.assertEqual(error.slug, "proof-needed")
        self.assertEqual((await self.judge(text, proof=solve(error.extra))).state, "approved")

    async def test_flags(self) -> None:
        """So many reports hide a comment; once a moderator approved it, as many new ones."""
        await self.rules(flags=2)
        one = the_id(await self.post("hello"))
        flag = self.comment_moderation.flag
        self.assertEqual(await flag(self.session(BOB), one, "rude"), 1)
        self.assertEqual(await flag(self.session(BOB), one, "rude"), 1)
        self.assertEqual(self.state(one), (1, []))
        self.assertEqual(await flag(self.session(CAT), one, "rude"), 2)
        self.assertEqual(self.state(one), (0, ["flags"]))
        self.assertEqual([kind for _, kind, _ in self.events()], ["comment.created", "comment.deleted"])
        self.assertNotIn("hello", str(self.events()))
        decide = "select outcome from decide_comment(1, %s, null, 'approve', (select max(id) from moderation_action), "
        self.sql("insert into moderation_action (site_id, who, action) values (1, 'account:1', 'approve')")
        self.assertEqual(self.sql(decide + "'account:1', 'Ann', '', false)", one), [("done",)])
        self.assertEqual(await flag(self.session(CAT), one, "rude"), 0)
        self.assertEqual(await flag(self.session(44), one, "rude"), 1)
        self.assertEqual(self.state(one)[0], 1)
        await flag(self.session(55), one, "rude")
        self.assertEqual(self.state(one)[0], 0)

    async def test_tenants(self) -> None:
        """What one site's rules, records and recent texts say is nothing to another."""
        two = await self.sites.add("Two", ["two.example"], site_id=2)
        assert two is not None
        await self.rules(words=[{"text": "casino", "action": "refuse"}], trusted=[str(ANN)], spam={"duplicates": 3})
        for number in range(5):
            self.assertEqual((await self.judge(FLOOD.format(n=number), visitor=number + 1)).state != "spam", True)
        self.assertEqual((await self.moderation.judge(two, draft("casino"))), APPROVED)
        self.assertEqual((await self.moderation.judge(two, draft(FLOOD.format(n=5), visitor=9))), APPROVED)
        self.assertEqual(self.sql("select site_id from moderation_rules"), [(1,)])

    async def test_erased(self) -> None:
        """Nothing of an erased visitor stays in memory."""
        await self.rules(slow_seconds=1, first=1, spam={"duplicates": 3})
        await self.judge(FLOOD, visitor=ANN, once="k")
        judging = self.moderation.judging
        self.assertTrue(len(judging.recent) and judging._records and judging._once and judging._wrote)
        judging.erase(ANN)
        self.assertFalse(len(judging.recent) or judging._records or judging._once or judging._wrote)

    def session(self, visitor: int) -> Any:
        from cackled.domain.sessions import Session

        return Session(1, visitor)

    async def test_unknown_rules(self) -> None:
        """Rules that this release can't read stop nobody from writing."""
        self.sql("insert into moderation_rules (site_id, version, rules) values (1, 3, '{\"newer\":true}')")
        self.assertEqual(await self.judge("casino"), APPROVED)
        self.assertEqual(len(self.flushLoggedErrors()), 0)


def solve(extra: dict[str, str]) -> str:
    """What a browser does with a challenge."""
    for number in range(int(extra["most"])):
        if hashlib.sha256(f"{extra['salt']}{number}".encode()).hexdigest() == extra["challenge"]:
            return f"{extra['salt']}.{number}.{extra['signature']}"
    raise AssertionError("no answer", Refused)
