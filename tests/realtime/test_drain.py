"""Tests of `cackled.realtime.drain`."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.realtime.drain import SLICE
from tests.realtime.common import HubRig


class DrainTests(SynchronousTestCase):
    """Sending everybody away."""

    def test_batches(self) -> None:
        """Each is told a host and its own moment within the time, a batch at a time; who stays is closed, then cut."""
        rig = HubRig()
        clients = [rig.client("1/5") for _ in range(200)]
        hosts = iter(range(1_000))
        done = rig.hub.drain(10.0, lambda: f"https://{next(hosts) % 3}")
        self.assertTrue(rig.hub.draining)
        self.assertEqual(sum(len(client.of("move")) for client in clients), 10)
        rig.clock.pump([0.25] * 12)
        told = sum(len(client.of("move")) for client in clients)
        self.assertTrue(100 < told < 200)
        rig.clock.pump([0.25] * 9)
        moves = [client.of("move") for client in clients]
        self.assertEqual({len(move) for move in moves}, {1})
        self.assertEqual({move[0]["host"] for move in moves}, {f"https://{n}" for n in range(3)})
        afters = [move[0]["after"] for move in moves]
        self.assertTrue(all(0 <= after <= 8 for after in afters))
        self.assertGreater(len(set(afters)), 150)
        for client in clients[:150]:
            rig.hub.leave(client)
        rig.clock.pump([0.25] * 20)
        self.assertEqual([client.closed for client in clients[:150]], [[]] * 150)
        self.assertEqual({tuple(client.closed) for client in clients[150:]}, {("moved",)})
        rig.clock.pump([0.25] * 8)
        self.assertEqual({tuple(client.closed) for client in clients[150:]}, {("moved", "abort")})
        self.assertIsNone(self.successResultOf(done))

    def test_called_off(self) -> None:
        """A drain that is called off tells and closes nobody else; who was told may go or stay."""
        rig = HubRig()
        clients = [rig.client("1/5") for _ in range(200)]
        done = rig.hub.drain(10.0, lambda: "https://a")
        rig.clock.pump([0.25] * 4)
        told = sum(len(client.of("move")) for client in clients)
        self.assertTrue(0 < told < 200)
        rig.hub.stay()
        rig.clock.pump([0.25] * 60)
        self.successResultOf(done)
        self.assertFalse(rig.hub.draining)
        self.assertEqual(sum(len(client.of("move")) for client in clients), told)
        self.assertEqual({tuple(client.closed) for client in clients}, {()})

    def test_some_are_sent(self) -> None:
        """Sent away are those who are here, or as many as is said: who comes meanwhile stays."""
        for most, expected in ((None, 20), (5, 5), (50, 20)):
            rig = HubRig()
            clients = [rig.client("1/5") for _ in range(20)]
            done = rig.hub.send_away(10.0, lambda: "https://a", most)
            late = rig.client("1/5")
            rig.clock.pump([0.25] * 60)
            self.successResultOf(done)
            self.assertEqual(sum(len(client.of("move")) for client in clients), expected)
            self.assertEqual(sum(client.closed != [] for client in clients), expected)
            self.assertEqual((late.closed, late.of("move"), rig.hub.draining), ([], [], False))

    def test_some_in_a_turn(self) -> None:
        """Thousands are closed and cut over many turns."""
        rig = HubRig()
        clients = [rig.client() for _ in range(3 * SLICE)]
        counts: list[int] = []
        later = rig.clock.callLater

        def watched(delay: float, *rest: Any, **more: Any) -> Any:
            if delay == 0:
                counts.append(sum(len(client.closed) for client in clients))
            return later(delay, *rest, **more)

        self.patch(rig.clock, "callLater", watched)
        done = rig.hub.drain(0.0, lambda: None)
        rig.clock.pump([0.25] * 6)
        self.successResultOf(done)
        self.assertEqual(counts, [SLICE * part for part in range(1, 7)])

    def test_nobody(self) -> None:
        """An empty rig is drained at once."""
        rig = HubRig()
        done = rig.hub.drain(5.0, lambda: None)
        rig.clock.pump([0.25] * 12)
        self.successResultOf(done)
        self.assertEqual(rig.clock.getDelayedCalls(), [])

    def test_without_time(self) -> None:
        """Zero seconds: told, closed, cut."""
        rig = HubRig()
        client = rig.client("1/5")
        done = rig.hub.drain(0.0, lambda: None)
        rig.clock.pump([0.25] * 6)
        self.assertEqual(client.closed, ["moved", "abort"])
        self.successResultOf(done)
