"""What waits to be sent: gathered, the newest count, bounded in rate and size."""

from __future__ import annotations

import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.messages import MAX_BODY, MAX_ITEMS, chunks
from cackled.cluster.signal_buffer import BURST, GATHER, RATE, SignalBuffer


class OutboxTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sent: list[tuple[list[bytes], list[bytes]]] = []
        self.dropped = 0
        self.outbox = SignalBuffer(self.clock, lambda *bodies: self.sent.append(bodies), self.drop)

    def drop(self) -> None:
        self.dropped += 1

    def test_gathered(self) -> None:
        """Everything of a moment leaves together, in the order it came."""
        for number in range(3):
            self.outbox.signal(1, number, "typing", {"name": "x"})
            self.clock.advance(GATHER / 4)
        self.assertEqual(self.sent, [])
        self.clock.advance(GATHER)
        expected = [[1, number, "typing", {"name": "x"}] for number in range(3)]
        self.assertEqual([json.loads(body) for body in self.sent[0][0]], [expected])
        self.assertEqual(self.sent[0][1], [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_newest(self) -> None:
        """Of a channel's counts only the newest leaves, of its hints only the highest."""
        for number in range(100):
            self.outbox.signal(1, 5, "presence", {"count": number})
            self.outbox.hint(1, 5, 100 - number)
        self.clock.advance(GATHER)
        self.assertEqual(self.sent, [([b'[[1,5,"presence",{"count":99}]]'], [b"[[1,5,100]]"])])

    def test_rate(self) -> None:
        """Above the rate things are dropped and counted; a newer count of what waits already is not."""
        for number in range(int(BURST) + 10):
            self.outbox.signal(1, number, "presence", {"count": 1})
        self.assertEqual(self.dropped, 10)
        self.outbox.signal(1, 0, "presence", {"count": 2})
        self.outbox.hint(1, 0, 1)
        self.assertEqual(self.dropped, 11)
        self.clock.advance(1)
        self.outbox.hint(1, 0, 1)
        self.assertEqual(self.dropped, 11)
        self.assertGreater(RATE, 0)

    def test_too_large(self) -> None:
        """A signal of more than its due is dropped alone."""
        self.outbox.signal(1, 5, "typing", {"name": "x" * 5000})
        self.outbox.signal(1, 6, "typing", {"name": "x"})
        self.clock.advance(GATHER)
        self.assertEqual((len(self.sent[0][0]), self.dropped), (1, 1))
        self.assertNotIn(b"xx", self.sent[0][0][0])

    def test_nothing(self) -> None:
        """Nothing is sent where nothing is left."""
        self.outbox.signal(1, 5, "typing", {"name": "x" * 5000})
        self.clock.advance(GATHER)
        self.assertEqual(self.sent, [])


class ChunkTests(SynchronousTestCase):
    def test_bounds(self) -> None:
        """No body above the limit, no list too long, nothing lost or out of order."""
        for size, count in ((1, 3 * MAX_ITEMS + 1), (1_999, 200), (20_000, 7)):
            items = [b'"' + b"x" * (size - 2) + b'"' if size > 2 else b"1" for _ in range(count)]
            bodies = chunks(items)
            self.assertTrue(all(len(body) <= MAX_BODY for body in bodies))
            lists = [json.loads(body) for body in bodies]
            self.assertTrue(all(len(one) <= MAX_ITEMS for one in lists))
            self.assertEqual([item for one in lists for item in one], [json.loads(item) for item in items])
        self.assertEqual(chunks([]), [])
