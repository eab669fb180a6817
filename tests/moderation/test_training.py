"""Rules that change, lessons that are learnt and taken back, the shared prior, and figures."""

from __future__ import annotations

import random
from typing import Any

from twisted.internet.defer import Deferred

from cackled.domain.commands import CommandError, OperatorParts, Usage
from cackled.domain.errors import BadField, Conflict
from cackled.domain.site import Site
from cackled.moderation import prior
from cackled.moderation.bayes import LEAST_SEEN
from cackled.moderation.commands import COMMANDS
from cackled.moderation.evaluate import evaluate, evaluate_site
from cackled.moderation.rules import NO_RULES
from cackled.moderation.store import POLL
from cackled.moderation.trainer import Trainer
from cackled.products.comments.judged import JUDGED
from tests.domain.common import ANN, BOB, the_id
from tests.moderation.case import ModerationCase, clock
from tests.moderation.common import draft

HAM = "the tomatoes in my garden need more water this year {n}"
SPAM = "free casino bonus, visit https://win.example/{n} and win money"


class StoreTests(ModerationCase):
    async def test_changed_elsewhere(self) -> None:
        """Another process knows changed rules after its next look, and waits for nothing meanwhile."""
        other = self.make()
        self.assertEqual((await other.judge(self.site, draft("casino"))).state, "approved")
        await other.store.look()
        await self.rules(words=[{"text": "casino"}])
        self.assertEqual((await self.moderation.judge(self.site, draft("casino"))).state, "pending")
        self.assertEqual((await other.judge(self.site, draft("casino"))).state, "approved")
        await other.store.look()
        self.assertEqual((await other.judge(self.site, draft("casino"))).state, "pending")
        self.assertEqual((other.store.waited, other.store.refreshed), (1, 1))
        await other.store.look()
        self.assertEqual(other.store.refreshed, 1)

    async def test_looks(self) -> None:
        """It looks by itself; sites that nobody judges here cost nothing."""
        other = self.make()
        other.start(alone=False)
        self.addCleanup(other.stop)
        await other.judge(self.site, draft("casino"))
        two = await self.sites.add("Two", [], site_id=2)
        assert two is not None
        await self.rules(two, words=[{"text": "casino"}])
        for _ in range(3):
            self.clock.advance(POLL)
            await self.settled()
        self.assertEqual(other.store.refreshed, 0)

    async def settled(self) -> None:
        done: Deferred[None] = Deferred()
        clock.callLater(0.1, done.callback, None)
        await done

    async def test_conflict(self) -> None:
        """Who changes an old version is told, and nothing is lost."""
        kept = await self.rules(first=1)
        self.assertEqual(kept.version, 1)
        with self.assertRaises(Conflict):
            await self.moderation.store.change(self.site, NO_RULES, 0, "account:2")
        with self.assertRaises(Conflict):
            await self.moderation.store.change(self.site, NO_RULES, 7, "account:2")
        self.assertEqual((await self.moderation.store.kept(self.site)).rules.first, 1)
        self.assertEqual((await self.moderation.store.change(self.site, NO_RULES, 1, "account:2")).version, 2)

    async def test_secret(self) -> None:
        """A secret stays when it comes back hidden; without one before there is nothing to stay."""
        hook = {"url": "https://a.example", "secret": "0123456789abcdef"}
        await self.rules(webhook=hook)
        kept = await self.rules(webhook={**hook, "secret": "********"})
        self.assertEqual(kept.rules.webhook.secret, "0123456789abcdef")
        await self.rules()
        with self.assertRaises(BadField):
            await self.rules(webhook={**hook, "secret": "********"})


