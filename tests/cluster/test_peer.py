"""Dialling again and again: full jitter, one attempt at a time, the newest link in use."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.messages import Beat
from cackled.cluster.peer import CAP, LINK_AGE, RENEW_AGAIN, Peer, free_share
from cackled.config import Node


class FakeLink:
    greeting: Any = None
    over = False

    def __init__(self) -> None:
        self.ended = ""

    def drop(self, why: str) -> None:
        self.ended = why

    close = drop


class PeerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.dials: list[tuple[float, Deferred[Any]]] = []
        self.peer = self.made()

    def made(self, dials: bool = True, seed: int = 1) -> Peer:
        return Peer(Node(name="b"), dials, self.clock, Random(seed), self.dial)

    def dial(self, node: Node) -> Deferred[Any]:
        made: Deferred[Any] = Deferred()
        self.dials.append((self.clock.seconds(), made))
        return made

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.01)):
            self.clock.advance(0.01)

    def greeted(self) -> FakeLink:
        """A dialled link that has said hello."""
        link: Any = FakeLink()
        self.dials[-1][1].callback(link)
        link.greeting = True
        self.peer.adopt(link)
        made: FakeLink = link
        return made

    def test_ours_to_dial_or_not(self) -> None:
        """Who does not dial waits for the other."""
        other = self.made(dials=False)
        other.start()
        other.renew()
        self.wait(5)
        self.assertEqual(self.dials, [])
        self.peer.start()
        self.peer.start()
        self.wait(5)
        self.assertEqual(len(self.dials), 1, "one attempt at a time, however long it takes")

    def test_jitter(self) -> None:
        """Waits are random from nothing up to a bound that doubles up to the cap; two peers don't keep in step."""
        waits = []
        self.peer.start()
        ended = 0.0
        for _ in range(60):
            self.wait(CAP + 0.02)
            at, made = self.dials[-1]
            waits.append(at - ended)
            made.errback(ConnectionRefusedError(111))
            ended = self.clock.seconds()
        self.assertLessEqual(max(waits), CAP + 0.02)
        self.assertLess(max(waits[:1]), 0.25)
        self.assertGreater(max(waits[5:]), CAP * 0.7)
        self.assertLess(min(waits[5:]), CAP * 0.3)
        self.assertIn("can't connect", self.peer.trouble)

    def test_lost(self) -> None:
        """A link that ends is dialled again, soon after one that worked."""
        self.peer.start()
        self.wait(1)
        link: Any = self.greeted()
        self.assertIs(self.peer.link, link)
        self.assertTrue(self.peer.lost(link, "gone"))
        self.assertIsNone(self.peer.link)
        self.wait(0.3)
        self.assertEqual(len(self.dials), 2)

    def test_refused(self) -> None:
        """A connection that never says hello is followed by another attempt, and why is kept for operators."""
        self.peer.start()
        self.wait(1)
        link: Any = FakeLink()
        self.dials[-1][1].callback(link)
        self.wait(5)
        self.assertEqual(len(self.dials), 1)
        self.assertFalse(self.peer.lost(link, "refused: not listed"))
        self.assertEqual(self.peer.trouble, "refused: not listed")
        self.wait(2)
        self.assertEqual(len(self.dials), 2)
        self.dials[-1][1].errback(DNSLookupError())
        self.assertIn("host name", self.peer.trouble)

    def test_renew(self) -> None:
        """The old link serves until the new one has said hello, then it is closed; a failure leaves it in use."""
        self.peer.start()
        self.wait(1)
        old = self.greeted()
        self.peer.renew()
        self.assertEqual((len(self.dials), old.ended), (2, ""))
        self.peer.renew()
        self.assertEqual(len(self.dials), 2, "one at a time")
        new = self.greeted()
        self.assertIs(self.peer.link, new)
        self.assertTrue(old.ended)
        self.assertFalse(self.peer.lost(old, "closed"))  # type: ignore[arg-type]
        self.assertIs(self.peer.link, new)

    def test_renewal_refused(self) -> None:
        """A new link that ends before its hello leaves the old one in use, and is tried again, for as long as it takes;
        after the stop no more."""
        self.peer.start()
        self.wait(1)
        old = self.greeted()
        self.clock.advance(LINK_AGE)
        for attempt in range(2, 5):
            self.assertEqual(len(self.dials), attempt)
            link: Any = FakeLink()
            self.dials[-1][1].callback(link)
            self.assertFalse(self.peer.lost(link, "its certificate has expired"))
            self.assertIs(self.peer.link, old)
            self.clock.advance(RENEW_AGAIN)
        link = FakeLink()
        self.dials[-1][1].callback(link)
        self.peer.stop("over")
        self.peer.lost(link, "over")
        self.assertEqual((link.ended, self.clock.getDelayedCalls()), ("over", []))

    def test_stop(self) -> None:
        """Nothing is left: no timer, attempt or link."""
        self.peer.start()
        self.wait(1)
        self.peer.stop("over")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.setUp()
        self.peer.start()
        self.wait(1)
        link = self.greeted()
        self.peer.stop("over")
        self.assertEqual((link.ended, self.clock.getDelayedCalls()), ("over", []))
        self.peer.lost(link, "over")  # type: ignore[arg-type]
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_round_trip(self) -> None:
        """From our own moment that the other sends back, less the time it held it."""
        self.clock.advance(10)
        beat = Beat(number=1, at=5.0, echo=9.0, held=0.75, ready=True, draining=False, connections=30, capacity=100)
        self.peer.heard(beat)
        assert self.peer.round_trip is not None
        self.assertLess(abs(self.peer.round_trip - 0.25), 1e-6)
        self.assertEqual((self.peer.free, self.peer.heard_at, self.peer.silent), (0.7, 10.0, 0))

    def test_free_share(self) -> None:
        """Tenths, rounded so that nothing is free only when nothing is."""
        shares = [free_share(used, 100) for used in (0, 1, 9, 10, 55, 99, 100, 150)]
        self.assertEqual(shares, [1.0, 1.0, 1.0, 0.9, 0.5, 0.1, 0.0, 0.0])
        self.assertEqual(free_share(5, 0), 1.0)
