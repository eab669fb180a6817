"""Tests of `cackled.realtime.hub`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Event, Position
from cackled.realtime import hub as module
from cackled.realtime.drain import SLICE
from cackled.realtime.testing import FakeClient
from tests.realtime.common import HubRig


class DeliverTests(SynchronousTestCase):
    """Events to subscribers."""

    def test_to_its_channel_only(self) -> None:
        """Subscribers of other channels and sites hear nothing."""
        rig = HubRig()
        mine, other = rig.client("1/5@0"), rig.client("1/6@0")
        rig.hub.deliver(Event(2, 5, 1, "x", b"1"))
        rig.post()
        self.assertEqual((mine.seqs, other.seqs), ([1], []))

    def test_message(self) -> None:
        """A durable message has sub, seq, type and the data as it stands in the log."""
        rig = HubRig()
        client = rig.client("1/5@0")
        rig.hub.deliver(Event(1, 5, 1, "comment.voted", b'{"id":"9",\n"up":3}'))
        expected = {"sub": "1/5", "seq": 1, "type": "comment.voted", "data": {"id": "9", "up": 3}}
        self.assertEqual(client.got[-1], expected)

    def test_duplicates(self) -> None:
        """An event that was here is dropped, and counted."""
        rig = HubRig()
        client = rig.client("1/5@0")
        rig.post(2)
        for event in rig.log.events[(1, 5)]:
            rig.hub.deliver(event)
        self.assertEqual(client.seqs, [1, 2])
        self.assertEqual(rig.metrics.value("realtime_duplicates_total"), 2)

    def test_unsubscribed(self) -> None:
        """After `unsubscribe` nothing comes; it tells whether there was something."""
        rig = HubRig()
        client = rig.client("1/5@0")
        self.assertTrue(rig.hub.unsubscribe(client, 1, 5))
        self.assertFalse(rig.hub.unsubscribe(client, 1, 5))
        rig.post()
        self.assertEqual(client.seqs, [])

    def test_subscribed_again(self) -> None:
        """A second subscription to a channel replaces the first."""
        rig = HubRig()
        rig.post(3)
        client = rig.client("1/5@3")
        rig.hub.subscribe(client, Position.parse("1/5@1"))
        rig.post()
        self.assertEqual(client.seqs, [2, 3, 4])
        self.assertEqual(rig.hub.stats().subscriptions, 1)


class HousekeepingTests(SynchronousTestCase):
    """What is kept, and for how long."""

    def test_idle_channel_is_kept_a_while(self) -> None:
        """A channel without subscribers goes on with its history, then is forgotten."""
        rig = HubRig()
        rig.hub.start()
        self.addCleanup(rig.hub.stop)
        rig.hub.leave(rig.client("1/5@0"))
        rig.post(2)
        asked = len(rig.log.asked)
        self.assertEqual(rig.client("1/5@0").seqs, [1, 2])
        self.assertEqual(len(rig.log.asked), asked)
        rig.hub.leave(next(iter(rig.hub._clients)))
        rig.seconds(int(module.LINGER) + 2)
        self.assertEqual((rig.hub.stats().channels, rig.hub.stats().history_bytes), (0, 0))

    def test_idle_channels_are_bounded(self) -> None:
        """Only so many channels without subscribers are remembered."""
        self.patch(module, "IDLE_CHANNELS", 10)
        rig = HubRig()
        for channel in range(1, 30):
            rig.hub.leave(rig.client(f"1/{channel}"))
        self.assertEqual(rig.hub.stats().channels, 10)

    def test_hole_in_an_idle_channel(self) -> None:
        """Nobody minds it: the channel is forgotten, nothing is loaded, and the next subscriber lacks nothing."""
        rig = HubRig()
        rig.hub.leave(rig.client("1/5@0"))
        rig.post(2, deliver=False)
        asked = len(rig.log.asked)
        rig.post()
        self.assertEqual(len(rig.log.asked), asked)
        self.assertEqual(rig.client("1/5@0").seqs, [1, 2, 3])

    def test_early_events_are_bounded(self) -> None:
        """Events that come before their turn are kept up to the history's length; none is lost."""
        rig = HubRig(history_events=10)
        client = rig.client("1/5@0")
        rig.log.held = True
        rig.log.commit()
        rig.post(50)
        self.assertLessEqual(len(rig.hub._channels[(1, 5)].early), 10)
        rig.log.held = False
        rig.log.release()
        rig.seconds(5)
        self.assertEqual(client.seqs, list(range(1, 52)))

    def test_sessions_are_counted(self) -> None:
        """By transport, in stats and in the metrics; leaving twice counts once."""
        rig = HubRig()
        client = rig.client("1/5")
        self.assertEqual(rig.hub.stats().sessions, {"fake": 1})
        self.assertEqual(rig.metrics.value("realtime_sessions", transport="fake"), 1)
        rig.hub.leave(client)
        rig.hub.leave(client)
        self.assertEqual(rig.metrics.value("realtime_sessions", transport="fake"), 0)
        self.assertEqual(rig.metrics.value("realtime_recovered_total", result="yes"), 1)

    def test_stop(self) -> None:
        """Ends every connection, and leaves no timer."""
        rig = HubRig()
        rig.hub.start()
        client = rig.client("1/5")
        rig.hub.stop()
        self.assertEqual(client.closed, ["abort"])
        self.assertEqual(rig.clock.getDelayedCalls(), [])

    def test_expel(self) -> None:
        """All who listen to a site have to come anew; the others stay."""
        rig = HubRig()
        here, there, both = rig.client("1/5"), rig.client("2/5"), rig.client("2/6")
        rig.hub.subscribe(both, Position(1, 7, -1))
        rig.hub.expel(1)
        self.assertEqual([client.closed for client in (here, there, both)], [["changed"], [], ["changed"]])

    def test_expel_many(self) -> None:
        """Thousands are not closed in one turn."""
        rig = HubRig()
        crowd = [rig.client("1/5") for _ in range(3 * SLICE)]
        done = rig.hub.expel(1)
        self.assertEqual(sum(len(client.closed) for client in crowd), SLICE)
        rig.clock.pump([0.0] * 5)
        self.assertEqual({tuple(client.closed) for client in crowd}, {("changed",)})
        self.successResultOf(done)

    def test_lingering(self) -> None:
        """A client that was sent a goodbye is aborted when it stays."""
        rig = HubRig()
        rig.hub.start()
        self.addCleanup(rig.hub.stop)
        client = rig.client()
        rig.hub.linger(client)
        rig.seconds(5)
        self.assertEqual(client.closed, ["abort"])


