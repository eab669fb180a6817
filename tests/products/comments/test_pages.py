"""Pages: every comment once over all pages, replies below their parents, and cursors that bear anything."""

from __future__ import annotations

import json
import math
import random
from base64 import urlsafe_b64encode
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.database.routing import ReadPreference
from cackled.domain.errors import BadField
from cackled.domain.sessions import Session
from cackled.products.comments import pages
from cackled.products.comments.pages import Wanted
from tests.domain.common import ANN, BOB, DomainCase, the_id


class CursorTests(SynchronousTestCase):
    """What may be asked for."""

    def test_foreign(self) -> None:
        """What is not one of ours is refused by its name, in every order."""

        def made(text: str) -> str:
            return urlsafe_b64encode(text.encode()).decode().rstrip("=")

        foreign = ["x", "äöü", "=", "AAAA", made("1"), made("a,5"), made("1,"), made(",-1"), made("1,2,3"), "A" * 65,
                   made("1e300,5"), made("1e-60,5"), made("nan,5"), made("inf,5"), made("-inf,5"), made(f"{2**31},5"),
                   made(f",{2**63}"), made("0.5,x"), "\x00"]  # fmt: skip
        for cursor in foreign:
            for ask in (pages.check_cursor, lambda c: pages.statement(Wanted(cursor=c))):
                with self.assertRaises(BadField, msg=cursor) as caught:
                    ask(cursor)
                self.assertEqual(caught.exception.field, "cursor")

    @given(st.text(max_size=70))
    def test_any_text(self, cursor: str) -> None:
        """Any text is a cursor or refused."""
        try:
            pages.check_cursor(cursor)
        except BadField:
            pass

    @given(st.floats(-100, 100, width=32).filter(lambda x: x == 0 or abs(x) > 2e-37), st.integers(0, 2**63 - 1))
    def test_own(self, rank: float, last: int) -> None:
        """What we hand out is taken back unchanged."""
        cursor = pages.next_cursor(repr(rank), last)
        query, args = pages.statement(Wanted(cursor=cursor))
        self.assertIs(query, pages.PAGE_BEST)
        self.assertEqual(float(args[1]), rank)
        self.assertEqual(args[2], last or pages._LAST)


class BuildTests(SynchronousTestCase):
    """A page from a row."""

    @given(st.lists(st.integers(0, 30), max_size=30), st.integers(1, 4), st.integers(0, 3))
    def test_trees(self, answered: list[int], roots: int, kept_back: int) -> None:
        """Each reply stands below what it answers, in order, however deep; answers to something unseen are left out."""
        parents: dict[int, int | None] = dict.fromkeys(range(1, roots + 1))
        for number, parent in enumerate(answered, roots + 1):
            # Some answer a comment that is not in the row.
            parents[number] = parent % number or 999

        def tree(one: int) -> list[Any]:
            return [[str(child), tree(child)] for child, parent in parents.items() if parent == one]

        def size(one: int) -> int:
            return sum(1 + size(child) for child, parent in parents.items() if parent == one)

        def made(comment: Any) -> list[Any]:
            return [[one["id"], made(one)] for one in comment["replies"]]

        below = [one for one, parent in parents.items() if parent is not None]
        one_by_one = "\x1f".join
        row = (
            7, "page", '"url":""', ",".join(map(str, range(1, roots + 1))),
            ",".join(str(size(one) + kept_back) for one in range(1, roots + 1)), None,
            one_by_one(f'{{"id":"{one}"' for one in range(1, roots + 1)),
            ",".join(map(str, below)) or None, ",".join(str(parents[one]) for one in below) or None,
            one_by_one(f'{{"id":"{one}"' for one in below) or None,
        )  # fmt: skip
        site: Any = SimpleNamespace(position=lambda channel, seq: f"1/{channel}@{seq}")
        page = json.loads(b"{" + pages.build(site, 5, "page", Wanted(), [row]).value + b"}")["page"]
        self.assertEqual([[one["id"], made(one)] for one in page["comments"]],
                         [[str(one), tree(one)] for one in range(1, roots + 1)])  # fmt: skip
        self.assertEqual([one["more"] for one in page["comments"]], [kept_back] * roots)


