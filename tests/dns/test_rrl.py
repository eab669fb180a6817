"""Rate limiting by itself."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.dns import rrl
from cackled.dns.rrl import PROVEN_FACTOR, PROVEN_SECONDS, SEND, SMALL, RateLimit


class Unread(dict[str, float]):
    """A table that nobody looks through."""

    def items(self) -> Any:
        raise AssertionError("looked through")


class RateLimitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def passed(self, limit: RateLimit, hosts: list[str], kind: int = 0) -> int:
        """How many small answers go through."""
        return sum(limit.check(host, kind) <= SMALL for host in hosts)

    def test_networks(self) -> None:
        """A /24 and a /56 count as one; others for themselves."""
        limit = RateLimit(self.clock, 10, 2)
        self.assertEqual(self.passed(limit, [f"192.0.2.{n}" for n in range(30)]), 10)
        self.assertEqual(self.passed(limit, [f"192.0.{n}.1" for n in range(3, 33)]), 30)
        self.assertEqual(self.passed(limit, [f"2001:db8:0:{n:x}::1" for n in range(30)]), 10)
        self.assertEqual(self.passed(limit, [f"2001:db8:0:{n << 8:x}::1" for n in range(1, 31)]), 30)
        self.assertEqual(self.passed(limit, ["fe80::1%eth0"] * 30), 10)

    def test_kinds(self) -> None:
        """Each class of answers has its own rate."""
        limit = RateLimit(self.clock, 10, 2)
        self.assertEqual(self.passed(limit, ["192.0.2.1"] * 20, 0), 10)
        self.assertEqual(self.passed(limit, ["192.0.2.1"] * 20, 1), 10)

    def test_slip(self) -> None:
        """slip 0 drops all, 1 truncates all, 3 every third."""
        for slip, truncated in ((0, 0), (1, 30), (3, 10)):
            limit = RateLimit(self.clock, 10, slip)
            for _ in range(40):
                limit.check("192.0.2.1", 0)
            self.assertEqual((limit.truncated, limit.dropped), (truncated, 30 - truncated))

    def test_windows(self) -> None:
        """Each second begins anew, also for who has been silent; no timer runs while nobody asks."""
        limit = RateLimit(self.clock, 10, 2)
        for _ in range(3):
            self.assertEqual(self.passed(limit, ["192.0.2.1"] * 20), 10)
            self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(100)
        self.assertEqual(self.passed(limit, ["192.0.2.1"] * 20), 10)
        limit.stop()
        limit.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_proven(self) -> None:
        """Who spoke TCP has a higher rate by itself and may have answers of any size, for some minutes."""
        limit = RateLimit(self.clock, 10, 2)
        self.assertEqual(limit.check("192.0.2.1", 0), SMALL)
        limit.prove("192.0.2.1")
        verdicts = [limit.check("192.0.2.1", 0) for _ in range(10 * PROVEN_FACTOR + 5)]
        self.assertEqual(verdicts.count(SEND), 10 * PROVEN_FACTOR)
        self.assertEqual(limit.check("192.0.2.2", 0), SMALL)
        self.clock.advance(1)
        self.assertEqual(self.passed(limit, ["192.0.2.2"] * 20), 10)
        self.clock.advance(PROVEN_SECONDS)
        self.assertEqual(self.passed(limit, ["192.0.2.1"] * 20), 10)
        self.clock.advance(1)
        self.assertEqual(limit.check("192.0.2.1", 0), SMALL)

    def test_exempt(self) -> None:
        """Configured networks have no limit, and are remembered where the caller looks first."""
        limit = RateLimit(self.clock, 10, 2, ["192.0.2.0/25", "2001:db8::/32"])
        self.assertEqual(self.passed(limit, ["192.0.2.1"] * 50), 50)
        self.assertEqual(self.passed(limit, ["192.0.2.200"] * 50), 10)
        self.assertEqual(self.passed(limit, ["2001:db8::1"] * 50), 50)
        self.assertEqual(limit.exempt, {"192.0.2.1", "2001:db8::1"})

    def test_off(self) -> None:
        """Rate 0 is no limit of the rate; big answers still want a proof."""
        limit = RateLimit(self.clock, 0, 2)
        self.assertEqual([limit.check("192.0.2.1", 0) for _ in range(1000)], [SMALL] * 1000)

    def test_memory(self) -> None:
        """Forged addresses without end stay within the tables' bounds."""
        self.patch(rrl, "MAX_KEYS", 100)
        limit = RateLimit(self.clock, 10, 2)
        for number in range(1000):
            host = f"10.{number >> 8}.{number & 255}.1"
            limit.check(host, 0)
            limit.prove(host)
        self.assertLessEqual(max(map(len, (limit._hosts, limit._records, limit._proven))), 101)

    def test_proofs_without_end(self) -> None:
        """Whoever proves address after address takes the place of the oldest proofs, and no time: nobody looks through
        all of them."""
        self.patch(rrl, "MAX_KEYS", 100)
        limit = RateLimit(self.clock, 10, 2)
        for number in range(99):
            limit.prove(f"198.51.100.{number}")
        limit._proven = kept = Unread(limit._proven)
        limit.prove("198.51.100.0")
        for number in range(3):
            limit.prove(f"2001:db8::{number}")
        verdicts = {host: limit.check(host, 0) for host in ("198.51.100.0", "198.51.100.1", "2001:db8::2")}
        self.assertEqual(verdicts, {"198.51.100.0": SEND, "198.51.100.1": SMALL, "2001:db8::2": SEND})
        self.assertIs(limit._proven, kept)
