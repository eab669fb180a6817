"""Writes wait for each other by key: order, bounds, failures; votes gather."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from cackled.database.errors import Busy
from cackled.domain.accounts import Session
from cackled.domain.errors import Forbidden, NotFound
from cackled.domain.lanes import Gathering, Lanes
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id


class LaneTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lanes = Lanes(width=2, bound=3)
        self.begun: list[int] = []
        self.works: dict[int, Deferred[int]] = {}

    def go(self, number: int, key: str = "a") -> Deferred[int]:
        def work() -> Deferred[int]:
            self.begun.append(number)
            self.works[number] = Deferred()
            return self.works[number]

        return Deferred.fromCoroutine(self.lanes.run(key, work))

    def test_width_and_order(self) -> None:
        """So many at once, the rest in the order they came; other keys don't wait."""
        done = [self.go(n) for n in range(4)]
        other = self.go(9, "b")
        self.assertEqual((self.begun, len(self.lanes)), ([0, 1, 9], 2))
        self.works[1].callback(11)
        self.assertEqual(self.successResultOf(done[1]), 11)
        self.assertEqual(self.begun, [0, 1, 9, 2])
        self.works[0].callback(10)
        self.assertEqual(self.begun[-1], 3)
        for n in (2, 3, 9):
            self.works[n].callback(n)
        self.assertEqual([self.successResultOf(one) for one in (done[2], done[3], other)], [2, 3, 9])
        self.assertEqual((self.lanes._running, self.lanes._waiting), ({}, {}))

    def test_failure(self) -> None:
        """A failing work is its caller's, and the next has its turn."""
        first, _, third = self.go(0), self.go(1), self.go(2)
        self.works[0].errback(ValueError())
        self.failureResultOf(first, ValueError)
        self.assertEqual(self.begun, [0, 1, 2])
        self.works[2].callback(2)
        self.assertEqual(self.successResultOf(third), 2)

    def test_bound(self) -> None:
        """Beyond the bound nobody waits: try again later."""
        for n in range(5):
            self.assertNoResult(self.go(n))
        self.assertGreater(self.failureResultOf(self.go(5), Busy).value.retry_after, 0)


class GatheringTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.gathering: Gathering[int] = Gathering(most=3, bound=4)
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
        self.assertEqual(self.gathering._waiting, {})


class VoteTests(DomainCase):
    """Votes gathered over a real database."""

    async def test_together(self) -> None:
        """Votes that meet get one number and one event, and each answer holds them all; a ban strikes its own alone."""
        comment = the_id(await self.post())
        await self.moderation.ban("visitor", "999")
        before = len(self.events())
        voters = [(ANN, 1), (BOB, 1), (CAT, -1), (999, 1), (BOB, -1), (44, 1), (44, 0)]
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
                         [(ANN, 1), (BOB, -1), (CAT, -1)])  # fmt: skip
        self.assertEqual(self.evicted[-1], rest[0].position)

    async def test_nothing_changes(self) -> None:
        """The same vote again, or votes that cancel out, raise no number and tell nobody."""
        comment = the_id(await self.post())
        voted = await self.comments.vote(Session(1, ANN), comment, 1)
        before = len(self.events())
        again = await self.comments.vote(Session(1, ANN), comment, 1)
        self.assertEqual((again.position, len(self.events())), (voted.position, before))
        with self.assertRaises(NotFound):
            await self.comments.vote(Session(1, ANN), comment + 1, 1)

    async def test_hot_channel(self) -> None:
        """Many posts at once on one page: each has its own number, none is lost, and none waits for ever."""
        works = [Deferred.fromCoroutine(self.post(f"number {n}", by=100 + n)) for n in range(40)]
        seqs = sorted([(await one).position.seq for one in works])
        self.assertEqual(seqs, list(range(1, 41)))
        self.assertEqual(self.channel(), (40, 40, 40))
