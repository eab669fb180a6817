"""IPv6 blocks laid out as rows of 256, so that most addresses need no search.

Nearly all IPv6 networks that distinguish places are /26 to /40, in a few thousand of the two million /24s in use. Each
of those /24s has a row with a number for each of its /32s. The number is that of the pair for the whole /32; a number
above those of the pairs means another row, for the /40s in it. In that row, a number above those of the pairs means a
*group*: blocks longer than /40, which are searched. Blocks of /24 and shorter are few, and are searched separately.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Final

ROW: Final = 256
# Codes of the arrays, in the order of the file; "#" stands for that of the rows, "H" where the numbers fit.
CODES: Final = ("I", "#", "#", "I", "I", "I", "I", "I")


def row_code(pairs: int, more: int) -> str:
    """The array code of rows, given the number of pairs and that of second rows or groups, whichever is more."""
    return "H" if pairs + more <= 0xFFFF else "I"


class Paged:
    """The blocks of IPv6. ``parts`` are the arrays, as the file has them:

    the /24s that have a row; their rows; the rows for /40s; the first block of each group, and behind the last one
    their count; the last 24 bits of those blocks' first values, and their numbers; the first 32 bits of blocks of /24
    or shorter, and their numbers.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[array[int]]) -> None:
        self.parts = tuple(parts)

    @classmethod
    def of(cls, starts: Sequence[int], numbers: Sequence[int], pairs: Sequence[tuple[int, int]]) -> Paged:
        """Lay out sorted, aligned blocks without holes: first values of 64 bits, and the numbers of their pairs."""
        count = len(pairs)
        pages, groups, lows, fine, short, short_numbers = (array("I") for _ in range(6))
        rows, seconds = array("I"), array("I")
        above = group = -1
        for start, number in zip(starts, numbers, strict=True):
            bits = pairs[number][1]
            key = start >> 32
            if bits <= 24:
                short.append(key)
                short_numbers.append(number)
                continue
            if not pages or pages[-1] != key >> 8:
                pages.append(key >> 8)
                rows.extend([0] * ROW)
            if bits <= 32:
                _fill(rows, key & 0xFF, 32 - bits, number)
                continue
            if above != key:
                above = key
                rows[len(rows) - ROW + (key & 0xFF)] = count + len(seconds) // ROW
                seconds.extend([0] * ROW)
            fourth = start >> 24
            if bits <= 40:
                _fill(seconds, fourth & 0xFF, 40 - bits, number)
                continue
            if group != fourth:
                group = fourth
                seconds[len(seconds) - ROW + (fourth & 0xFF)] = count + len(groups)
                groups.append(len(lows))
            lows.append(start & 0xFFFFFF)
            fine.append(number)
        code = row_code(count, max(len(seconds) // ROW, len(groups)))
        groups.append(len(lows))
        return cls((pages, array(code, rows), array(code, seconds), groups, lows, fine, short, short_numbers))

    def lookup(self, pairs: Sequence[tuple[int, int]]) -> Callable[[bytes], tuple[int, int]]:
        """The function from 16 packed bytes to the pair."""
        pages, rows, seconds, groups, lows, fine, short, short_numbers = self.parts
        row_of = {page.to_bytes(3, "big"): ROW * row for row, page in enumerate(pages)}.get
        tops = array("I", [bisect_left(short, high << 16) for high in range(65537)])
        count = len(pairs)
        read, find = int.from_bytes, bisect_right

        def lookup(packed: bytes) -> tuple[int, int]:
            row = row_of(packed[:3])
            if row is None:
                key = read(packed[:4], "big")
                high = key >> 16
                return pairs[short_numbers[find(short, key, tops[high], tops[high + 1]) - 1]]
            number = rows[row + packed[3]]
            if number < count:
                return pairs[number]
            number = seconds[(number - count) * ROW + packed[4]]
            if number < count:
                return pairs[number]
            number -= count
            return pairs[fine[find(lows, read(packed[5:8], "big"), groups[number], groups[number + 1]) - 1]]

        return lookup

    def faults(self, pairs: int) -> Iterable[str]:
        """The faults found in the arrays, for a file that is about to be used for the first time."""
        pages, rows, seconds, groups, lows, fine, short, short_numbers = self.parts
        if (
            len(rows) != ROW * len(pages) or len(seconds) % ROW or len(lows) != len(fine)
            or len(short) != len(short_numbers) or not groups or groups[-1] != len(lows)
        ):  # fmt: skip
            yield "tables of different lengths"
            return
        if max(rows, default=0) >= pairs + len(seconds) // ROW:
            yield "a row refers to nothing"
        if max(seconds, default=0) >= pairs + len(groups) - 1:
            yield "a row of the second kind refers to nothing"
        if max(fine, default=0) >= pairs or max(short_numbers, default=0) >= pairs:
            yield "a block refers to no pair"
        for name, part in (("pages", pages), ("groups", groups), ("short blocks", short)):
            if any(part[at] >= part[at + 1] for at in range(len(part) - 1)):
                yield f"{name} out of order"
        for at in range(len(groups) - 1):
            inside = lows[groups[at] : groups[at + 1]]
            if not inside or inside[0] or any(inside[n] >= inside[n + 1] for n in range(len(inside) - 1)):
                yield f"group {at} out of order"
        if not short and len(pages) != 1 << 24:
            yield "holes"


def _fill(rows: array[int], at: int, bits: int, number: int) -> None:
    """Put *number* into ``2 ** bits`` places of the last row, from *at* on."""
    start = len(rows) - ROW + at
    count = 1 << bits
    rows[start : start + count] = array(rows.typecode, [number]) * count
