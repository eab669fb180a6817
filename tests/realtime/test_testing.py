"""Tests of `cackled.realtime.testing`: the doubles behave as what they stand for."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from cackled.events import Position
from cackled.realtime.testing import ModelLog
from tests.realtime.common import HubRig


class ModelLogTests(SynchronousTestCase):
    """The contract of `Load`."""

    def ask(self, log: ModelLog, *question: int) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(log.load(*question)))

    def test_answers(self) -> None:
        """The current number and what follows a place; None where it is no longer there; cut off at the limit."""
        log = ModelLog()
        log.start_at(10)
        events = [log.commit() for _ in range(5)]
        self.assertEqual(self.ask(log, 1, 5, 12, 10), (15, events[2:]))
        self.assertEqual(self.ask(log, 1, 5, 12, 2), (15, events[2:4]))
        self.assertEqual(self.ask(log, 1, 5, 9, 10), (15, None))
        self.assertEqual(self.ask(log, 1, 5, 15, 10), (15, []))
        self.assertEqual(self.ask(log, 2, 5, 0, 10), (0, []))
        log.keep, log.behind = 2, 1
        self.assertEqual(self.ask(log, 1, 5, 11, 10), (14, None))
        self.assertEqual(self.ask(log, 1, 5, 12, 10), (14, events[2:4]))

    def test_held(self) -> None:
        """A held load answers what was true when it was asked; one that fails, fails."""
        log = ModelLog()
        log.held = True
        first = Deferred.fromCoroutine(log.load(1, 5, 0, 10))
        log.commit()
        self.assertNoResult(first)
        log.release()
        self.assertEqual(self.successResultOf(first), (0, []))
        second = Deferred.fromCoroutine(log.load(1, 5, 0, 10))
        log.release(failing=True)
        self.failureResultOf(second, ConnectionError)


class FakeClientTests(SynchronousTestCase):
    """A client that writes down."""

    def test_books(self) -> None:
        """Numbers and recoveries are told apart."""
        rig = HubRig()
        rig.post(2)
        client = rig.client("1/5@0")
        self.assertEqual((client.seqs, client.recoveries), ([1, 2], [(True, 2)]))
        client.abort()
        self.assertEqual(client.subscriptions, [])
        rig.hub.subscribe(client, Position(1, 6))
        self.assertEqual(len(client.of("recovered")), 2)
