"""Writes of one key gather: order, bounds, failures; votes and comments over a real database."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.database.errors import Busy
from cackled.domain.errors import Forbidden, NotFound, Refused
from cackled.domain.sessions import Session
from cackled.domain.write_batching import MOST_POSTS, WriteBatcher
from cackled.products.comments.queries import POST_COMMENT, POST_COMMENTS
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id


class GatheringTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.gathering: WriteBatcher[int] = WriteBatcher(most=3, bound=4)
        self.sent: list[list[int]] = []
        self.flights: list[Deferred[list[Any]]] = []

    def send(self, items: list[int]) -> Deferred[list[Any]]:
        self.sent.append(items)
        self.flights.append(Deferred())
        return self.flights[-1]

    def go(self, item: int, key: str = "a") -> Deferred[int]:
        return Deferred.fromCoroutine(self.gathering.add(key, item, self.send))

    def test_together(self) -> None:
        """The first goes alone, what comes meanwhile together, at most so many; each gets its own result."""
        done = [self.go(n) for n in range(5)]
        self.go(7, "b")
        self.assertEqual((self.sent, len(self.gathering)), ([[0], [7]], 4))
        self.failureResultOf(self.go(5), Busy)
        self.flights[0].callback([0])
        self.assertEqual(self.sent, [[0], [7], [1, 2, 3]])
        self.flights[2].callback([10, ValueError(), 30])
        self.assertEqual([self.successResultOf(done[n]) for n in (0, 1, 3)], [0, 10, 30])
        self.failureResultOf(done[2], ValueError)
        self.flights[3].callback([40])
        self.flights[1].callback([70])
        self.assertEqual(self.successResultOf(done[4]), 40)
        self.assertEqual(self.gathering._waiting, {})

    def test_crowd_refused_at_once(self) -> None:
        """Ten thousand wait for a database that then refuses every batch in the same turn: no batch inside another."""
        gathering: WriteBatcher[int] = WriteBatcher(most=1, bound=10_000)
        refused = 0

        async def send(items: list[int]) -> list[Any]:
            nonlocal refused
            refused += 1
            if items == [0]:
                return await first
            raise Busy(1.0)

        first: Deferred[list[Any]] = Deferred()
        crowd = [Deferred.fromCoroutine(gathering.add("a", number, send)) for number in range(10_000)]
        first.callback([1])
        self.assertEqual((self.successResultOf(crowd[0]), refused), (1, 10_000))
        for one in crowd[1:]:
            self.failureResultOf(one, Busy)
        self.assertEqual((gathering._waiting, gathering._running), ({}, {}))

    def test_cancelled_before_it_was_sent(self) -> None:
        """Is not sent; what stands behind it is."""
        self.go(0)
        gone, stays = self.go(1), self.go(2)
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.flights[0].callback([0])
        self.assertEqual(self.sent, [[0], [2]])
        self.flights[1].callback([20])
        self.assertEqual(self.successResultOf(stays), 20)

    def test_come_back_when_told(self) -> None:
        """Who writes again as soon as it is told goes with the next."""
        self.go(0)
        again: list[Deferred[int]] = []
        self.go(1).addCallback(lambda _: again.append(self.go(2)))
        self.flights[0].callback([0])
        self.flights[1].callback([10])
        self.flights[2].callback([20])
        self.assertEqual((self.successResultOf(again[0]), self.sent), (20, [[0], [1], [2]]))
        self.assertEqual((self.gathering._waiting, self.gathering._running), ({}, {}))

    def test_failure(self) -> None:
        """A batch that fails fails for each of it, and what came after goes on."""
        first, second, third = self.go(1), self.go(2), self.go(3)
        self.flights[0].errback(ValueError())
        self.failureResultOf(first, ValueError)
        late = self.go(4)
        self.flights[1].errback(KeyError())
        self.failureResultOf(second, KeyError)
        self.failureResultOf(third, KeyError)
        self.flights[2].callback([4])
        self.assertEqual(self.successResultOf(late), 4)
        self.assertEqual((self.gathering._waiting, self.gathering._running), ({}, {}))

    def test_width(self) -> None:
        """So many batches at once, each of what waits when the one before it is through; nothing is left behind."""
        self.gathering = WriteBatcher(most=3, bound=10, width=2)
        done = [self.go(n) for n in range(7)]
        self.assertEqual(self.sent, [[0], [1]])
        self.flights[1].callback([10])
        self.flights[0].errback(ValueError())
        self.assertEqual(self.sent[2:], [[2, 3, 4], [5, 6]])
        self.failureResultOf(done[0], ValueError)
        self.flights[3].callback([50, 60])
        self.assertEqual((self.gathering._running, len(self.gathering)), ({"a": 1}, 0))
        self.flights[2].callback([20, 30, 40])
        self.assertEqual([self.successResultOf(one) for one in done[1:]], [10, 20, 30, 40, 50, 60])
        self.assertEqual((self.gathering._waiting, self.gathering._running), ({}, {}))

    def test_pause(self) -> None:
        """With a pause, batches begin no sooner than that after each other, in order; other keys don't wait."""
        clock = Clock()
        self.gathering = WriteBatcher(most=3, bound=10, width=2, clock=clock, pause=1.0)
        done = [self.go(0)]
        self.flights[0].callback([0])
        done += [self.go(n) for n in (1, 2)]
        self.go(7, "b")
        self.assertEqual(self.sent, [[0], [7]])
        clock.advance(0.9)
        self.assertEqual(self.sent, [[0], [7]])
        clock.advance(0.1)
        self.assertEqual(self.sent[2:], [[1, 2]])
        done += [self.go(n) for n in (3, 4)]
        self.flights[2].callback([10, 20])
        self.assertEqual(len(self.sent), 3)
        # A full one does not wait.
        done += [self.go(n) for n in (5, 6)]
        self.assertEqual(self.sent[3:], [[3, 4, 5]])
        # While one is under way another may be, after its pause, and the queue is not overtaken.
        clock.advance(1.0)
        self.assertEqual(self.sent[4:], [[6]])
        done.append(self.go(8))
        self.flights[4].callback([60])
        self.flights[3].callback([30, 40, 50])
        clock.advance(1.0)
        self.flights[5].callback([80])
        self.assertEqual([self.successResultOf(one) for one in done], [0, 10, 20, 30, 40, 50, 60, 80])
        # Long after the last, one goes at once.
        clock.advance(5.0)
        self.go(9)
        self.assertEqual(self.sent[5:], [[8], [9]])
        self.assertEqual((self.gathering._waiting, self.gathering._timers, clock.getDelayedCalls()), ({}, {}, []))

    def test_pause_given_up(self) -> None:
        """Who gives up in the pause is not sent, and leaves nothing behind."""
        clock = Clock()
        self.gathering = WriteBatcher(clock=clock, pause=1.0)
        self.go(0)
        self.flights[0].callback([0])
        gone = self.go(1)
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        clock.advance(1.0)
        self.assertEqual((self.sent, self.gathering._waiting, self.gathering._running), ([[0]], {}, {}))

    def test_pause_remembers_few(self) -> None:
        """Of keys whose pause is over nothing is kept."""
        clock = Clock()
        self.gathering = WriteBatcher(clock=clock, pause=1.0)
        for number in range(2_000):
            self.go(number, f"key {number}")
            clock.advance(0.1)
        self.assertLess(len(self.gathering._began), 300)

    def test_who_gave_up(self) -> None:
        """Who no longer waits does not disturb the others of a batch."""
        first, second, third = self.go(1), self.go(2), self.go(3)
        self.flights[0].callback([1])
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.flights[1].callback([2, 3])
        self.assertEqual((self.successResultOf(first), self.successResultOf(third)), (1, 3))


