"""Server cookies."""

from __future__ import annotations

from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.dns.cookies import LIFETIME, RENEW, SKEW, Cookies, packed_host

CLIENT = b"clientck"


class CookiesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(2_000_000_000)
        self.cookies = Cookies(self.clock.seconds, Random(1).randbytes)

    def test_proves(self) -> None:
        """What we gave is good from the same address and client, and from no other."""
        cookie, proven = self.cookies.answer(CLIENT, "192.0.2.1")
        self.assertEqual((len(cookie), cookie[:8], proven), (24, CLIENT, False))
        self.assertEqual(self.cookies.answer(cookie, "192.0.2.1"), (cookie, True))
        self.assertFalse(self.cookies.answer(cookie, "192.0.2.2")[1])
        self.assertFalse(self.cookies.answer(b"otherone" + cookie[8:], "192.0.2.1")[1])
        self.assertFalse(self.cookies.answer(cookie[:-1] + bytes((cookie[-1] ^ 1,)), "192.0.2.1")[1])
        self.assertFalse(self.cookies.answer(cookie + b"x", "192.0.2.1")[1])

    def test_age(self) -> None:
        """Renewed after half an hour, worthless after one; one from the future beyond a small skew is, too."""
        cookie, _ = self.cookies.answer(CLIENT, "2001:db8::1")
        self.clock.advance(RENEW + 1)
        fresh, proven = self.cookies.answer(cookie, "2001:db8::1")
        self.assertTrue(proven)
        self.assertNotEqual(fresh, cookie)
        self.clock.advance(LIFETIME - RENEW)
        self.assertFalse(self.cookies.answer(cookie, "2001:db8::1")[1])
        behind = Cookies(lambda: self.clock.seconds() - SKEW - RENEW - 2, Random(1).randbytes)
        self.assertFalse(behind.answer(fresh, "2001:db8::1")[1])

    def test_rotation(self) -> None:
        """The secret before the present one still counts, the one before that does not."""
        cookie, _ = self.cookies.answer(CLIENT, "192.0.2.1")
        self.cookies.rotate()
        fresh, proven = self.cookies.answer(cookie, "192.0.2.1")
        self.assertTrue(proven)
        self.assertNotEqual(fresh, cookie)
        self.cookies.rotate()
        self.assertFalse(self.cookies.answer(cookie, "192.0.2.1")[1])

    def test_time_wraps(self) -> None:
        """The 32 bits of time may run over."""
        self.clock.advance(2**32 - 10 - self.clock.seconds())
        cookie, _ = self.cookies.answer(CLIENT, "192.0.2.1")
        self.clock.advance(60)
        self.assertTrue(self.cookies.answer(cookie, "192.0.2.1")[1])

    def test_scope(self) -> None:
        """A scope id is no part of the address."""
        self.assertEqual(packed_host("fe80::1%eth0"), packed_host("fe80::1"))
