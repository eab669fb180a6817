"""Queries that came before, byte for byte: what is left to do is to put the id and the client's subnet into the reply.

Part of dns; may touch dns.answer, dns.rrl and dns.wire. A *plan* is kept for a query without its id and, where it ends
with an IPv4 client subnet /24, without those three bytes. It holds finished replies, by location class (and scope).
Plans are forgotten whenever answers are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from random import Random

from .answer import Entry, Variant
from .rrl import AMPLIFICATION
from .wire import QR, RD, TC

MAX_PLANS = 4096
# Replies kept in all plans, together; a rotation has up to dns.nearest.VARIANTS of them.
MAX_REPLIES = 131_072


# A location class, or with a client subnet the class and the scope.
Key = int | tuple[int, int]


class Replies(dict[Key, Iterator[bytes]]):
    """Class, or class and scope -> replies by turns, without id and subnet; made as they are asked for."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[Key], Iterator[bytes]]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> Iterator[bytes]:
        turn = self[key] = self._make(key)
        return turn


class Plan:
    """What to reply to one query.

    ``full`` has the replies for those who have proven their address, ``short`` for others: none of them is longer than
    `AMPLIFICATION` queries. Both are the same object where no reply is. ``bare`` is the reply with TC and nothing else.
    ``geo``: the replies depend on the place; else their key is 0.
    """

    __slots__ = ("bare", "full", "geo", "kind", "short")

    def __init__(self, kind: int, geo: bool, full: Replies, short: Replies, bare: bytes) -> None:
        self.kind = kind
        self.geo = geo
        self.full = full
        self.short = short
        self.bare = bare


class Plans:
    """All plans: ``whole`` by query without id, ``subnets`` by query without id and subnet."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.whole: dict[bytes, Plan] = {}
        self.subnets: dict[bytes, Plan] = {}
        self._replies = 0

    def clear(self) -> None:
        """Forget all. The dictionaries stay the same objects."""
        self.whole.clear()
        self.subnets.clear()
        self._replies = 0

    def learn(self, data: bytes, entry: Entry, opt: bytes, subnet: bool) -> None:
        """Keep a plan for the query *data*, which *entry* answers; its name is lower case, so that random case does not
        fill the memory.

        Args:
            opt: the reply's OPT record, up to the scope where *subnet* is true.
        """
        if len(self.whole) + len(self.subnets) >= MAX_PLANS:
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

        def maker(short: bool) -> Callable[[Key], Iterator[bytes]]:
            def finish(variant: Variant, tail: bytes) -> bytes:
                excess = fixed + len(variant[1]) - limit
                if short and excess > 0:
                    shorter = entry.shorten(variant, excess)
                    if shorter is None:
                        return bare(aa)
                    variant = shorter
                return variant[0][which] + question + variant[1] + opt + tail

            def make(key: Key) -> Iterator[bytes]:
                if entry.table is None:
                    assert entry.variant is not None
                    return cycle([finish(entry.variant, b"\0" if subnet else b"")])
                if isinstance(key, tuple):
                    # Finer than /24 only for who asked so fine (RFC 7871 section 11.1).
                    number, scope = key[0], bytes((min(key[1], 24),))
                else:
                    number, scope = key, b""
                made = [finish(variant, scope) for variant in entry.variants(number)]
                self._replies += len(made)
                if self._replies > MAX_REPLIES:
                    self.clear()
                # Each plan turns by itself: from the start of the row for all, the first would be had too often.
                at = self._random.randrange(len(made))
                return cycle(made[at:] + made[:at])

            return make

        full = Replies(maker(False))
        long = fixed + entry.size > limit
        short = Replies(maker(True)) if long else full
        known = self.subnets if subnet else self.whole
        known[data[2:-3] if subnet else data[2:]] = Plan(entry.kind, entry.table is not None, full, short, bare(aa))
