"""Where channels stand: many in one statement, few statements, nobody forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Position
from cackled.realtime import latest_numbers
from cackled.realtime.channel import Channel
from cackled.realtime.latest_numbers import LogAway, Standing
from tests.realtime.common import HubRig


class StandingTests(SynchronousTestCase):
    """The queue."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[tuple[int, list[int]]] = []
        self.flights: list[Deferred[dict[int, tuple[int, str]]]] = []
        self.told: list[tuple[int, int, int]] = []
        self.counts: list[str] = []
        self.unwanted: set[Channel] = set()
        self.standing = Standing(
            clock=self.clock, random=Random(1), seqs=self.seqs, wanted=lambda channel: channel not in self.unwanted,
            told=lambda channel, seq, _: self.told.append((*channel.key, seq)), count=self.counts.append,
        )  # fmt: skip

    async def seqs(self, site: int, channels: Sequence[int]) -> dict[int, tuple[int, str]]:
        self.asked.append((site, list(channels)))
        self.flights.append(Deferred())
        return await self.flights[-1]

    def ask(self, *numbers: int, site: int = 1) -> list[Channel]:
        channels = [Channel(site, number) for number in numbers]
        for channel in channels:
            channel.flying = True
            self.standing.ask(channel)
        return channels

    def test_together(self) -> None:
        """The first goes at once, what comes meanwhile goes together; other sites don't wait for it."""
        self.ask(*range(5))
        self.ask(7, site=2)
        self.assertEqual(self.asked, [(1, [0]), (2, [7])])
        self.flights[0].callback({0: (9, "")})
        self.flights[1].callback({})
        self.assertEqual(self.asked[2:], [(1, [1, 2, 3, 4])])
        self.flights[2].callback({3: (1, "")})
        self.assertEqual(self.told, [(1, 0, 9), (2, 7, 0), (1, 1, 0), (1, 2, 0), (1, 3, 1), (1, 4, 0)])
        self.assertEqual((self.standing.waiting, self.standing.ended), (0, 3))

    def test_bounds(self) -> None:
        """So many channels a statement, so many statements at once for all sites."""
        self.ask(*range(1_000))
        self.ask(1, site=2)
        self.ask(1, site=3)
        self.assertEqual(len(self.asked), latest_numbers.PARALLEL)
        for flight in self.flights:
            flight.callback({})
            self.assertLessEqual(sum(not one.called for one in self.flights), latest_numbers.PARALLEL)
        self.assertEqual(max(len(channels) for _, channels in self.asked), latest_numbers.MOST)
        self.assertEqual(len(self.told), 1_002)

    def test_statements_a_second(self) -> None:
        """Whoever comes with one channel after the other: what comes too often is gathered, nobody is forgotten."""
        for number in range(3_000):
            self.ask(number)
            for flight in self.flights:
                if not flight.called:
                    flight.callback({})
            self.clock.advance(0.001)
        self.assertLess(len(self.asked), latest_numbers.BURST + 3 * latest_numbers.RATE + 2)
        self.clock.advance(1)
        for flight in self.flights:
            if not flight.called:
                flight.callback({})
        self.assertEqual(sorted(self.told), [(1, number, 0) for number in range(3_000)])

    def test_who_has_left(self) -> None:
        """Is dropped, at once or when its turn comes."""
        channels = self.ask(*range(6))
        self.assertTrue(self.standing.drop(channels[2]))
        self.assertFalse(self.standing.drop(channels[0]))
        self.unwanted.add(channels[4])
        self.flights[0].callback({})
        self.assertEqual(self.asked[1], (1, [1, 3, 5]))
        self.assertFalse(channels[4].flying)

    def test_failure(self) -> None:
        """A statement that fails is sent again, later and later; who came meanwhile goes with it."""
        self.ask(0)
        self.ask(1)
        self.flights[0].errback(ConnectionError("down"))
        self.assertEqual((self.counts, self.standing.ended), (["failed"], 0))
        self.clock.advance(latest_numbers.FIRST_PAUSE)
        self.assertEqual(self.asked[1], (1, [0, 1]))
        self.flights[1].errback(LogAway("no primary"))
        # That is an answer of a kind: whoever watches over the log tells of it.
        self.assertEqual(self.standing.ended, 1)
        for _ in range(60):
            self.clock.advance(1)
            if not self.flights[-1].called:
                self.flights[-1].errback(LogAway("no primary"))
        self.assertLess(len(self.asked), 30)
        self.clock.advance(latest_numbers.LONGEST_PAUSE)
        self.flights[-1].callback({1: (4, "")})
        self.assertEqual(self.told, [(1, 0, 0), (1, 1, 4)])

    def test_hangs(self) -> None:
        """A statement that is never answered is given up, and does not count as one that came to an end."""
        self.ask(0)
        for _ in range(4):
            self.clock.advance(latest_numbers.TIMEOUT)
        self.assertGreater(len(self.asked), 1)
        self.assertEqual((self.standing.ended, set(self.counts)), (0, {"failed"}))

    def test_given_up_meanwhile(self) -> None:
        """What a database says of a channel of which everything was forgotten meanwhile is asked again."""
        channel, = self.ask(5)
        channel.history.life += 1
        self.flights[0].callback({5: (7, "")})
        self.assertEqual(self.told, [])
        self.flights[1].callback({5: (2, "")})
        self.assertEqual(self.told, [(1, 5, 2)])

    def test_broken_listener(self) -> None:
        """One whose news break something is asked for again; the others are served."""
        told = self.told
        self.standing._told = lambda channel, seq, _: told.append((*channel.key, seq)) if channel.key[1] else 1 / 0  # type: ignore
        self.ask(0, 1)
        self.flights[0].callback({})
        self.clock.advance(1)
        self.flights[1].callback({})
        self.assertEqual(told, [(1, 1, 0)])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_nothing_stays(self) -> None:
        """Sites are not remembered for ever."""
        for site in range(1, 100):
            self.ask(1, site=site)
        for flight in self.flights:
            flight.callback({})
        self.clock.advance(10)
        self.standing.tidy()
        self.assertEqual((self.standing._sites, self.standing._busy), ({}, set()))


class SubscriptionTests(SynchronousTestCase):
    """What subscribing costs."""

    def test_unknown_channels(self) -> None:
        """A hundred channels of one client, nobody has written on any: two statements, no load."""
        rig = HubRig()
        rig.log.held = True
        client = rig.client()
        for channel in range(1, 101):
            rig.hub.subscribe(client, Position(1, channel, -1))
        rig.log.release()
        rig.log.release()
        self.assertEqual(len(client.recoveries), 100)
        self.assertEqual(([len(channels) for _, channels in rig.log.standing], rig.log.asked), ([1, 99], []))

    def test_places_that_never_were(self) -> None:
        """Whatever number is claimed of unknown channels: no load of events, and few statements."""
        rig = HubRig()
        client = rig.client()
        for channel in range(1, 101):
            rig.hub.subscribe(client, Position(1, channel, channel % 3))
        rig.seconds(10)
        self.assertEqual(len(client.recoveries), 100)
        self.assertEqual(rig.log.asked, [])
        self.assertLess(len(rig.log.standing), latest_numbers.BURST + 10 * latest_numbers.RATE)

    def test_far_back(self) -> None:
        """A place that is too far back to be kept is known for one without reading anything."""
        rig = HubRig(history_events=10)
        rig.post(50)
        self.assertEqual(rig.client("1/5@0").recoveries, [(False, 50)])
        self.assertEqual(rig.log.asked, [])
