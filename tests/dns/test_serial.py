"""Serial numbers: they rise with the content, outlive restarts, and agree between nodes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Dns
from cackled.dns.serial import HALF, WHOLE, Mark, Serials, digest, later
from cackled.dns.zone import Zone, load_zone

from .helpers import NODES

SERIALS = st.integers(0, WHOLE - 1)


def zone(count: int = 3) -> Zone:
    return load_zone(Dns(), NODES[:count])


class ArithmeticTests(SynchronousTestCase):
    @given(SERIALS, st.integers(1, HALF - 1))
    def test_later(self, start: int, step: int) -> None:
        """Up to half the circle ahead is later, also over the end of the numbers (RFC 1982)."""
        self.assertTrue(later((start + step) % WHOLE, start))
        self.assertFalse(later(start, (start + step) % WHOLE))
        self.assertFalse(later(start, start))


class SerialsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "zone-serial"
        self.now = 1_800_000_000.0

    def serials(self) -> Serials:
        return Serials(self.path, lambda: self.now)

    def test_time_of_the_change(self) -> None:
        """New content has the time as its number; the same content keeps it, over restarts too."""
        first = self.serials()
        self.assertEqual(first.number(zone()), 1_800_000_000)
        self.now += 500
        self.assertEqual(first.number(zone()), 1_800_000_000)
        self.assertEqual(self.serials().number(zone()), 1_800_000_000)
        self.assertEqual(self.serials().number(zone(2)), 1_800_000_500)
        # And back: as content it is older, as a number it must not be.
        self.now += 1
        self.assertEqual(self.serials().number(zone()), 1_800_000_501)

    def test_always_up(self) -> None:
        """Two changes in one second, a clock that went back, the end of the numbers: each number is later."""
        serials = self.serials()
        before = serials.number(zone(1))
        for count, step in ((2, 0), (3, 0.5), (1, -86_400), (2, 0), (3, 3_000_000_000)):
            self.now += step
            number = serials.number(zone(count))
            self.assertTrue(later(number, before), (before, number))
            self.assertTrue(0 < number < WHOLE)
            before = number

    def test_damaged(self) -> None:
        """A file that can't be read is as none; one that can't be written costs a line in the log."""
        self.path.parent.mkdir()
        for damaged in (b"{", b'{"digest":"\xff","serial":1}'):
            self.path.write_bytes(damaged)
            self.assertEqual(self.serials().number(zone()), 1_800_000_000)
        self.path.unlink()
        self.path.mkdir()
        self.assertEqual(self.serials().number(zone()), 1_800_000_000)

    def test_nodes_agree(self) -> None:
        """Of the same content both nodes take the later number, whoever hears first; other content does not count."""
        one, two = self.serials(), Serials(None, lambda: self.now + 30)
        one.number(zone())
        two.number(zone())
        assert one.mark is not None and two.mark is not None
        self.assertIsNone(two.hear(one.mark))
        self.assertEqual(one.hear(two.mark), 1_800_000_030)
        self.assertIsNone(one.hear(two.mark))
        self.assertEqual(self.serials().number(zone()), 1_800_000_030)
        two.number(zone(2))
        self.assertIsNone(one.hear(two.mark))
        for serial in (0, -5, WHOLE, WHOLE + 1_900_000_000):
            self.assertIsNone(one.hear(Mark(one.mark.digest, serial)))

    def test_given(self) -> None:
        """A zone with a number of its own: a change without a later number is noticed, also after a restart."""
        first, same, worse, better = zone(1), zone(1), zone(2), zone(3)
        for each, serial in ((first, 10), (same, 10), (worse, 10), (better, 11)):
            each.renumber(serial)
        self.assertEqual(
            [self.serials().given(each) for each in (first, same, worse, better, better)],
            [True, True, False, True, True],
        )

    def test_digest(self) -> None:
        """The number itself does not count, everything else does."""
        one, other = zone(), zone()
        other.renumber(77)
        self.assertEqual((other.serial, other.soa[3][-20:-16], digest(other)), (77, b"\0\0\0\x4d", digest(one)))
        self.assertEqual(other.negative[3], other.soa[3])
        self.assertNotEqual(digest(one), digest(zone(2)))
        self.assertNotEqual(digest(one), digest(load_zone(Dns(ttl=31), NODES)))
        self.assertNotEqual(digest(one), digest(load_zone(Dns(geo_names=("x",)), NODES)))
