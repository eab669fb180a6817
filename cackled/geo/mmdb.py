"""MMDB search trees, walked over their bytes; records are decoded by maxminddb.

Asking the reader network by network would decode a record for each; the walk gives data pointers, of which there are
far fewer than networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import maxminddb

# The IPv4 addresses are the first /96 of an IPv6 tree.
_V4_DEPTH = 96
V6_BITS = 64

# A leaf: the first address of the network (IPv6: its upper 64 bits), and the record's pointer, None where none is.
Leaf = tuple[int, int | None]


class BrokenDatabase(Exception):
    """The file is no MMDB, or its tree leads nowhere."""


class Database:
    """One MMDB file, read whole.

    Raises:
        BrokenDatabase: it can't be read or its metadata make no sense; from `walk4` and `walk6`, that the tree does
            not end where it must or has far more branches than nodes.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._reader = maxminddb.open_database(path, maxminddb.MODE_MMAP_EXT)
        except (OSError, ValueError, maxminddb.InvalidDatabaseError) as error:
            raise BrokenDatabase(f"{path}: {error}") from None
        metadata = self._reader.metadata()
        self._nodes: int = metadata.node_count
        self._version: int = metadata.ip_version
        size = metadata.record_size
        if size not in (24, 28, 32) or self._version not in (4, 6) or self._nodes < 1:
            raise BrokenDatabase(f"{path}: record size {size}, IP version {self._version}, {self._nodes} nodes")
        length = self._nodes * size // 4
        with Path(path).open("rb") as file:
            tree = file.read(length)
        if len(tree) < length:
            raise BrokenDatabase(f"{path}: cut short")
        self._children = _children(tree, size)
        self._left = 4 * self._nodes + 1000

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def record(self, address: str) -> object:
        """The record of an address, None where there is none.

        Raises:
            BrokenDatabase: the data section is damaged.
        """
        try:
            return self._reader.get(address)
        except (ValueError, maxminddb.InvalidDatabaseError) as error:
            raise BrokenDatabase(f"{self.path}: {error}") from None

    def walk4(self) -> Iterator[Leaf]:
        """The IPv4 leaves, in order of address."""
        if self._version == 4:
            return self._walk(0, 32, -1)
        root = self._v4_root()
        # An IPv6 database without IPv4 ends above the /96.
        return iter(()) if root >= self._nodes else self._walk(root, 32, -1)

    def walk6(self) -> Iterator[Leaf]:
        """The IPv6 leaves down to /64, in order; the IPv4 tree and its aliases (2002::/16 and others) are empty."""
        if self._version == 4:
            return iter(())
        root = self._v4_root()
        return self._walk(0, V6_BITS, root if root < self._nodes else -1)

    def _v4_root(self) -> int:
        node = 0
        for _ in range(_V4_DEPTH):
            if node >= self._nodes:
                break
            node = self._children(node)[0]
        return node

    def _walk(self, root: int, bits: int, skip: int) -> Iterator[Leaf]:
        nodes, children = self._nodes, self._children
        stack = [(root, 0, bits)]
        while stack:
            node, value, below = stack.pop()
            if node > nodes:
                yield value, node
            elif node in (nodes, skip):
                yield value, None
            else:
                self._left -= 1
                if self._left < 0:
                    raise BrokenDatabase(f"{self.path}: the search tree is not a tree")
                if below:
                    left, right = children(node)
                    stack.append((right, value | 1 << (below - 1), below - 1))
                    stack.append((left, value, below - 1))
                elif bits == V6_BITS:
                    yield value, self._first(node)
                else:
                    raise BrokenDatabase(f"{self.path}: the search tree is too deep")

    def _first(self, node: int) -> int | None:
        """The first record below a /64."""
        for _ in range(128 - V6_BITS):
            if node >= self._nodes:
                break
            left, right = self._children(node)
            node = right if left == self._nodes else left
        return node if node > self._nodes else None


def _children(tree: bytes, size: int) -> Callable[[int], tuple[int, int]]:
    """The function that gives both children of a node."""
    read = int.from_bytes
    if size == 24:

        def children24(node: int) -> tuple[int, int]:
            at = node * 6
            return read(tree[at : at + 3], "big"), read(tree[at + 3 : at + 6], "big")

        return children24
    if size == 28:

        def children28(node: int) -> tuple[int, int]:
            at = node * 7
            middle = tree[at + 3]
            return (
                (middle & 0xF0) << 20 | read(tree[at : at + 3], "big"),
                (middle & 0x0F) << 24 | read(tree[at + 4 : at + 7], "big"),
            )

        return children28

    def children32(node: int) -> tuple[int, int]:
        at = node * 8
        return read(tree[at : at + 4], "big"), read(tree[at + 4 : at + 8], "big")

    return children32


def text4(value: int) -> str:
    """The IPv4 address of a leaf."""
    return str(IPv4Address(value))


def text6(value: int) -> str:
    """The first IPv6 address of a leaf."""
    return str(IPv6Address(value << (128 - V6_BITS)))
