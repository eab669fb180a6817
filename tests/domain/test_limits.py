"""Token buckets: burst, refill, bounded memory, and what counts as one caller."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.errors import TooFast
from cackled.domain.limits import Buckets, address_key, within


class AddressKeyTests(SynchronousTestCase):
    """`address_key`."""

    def test_networks(self) -> None:
        """An IPv4 address is itself, mapped too; IPv6 counts by /64; what is no address is itself."""
        for address, key in (
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("::1", "::/64"),
            ("", ""),
            ("no address", "no address"),
        ):
            self.assertEqual(address_key(address), key)
        self.assertNotEqual(address_key("2001:db8:1:2::1"), address_key("2001:db8:1:3::1"))


class WithinTests(SynchronousTestCase):
    """`within`."""

    def test_addresses(self) -> None:
        """Addresses in a network, mapped ones too; what is no address is in none; no networks hold nobody."""
        test = within(["127.0.0.0/8", "2001:db8::/32", "192.0.2.1"])
        for address, inside in (
            ("127.9.9.9", True), ("::ffff:127.0.0.1", True), ("2001:db8::5", True), ("2001:db8::5%eth0", True),
            ("192.0.2.1", True), ("192.0.2.2", False), ("::1", False), ("", False), ("unix", False),
        ):  # fmt: skip
            self.assertIs(test(address), inside, address)
        self.assertFalse(within([])("127.0.0.1"))
        self.assertRaises(ValueError, within, ["nonsense"])


class BucketsTests(SynchronousTestCase):
    """`Buckets`."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)

    def refused(self, buckets: Buckets, key: object = "a") -> float:
        with self.assertRaises(TooFast) as caught:
            buckets.take(key)
        assert caught.exception.retry_after is not None
        return caught.exception.retry_after

    def test_burst_and_refill(self) -> None:
        """The burst at once, then one for each second's share; the wait that is told is the wait that is needed."""
        buckets = Buckets(self.clock, 0.5, 3)
        for _ in range(3):
            buckets.take("a")
        wait = self.refused(buckets)
        self.assertAlmostEqual(wait, 2.0)
        self.clock.advance(wait - 0.01)
        self.refused(buckets)
        self.clock.advance(0.02)
        buckets.take("a")
        self.refused(buckets)

    def test_refusals_cost_nothing(self) -> None:
        """Asking too often does not put off the next token."""
        buckets = Buckets(self.clock, 1, 1)
        buckets.take("a")
        for _ in range(10):
            self.clock.advance(0.09)
            self.refused(buckets)
        self.clock.advance(0.11)
        buckets.take("a")

    def test_more_than_there_ever_is(self) -> None:
        """What costs more than a full bucket costs a full bucket: it is not refused for ever."""
        buckets = Buckets(self.clock, 1, 5)
        buckets.take("a", 100)
        self.refused(buckets)
        self.clock.advance(5)
        buckets.take("a", 100)

    def test_apart(self) -> None:
        """One key's spending leaves others alone; no key earns more than its burst."""
        buckets = Buckets(self.clock, 1, 2)
        buckets.take("a")
        buckets.take("a")
        self.refused(buckets)
        buckets.take("b")
        self.clock.advance(3600)
        buckets.take("a")
        buckets.take("a")
        self.refused(buckets)

    def test_bounded(self) -> None:
        """At most so many keys are remembered; the one in use stays."""
        buckets = Buckets(self.clock, 0.001, 2, max_keys=10)
        buckets.take("busy")
        buckets.take("busy")
        for number in range(200):
            buckets.take(number)
            self.refused(buckets, "busy")
            self.assertLessEqual(len(buckets._state), 10)

    @given(st.lists(st.floats(0, 5), max_size=40))
    def test_never_more(self, pauses: list[float]) -> None:
        """Over any time, no more than burst + rate x time is let through."""
        clock = Clock()
        buckets = Buckets(clock, 0.7, 4)
        passed = 0
        for pause in pauses:
            clock.advance(pause)
            for _ in range(3):
                try:
                    buckets.take("a")
                except TooFast:
                    continue
                passed += 1
        self.assertLessEqual(passed, 4 + 0.7 * clock.seconds() + 1e-6)
