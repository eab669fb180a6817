"""The geo index: flat arrays that map an address to its location class in a fraction of a microsecond.

A file (``.gix``) is written by build.py and read whole: magic, header length, checksum of what follows, header (JSON),
arrays, all little-endian. The address space is cut into aligned blocks whose addresses have one class, as large as they
can be; so a block's prefix length is the exact scope for client subnet answers (RFC 7871 section 7.2.1). IPv6 counts to
/64.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec
from msgspec import Struct

from .nearest import Order
from .paged import CODES, ROW, Paged, row_code
from .rows import Rows

MAGIC: Final = b"cackgix\x04"
# Magic, length, checksum.
_START: Final = 16
Lookup = Callable[[bytes], tuple[int, int]]


class DamagedIndex(Exception):
    """The file is no index, is damaged, or gives other results than its builder had."""


class Source(Struct, frozen=True):
    """An MMDB file as it was when the index was built."""

    path: str
    size: int
    mtime_ns: int
    sha256: str = ""


class Header(Struct, frozen=True, kw_only=True):
    """What an index file says about itself.

    ``settings`` names everything but the files that the index depends on; ``canaries`` are addresses with the class
    that the database itself gave for them.
    """

    settings: str
    sources: tuple[Source, ...]
    classes: tuple[Order, ...]
    # Distinct (class, prefix length) of blocks; a block holds the number of its pair.
    pairs: tuple[tuple[int, int], ...]
    blocks4: int
    blocks6: int
    # Lengths of the arrays of `Paged`; `write` puts them in.
    shape6: tuple[int, ...] = ()
    records: int
    canaries: tuple[tuple[str, int], ...] = ()


class Blocks:
    """One address family: first value of each block and number of its pair; sorted, without holes.

    ``tops`` has, for every value of the upper 16 bits, the number of blocks that start below it.
    """

    __slots__ = ("numbers", "starts", "tops")

    def __init__(self, starts: array[int], numbers: array[int], tops: array[int]) -> None:
        self.starts = starts
        self.numbers = numbers
        self.tops = tops

    @staticmethod
    def tops_of(starts: Sequence[int], bits: int) -> array[int]:
        """``tops`` for values of so many bits."""
        return array("I", [bisect_left(starts, high << (bits - 16)) for high in range(65537)])


def _lookup4(blocks: Blocks, pairs: Sequence[tuple[int, int]]) -> Lookup:
    starts, numbers, tops = blocks.starts, blocks.numbers, blocks.tops
    read, find = int.from_bytes, bisect_right

    def lookup(packed: bytes) -> tuple[int, int]:
        value = read(packed, "big")
        high = value >> 16
        return pairs[numbers[find(starts, value, tops[high], tops[high + 1]) - 1]]

    return lookup


def _one_class(packed: bytes) -> tuple[int, int]:
    return 0, 0


class Index:
    """Address -> (location class, scope in bits).

    ``lookup4`` and ``lookup6`` take 4 and 16 packed bytes, ``rows`` has the same for IPv4 client subnets.
    ``classes[n]`` is the preference order of class *n*.
    """

    __slots__ = ("classes", "header", "lookup4", "lookup6", "rows")

    def __init__(
        self, classes: Sequence[Order], lookup4: Lookup, lookup6: Lookup, header: Header | None,
        rows: Rows | None = None,
    ) -> None:
        self.classes = tuple(classes)
        self.lookup4 = lookup4
        self.lookup6 = lookup6
        self.header = header
        self.rows = Rows.of_lookup(lookup4) if rows is None else rows

    @classmethod
    def single(cls, order: Order) -> Index:
        """An index that has one class for everybody."""
        return cls((order,), _one_class, _one_class, None)

    def lookup(self, packed: bytes) -> tuple[int, int]:
        """The class of a packed address, and the length of the prefix that the class holds for."""
        return self.lookup4(packed) if len(packed) == 4 else self.lookup6(packed)

    def lookup_text(self, address: str) -> tuple[int, int, Order]:
        """Class, scope and preference order of an address given as text, for operators.

        Raises:
            ValueError: it is no address.
        """
        number, scope = self.lookup(ip_address(address).packed)
        return number, scope, self.classes[number]


def write(path: Path, header: Header, families: Sequence[Blocks]) -> None:
    """Write an index file, whole or not at all (a rename)."""
    four, six = families
    paged = Paged.of(six.starts, six.numbers, header.pairs)
    payload = b"".join(map(_bytes, (four.starts, four.numbers, four.tops, *paged.parts)))
    shape = tuple(map(len, paged.parts))
    head = msgspec.json.encode(msgspec.structs.replace(header, shape6=shape))
    rest = head + payload
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(MAGIC + len(head).to_bytes(4, "little") + crc32(rest).to_bytes(4, "little") + rest)
    temporary.replace(path)


def read_header(path: Path) -> Header:
    """The header alone; the checksum is not checked.

    Raises:
        DamagedIndex: the file can't be read or is no index.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START)
            return _header(path, file.read(_length(path, start)))
    except OSError as error:
        raise DamagedIndex(f"{path}: {error.strerror or error}") from None


