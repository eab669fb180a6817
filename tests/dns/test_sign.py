"""Signatures by themselves: kept, renewed, and bounded where names are without end."""

from __future__ import annotations

import dns.name
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.dns import sign
from cackled.dns.keys import ED25519, P256, make
from cackled.dns.sign import BEFORE, LIFETIME, Busy, Signer, after
from cackled.dns.wire import A, pack_name
from cackled.token_bucket import TokenBucket

from .helpers import ORIGIN

LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=12)
ADDRESS = (b"\xc0\0\2\1",)


class SignerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.now = 1_900_000_000.0
        # Of P-256 no two signatures are equal, so that it is seen when one is made anew.
        self.signer = Signer([make(self.mktemp(), P256)], ORIGIN, lambda: self.now, self.clock.seconds, 10)

    def sign(self, name: str, fixed: bool = True) -> bytes:
        return self.signer.sign(pack_name(name), A, 30, ADDRESS, fixed=fixed)

    def test_kept(self) -> None:
        """The same set has the same signature, in any order, until it is renewed; another set another one."""
        first = self.sign("a.geo.test.")
        self.assertEqual(self.sign("a.geo.test."), first)
        self.assertNotEqual(self.sign("b.geo.test."), first)
        two = b"\xc0\0\2\1", b"\xc0\0\2\2"
        name = pack_name("a.geo.test.")
        self.assertEqual(
            self.signer.sign(name, A, 30, two, fixed=True), self.signer.sign(name, A, 30, two[::-1], fixed=True)
        )
        self.assertEqual(self.signer.made, 3)
        self.signer.renew()
        self.assertNotEqual(self.sign("a.geo.test."), first)

    def test_clock_set_right(self) -> None:
        """Signatures are a day old at most, by the wall clock; when that jumps, either way, they are made anew at once.
        A clock that is a little fast or slow does nothing."""
        self.assertFalse(self.signer.stale())
        for _ in range(2):
            for _ in range(23):
                self.now += 3600 + 1
                self.clock.advance(3600)
                self.assertFalse(self.signer.stale())
            self.now += 3600
            self.clock.advance(3600)
            self.assertTrue(self.signer.stale())
            self.signer.renew()
            self.assertFalse(self.signer.stale())
        for jump in (-3600, 3600, 30 * 86_400, -30 * 86_400):
            self.now += jump
            self.assertTrue(self.signer.stale())
            self.signer.renew()
            self.assertFalse(self.signer.stale())

    def test_times(self) -> None:
        """Valid from an hour ago for two weeks; the labels of a wildcard are counted without the star."""
        made = self.sign("a.geo.test.")
        self.assertEqual(int.from_bytes(made[8:12], "big"), self.now + LIFETIME)
        self.assertEqual(int.from_bytes(made[12:16], "big"), self.now - BEFORE)
        self.assertEqual((made[3], self.sign("*.geo.test.")[3], self.sign("geo.test.")[3]), (3, 2, 2))

    def test_budget(self) -> None:
        """Names of the zone are signed at any rate, others as far as the budget goes; kept ones cost nothing."""
        for number in range(10):
            self.sign(f"n{number}.geo.test.", fixed=False)
        self.assertRaises(Busy, self.sign, "n10.geo.test.", False)
        self.sign("n9.geo.test.", False)
        for number in range(30):
            self.sign(f"f{number}.geo.test.")
        self.clock.advance(0.25)
        self.sign("n11.geo.test.", False)
        self.sign("n12.geo.test.", False)
        self.assertRaises(Busy, self.sign, "n13.geo.test.", False)
        self.assertEqual(self.signer.refused, 2)

    def test_bounded(self) -> None:
        """Of names without end the oldest signatures go."""
        self.patch(sign, "MAX_KEPT", 5)
        self.signer._budget = TokenBucket(1000, 1000, 0.0)
        for number in range(20):
            self.sign(f"n{number}.geo.test.", fixed=False)
        self.assertEqual(len(self.signer._kept), 5)

    def test_same_everywhere(self) -> None:
        """With Ed25519 two nodes that sign at one time make the same bytes."""
        key = make(self.mktemp(), ED25519)
        signers = [Signer([key], ORIGIN, lambda: self.now, self.clock.seconds, 10) for _ in range(2)]
        name = pack_name("a.geo.test.")
        made = {each.sign(name, A, 30, ADDRESS, fixed=True) for each in signers}
        self.assertEqual(len(made), 1)


class AfterTests(SynchronousTestCase):
    @given(LABELS)
    def test_next_name(self, labels: list[bytes]) -> None:
        """The name after comes later in canonical order, and is a name."""
        wire = b"".join(bytes((len(label),)) + label for label in labels) + ORIGIN
        if len(wire) > 255 or (len(wire) > 253 and labels[0].strip(b"\xff") == b""):
            return
        name, _ = dns.name.from_wire(wire, 0)
        following, used = dns.name.from_wire(after(wire), 0)
        self.assertEqual(used, len(after(wire)))
        self.assertGreater(following, name)

    def test_longest(self) -> None:
        """Names too long for one more label have a next one too."""
        for last in (b"a", b"@", b"\xfe", b"z\xff"):
            for length in (254, 255):
                rest = (b"\x3f" + b"x" * 63) * 3 + ORIGIN
                label = b"b" * (length - len(rest) - 1 - len(last)) + last
                wire = bytes((len(label),)) + label + rest
                self.assertEqual(len(wire), length)
                following, _ = dns.name.from_wire(after(wire), 0)
                self.assertGreater(following, dns.name.from_wire(wire, 0)[0])
