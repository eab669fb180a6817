"""Signatures made when they are first needed, kept, and bounded in number per second.

The number of answers for names in the zone is limited, so all their signatures are made and kept. Names below a
wildcard and names that don't exist are unlimited: for them there is a budget of signatures per second, and when too
many are kept, the oldest are dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from cackled.token_bucket import TokenBucket

from .wire import AAAA, IN, NSEC, RECORD, RRSIG, A, split_name

if TYPE_CHECKING:
    from .keys import Key

NXNAME = 128
# Signatures are valid from some time ago, for clients whose clock is slow, and are renewed long before they expire.
BEFORE = 3600
LIFETIME = 14 * 86_400
RENEW_SECONDS = 86_400.0
# How often the wall clock is checked, and by how many seconds it may differ from the monotonic clock before it jumped.
LOOK_SECONDS = 60.0
SKEW = 900.0
MAX_KEPT = 20_000


class Busy(Exception):
    """The budget for signatures is spent; nothing was signed."""


class Signer:
    """Signs RRsets of one zone.

    Args:
        keys: the first signs; all are published.
        origin: the zone's name, lower case.
        wall: seconds since 1970.
        clock: seconds of a clock that does not jump.
        rate: signatures per second for names that are not in the zone.
    """

    def __init__(
        self, keys: list[Key], origin: bytes, wall: Callable[[], float], clock: Callable[[], float], rate: int
    ) -> None:
        self.keys = keys
        self._key = keys[0]
        self._origin = origin
        self._wall = wall
        self._clock = clock
        self._budget = TokenBucket(rate, rate, clock())
        self._fixed: dict[tuple[bytes, int, int, tuple[bytes, ...]], bytes] = {}
        self._kept: OrderedDict[tuple[bytes, int, int, tuple[bytes, ...]], bytes] = OrderedDict()
        self._since = wall()
        self._offset = self._since - clock()
        # Another one whenever all signatures are forgotten.
        self.age = 0
        self.made = 0
        self.refused = 0

    def stale(self) -> bool:
        """Whether it is time to `renew`: a day has passed, or the wall clock has jumped since this was last asked.

        What was signed before a clock was set right may not hold yet, or no longer.
        """
        now = self._wall()
        before, self._offset = self._offset, now - self._clock()
        return now - self._since >= RENEW_SECONDS or abs(self._offset - before) > SKEW

    def renew(self) -> None:
        """Forget all signatures: those made from now on hold for a whole lifetime."""
        self._fixed.clear()
        self._kept.clear()
        self._since = self._wall()
        self.age += 1

    def sign(self, owner: bytes, rtype: int, ttl: int, rdatas: Iterable[bytes], *, fixed: bool) -> bytes:
        """The RRSIG rdata for an RRset (RFC 4034 section 3); *owner* is lower case; *fixed*: it is in the zone.

        Raises:
            Busy: it is not, and the budget is spent.
        """
        key = owner, rtype, ttl, tuple(sorted(rdatas))
        found = self._fixed.get(key) or self._kept.get(key)
        if found is not None:
            return found
        if not fixed:
            self._spend()
        self.made += 1
        made = self._make(*key)
        if fixed:
            self._fixed[key] = made
        else:
            self._kept[key] = made
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return made

    def _spend(self) -> None:
        if not self._budget.take(self._clock()):
            self.refused += 1
            raise Busy

    def _make(self, owner: bytes, rtype: int, ttl: int, rdatas: tuple[bytes, ...]) -> bytes:
        now = int(self._wall())
        labels = split_name(owner)
        count = len(labels) - (1 if labels and labels[0] == b"*" else 0)
        head = (
            rtype.to_bytes(2, "big") + bytes((self._key.algorithm, count)) + ttl.to_bytes(4, "big")
            + ((now + LIFETIME) & 0xFFFFFFFF).to_bytes(4, "big") + ((now - BEFORE) & 0xFFFFFFFF).to_bytes(4, "big")
            + self._key.tag.to_bytes(2, "big") + self._origin
        )  # fmt: skip
        start = owner + RECORD.pack(rtype, IN, ttl, 0)[:-2]
        data = [head]
        for rdata in sorted(_canonical(rtype, each) for each in rdatas):
            data.append(start + len(rdata).to_bytes(2, "big") + rdata)
        return head + self._key.sign(b"".join(data))


def _canonical(rtype: int, rdata: bytes) -> bytes:
    """RFC 4034 section 6.2: names inside the types of old in lower case."""
    if rtype in (A, AAAA, NSEC):
        return rdata
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    kind = dns.rdatatype.RdataType.make(rtype)
    parsed = dns.rdata.from_wire(dns.rdataclass.IN, kind, rdata, 0, len(rdata))
    return parsed.to_digestable()


def nsec(name: bytes, types: Iterable[int]) -> bytes:
    """The rdata of an NSEC at *name* that denies all types but *types*, and no other name (RFC 9824 section 3)."""
    return after(name) + _bitmap(types)


def _bitmap(types: Iterable[int]) -> bytes:
    bitmaps: dict[int, bytearray] = {}
    for rtype in (*types, RRSIG, NSEC):
        bitmap = bitmaps.setdefault(rtype >> 8, bytearray(32))
        bitmap[(rtype & 0xFF) >> 3] |= 0x80 >> (rtype & 7)
    out = bytearray()
    for window, bitmap in sorted(bitmaps.items()):
        used = bytes(bitmap).rstrip(b"\0")
        out += bytes((window, len(used))) + used
    return bytes(out)


# For a name that does not exist.
NXNAME_BITMAP = _bitmap((NXNAME,))


def after(name: bytes) -> bytes:
    """The next name in canonical order that there could be (RFC 4471 section 3.1.2)."""
    if len(name) <= 253:
        return b"\1\0" + name
    first = name[1 : 1 + name[0]]
    rest = name[1 + name[0] :]
    if len(name) == 254 and len(first) < 63:
        return bytes((len(first) + 1,)) + first + b"\0" + rest
    while first and first[-1] == 0xFF:
        first = first[:-1]
    # A label of 63 bytes 0xFF has no next sibling; the zone's own name ends any list.
    last = b"[" if first and first[-1] == 0x40 else bytes((first[-1] + 1,)) if first else b"\xff"
    return bytes((max(1, len(first)),)) + first[:-1] + last + rest
