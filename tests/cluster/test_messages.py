"""What nodes say: read strictly where it matters, leniently where a newer version may say more."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.messages import BadMessage, Beat, Hello, Hint, Hints, Signal, Signals, decode


class DecodeTests(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """What is written is read."""
        hello = Hello("n1", "b", "global", 1, "0.1")
        beat = Beat(
            number=3, at=1.5, echo=1.0, held=0.2, ready=True, draining=False, connections=7, capacity=9, lag=0.1
        )
        for one, kind in ((hello, Hello), (beat, Beat), ([Hint(1, 2, 3)], Hints)):
            self.assertEqual(decode(msgspec.json.encode(one), kind), one)
        signals = [Signal(1, 2**63 - 1, "typing", {"name": "Ann", "n": 1, "b": True})]
        self.assertEqual(decode(msgspec.json.encode(signals), Signals), signals)

    def test_newer(self) -> None:
        """Fields that are not known yet are passed over, in objects and at the end of lists."""
        raw = b'{"name":"n","boot":"b","deployment":"d","protocol":1,"version":"9","more":{"x":[1]}}'
        self.assertEqual(decode(raw, Hello).version, "9")
        self.assertEqual(decode(b"[[1,2,3,4]]", Hints), [Hint(1, 2, 3)])

    @given(st.binary(max_size=200))
    def test_anything(self, body: bytes) -> None:
        """Any bytes are a message or a `BadMessage` of one short line."""
        for kind in (Hello, Beat, Signals, Hints):
            try:
                decode(body, kind)
            except BadMessage as error:
                self.assertLessEqual(len(str(error)), 200)
                self.assertNotIn("\n", str(error))

    def test_nothing(self) -> None:
        """No body is no message."""
        self.assertRaises(BadMessage, decode, None, Beat)
