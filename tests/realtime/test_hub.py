"""Tests of `cackled.realtime.hub`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Event, Position
from cackled.realtime import hub as module
from cackled.realtime.drain import SLICE
from cackled.realtime.testing import FakeClient
from tests.realtime.common import Application


class DeliverTests(SynchronousTestCase):
    """Events to subscribers."""

    def test_to_its_channel_only(self) -> None:
        """Subscribers of other channels and sites hear nothing."""
        house = Application()
        mine, other = house.client("1/5@0"), house.client("1/6@0")
        house.hub.deliver(Event(2, 5, 1, "x", b"1"))
        house.post()
        self.assertEqual((mine.seqs, other.seqs), ([1], []))

    def test_message(self) -> None:
        """A durable message has sub, seq, type and the data as it stands in the log."""
        house = Application()
        client = house.client("1/5@0")
        house.hub.deliver(Event(1, 5, 1, "comment.voted", b'{"id":"9",\n"up":3}'))
        expected = {"sub": "1/5", "seq": 1, "type": "comment.voted", "data": {"id": "9", "up": 3}}
        self.assertEqual(client.got[-1], expected)

    def test_duplicates(self) -> None:
        """An event that was here is dropped, and counted."""
        house = Application()
        client = house.client("1/5@0")
        house.post(2)
        for event in house.log.events[(1, 5)]:
            house.hub.deliver(event)
        self.assertEqual(client.seqs, [1, 2])
        self.assertEqual(house.metrics.value("realtime_duplicates_total"), 2)

    def test_unsubscribed(self) -> None:
        """After `unsubscribe` nothing comes; it tells whether there was something."""
        house = Application()
        client = house.client("1/5@0")
        self.assertTrue(house.hub.unsubscribe(client, 1, 5))
        self.assertFalse(house.hub.unsubscribe(client, 1, 5))
        house.post()
        self.assertEqual(client.seqs, [])

    def test_subscribed_again(self) -> None:
        """A second subscription to a channel replaces the first."""
        house = Application()
        house.post(3)
        client = house.client("1/5@3")
        house.hub.subscribe(client, Position.parse("1/5@1"))
        house.post()
        self.assertEqual(client.seqs, [2, 3, 4])
        self.assertEqual(house.hub.stats().subscriptions, 1)


class HousekeepingTests(SynchronousTestCase):
    """What is kept, and for how long."""

    def test_idle_channel_is_kept_a_while(self) -> None:
        """A channel without subscribers goes on with its history, then is forgotten."""
        house = Application()
        house.hub.start()
        self.addCleanup(house.hub.stop)
        house.hub.leave(house.client("1/5@0"))
        house.post(2)
        asked = len(house.log.asked)
        self.assertEqual(house.client("1/5@0").seqs, [1, 2])
        self.assertEqual(len(house.log.asked), asked)
        house.hub.leave(next(iter(house.hub._clients)))
        house.seconds(int(module.LINGER) + 2)
        self.assertEqual((house.hub.stats().channels, house.hub.stats().history_bytes), (0, 0))

    def test_idle_channels_are_bounded(self) -> None:
        """Only so many channels without subscribers are remembered."""
        self.patch(module, "IDLE_CHANNELS", 10)
        house = Application()
        for channel in range(1, 30):
            house.hub.leave(house.client(f"1/{channel}"))
        self.assertEqual(house.hub.stats().channels, 10)

    def test_hole_in_an_idle_channel(self) -> None:
        """Nobody minds it: the channel is forgotten, nothing is loaded, and the next subscriber lacks nothing."""
        house = Application()
        house.hub.leave(house.client("1/5@0"))
        house.post(2, deliver=False)
        asked = len(house.log.asked)
        house.post()
        self.assertEqual(len(house.log.asked), asked)
        self.assertEqual(house.client("1/5@0").seqs, [1, 2, 3])

    def test_early_events_are_bounded(self) -> None:
        """Events that come before their turn are kept up to the history's length; none is lost."""
        house = Application(history_events=10)
        client = house.client("1/5@0")
        house.log.held = True
        house.log.commit()
        house.post(50)
        self.assertLessEqual(len(house.hub._channels[(1, 5)].early), 10)
        house.log.held = False
        house.log.release()
        house.seconds(5)
        self.assertEqual(client.seqs, list(range(1, 52)))

    def test_sessions_are_counted(self) -> None:
        """By transport, in stats and in the metrics; leaving twice counts once."""
        house = Application()
        client = house.client("1/5")
        self.assertEqual(house.hub.stats().sessions, {"fake": 1})
        self.assertEqual(house.metrics.value("realtime_sessions", transport="fake"), 1)
        house.hub.leave(client)
        house.hub.leave(client)
        self.assertEqual(house.metrics.value("realtime_sessions", transport="fake"), 0)
        self.assertEqual(house.metrics.value("realtime_recovered_total", result="yes"), 1)

    def test_stop(self) -> None:
        """Ends every connection, and leaves no timer."""
        house = Application()
        house.hub.start()
        client = house.client("1/5")
        house.hub.stop()
        self.assertEqual(client.closed, ["abort"])
        self.assertEqual(house.clock.getDelayedCalls(), [])

    def test_expel(self) -> None:
        """All who listen to a site have to come anew; the others stay."""
        house = Application()
        here, there, both = house.client("1/5"), house.client("2/5"), house.client("2/6")
        house.hub.subscribe(both, Position(1, 7, -1))
        house.hub.expel(1)
        self.assertEqual([client.closed for client in (here, there, both)], [["changed"], [], ["changed"]])

    def test_expel_many(self) -> None:
        """Thousands are not closed in one turn."""
        house = Application()
        crowd = [house.client("1/5") for _ in range(3 * SLICE)]
        done = house.hub.expel(1)
        self.assertEqual(sum(len(client.closed) for client in crowd), SLICE)
        house.clock.pump([0.0] * 5)
        self.assertEqual({tuple(client.closed) for client in crowd}, {("changed",)})
        self.successResultOf(done)

    def test_lingering(self) -> None:
        """A client that was sent a goodbye is aborted when it stays."""
        house = Application()
        house.hub.start()
        self.addCleanup(house.hub.stop)
        client = house.client()
        house.hub.linger(client)
        house.seconds(5)
        self.assertEqual(client.closed, ["abort"])