class PageTests(DomainCase):
    """Pages of a real channel."""

    settings = {"level": 5}

    async def page(self, **wanted: Any) -> Any:
        loaded = await self.comments.page("page", Wanted(**wanted))
        return json.loads(b"{" + loaded.value + b"}")["page"]

    async def walk(self, **wanted: Any) -> list[Any]:
        comments: list[Any] = []
        cursor = ""
        for _ in range(100):
            page = await self.page(cursor=cursor, **wanted)
            self.assertLessEqual(len(page["comments"]), wanted["size"])
            comments += page["comments"]
            if page["cursor"] is None:
                return comments
            cursor = page["cursor"]
        self.fail("the pages do not end")

    async def test_orders(self) -> None:
        """Each order gives every root once over pages of any size, in that order."""
        rng = random.Random(5)
        ids = [the_id(await self.post(f"n{n}")) for n in range(17)]
        score = {}
        for one in ids:
            up, down = rng.choice([(0, 0), (1, 0), (5, 1), (0, 3), (100, 100)])
            score[one] = up, down
            self.sql("update comment set (up, down, n_thread) = (%s, %s, %s) where id = %s", *score[one], up % 7, one)
        answers = dict(self.sql("select id, n_thread from comment"))
        discussed = sorted(ids, key=lambda one: (-answers[one], -one))
        rank = {row[0]: row[1] for row in self.sql("select id, rank from comment")}
        best = sorted(ids, key=lambda one: (-rank[one], -one))
        for size in (1, 4, 17, 50):
            for sort, expected in (("new", ids[::-1]), ("old", ids), ("best", best), ("discussed", discussed)):
                found = [int(one["id"]) for one in await self.walk(sort=sort, size=size)]
                self.assertEqual(found, expected, (sort, size))

    async def test_best(self) -> None:
        """Many votes weigh more than few, and down votes sink."""
        one = the_id(await self.post("a"))
        self.sql("update comment set created_at = '2026-01-11T00:00:00Z' where id = %s", one)
        # The lower end of Wilson's interval for 1 of 2 at one standard deviation, and a tenth for ten days.
        self.assertAlmostEqual(self.sql("select rank from comment")[0][0], 0.2113249 + 0.1, 6)

        def rank(up: int, down: int, days: int) -> float:
            asked = "select comment_rank(%s, %s, '2026-06-01'::timestamptz - make_interval(days => %s))"
            return float(self.sql(asked, up, down, days)[0][0])

        order = ((100, 10, 0), (3, 0, 0), (3, 0, 30), (0, 0, 0), (0, 0, 1), (3, 0, 60), (0, 5, 60))
        falling = [rank(*one) for one in order]
        self.assertEqual(falling, sorted(falling, reverse=True))
        self.assertGreater(rank(0, 0, 0), rank(0, 5, 0))

    async def test_age(self) -> None:
        """The order "best" is that of the formula in docs/comments.md: votes outweigh some days, and no more."""

        def documented(up: int, down: int, days: float) -> float:
            n = up + down + 2
            p = (up + 1) / n
            return (p + 1 / (2 * n) - math.sqrt(p * (1 - p) / n + 1 / (4 * n * n))) / (1 + 1 / n) - days / 100

        async def shown(*written: tuple[int, int, float]) -> list[tuple[int, int, float]]:
            """What was written as (up, down, days old), in the order of the pages of a new channel."""
            key = f"aged {written[0]}"
            made = {}
            for up, down, days in written:
                one = the_id(await self.post(key=key))
                for voter in range(up + down):
                    await self.comments.vote(Session(1, 1000 + voter), one, 1 if voter < up else -1)
                born = "'2026-06-01'::timestamptz - make_interval(secs => %s)"
                self.sql(f"update comment set created_at = {born} where id = %s", days * 86_400, one)
                made[one] = up, down, days
            found = []
            cursor: str | None = ""
            while cursor is not None:
                loaded = await self.comments.page(key, Wanted(sort="best", size=4, cursor=cursor))
                page = json.loads(b"{" + loaded.value + b"}")["page"]
                found += [made[int(one["id"])] for one in page["comments"]]
                cursor = page["cursor"]
            return found

        # The difference between 3 of 3 and none is 36.8 days.
        liked, new = (3, 0, 36), (0, 0, 0)
        self.assertEqual(await shown(new, liked), [liked, new])
        liked = (3, 0, 38)
        self.assertEqual(await shown(liked, new), [new, liked])
        rng = random.Random(7)
        some = [(rng.randrange(5), rng.randrange(3), rng.uniform(0, 60)) for _ in range(14)]
        self.assertEqual(await shown(*some), sorted(some, key=lambda one: -documented(*one)))

    async def test_new_ones_between_pages(self) -> None:
        """Comments that come while somebody reads are not sent twice, nor do they hide others."""
        ids = [the_id(await self.post(f"n{n}")) for n in range(6)]
        first = await self.page(sort="new", size=3)
        await self.post("meanwhile")
        second = await self.page(sort="new", size=3, cursor=first["cursor"])
        found = [int(one["id"]) for one in first["comments"] + second["comments"]]
        self.assertEqual(found, ids[::-1])

    async def test_many_replies(self) -> None:
        """A page brings the first replies of each root and says how many more there are; they are asked for by root."""
        root = the_id(await self.post("root"))
        ids = []
        parent = root
        for n in range(57):
            ids.append(the_id(await self.post(f"r{n}", parent=parent)))
            parent = ids[-1] if n % 4 == 0 else root
        (shown,) = (await self.page())["comments"]
        below: list[int] = []

        def collect(comment: Any) -> None:
            for reply in comment["replies"]:
                self.assertEqual(reply["parent"], comment["id"])
                self.assertNotIn("more", reply)
                below.append(int(reply["id"]))
                collect(reply)

        collect(shown)
        self.assertEqual(sorted(below), ids[:50])
        self.assertEqual(shown["more"], 7)
        found = [int(one["id"]) for one in await self.walk(parent=root, size=10)]
        self.assertEqual(found, ids)
        self.assertEqual((await self.page(parent=123))["comments"], [])

    async def test_odd_words(self) -> None:
        """Names, titles and text with quotes, braces, line separators and emoji arrive as they were."""
        name = 'A "quo\\ted" {n} 😀'
        await self.post('x "]},\\ </script> &amp; 😀', name=name)
        self.sql("update channel set title = %s", 'T"\\}')
        loaded = await self.comments.page("page", Wanted())
        page = json.loads(b"{" + loaded.value + b"}")
        self.assertEqual(page["page"]["comments"][0]["author"]["name"], name)
        self.assertIn('"]},\\ &lt;/script&gt; &amp;amp; 😀', page["page"]["comments"][0]["html"])
        self.assertEqual(page["channel"]["title"], 'T"\\}')

    async def test_empty(self) -> None:
        """A channel nobody wrote on is there, at seq 0."""
        page = await self.comments.page("никто", Wanted())
        self.assertEqual(page.seq, 0)
        shown = json.loads(b"{" + page.value + b"}")
        self.assertEqual((shown["channel"]["key"], shown["channel"]["comments"]), ("никто", 0))
        self.assertEqual(shown["position"], f"1/{self.site.channel('comments', 'никто')}@0")
        self.assertEqual(shown["page"], {"sort": "best", "comments": [], "cursor": None})

    async def test_mine(self) -> None:
        """Own votes of that page alone, and blocks."""
        one = the_id(await self.post("a", by=BOB))
        other = the_id(await self.post("b", by=BOB, key="other"))
        me = Session(1, ANN)
        for target in (one, other):
            await self.comments.vote(me, target, -1)
        await self.blocks.block(me, 77)
        self.assertEqual(json.loads(await self.comments.mine("page", me)), {"votes": {str(one): -1}, "blocked": ["77"]})


