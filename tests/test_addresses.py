"""Callers and the networks around them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.addresses import CONNECTION_FACTORS, RATE_FACTORS, network_of, wider
from cackled.domain.errors import TooFast
from cackled.domain.limits import AddressBuckets, Buckets, address_key
from cackled.transport._limits import ConnectionLimits


class WiderTests(SynchronousTestCase):
    def test_around(self) -> None:
        """The /56 and the /48 of an IPv6 caller; nothing around any other."""
        self.assertEqual(wider(network_of("2001:db8:1:2ff::5")), ("2001:db8:1:200::/56", "2001:db8:1::/48"))
        for other in ("192.0.2.1", "::ffff:192.0.2.1", "", "unix", "not:an:address", "x/64", "2001:db8::/48"):
            self.assertEqual(wider(network_of(other)), ())

    @given(st.ip_addresses(v=6))
    def test_contain(self, ip: object) -> None:
        """Each holds the caller and the one before."""
        own = network_of(str(ip))
        for text in wider(own):
            self.assertIn(ip_address(str(ip)), ip_network(text))


class BucketTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.made: dict[str, Buckets] = {}
        self.buckets = AddressBuckets(self.make)

    def make(self, suffix: str, times: int) -> Buckets:
        self.made[suffix] = Buckets(self.clock, 1.0 * times, 10.0 * times)
        return self.made[suffix]

    def passed(self, addresses: list[str]) -> int:
        count = 0
        for address in addresses:
            try:
                self.buckets.take(address_key(address))
            except TooFast:
                continue
            count += 1
        return count

    def test_one_holder(self) -> None:
        """65,536 networks of one holder get no more than a few callers; so do 256 of a home; one has its own share."""
        self.assertEqual(self.passed(["2001:db8:1::1"] * 50), 10)
        self.assertEqual(self.passed([f"2001:db8:1:{n:x}::1" for n in range(256)] * 2), 10 * RATE_FACTORS[0] - 10)
        self.assertEqual(self.passed([f"2001:db8:1:{n * 16:x}::1" for n in range(4096)]), 120)
        self.assertEqual(self.passed([f"2001:db8:2:{n:x}::1" for n in range(1)]), 1, "a neighbour is not touched")

    def test_refusals_cost_nothing(self) -> None:
        """Who is refused for itself spends nothing of what is around it."""
        self.passed(["2001:db8:1::1"] * 1000)
        self.assertEqual(self.passed(["2001:db8:1:1::1"] * 50), 10)

    def test_ipv4(self) -> None:
        """IPv4 callers have nothing around them."""
        self.assertEqual(self.passed([f"192.0.2.{n}" for n in range(100)]), 100)


class ConnectionTests(SynchronousTestCase):
    def test_one_holder(self) -> None:
        """Connections of a /56 and a /48 have caps of their own, and all is given back."""
        limits = ConnectionLimits(10_000, 10)
        home = [network_of(f"2001:db8:1:{n:x}::1") for n in range(256)]
        admitted = [one for one in home if limits.admit(one) is None]
        self.assertEqual(len(admitted), 10 * CONNECTION_FACTORS[0])
        far = [network_of(f"2001:db8:1:{n * 256:x}::1") for n in range(1, 256)]
        admitted += [one for one in far if limits.admit(one) is None]
        self.assertEqual(len(admitted), 10 * CONNECTION_FACTORS[1])
        self.assertIsNone(limits.admit(network_of("2001:db8:2::1")))
        limits.release(network_of("2001:db8:2::1"))
        for one in admitted:
            limits.release(one)
        self.assertEqual((limits.total, limits._by_network), (0, {}))