class SignalTests(SynchronousTestCase):
    """Ephemeral messages."""

    def test_no_number(self) -> None:
        """They have no seq, are not kept, and reach live subscribers but the one to skip."""
        house = Application()
        one, two = house.client("1/5@0"), house.client("1/5@0")
        house.hub.signal(1, 5, "typing", {"name": "Ann"}, skip=one)
        self.assertEqual(one.of("typing"), [])
        self.assertEqual(two.of("typing"), [{"sub": "1/5", "type": "typing", "data": {"name": "Ann"}}])
        self.assertEqual(house.client("1/5@0").of("typing"), [])

    def test_nobody_there(self) -> None:
        """A signal to a channel that nobody listens to is no error."""
        Application().hub.signal(1, 5, "typing", {"name": "Ann"})

class EndingTests(SynchronousTestCase):
    """Subscriptions that were granted for a while."""

    def setUp(self) -> None:
        self.application = Application()
        self.application.hub.start()
        self.addCleanup(self.application.hub.stop)

    def granted(self, left: float | None) -> FakeClient:
        client = self.application.client()
        self.application.hub.subscribe(client, Position.parse("1/5@0"), left=left)
        return client

    def test_end(self) -> None:
        """About when the grant ends, not all at once; who has none to lose stays."""
        clients = [self.granted(100.0) for _ in range(200)]
        stays = self.granted(None)
        self.application.seconds(69)
        self.assertEqual({tuple(client.closed) for client in clients}, {()})
        self.application.seconds(11)
        some = sum(bool(client.closed) for client in clients)
        self.assertTrue(0 < some < 150, some)
        self.application.seconds(31)
        self.assertEqual({tuple(client.closed) for client in clients}, {("expired 1/5@0",)})
        self.assertEqual((stays.closed, self.application.hub.stats().subscriptions), ([], 1))

    def test_another_grant(self) -> None:
        """Subscribing anew with another grant, or without an end, puts the end off."""
        client, other = self.granted(20.0), self.granted(20.0)
        self.application.hub.subscribe(client, Position.parse("1/5@0"), left=1_000.0)
        self.application.hub.subscribe(other, Position.parse("1/5@0"))
        self.application.seconds(900)
        self.assertEqual(client.closed + other.closed, [])
        self.application.seconds(200)
        self.assertEqual((client.closed, other.closed), (["expired 1/5@0"], []))

    def test_nothing_is_kept(self) -> None:
        """Who has left is not remembered until its grant would have ended; thousands are told over many turns."""
        for _ in range(10):
            self.application.hub.leave(self.granted(10_000.0))
        self.assertEqual(self.application.hub._ending, {})
        clients = [self.granted(1.0) for _ in range(3 * SLICE)]
        gone = clients[-1]
        self.application.clock.pump([1.0] * 9)
        self.patch(clients[SLICE - 1], "expire", lambda subscription: self.application.hub.leave(gone))
        turns: list[int] = []
        later = self.application.clock.callLater

        def watched(delay: float, *rest: Any, **more: Any) -> Any:
            if delay == 0:
                turns.append(sum(bool(client.closed) for client in clients))
            return later(delay, *rest, **more)

        self.patch(self.application.clock, "callLater", watched)
        self.application.clock.advance(1.0)
        self.assertEqual(turns, [SLICE - 1, 2 * SLICE - 1, 3 * SLICE - 2])
        self.assertEqual(sum(bool(client.closed) for client in clients), 3 * SLICE - 2)
        self.assertEqual((gone.closed, self.application.hub._ending), ([], {}))
