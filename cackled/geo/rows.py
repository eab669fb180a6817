"""The geo index once more for IPv4 client subnets, which are /24: a row of 256 numbers for each /16.

Nearly all resolvers that send a subnet send a /24. Two looks at a table find its pair of class and scope in a fifth of
the time of a search. Rows are made as they are asked for; all of them together are 19 MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Final

Pair = tuple[int, int]
Row = Sequence[int]

_BYTES: Final = 256


class Rows(list["Row | None"]):
    """Upper 16 bits of an address -> the row of its /24s, or None where nobody has asked yet: then `row` makes it.

    A row holds numbers of ``pairs``: the class of the first address of each /24, and its scope, which is no finer than
    /24 (RFC 7871 section 11.1).
    """

    __slots__ = ("_make", "pairs")

    def __init__(self, pairs: list[Pair], make: Callable[[int], Sequence[int]]) -> None:
        super().__init__([None] * 65_536)
        self.pairs = pairs
        self._make = make

    def row(self, high: int) -> Row:
        """The row of the /16 *high*, made now if it is not there."""
        row = self[high]
        if row is None:
            row = self[high] = self._make(high)
        return row

    @classmethod
    def of_blocks(
        cls, starts: Sequence[int], numbers: Sequence[int], tops: Sequence[int], pairs: Sequence[Pair]
    ) -> Rows:
        """From the blocks of an index (`cackled.geo.index.Blocks`)."""
        # /16s without a border inside share the row of their pair.
        whole: dict[int, Row] = {}
        few = len(pairs) <= _BYTES

        def make(high: int) -> Row:
            base, first, last = high << 16, tops[high], tops[high + 1]
            at = first if first < last and starts[first] == base else first - 1
            number = numbers[at]
            if last - at <= 1:
                row = whole.get(number)
                if row is None:
                    row = whole[number] = packed([number] * 256)
                return row
            found: list[int] = []
            for block in range(at + 1, last):
                # Up to the first /24 that begins in this block or behind it.
                found += [number] * (((starts[block] - base + 255) >> 8) - len(found))
                number = numbers[block]
            return packed(found + [number] * (256 - len(found)))

        def packed(found: list[int]) -> Row:
            return bytes(found) if few else array("I", found)

        return cls([(number, min(scope, 24)) for number, scope in pairs], make)

    @classmethod
    def of_lookup(cls, lookup4: Callable[[bytes], Pair]) -> Rows:
        """By asking for each address: for indexes that are not made of blocks."""
        pairs: list[Pair] = []
        known: dict[Pair, int] = {}

        def make(high: int) -> Row:
            row = array("I")
            for low in range(256):
                number, scope = lookup4(bytes((high >> 8, high & 255, low, 0)))
                pair = number, min(scope, 24)
                if pair not in known:
                    known[pair] = len(pairs)
                    pairs.append(pair)
                row.append(known[pair])
            return row

        return cls(pairs, make)