class SizeTests(DomainCase):
    """A page is never longer than it may be, whatever was written, and all of it can be reached."""

    replies_of: dict[str, list[str]]

    async def fill(self, roots: int, replies: int, html: str) -> None:
        """Make so many comments, each as *html*; replies are answers to their root."""
        first = the_id(await self.post("x"))
        self.sql("delete from comment")
        each = replies + 1
        self.sql(
            f"""
            insert into comment (id, site_id, channel_id, parent_id, root_id, visitor_id, depth, author_name, src, html,
                                 n_thread, n_replies, rank)
            select {first} + n, 1, {self.site.channel("comments", "page")},
              case when below > 0 then {first} + n - below end,
              {first} + n - below, {ANN}, sign(below)::int, 'Ann', 'x', %s, case below when 0 then {replies} else 0 end,
              case below when 0 then {replies} else 0 end, (mod(n, 7)) / 10.0
            from (select n, mod(n, {each}) as below from generate_series(0, {roots * each} - 1) n) s
            """,
            html,
        )

    async def page(self, **wanted: Any) -> tuple[int, Any]:
        """Bytes of the answer, and what it says."""
        loaded = await self.comments.page("page", Wanted(**wanted), preference=ReadPreference.PRIMARY)
        return len(loaded.value), json.loads(b"{" + loaded.value + b"}")["page"]

    def below(self, comment: Any) -> list[str]:
        """The ids below a comment."""
        found = []
        for reply in comment["replies"]:
            found += [reply["id"], *self.below(reply)]
        return found

    async def walk(self, **wanted: Any) -> list[str]:
        """The ids of all pages; each page within its bound."""
        ids: list[str] = []
        cursor = ""
        while True:
            size, page = await self.page(cursor=cursor, **wanted)
            self.assertLessEqual(size, pages.MOST_BYTES)
            self.assertTrue(page["comments"])
            for comment in page["comments"]:
                ids.append(comment["id"])
                below = self.below(comment)
                if wanted.get("parent") is None:
                    self.assertEqual(len(below) + comment["more"], 50)
                    oldest = sorted(self.replies_of[comment["id"]], key=int)[: len(below)]
                    self.assertEqual(sorted(below, key=int), oldest)
            cursor = page["cursor"]
            if cursor is None:
                return ids

    async def test_bounded(self) -> None:
        """25 roots with 50 replies of 8,000 ampersands each, and as many quotation marks; every order, and replies."""
        for html in ("&amp;" * 8000, '"' * 8000, "\\", "x<br>\n" * 4000):
            await self.fill(25, 50, f"<p>{html}</p>")
            rows = self.sql("select id::text, root_id::text from comment where parent_id is not null")
            below: dict[str, list[str]] = {}
            for one, root in rows:
                below.setdefault(root, []).append(one)
            self.replies_of = below
            for sort in ("best", "new", "old"):
                for size in (25, 100):
                    ids = await self.walk(sort=sort, size=size)
                    self.assertEqual((len(ids), set(ids)), (25, set(below)))
            root = min(below, key=int)
            for size in (25, 100):
                self.assertEqual(await self.walk(parent=int(root), size=size), sorted(below[root], key=int))

    async def test_small_pages_are_whole(self) -> None:
        """Ordinary comments are cut by number only, as they were."""
        await self.fill(25, 6, "<p>" + "word " * 40 + "</p>")
        size, page = await self.page()
        self.assertEqual([len(self.below(comment)) for comment in page["comments"]], [6] * 25)
        self.assertLess(size, pages.REPLY_BYTES)

    async def test_fair(self) -> None:
        """Where not all replies fit, each root has some before any has many."""
        await self.fill(25, 50, "<p>" + "word " * 200 + "</p>")
        _, page = await self.page()
        counts = [len(self.below(comment)) for comment in page["comments"]]
        self.assertEqual(len(counts), 25)
        self.assertLessEqual(max(counts) - min(counts), 1)
        self.assertGreater(min(counts), 1)