class TrainingCase(ModerationCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.trainer = Trainer(self.database, clock, [JUDGED])

    async def taught(self, spam: bool | None, text: str, by: int = ANN, site: Site | None = None) -> int:
        """A comment, and what a moderator decided."""
        site = site or self.site
        number = the_id(await self.of(site).post(self.session(site.id, by), self.ref(), text, "Ann"))
        self.teach(number, spam, by, site.id)
        return number

    def session(self, site: int, visitor: int) -> Any:
        from cackled.domain.sessions import Session

        return Session(site, visitor)

    def ref(self) -> Any:
        from cackled.domain.channels import ChannelRef

        return ChannelRef("page")

    def teach(self, number: int, spam: bool | None, by: int = ANN, site: int = 1) -> None:
        self.sql("select teach(%s, 'comment', %s, %s, %s)", site, number, by, spam)

    async def some(self, site: Site | None = None) -> None:
        """Enough of both kinds."""
        for number in range(LEAST_SEEN + 2):
            await self.taught(False, HAM.format(n=number), by=number + 1, site=site)
            await self.taught(True, SPAM.format(n=number), by=number + 1, site=site)

    def counts(self) -> list[tuple[Any, ...]]:
        return self.sql(
            "select bucket, spam, ham from spam_count where site_id = 1 and spam + ham > 0 order by 1"
        )


class TrainerTests(TrainingCase):
    async def test_learns(self) -> None:
        """Decisions of moderators teach the filter of their site, once; it says why."""
        await self.some()
        self.assertEqual(await self.trainer.run(), 2 * LEAST_SEEN + 4)
        before = self.counts()
        self.assertEqual(await self.trainer.run(), 0)
        self.assertEqual(self.counts(), before)
        self.assertEqual(self.sql("select spam, ham from spam_filter"), [(LEAST_SEEN + 2, LEAST_SEEN + 2)])
        verdict = await self.make().judge(self.site, draft(SPAM.format(n=99), visitor=77))
        self.assertEqual((verdict.state, verdict.reasons), ("spam", ("spam",)))
        self.assertIn("casino", verdict.words)
        self.assertGreater(verdict.score or 0, 0.95)
        two = await self.sites.add("Two", [], site_id=2)
        assert two is not None
        self.assertEqual((await self.make().judge(two, draft(SPAM.format(n=99)))).score, None)

    async def test_followed(self) -> None:
        """A process that has the filter already gets what is new, and only that."""
        other = self.make()
        await other.judge(self.site, draft("hello"))
        await other.store.look()
        await self.some()
        await self.trainer.run()
        self.assertEqual((await other.judge(self.site, draft(SPAM.format(n=99)))).state, "approved")
        await other.store.look()
        self.assertEqual((await other.judge(self.site, draft(SPAM.format(n=99), visitor=5))).state, "spam")

    async def test_undone(self) -> None:
        """An undone decision leaves no trace, though the text is gone; a changed one counts for the other side."""
        await self.some()
        await self.trainer.run()
        before = self.counts()
        one = await self.taught(True, "a rather unusual sentence")
        await self.trainer.run()
        self.assertNotEqual(self.counts(), before)
        self.sql("update comment set src = '', html = '' where id = %s", one)
        self.teach(one, None)
        await self.trainer.run()
        self.assertEqual(self.counts(), before)
        two = await self.taught(True, "another unusual sentence")
        await self.trainer.run()
        self.teach(two, False)
        await self.trainer.run()
        self.assertEqual(self.sql("select spam, ham from spam_filter"), [(LEAST_SEEN + 2, LEAST_SEEN + 3)])

    async def test_random(self) -> None:
        """After any decisions in any order the counts are those of what is decided in the end, and no others."""
        chance = random.Random(4)
        numbers = [await self.taught(None, f"{HAM if n % 2 else SPAM} {n}".format(n=n)) for n in range(6)]
        decided: dict[int, bool | None] = {}
        for _ in range(30):
            number, spam = chance.choice(numbers), chance.choice([True, False, None])
            decided[number] = spam
            self.teach(number, spam)
            if chance.random() < 0.4:
                await self.trainer.run()
        await self.trainer.run()
        said = self.counts()
        self.sql("delete from spam_lesson")
        self.sql("delete from spam_count")
        self.sql("delete from spam_filter")
        for number, spam in decided.items():
            self.teach(number, spam)
        await self.trainer.run()
        self.assertEqual(self.counts(), said)

    async def test_decisions(self) -> None:
        """What moderators do in the queue teaches, and undoing it takes that back."""
        one = the_id(await self.post("a rather unusual sentence", by=BOB))
        self.sql("insert into moderation_action (site_id, who, action) values (1, 'account:1', 'spam')")
        action = self.sql("select id from moderation_action")[0][0]
        self.sql("select decide_comment(1, %s, null, 'spam', %s, 'account:1', 'Ann', '', false)", one, action)
        self.assertEqual(await self.trainer.run(), 1)
        self.assertEqual(self.sql("select spam, ham from spam_filter"), [(1, 0)])
        self.sql("select undo_comment(1, %s, %s, 'account:1', 'Ann', false)", one, action)
        self.assertEqual(await self.trainer.run(), 1)
        self.assertEqual(self.sql("select spam, ham from spam_filter"), [(0, 0)])
        self.assertEqual(self.counts(), [])

    async def test_wordless(self) -> None:
        """A lesson whose text is gone before it was learnt is none, and keeps nobody busy."""
        one = await self.taught(True, "hello there")
        self.sql("update comment set src = '' where id = %s", one)
        self.teach(404, True)
        self.assertEqual(await self.trainer.run(), 2)
        self.assertEqual(self.sql("select count(*) from spam_lesson"), [(0,)])
        self.assertEqual(await self.trainer.run(), 0)

    async def test_two_at_once(self) -> None:
        """Two nodes that learn at the same time learn it once."""
        await self.some()
        other = Trainer(self.database, clock, [JUDGED])
        both = [Deferred.fromCoroutine(one.run()) for one in (self.trainer, other)]
        for one in both:
            await one
        self.assertEqual(self.sql("select spam, ham from spam_filter"), [(LEAST_SEEN + 2, LEAST_SEEN + 2)])

    async def test_erased(self) -> None:
        """Of an erased visitor no lesson is left; what was counted can't be told apart any more."""
        await self.some()
        await self.trainer.run()
        before = self.counts()
        mine = "select count(*) from spam_lesson where visitor_id = 3"
        self.assertEqual(self.sql(mine), [(2,)])
        self.assertEqual(self.sql("select channel, seq from erase_lessons(1, 3, 1)"), [(None, None)])
        self.assertEqual(self.sql("select channel, seq from erase_lessons(1, 3, 100)"), [])
        self.assertEqual(self.sql(mine), [(0,)])
        self.assertEqual(self.counts(), before)


class PriorTests(TrainingCase):
    async def test_shared(self) -> None:
        """What enough sites that opted in have in common helps a new one that did; less than that is told nobody."""
        sites = []
        for number in range(2, 2 + prior.LEAST_SITES + 1):
            site = await self.sites.add(f"Site {number}", [], site_id=number)
            assert site is not None
            await self.rules(site, spam={"share": True})
            sites.append(site)
        *taught, new = sites
        for site in taught[:-1]:
            await self.some(site)
        await self.taught(True, "a secret of the first site alone", site=taught[0])
        await self.trainer.run()
        maker = prior.PriorMaker(self.database, clock)
        await maker.run()
        self.assertEqual(self.sql("select sites, length(pairs) from catalog.spam_prior"), [(0, 0)])
        await self.some(taught[-1])
        await self.trainer.run()
        await maker.run()
        known = self.sql("select sites, length(pairs) / 8 from catalog.spam_prior")[0]
        self.assertEqual(known[0], prior.LEAST_SITES)
        common = self.sql(
            "select count(*) from (select bucket from spam_count group by bucket having count(*) >= %s) x",
            prior.LEAST_SITES,
        )
        self.assertEqual(known[1], common[0][0])
        fresh = self.make()
        await fresh.store.look()
        self.assertEqual((await fresh.judge(new, draft(SPAM.format(n=99)))).state, "spam")
        # A site that does not share gets nothing.
        self.assertEqual((await fresh.judge(self.site, draft(SPAM.format(n=99)))).score, None)
        await self.rules(taught[0], spam={"share": False})
        await maker.run()
        self.assertEqual(self.sql("select sites, length(pairs) from catalog.spam_prior"), [(0, 0)])


class EvaluationTests(TrainingCase):
    async def test_figures(self) -> None:
        """Split by time: what was decided first is learnt, what came later is judged."""
        for number in range(40):
            await self.taught(False, HAM.format(n=number), by=number + 1)
            await self.taught(True, SPAM.format(n=number), by=number + 1)
        await self.trainer.run()
        found = await evaluate_site(self.site, self.database, NO_RULES, clock)
        self.assertEqual((found.learnt, found.judged, found.enough), (56, 24, True))
        by_threshold = {one.threshold: one for one in found.figures}
        self.assertEqual(sorted(by_threshold), [0.5, 0.7, 0.95])
        self.assertEqual((by_threshold[0.7].precision, by_threshold[0.7].recall), (1.0, 1.0))
        self.assertEqual(by_threshold[0.7].false_positives, 0.0)

    async def test_too_little(self) -> None:
        """Without enough decisions it says so."""
        found = await evaluate_site(self.site, self.database, NO_RULES, clock)
        self.assertEqual((found.learnt, found.judged, found.enough), (0, 0, False))
        self.assertIsNone(found.figures[0].precision)
        made = await evaluate([(True, [1])] * 100, [0.5], clock)
        self.assertEqual((made.enough, made.figures[0].false_positives), (False, None))




class CommandTests(TrainingCase):
    async def test_spam(self) -> None:
        """What an operator is told of a filter; wrong words get the usage, an unknown site one line."""
        await self.some()
        await self.trainer.run()
        (command,) = COMMANDS
        parts = OperatorParts(sites=self.sites, database=self.database, evict=self.evicted.append, clock=clock)
        shown: Any = await command.run(parts, ["show", "1"])
        self.assertEqual((shown["spam"], shown["other"], shown["version"]), (LEAST_SEEN + 2, LEAST_SEEN + 2, 1))
        told: Any = await command.run(parts, ["evaluate", "1"])
        self.assertEqual((told["decisions"]["learnt"], told["decisions"]["judged"]), (16, 8))
        self.assertEqual([row["threshold"] for row in told["filter"]], ["0.5", "0.7", "0.95"])
        for words in ([], ["evaluate"], ["train", "1"], ["show", "1", "2"]):
            with self.assertRaises(Usage):
                await command.run(parts, words)
        for number in ("9", "x", "-1"):
            with self.assertRaises(CommandError):
                await command.run(parts, ["evaluate", number])
