"""Which addresses are connected to, and which never."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from cackled.outbound.guard import Policy, Refused, Target, allowed, checked, resolver, target_of

PLAIN = Policy()
# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, all rows.
SPECIAL = (
    "0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/32",
    "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.88.99.2/32",
    "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
    "255.255.255.255/32", "224.0.0.0/4",
    "::1/128", "::/128", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001::/32",
    "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28",
    "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16",
    "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "::/96", "::ffff:0:0:0/96", "4000::/3", "8000::/1", "400::/6",
)  # fmt: skip
NEIGHBOURS = (
    "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0",
    "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0",
    "203.0.112.255", "203.0.114.0", "223.255.255.255", "2001:200::1", "2001:4860:4860::8888", "2003::1",
    "2620:4f:8001::1", "2a00:1450::1", "3ffe:ffff::1",
)  # fmt: skip


class UrlTests(SynchronousTestCase):
    def test_good(self) -> None:
        """The scheme's own port where none is given; a port that is allowed."""
        self.assertEqual(target_of("https://a.example/x?y=1", PLAIN), Target(True, "a.example", 443))
        self.assertEqual(target_of("http://a.example:443/", PLAIN), Target(False, "a.example", 443))
        self.assertEqual(target_of("http://a.example:8000/", Policy(ports=(8000,))).port, 8000)

    def test_bad(self) -> None:
        """Other schemes, ports, users, and what only looks like an address."""
        for url in (
            "ftp://a.example/", "file:///etc/passwd", "gopher://a.example", "http://a.example:22/", "http:///x", "x",
            "",
            "http://user:pass@a.example/", "http://a.example:80@b.example/", "http://a.example\\@b.example/",
            "http://a.example/\r\nX: y", "http://a.example/ x", "http://a.example:99999/", "http://[::1/",
            "http://é.example/",
            "http://a.example/" + "x" * 3000,
        ):  # fmt: skip
            self.assertRaises(Refused, target_of, url, PLAIN)


class AddressTests(SynchronousTestCase):
    def test_refused(self) -> None:
        """Our own machine and network, in every spelling that a resolver may give."""
        for one in (
            "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1",
            "fe80::1%eth0",
            "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1",
            "2001:0:7f00:1::1", "::127.0.0.1", "2001:db8::1", "fec0::1", "feff::1", "3fff::1",
            "192.88.99.1", "localhost", "", "1.2.3", "0x7f.1",
        ):  # fmt: skip
            self.assertFalse(allowed(one, PLAIN), one)

    def test_registries(self) -> None:
        """Every row of IANA's special-purpose registries, first and last address, plain and mapped; neighbours pass."""
        for row in SPECIAL:
            network = ip_network(row)
            for one in (network[0], network[-1], network[network.num_addresses // 2]):
                self.assertFalse(allowed(str(one), PLAIN), f"{one} of {row}")
                if network.version == 4:
                    self.assertFalse(allowed(f"::ffff:{one}", PLAIN), f"mapped {one} of {row}")
        for one in NEIGHBOURS:
            self.assertTrue(allowed(one, PLAIN), one)

    def test_allowed(self) -> None:
        """Public ones, and networks that the operator named."""
        for one in ("8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"):
            self.assertTrue(allowed(one, PLAIN), one)
        own = Policy(networks=("10.1.0.0/16", "fd00::/8"))
        self.assertTrue(allowed("10.1.2.3", own))
        self.assertTrue(allowed("::ffff:10.1.2.3", own))
        self.assertTrue(allowed("fd00::5", own))
        self.assertFalse(allowed("10.2.0.1", own))

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(st.ip_addresses())
    def test_private(self, ip: object) -> None:
        """What the registries call private is never allowed."""
        if getattr(ip, "is_private") or getattr(ip, "is_multicast"):  # noqa: B009
            self.assertFalse(allowed(str(ip), PLAIN) and not str(ip).startswith("::ffff:"))

    def test_all_count(self) -> None:
        """A name with one private address among public ones is refused whole; the first public one is used."""
        self.assertEqual(checked(["8.8.8.8", "1.1.1.1"], PLAIN), "8.8.8.8")
        self.assertRaises(Refused, checked, ["8.8.8.8", "127.0.0.1"], PLAIN)
        self.assertRaises(Refused, checked, [], PLAIN)


class ResolverTests(SynchronousTestCase):
    """Names are looked up in threads, of which there are few."""

    def setUp(self) -> None:
        self.looked: list[tuple[str, Deferred[list[str]]]] = []
        self.resolve = resolver(self.in_thread)

    def in_thread(self, look: Callable[[str], list[str]], host: str) -> Deferred[list[str]]:
        answer: Deferred[list[str]] = Deferred()
        self.looked.append((host, answer))
        return answer

    def test_one_thread_for_a_name(self) -> None:
        """However often a name is asked for; who gave up hears nothing more, and the next question is a new one."""
        waits = [self.resolve("slow.example") for _ in range(5)]
        other = self.resolve("other.example")
        self.assertEqual([host for host, _ in self.looked], ["slow.example", "other.example"])
        waits[0].cancel()
        self.failureResultOf(waits[0], CancelledError)
        self.looked[0][1].callback(["192.0.2.1"])
        self.assertEqual([self.successResultOf(one) for one in waits[1:]], [["192.0.2.1"]] * 4)
        self.assertNoResult(other)
        again = self.resolve("slow.example")
        self.looked[2][1].errback(OSError("no such name"))
        self.failureResultOf(again, OSError)

    def test_system(self) -> None:
        """The system's own answer, each address once."""
        answers: list[list[str]] = []
        resolve = resolver(lambda look, host: answers.append(look(host)) or Deferred())
        resolve("127.0.0.1")
        self.assertEqual(answers, [["127.0.0.1"]])
