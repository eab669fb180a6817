"""Tests of `cackled.realtime.heartbeat`."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.realtime.heartbeat import SLICE, Heartbeat
from cackled.realtime.testing import FakeClient


class HeartbeatTests(SynchronousTestCase):
    """One sweep for all."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.heartbeat = Heartbeat(self.clock, 25.0)
        self.heartbeat.start()
        self.addCleanup(self.heartbeat.stop)

    def test_each_once_in_an_interval(self) -> None:
        """In 25 seconds everybody is visited once, and each second about as many."""
        clients = [FakeClient() for _ in range(250)]
        for client in clients:
            self.heartbeat.add(client)
        for second in range(1, 26):
            self.clock.advance(1)
            self.assertEqual(sum(client.beats for client in clients), 10 * second)
        self.assertEqual({client.beats for client in clients}, {1})

    def test_slices(self) -> None:
        """A full ring is visited over several turns; who leaves between them is left alone."""
        clients = [FakeClient() for _ in range((SLICE + 10) * 25)]
        for client in clients:
            self.heartbeat.add(client)
        turns: list[int] = []
        later = self.clock.callLater

        def noted(delay: float, call: object, *args: object) -> object:
            if delay == 0:
                turns.append(sum(client.beats for client in clients))
            return later(delay, call, *args)  # type: ignore[arg-type]

        self.clock.callLater = noted  # type: ignore[method-assign,assignment]
        self.clock.advance(1)
        self.assertEqual(turns, [SLICE])
        self.assertEqual(sum(client.beats for client in clients), SLICE + 10)

    def test_discard(self) -> None:
        """Who has left is not visited; leaving twice is harmless."""
        client = FakeClient()
        self.heartbeat.add(client)
        self.heartbeat.discard(client)
        self.heartbeat.discard(client)
        self.clock.pump([1] * 30)
        self.assertEqual(client.beats, 0)

    def test_leaving_during_the_sweep(self) -> None:
        """A client whose beat ends another one's connection."""
        heartbeat = Heartbeat(self.clock, 1.0)
        heartbeat.start()
        self.addCleanup(heartbeat.stop)
        clients = [FakeClient(), FakeClient()]
        for client in clients:
            heartbeat.add(client)
            client.beat = lambda: [heartbeat.discard(c) for c in clients]  # type: ignore[method-assign]
        self.clock.advance(1)
        self.assertEqual(heartbeat._home, {})
