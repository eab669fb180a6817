"""Tests of connection caps and trusted proxies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport._limits import ConnectionLimits, TrustedProxies, network_of


class NetworkTests(SynchronousTestCase):
    """What counts as one client."""

    def test_networks(self) -> None:
        """IPv4 counts by address, IPv6 by /64, mapped addresses as IPv4, the rest as it is."""
        for address, network in (
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("fe80::1%eth0", "fe80::/64"),
            ("", ""),
            ("not:an:address", "not:an:address"),
        ):
            self.assertEqual(network_of(address), network)


class ConnectionLimitsTests(SynchronousTestCase):
    """Caps, one client's and everybody's."""

    def test_caps(self) -> None:
        """Above a cap the reason is told and nothing is counted; a release makes room."""
        limits = ConnectionLimits(3, 2)
        self.assertEqual([limits.admit("a"), limits.admit("a"), limits.admit("a")], [None, None, "address"])
        self.assertIsNone(limits.admit("b"))
        self.assertEqual(limits.admit("c"), "connections")
        self.assertEqual((limits.total, limits.of("a"), limits.of("c")), (3, 2, 0))
        limits.release("a")
        self.assertIsNone(limits.admit("c"))

    def test_proxies_have_no_share(self) -> None:
        """Everybody behind a trusted proxy shares its address, so only the global cap holds there."""
        limits = ConnectionLimits(3, 1)
        self.assertEqual([limits.admit("p", counted=False) for _ in range(4)], [None, None, None, "connections"])

    @given(st.lists(st.sampled_from("abc")))
    def test_balance(self, networks: list[str]) -> None:
        """After as many releases as admissions nothing is left."""
        limits = ConnectionLimits(5, 2)
        admitted = [network for network in networks if limits.admit(network) is None]
        self.assertEqual(limits.total, len(admitted))
        for network in admitted:
            limits.release(network)
        self.assertEqual((limits.total, limits._by_network), (0, {}))


class TrustedProxiesTests(SynchronousTestCase):
    """Whose X-Forwarded-For is believed."""

    def setUp(self) -> None:
        """One proxy network of each kind."""
        self.proxies = TrustedProxies(("10.0.0.0/8", "2001:db8::/32"))

    def test_client(self) -> None:
        """The right-most hop that is no proxy of ours is the client."""
        for peer, forwarded, client in (
            ("192.0.2.1", [b"1.2.3.4"], "192.0.2.1"),
            ("10.0.0.1", [], "10.0.0.1"),
            ("10.0.0.1", [b"1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", [b"6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", [b"1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            ("10.0.0.1", [b"6.6.6.6", b"1.2.3.4,10.0.0.2"], "1.2.3.4"),
            ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", [b"1.2.3.4:5555"], "1.2.3.4"),
            ("10.0.0.1", [b"[2001:4860::1]:443"], "2001:4860::1"),
            ("10.0.0.1", [b"1.2.3.4, rubbish"], "10.0.0.1"),
            ("10.0.0.1", [b"1.2.3.4, rubbish, 10.0.0.2"], "10.0.0.2"),
            ("::ffff:10.0.0.1", [b"1.2.3.4"], "1.2.3.4"),
            ("2001:db8::1", [b"1.2.3.4"], "1.2.3.4"),
        ):
            self.assertEqual(self.proxies.client(peer, forwarded), client, (peer, forwarded))

    def test_none_trusted(self) -> None:
        """Without trusted networks the field is never read."""
        self.assertEqual(TrustedProxies(()).client("10.0.0.1", [b"1.2.3.4"]), "10.0.0.1")

    def test_long_list(self) -> None:
        """A very long list is read a few hops deep only."""
        hops = b", ".join([b"6.6.6.6"] + [b"10.0.0.2"] * 1000)
        self.assertEqual(self.proxies.client("10.0.0.1", [hops]), "10.0.0.2")

    def test_bad_network(self) -> None:
        """A malformed network is an error at start."""
        self.assertRaises(ValueError, TrustedProxies, ("10.0.0.0/99",))
