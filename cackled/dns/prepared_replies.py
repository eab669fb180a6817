"""Prepared replies for queries that came before, byte for byte: only the id and the client's subnet are filled in.

A *plan* is kept for a query without its id and, where it ends with an IPv4 client subnet /24, without those three
bytes. It holds finished replies, by location class or by number in `cackled.geo.rows.Rows`. Plans are forgotten
whenever answers are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from random import Random
from struct import Struct
from typing import Any

from cackled.geo.rows import Rows

from .answer import Entry, Variant
from .rrl import AMPLIFICATION
from .wire import QR, RD, TC

MAX_PLANS = 4096
# At most so many replies are kept in all plans together; a rotation has up to dns.nearest.VARIANTS of them.
MAX_REPLIES = 131_072

# A finished reply without its id and its subnet; the function that writes it down with them (``Struct.pack_into``: into
# what, where, id, these bytes, the subnet as two numbers if there is one); and how many bytes that makes.
Reply = tuple[bytes, Callable[..., None], int]
_PUTTERS: dict[tuple[int, bool], Callable[..., None]] = {}


def finished(body: bytes, subnet: bool) -> Reply:
    """*body* with the function that writes a reply of its length."""
    put = _PUTTERS.get((len(body), subnet))
    if put is None:
        struct = Struct(f">2s{len(body)}sHB" if subnet else f">2s{len(body)}s")
        put = _PUTTERS[len(body), subnet] = struct.pack_into
    return body, put, len(body) + (5 if subnet else 2)


class Replies(dict[int, Iterator[Reply]]):
    """Number of the place -> iterator over its replies, in rotation; made on first use."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[int], Iterator[Reply]]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, number: int) -> Iterator[Reply]:
        turn = self[number] = self._make(number)
        return turn


class Plan:
    """What to reply to one query.

    ``full`` has the replies for those who have proven their address, ``short`` for others: none of them is longer than
    `AMPLIFICATION` queries. Both are the same object where no reply is. ``bare`` is the reply with TC and nothing else,
    ``over`` the same finished. ``subnet``: the query ends with a client subnet. ``geo``: the replies depend on the
    place, which is the number of the class or, with a subnet, that of its pair of class and scope; else it is 0.
    """

    __slots__ = ("bare", "full", "geo", "kind", "over", "short", "subnet")
    # As a `Group` has them.
    tails: dict[int, Plan] | None = None

    def __init__(self, kind: int, geo: bool, subnet: bool, full: Replies, short: Replies, bare: bytes) -> None:
        self.kind = kind
        self.geo = geo
        self.subnet = subnet
        self.full = full
        self.short = short
        self.bare = bare
        self.over = finished(bare, subnet)


class Group:
    """Plans for queries without a subnet that differ in their last three bytes only: ``tails`` has them by those."""

    __slots__ = ("tails",)

    def __init__(self) -> None:
        self.tails: dict[int, Plan] = {}


class Plans:
    """All plans: ``known`` has them by the query without its id and without its last three bytes.

    ``rows`` belong to the index that clients are located by. ``whole`` and ``subnets`` count the plans of either kind.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.known: dict[bytes, Any] = {}
        self.rows: Rows = Rows.of_lookup(lambda packed: (0, 0))
        self.whole = 0
        self.subnets = 0
        self._replies = 0

    def clear(self) -> None:
        """Forget all. The dictionary stays the same object."""
        self.known.clear()
        self.whole = self.subnets = self._replies = 0

    def find(self, data: bytes) -> Plan | None:
        """The plan for the query *data*."""
        found = self.known.get(data[2:-3])
        if found is None or found.tails is None:
            return found
        return found.tails.get(int.from_bytes(data[-3:], "big"))

    def pair(self, subnet: bytes) -> tuple[int, int, int]:
        """For a /24: the number of its pair, its class and its scope."""
        number = self.rows.row(subnet[0] << 8 | subnet[1])[subnet[2]]
        return number, *self.rows.pairs[number]

    def learn(self, data: bytes, entry: Entry, opt: bytes, subnet: bool) -> None:
        """Keep a plan for the query *data*, which *entry* answers; its name is lower case, so that random case does not
        fill the memory.

        Args:
            opt: the reply's OPT record, up to the scope where *subnet* is true.
        """
        if self.whole + self.subnets >= MAX_PLANS:
            self.clear()
        question = data[12 : data.index(0, 12) + 5]
        which = (data[2] & RD) + (2 if opt else 0)
        limit = AMPLIFICATION * len(data) - 2 - (3 if subnet else 0)
        bare_opt = opt + b"\0" if subnet else opt
        fixed = len(question) + len(bare_opt) + 10
        rcode = entry.rcode & 0x0F

        def bare(aa: int) -> bytes:
            head = bytes((QR | TC | aa | data[2] & RD, rcode, 0, 1, 0, 0, 0, 0, 0, 1 if opt else 0))
            return head + question + bare_opt

        aa = (entry.variant[0][0][0] if entry.variant is not None else 0x84) & 0x04

        def maker(short: bool) -> Callable[[int], Iterator[Reply]]:
            def finish(variant: Variant, tail: bytes) -> Reply:
                excess = fixed + len(variant[1]) - limit
                if short and excess > 0:
                    shorter = entry.shorten(variant, excess)
                    if shorter is None:
                        return finished(bare(aa), subnet)
                    variant = shorter
                return finished(variant[0][which] + question + variant[1] + opt + tail, subnet)

            def make(number: int) -> Iterator[Reply]:
                if entry.table is None:
                    assert entry.variant is not None
                    return cycle([finish(entry.variant, b"\0" if subnet else b"")])
                scope = b""
                if subnet:
                    number, bits = self.rows.pairs[number]
                    scope = bytes((bits,))
                made = [finish(variant, scope) for variant in entry.variants(number)]
                self._replies += len(made)
                if self._replies > MAX_REPLIES:
                    self.clear()
                # Each plan rotates by itself. If all began at the first reply, the first one would be sent too often.
                at = self._random.randrange(len(made))
                return cycle(made[at:] + made[:at])

            return make

        full = Replies(maker(False))
        long = fixed + entry.size > limit
        short = Replies(maker(True)) if long else full
        plan = Plan(entry.kind, entry.table is not None, subnet, full, short, bare(aa))
        key = data[2:-3]
        if subnet:
            self.subnets += 1
            self.known[key] = plan
        else:
            self.whole += 1
            self.known.setdefault(key, Group()).tails[int.from_bytes(data[-3:], "big")] = plan
