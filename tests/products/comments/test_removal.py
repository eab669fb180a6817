"""Moderators look for comments, remove all that match, and take it back."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from cackled.domain.commands import CommandError, OperatorParts, Usage, operator
from cackled.domain.errors import BadField, NotFound
from cackled.products.comments.commands import COMMANDS
from cackled.products.comments.erasure import ERASE_COMMENTS
from cackled.products.comments.removal import Removals
from cackled.products.comments.removal_commands import RemovalCommands
from tests.domain.common import ANN, BOB, DomainCase, the_id

_COUNTS = "select id, status, shown, n_replies, n_thread, src, html from comment where site_id = 1 order by id"


class RemovalCase(DomainCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.removals = Removals(self.site, self.database)
        self.parts = OperatorParts(sites=self.sites, database=self.database, evict=self.evicted.append)
        self.area = RemovalCommands(self.parts)

    def comments_now(self) -> list[tuple[Any, ...]]:
        return self.sql(_COUNTS)

    async def refusal(self, work: Any) -> str:
        try:
            await work
        except CommandError as error:
            return str(error)
        self.fail("not refused")


class FindTests(RemovalCase):
    async def test_find(self) -> None:
        """By page, visitor, address, name and words; newest first, page by page; deleted ones are not found."""
        for number in range(25):
            await self.post(f"number {number}", by=ANN if number % 2 else BOB, key=f"page{number % 3}")
        odd = await self.post("Buy CHEAP pills", by=77, name="Seller", address="192.0.2.7")
        find = self.removals.find
        self.assertEqual((await find())[0].id, the_id(odd))
        first = await find()
        rest = await find(before=first[-1].id)
        self.assertEqual((len(first), len(rest)), (20, 6))
        for criterion, value in (
            ("visitor", "77"), ("ip", "192.0.2.0/24"), ("ip", "192.0.2.7"), ("name", "sell"), ("text", "cheap PILLS"),
        ):
            found = await find(criterion, self.removals.value(criterion, value))
            self.assertEqual([one.id for one in found], [the_id(odd)], (criterion, value))
        pages = await find("page", self.removals.value("page", "page1"))
        self.assertEqual({one.page for one in pages}, {"page1"})
        self.assertEqual(await find("text", "100%"), [])
        await self.comment_moderation.remove(the_id(odd))
        self.assertEqual(await find("visitor", "77"), [])
        self.assertEqual((await self.removals.one(the_id(odd))).status, 4)
        self.assertIsInstance(await self.refused(self.removals.one(5)), NotFound)

    async def test_values(self) -> None:
        """What nothing can match is said."""
        for criterion, value in (
            ("visitor", "ann"), ("visitor", "9" * 20), ("ip", "x"), ("text", ""), ("colour", "red"),
            ("text", "x" * 201),
        ):  # fmt: skip
            with self.assertRaises(BadField):
                self.removals.value(criterion, value)


class RemoveTests(RemovalCase):
    async def test_preview_remove_undo(self) -> None:
        """Shown first; done with the number that was shown, and no other; undone to what it was, and told live."""
        root = the_id(await self.post("root", by=ANN))
        spam = the_id(await self.post("spam 1", by=BOB, parent=root))
        await self.post("an answer", by=ANN, parent=spam)
        await self.post("spam 2", by=BOB, key="other")
        before, counts = self.comments_now(), (self.channel()[1:], self.channel("other")[1:])
        preview: Any = await self.area.remove(1, "visitor", str(BOB), None, None, "ann")
        self.assertIn("2 comments on 2 pages", preview["preview"]["would_be_removed"])
        self.assertIn(f"remove 1 visitor {BOB} confirm=2", preview["preview"]["to_do_it"])
        self.assertEqual(self.comments_now(), before, "a preview changes nothing")
        self.assertIn("2 match now", await self.refusal(self.area.remove(1, "visitor", str(BOB), None, 3, "ann")))
        done: Any = await self.area.remove(1, "visitor", str(BOB), 24.0, 2, "ann")
        self.assertEqual(done["removed"], 2)
        self.assertEqual([row[5] for row in self.comments_now() if row[1] == 4], ["", ""])
        listed = (await self.area.removals(1))[0]
        self.assertEqual((listed["who"], listed["kept"], listed["undone"]), ("ann", 2, None))
        self.assertEqual(await self.area.undo(1, done["removal"]), 2)
        self.assertEqual(self.comments_now(), before)
        self.assertEqual((self.channel()[1:], self.channel("other")[1:]), counts)
        _, kind, told = self.events()[-1]
        self.assertEqual((kind, told["comments"]), ("comment.updated", 3), "a tombstone is filled in")
        other = self.events(self.site.channel("comments", "other"))[-1]
        self.assertEqual((other[1], other[2]["comment"]["html"]), ("comment.created", "<p>spam 2</p>"))
        self.assertEqual(await self.area.undo(1, done["removal"]), 0, "there is nothing left of it")
        self.assertIn("no removal", await self.refusal(self.area.undo(1, 99)))
        self.assertEqual(await self.area.remove(1, "text", "nothing like it", None, None, ""), "nothing matches")

    async def test_forgotten_texts_stay_away(self) -> None:
        """Who asked to be forgotten is, in removals too; nobody brings that back."""
        await self.post("mine", by=BOB)
        done: Any = await self.area.remove(1, "visitor", str(BOB), None, 1, "")
        await self.database.site(1).write(ERASE_COMMENTS, 1, BOB, 100)
        self.assertEqual(self.sql("select count(*) from removed_comment"), [(0,)])
        self.assertEqual(await self.area.undo(1, done["removal"]), 0)

    async def test_any_thread(self) -> None:
        """Removals of any comments of a thread, in any order and overlapping, undone: all counts are as before."""

        async def thread(parents: list[int], taken: list[list[int]]) -> None:
            ids: list[int] = []
            for number, parent in enumerate(parents):
                key = f"page {len(self.evicted)}" if not number else key  # noqa: F821
                above = ids[parent % number] if number and parent else None
                ids.append(the_id(await self.post(f"text {number}", key=key, parent=above)))
            before, counts = self.comments_now(), self.channel(key)[1:]
            made = []
            for some in taken:
                made.append((await self.removals.remove([ids[one % len(ids)] for one in some], "x", "y"))[0])
            for removal in reversed(made):
                await self.removals.undo(removal)
            self.assertEqual(self.comments_now(), before)
            self.assertEqual(self.channel(key)[1:], counts)

        waiting: list[Any] = []

        @settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None, database=None)
        @given(
            st.lists(st.integers(0, 7), min_size=1, max_size=6),
            st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5, unique=True), max_size=3),
        )
        def collect(parents: list[int], taken: list[list[int]]) -> None:
            waiting.append((parents, taken))

        collect()
        for parents, taken in waiting:
            await Deferred.fromCoroutine(thread(parents, taken))


class EventTests(RemovalCase):
    async def test_numbers(self) -> None:
        """What is told of a removal and its undoing has every number once, in order."""
        root = the_id(await self.post("root"))
        await self.post("answer", parent=root)
        removal, _ = await self.removals.remove([root], "x", "y")
        await self.removals.undo(removal)
        self.assertEqual([seq for seq, _, _ in self.events()], list(range(1, self.channel()[0] + 1)))



class CommandTests(RemovalCase):
    """The words that operators type."""

    async def run_line(self, line: str) -> Any:
        name, *words = line.split()
        (command,) = [one for one in COMMANDS if one.name == name]
        return await command.run(self.parts, words)

    async def test_comments(self) -> None:
        """Listed, searched, shown."""
        ids = [the_id(await self.post(f"two words {number}", key="/a/b")) for number in range(3)]
        for line, found in (
            ("comments 1", ids), (f"comments 1 before {ids[2]}", ids[:2]),
            (f"comments 1 text two words before {ids[1]}", ids[:1]), ("comments 1 page /a/b", ids),
            ("comments 1 page /a", []),
        ):  # fmt: skip
            self.assertEqual([int(row["comment"]) for row in await self.run_line(line)], found[::-1], line)
        self.assertEqual((await self.run_line(f"comments 1 show {ids[0]}"))["text"], "two words 0")
        self.assertIn("no comment 8", await self.refusal(self.run_line("comments 1 show 8")))
        self.assertIn("no site 9", await self.refusal(self.run_line("comments 9")))

    async def test_remove(self) -> None:
        """One by its number, or all that match, for who asks; listed and undone."""
        one = the_id(await self.post("one", by=BOB))
        self.assertIn("removed, 1/", await self.run_line(f"remove 1 {one}"))
        self.assertIn("no such comment", await self.refusal(self.run_line(f"remove 1 {one}")))
        await self.post("buy now", by=ANN)
        operator.set("ann")
        self.assertIn("preview", await self.run_line("remove 1 text buy now hours 2"))
        done = await self.run_line("remove 1 text buy now hours 2 confirm=1")
        self.assertEqual((done["removed"], (await self.run_line("remove list 1"))[0]["who"]), (1, "ann"))
        self.assertEqual((await self.run_line(f"remove undo 1 {done['removal']}"))["brought_back"], 1)

    async def test_lock(self) -> None:
        """A conversation is closed and opened by its name, and named by its page."""
        await self.post(key="demo")
        channel = self.site.channel("comments", "demo")
        self.assertEqual(await self.run_line("lock 1/demo"), f"1/{channel}@2 (demo) is closed")
        self.assertEqual(await self.run_line(f"lock 1/{channel} off"), f"1/{channel}@3 (demo) is open")
        await self.refusal(self.run_line("lock 1/nowhere"))

    async def test_wrong_words(self) -> None:
        """Are refused."""
        for line in (
            "comments", "comments x", "comments 1 colour red", "comments 1 text", "comments 1 before x",
            "remove 1 colour red", "remove 1 visitor", "remove 1 text x hours -1", "remove 1 text x confirm=many",
            "remove undo 1", "remove undo 1 x", "lock 1/42 maybe", "lock", "remove 1", "remove 1 x",
            "normalise 1 x", "normalise 1 address confirm", "normalise confirm", "normalise x",
        ):  # fmt: skip
            with self.assertRaises((CommandError, Usage), msg=line):
                await self.run_line(line)
