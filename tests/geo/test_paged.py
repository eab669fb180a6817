"""The layout of IPv6 blocks, against the blocks themselves."""

from __future__ import annotations

from array import array
from bisect import bisect_right

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.geo.build import cut
from cackled.geo.paged import Paged, row_code

POINTS = st.lists(
    st.tuples(
        st.one_of(
            st.integers(1, 2**64 - 1),
            # Borders of /20 to /64 that lie close together.
            st.builds(
                lambda high, low, bits: (0x2A00 << 48 | high << 32 | low) >> (64 - bits) << (64 - bits),
                st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), st.integers(20, 64),
            ),
        ),
        st.integers(0, 3),
    ),
    max_size=30,
)


class PagedTests(SynchronousTestCase):
    @settings(max_examples=60, deadline=None)
    @given(POINTS, st.integers(0, 2**64 - 1))
    def test_same_as_the_blocks(self, points: list[tuple[int, int]], somewhere: int) -> None:
        """At both sides of every border, and anywhere, the look-up gives the block's pair; nothing is found faulty."""
        ranges: list[tuple[int, int]] = [(0, 0)]
        for start, number in sorted(dict(points).items()):
            if number != ranges[-1][1]:
                ranges.append((start, number))
        pairs: dict[tuple[int, int], int] = {}
        blocks = cut(ranges, 64, "Q", pairs)
        table = list(pairs)
        paged = Paged.of(blocks.starts, blocks.numbers, table)
        self.assertEqual(list(paged.faults(len(table))), [])
        lookup = paged.lookup(table)
        values = {0, 2**64 - 1, somewhere}
        for start, _ in ranges:
            values |= {start, max(0, start - 1), min(2**64 - 1, start + 1)}
        for value in values:
            expected = table[blocks.numbers[bisect_right(blocks.starts, value) - 1]]
            self.assertEqual(lookup(value.to_bytes(8, "big") + b"\xff" * 8), expected, hex(value))

    def test_many_pairs(self) -> None:
        """With more numbers than two bytes count, rows have four."""
        self.assertEqual((row_code(65000, 535), row_code(65000, 536)), ("H", "I"))
        table = [(0, 1)] * 70_000
        table[69_999] = 1, 32
        starts, numbers = array("Q", [0, 0x2A00_0001 << 32]), array("I", [0, 69_999])
        paged = Paged.of(starts, numbers, table)
        self.assertEqual(paged.parts[1].typecode, "I")
        self.assertEqual(paged.lookup(table)(bytes.fromhex("2a000001") + bytes(12)), (1, 32))

    def test_faults(self) -> None:
        """Each kind of damage that a checksum can't see is named."""
        pairs: dict[tuple[int, int], int] = {}
        ranges = [(0, 0), (0x2A00 << 48, 1), (0x2A00_0001_8000 << 16, 2), (0x2A00_0001_8001 << 16, 0)]
        blocks = cut(ranges, 64, "Q", pairs)
        good = Paged.of(blocks.starts, blocks.numbers, list(pairs)).parts
        self.assertEqual([len(part) > 0 for part in good], [True] * 8)
        self.assertEqual(list(Paged(good).faults(len(pairs))), [])
        for part, at, value in (
            (1, 0, len(pairs) + 5), (2, 0, 60_000), (3, 0, 9999), (4, 0, 1), (4, 1, 0), (5, 0, 999), (6, 1, 0),
            (7, 0, 999),
        ):
            parts = [each[:] for each in good]
            parts[part][at] = value
            self.assertTrue(list(Paged(parts).faults(len(pairs))), (part, at))
        for part in range(8):
            parts = list(good)
            parts[part] = parts[part][:-1]
            self.assertTrue(list(Paged(parts).faults(len(pairs))), part)