class VoteTests(DomainCase):
    """Votes gathered over a real database."""

    async def test_together(self) -> None:
        """Votes that meet get one number and one event, and each answer holds them all; a ban strikes its own alone."""
        comment = the_id(await self.post())
        await self.bans.ban("visitor", "999")
        before = len(self.events())
        voters = [(55, 1), (BOB, 1), (CAT, -1), (999, 1), (BOB, -1), (44, 1), (44, 0)]
        works = [
            Deferred.fromCoroutine(self.comments.vote(Session(1, visitor), comment, value)) for visitor, value in voters
        ]
        answers: list[Any] = []
        for one in works:
            try:
                answers.append(await one)
            except Forbidden as error:
                answers.append(error.slug)
        first, *rest = answers
        self.assertEqual((first.up, first.down), (1, 0))
        self.assertEqual(rest.pop(2), "banned")
        self.assertEqual({(one.up, one.down) for one in rest}, {(1, 2)})
        self.assertEqual({one.position.seq for one in rest}, {first.position.seq + 1})
        told = self.events()[before:]
        self.assertEqual([(kind, data["up"], data["down"]) for _, kind, data in told],
                         [("comment.voted", 1, 0), ("comment.voted", 1, 2)])  # fmt: skip
        self.assertEqual(self.sql("select visitor_id, value::int from vote order by 1"),
                         [(BOB, -1), (CAT, -1), (55, 1)])  # fmt: skip
        self.assertEqual(self.evicted[-1], rest[0].position)

    async def test_nothing_changes(self) -> None:
        """The same vote again, or votes that cancel out, raise no number and tell nobody."""
        comment = the_id(await self.post())
        voted = await self.comments.vote(Session(1, BOB), comment, 1)
        before = len(self.events())
        again = await self.comments.vote(Session(1, BOB), comment, 1)
        self.assertEqual((again.position, len(self.events())), (voted.position, before))
        with self.assertRaises(NotFound):
            await self.comments.vote(Session(1, BOB), comment + 1, 1)

    async def test_own(self) -> None:
        """The author's vote is not counted and told to nobody; one from before can be taken back."""
        comment = the_id(await self.post())
        voted = await self.comments.vote(Session(1, ANN), comment, 1)
        self.assertEqual((voted.up, voted.value, len(self.events())), (0, 0, 1))
        self.sql("insert into vote values (1, %s, %s, %s, 1)", self.site.channel("comments", "page"), ANN, comment)
        self.sql("update comment set up = 1")
        taken = await self.comments.vote(Session(1, ANN), comment, 0)
        self.assertEqual((taken.up, taken.value, self.sql("select count(*) from vote")), (0, 0, [(0,)]))


