"""Rows of /24s: they say of each /24 what the search says of its first address."""

from __future__ import annotations

from array import array
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from cackled.geo.index import Blocks, _lookup4
from cackled.geo.rows import Rows


def made_up(random: Random, pairs: int) -> Blocks:
    """Blocks without holes: some /16s whole, some cut into pieces, also within a /24."""
    starts = {0}
    for _ in range(400):
        high = random.choice((0, 1, 2, 0x0A01, 0x0A02, 0xFFFF, random.randrange(65_536)))
        starts.add(high << 16 | random.choice((0, 0x100, 0x180, 0xFF00, 0xFFFF, random.randrange(65_536))))
    ordered = array("I", sorted(starts))
    numbers = array("I", [random.randrange(pairs) for _ in ordered])
    return Blocks(ordered, numbers, Blocks.tops_of(ordered, 32))


class RowsTests(SynchronousTestCase):
    def test_as_the_search(self) -> None:
        """With few pairs and with more than a byte can tell."""
        for seed, count in ((1, 7), (2, 255), (3, 256), (4, 300)):
            random = Random(seed)
            blocks = made_up(random, count)
            pairs = [(number, 8 + number % 25) for number in range(count)]
            rows = Rows.of_blocks(blocks.starts, blocks.numbers, blocks.tops, pairs)
            search = _lookup4(blocks, pairs)
            for high in (0, 1, 2, 3, 0x0A01, 0x0A02, 0xFFFE, 0xFFFF, *random.sample(range(65_536), 50)):
                row = rows.row(high)
                self.assertIs(rows[high], row)
                self.assertEqual(len(row), 256)
                for low in range(256):
                    number, scope = search(bytes((high >> 8, high & 255, low, 0)))
                    self.assertEqual(rows.pairs[row[low]], (number, min(scope, 24)), (high, low))

    def test_by_asking(self) -> None:
        """An index of another make gives the same."""
        rows = Rows.of_lookup(lambda packed: (packed[2] // 100, 28))
        row = rows.row(5)
        self.assertEqual([rows.pairs[row[low]] for low in (0, 100, 255)], [(0, 24), (1, 24), (2, 24)])
        self.assertIsNone(rows[6])