def _length(path: Path, start: bytes) -> int:
    if len(start) < _START or start[:8] != MAGIC:
        raise DamagedIndex(f"{path}: no index of this version")
    return int.from_bytes(start[8:12], "little")


def _header(path: Path, head: bytes) -> Header:
    try:
        return msgspec.json.decode(head, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DamagedIndex(f"{path}: damaged header: {error}") from None


def load(path: Path, *, thorough: bool = False) -> Index:
    """Read an index file and check it: size, checksum, and the canaries; *thorough*, every block as well.

    Raises:
        DamagedIndex: it can't be read, is damaged, or gives another class for a canary.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DamagedIndex(f"{path}: {error.strerror or error}") from None
    end = _START + _length(path, raw[:_START])
    whole = memoryview(raw)
    if crc32(whole[_START:]) != int.from_bytes(raw[12:_START], "little"):
        raise DamagedIndex(f"{path}: damaged (checksum)")
    header = _header(path, raw[_START:end])
    payload = whole[end:]
    if len(header.shape6) != len(CODES) or not header.blocks4 or not header.blocks6:
        raise DamagedIndex(f"{path}: damaged (blocks)")
    if header.shape6[2] % ROW:
        raise DamagedIndex(f"{path}: damaged (blocks)")
    rows = row_code(len(header.pairs), max(header.shape6[2] // ROW, header.shape6[3] - 1))
    codes = [rows if code == "#" else code for code in CODES]
    shape = [("I", header.blocks4), ("I", header.blocks4), ("I", 65537), *zip(codes, header.shape6, strict=True)]
    parts = []
    at = 0
    for code, count in shape:
        part = array(code)
        part.frombytes(payload[at : at + count * part.itemsize])
        if sys.byteorder == "big":
            part.byteswap()
        if len(part) != count:
            raise DamagedIndex(f"{path}: damaged (length)")
        at += count * part.itemsize
        parts.append(part)
    blocks, paged = Blocks(*parts[:3]), Paged(parts[3:])
    if blocks.starts[0]:
        raise DamagedIndex(f"{path}: damaged (blocks)")
    if thorough:
        _check(blocks, path, len(header.pairs))
        for fault in paged.faults(len(header.pairs)):
            raise DamagedIndex(f"{path}: {fault}")
    pairs = list(header.pairs)
    if any(number >= len(header.classes) for number, _ in pairs):
        raise DamagedIndex(f"{path}: damaged (classes)")
    nets = Rows.of_blocks(blocks.starts, blocks.numbers, blocks.tops, pairs)
    index = Index(header.classes, _lookup4(blocks, pairs), paged.lookup(pairs), header, nets)
    for text, number in header.canaries:
        if index.lookup_text(text)[0] != number:
            raise DamagedIndex(f"{path}: {text} is in class {index.lookup_text(text)[0]}, the database says {number}")
    return index


def _check(blocks: Blocks, path: Path, pairs: int) -> None:
    starts = blocks.starts
    if max(blocks.numbers) >= pairs:
        raise DamagedIndex(f"{path}: a block refers to pair {max(blocks.numbers)} of {pairs}")
    if any(starts[at] >= starts[at + 1] for at in range(len(starts) - 1)):
        raise DamagedIndex(f"{path}: blocks out of order")


def _bytes(part: array[int]) -> bytes:
    if sys.byteorder == "big":
        part = array(part.typecode, part)
        part.byteswap()
    return part.tobytes()