class PostTests(DomainCase):
    """Comments of one page gathered over a real database."""

    async def all(self, works: list[Any]) -> list[Any]:
        """What becomes of works begun together: results, and refusals by their slug."""
        begun = [Deferred.fromCoroutine(one) for one in works]
        found: list[Any] = []
        for one in begun:
            try:
                found.append(await one)
            except Refused as error:
                found.append(error.slug)
        return found

    async def test_hot_channel(self) -> None:
        """Many posts at once on one page: each has its own number and its own answer, none is lost or there twice."""
        texts = [f"number {n}" for n in range(3 * MOST_POSTS)]
        answers = await self.all([self.post(text, by=100 + n % 7) for n, text in enumerate(texts)])
        self.assertEqual(sorted(one.position.seq for one in answers), list(range(1, len(texts) + 1)))
        self.assertEqual([json.loads(one.comment)["source"] for one in answers], texts)
        told = {seq: data["comment"]["id"] for seq, _, data in self.events()}
        self.assertEqual([told[one.position.seq] for one in answers], [json.loads(a.comment)["id"] for a in answers])
        self.assertEqual(self.channel(), (len(texts),) * 3)
        self.assertLess(self.sql("select count(distinct xid) from event")[0][0], 10)

    async def test_refused_alone(self) -> None:
        """One that is refused spoils its own alone, whatever it met on its way."""
        root = the_id(await self.post())
        await self.bans.ban("visitor", "999")
        answers = await self.all([
            self.post("a"), self.post("b", by=BOB), self.post("c"), self.post("d", by=999), self.post("e", parent=root),
            self.post("f", parent=12345), self.post("g", by=CAT),
        ])  # fmt: skip
        self.assertEqual((answers.pop(5), answers.pop(3)), ("parent", "banned"))
        self.assertEqual(sorted(one.position.seq for one in answers), [2, 3, 4, 5, 6])
        self.assertEqual(self.channel(), (6, 6, 5))

    async def test_same_key_twice(self) -> None:
        """The same idempotency key in one batch: one comment, both get it."""
        works = [self.post("first"), self.post("second", by=BOB)]
        works += [self.post(f"n{n}", by=BOB + n % 2, idempotency_key=f"k{n // 2}") for n in range(8)]
        works += [self.post("again", by=CAT, idempotency_key="k") for _ in range(3)]
        answers = await self.all(works)
        again = answers[-3:]
        self.assertEqual(len({one.position for one in again}), 1)
        self.assertEqual(sorted(one.replayed for one in again), [False, True, True])
        self.assertEqual(self.channel()[0], 2 + 8 + 1)
        self.assertEqual({one.comment for one in again}, {again[0].comment})

    async def test_together_as_alone(self) -> None:
        """Several written as one change leave what they leave one after the other: rows, counts, events, webhooks."""
        await self.bans.ban("word", "casino")
        kept: list[Any] = []
        for site, together in ((1, False), (2, True)):
            if site == 2:
                await self.sites.add("Two", ["two.example"], site_id=2, settings="{}")
                self.sql("insert into ban (site_id, kind, value, folded) values (2, 'word', 'casino', 'casino')")
            database = self.database.site(site)
            root, deeper = "", ""
            for batch in range(3):
                items = [
                    (f"https://a.example/{n}" if n % 3 else "", ("t", "the casino", "", "other")[n % 4], 100 + n % 3,
                     f"Ann {n}", None if n == 2 else f"10.0.0.{n}", f"k{batch}{n}" if n % 2 else None,
                     (int(root), int(deeper), None)[n % 3] if batch == 2 else int(root) if batch and n % 2 else None,
                     f"text {batch}{n}", f"<p>text {batch}{n}\x7f\"'\\{{}}", f"text {batch}{n}",
                     ("t", "the casino", "", "other")[n % 4])
                    for n in range(7)
                ]  # fmt: skip
                if together:
                    rows = await database.write(
                        POST_COMMENTS, site, 5, "k", *(list(column) for column in zip(*items, strict=True)), 3, True
                    )
                else:
                    posted = [await database.write(POST_COMMENT, site, 5, "k", *item, 3, True, None) for item in items]
                    rows = [one[0] for one in posted]
                self.assertEqual([row[1:] for row in rows], [
                    (batch * 7 + n + 1, False, item[7]) for n, item in enumerate(items)
                ])  # fmt: skip
                ids = [json.loads(row[0])["id"] for row in rows]
                root, deeper = (ids[0], "") if not batch else (root, ids[1])
                told = self.sql("select data from event where site_id = %s order by seq offset %s", site, batch * 7)
                self.assertEqual([f'{{"comment":{row[0]},"comments":{batch * 7 + n + 1}}}'
                                  for n, row in enumerate(rows)], [data for data, in told])  # fmt: skip
            names = dict(self.sql("select id::text, src from comment where site_id = %s", site))
            found: list[Any] = []
            for what in (
                "src, html, html_ver, parent_id::text, root_id::text, depth, visitor_id, author_name, ip, n_replies, "
                "n_thread, status, shown from comment where site_id = %s order by id",
                "key, url, title, seq, k.n_visible, k.n_root from channel h join comment_channel k using (site_id) "
                "where site_id = %s and k.channel_id = h.id",
                "id, name, first_ip, last_ip, n_comments from visitor where site_id = %s order by id",
                "visitor_id, channel_id, key, comment_id::text, seq from post_key where site_id = %s order by seq",
                "seq, type, channel_id from event where site_id = %s order by seq",
            ):
                found.append([tuple(names.get(one, one) for one in row) for row in self.sql(f"select {what}", site)])
            hooked = self.sql("select body from outbox where site_id = %s and kind = 'webhook' order by id", site)
            found.append([(body["type"], body["position"].split("/")[1], body["data"]["comment"]["html"])
                          for body, in ((json.loads(text),) for text, in hooked)])  # fmt: skip
            self.assertEqual(len(found[-1]), 21)
            self.assertEqual(found[1], [("k", "https://a.example/5", "t", 21, 21, 13)])
            kept.append(found)
        self.assertEqual(*kept)

    async def test_many_pages_and_visitors(self) -> None:
        """Batches of several pages by the same visitors in opposite order never block each other."""
        works = []
        for n in range(40):
            for page in range(3):
                visitor = 500 + (n % 8 if page % 2 else 7 - n % 8)
                works.append(self.post(f"{n}", by=visitor, key=f"page-{page}", address="10.0.0.1" if n % 2 else None))
        answers = await self.all(works)
        self.assertEqual(len({one.position for one in answers}), 120)
        found = self.sql("select sum(n_comments), count(*) from visitor")
        self.assertEqual(found, [(120, 8)])