class SignalTests(SynchronousTestCase):
    """Ephemeral messages."""

    def test_no_number(self) -> None:
        """They have no seq, are not kept, and reach live subscribers but the one to skip."""
        rig = HubRig()
        one, two = rig.client("1/5@0"), rig.client("1/5@0")
        rig.hub.signal(1, 5, "typing", {"name": "Ann"}, skip=one)
        self.assertEqual(one.of("typing"), [])
        self.assertEqual(two.of("typing"), [{"sub": "1/5", "type": "typing", "data": {"name": "Ann"}}])
        self.assertEqual(rig.client("1/5@0").of("typing"), [])

    def test_nobody_there(self) -> None:
        """A signal to a channel that nobody listens to is no error."""
        HubRig().hub.signal(1, 5, "typing", {"name": "Ann"})

class EndingTests(SynchronousTestCase):
    """Subscriptions that were granted for a while."""

    def setUp(self) -> None:
        self.rig = HubRig()
        self.rig.hub.start()
        self.addCleanup(self.rig.hub.stop)

    def granted(self, left: float | None) -> FakeClient:
        client = self.rig.client()
        self.rig.hub.subscribe(client, Position.parse("1/5@0"), left=left)
        return client

    def test_end(self) -> None:
        """About when the grant ends, not all at once; who has none to lose stays."""
        clients = [self.granted(100.0) for _ in range(200)]
        stays = self.granted(None)
        self.rig.seconds(69)
        self.assertEqual({tuple(client.closed) for client in clients}, {()})
        self.rig.seconds(11)
        some = sum(bool(client.closed) for client in clients)
        self.assertTrue(0 < some < 150, some)
        self.rig.seconds(31)
        self.assertEqual({tuple(client.closed) for client in clients}, {("expired 1/5@0",)})
        self.assertEqual((stays.closed, self.rig.hub.stats().subscriptions), ([], 1))

    def test_another_grant(self) -> None:
        """Subscribing anew with another grant, or without an end, puts the end off."""
        client, other = self.granted(20.0), self.granted(20.0)
        self.rig.hub.subscribe(client, Position.parse("1/5@0"), left=1_000.0)
        self.rig.hub.subscribe(other, Position.parse("1/5@0"))
        self.rig.seconds(900)
        self.assertEqual(client.closed + other.closed, [])
        self.rig.seconds(200)
        self.assertEqual((client.closed, other.closed), (["expired 1/5@0"], []))

    def test_nothing_is_kept(self) -> None:
        """Who has left is not remembered until its grant would have ended; thousands are told over many turns."""
        for _ in range(10):
            self.rig.hub.leave(self.granted(10_000.0))
        self.assertEqual(self.rig.hub._ending, {})
        clients = [self.granted(1.0) for _ in range(3 * SLICE)]
        gone = clients[-1]
        self.rig.clock.pump([1.0] * 9)
        self.patch(clients[SLICE - 1], "expire", lambda subscription: self.rig.hub.leave(gone))
        turns: list[int] = []
        later = self.rig.clock.callLater

        def watched(delay: float, *rest: Any, **more: Any) -> Any:
            if delay == 0:
                turns.append(sum(bool(client.closed) for client in clients))
            return later(delay, *rest, **more)

        self.patch(self.rig.clock, "callLater", watched)
        self.rig.clock.advance(1.0)
        self.assertEqual(turns, [SLICE - 1, 2 * SLICE - 1, 3 * SLICE - 2])
        self.assertEqual(sum(bool(client.closed) for client in clients), 3 * SLICE - 2)
        self.assertEqual((gone.closed, self.rig.hub._ending), ([], {}))
