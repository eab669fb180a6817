"""From question to answer: the semantics of an authoritative server, and answers kept as wire bytes.

RFC 1034 section 4.3.2 (look-up), 2308 (negative answers), 4592 (wildcards), 8482 (minimal ANY).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from itertools import cycle

from .nearest import Addresses, NearestAnswers
from .wire import (
    AA,
    AAAA,
    ANY,
    CNAME,
    DS,
    HINFO,
    IN,
    NOERROR,
    NS,
    NSEC,
    NXDOMAIN,
    QR,
    RD,
    RECORD,
    RRSIG,
    A,
    Record,
    Writer,
)
from .zone import Zone

# Finished answers are kept for this many questions, then learned anew: a flood of names can't fill the memory.
LEARNED = 16_384
_MINIMAL_ANY = b"\x07RFC8482\x00"
_ANY_TTL = 3600

# The ten header bytes behind the id, for (recursion desired: no, yes) and then the same with OPT; and all records.
Variant = tuple[tuple[bytes, bytes, bytes, bytes], bytes]


class Kind(IntEnum):
    """Classes of answers, as rate limiting counts them."""

    ANSWER = 0
    NODATA = 1
    NXDOMAIN = 2
    REFERRAL = 3
    ERROR = 4


class Resolved:
    """What a question comes to, as records.

    ``geo``: the name whose nearest addresses end the answer section; ``name``: the last one that was looked up.
    """

    __slots__ = ("aa", "additional", "answers", "authority", "geo", "kind", "name", "rcode")

    def __init__(self) -> None:
        self.rcode = NOERROR
        self.aa = True
        self.kind = Kind.ANSWER
        self.answers: list[Record] = []
        self.geo: bytes | None = None
        self.name = b""
        self.authority: list[Record] = []
        self.additional: list[Record] = []


class Table(dict[int, Iterator[Variant]]):
    """Location class -> iterator over the answers that rotate there; made as classes are met."""

    __slots__ = ("variants",)

    def __init__(self, variants: Callable[[int], list[Variant]]) -> None:
        super().__init__()
        self.variants = variants

    def __missing__(self, number: int) -> Iterator[Variant]:
        turn = self[number] = cycle(self.variants(number))
        return turn


class Entry:
    """The finished answer to one question.

    Either ``variant`` is the answer for everybody, or ``table`` has, by location class, the answers that rotate there.
    ``size``: bytes of the longest variant. Where answers end with addresses of which some may be left out, ``record``
    is the size of one, and ``aliases`` the number of records before them.
    """

    __slots__ = ("aliases", "kind", "rcode", "record", "size", "table", "variant")

    def __init__(self, kind: Kind, rcode: int) -> None:
        self.kind = int(kind)
        self.rcode = rcode
        self.size = 0
        self.variant: Variant | None = None
        self.table: Table | None = None
        self.record = 0
        self.aliases = 0

    def variants(self, number: int) -> list[Variant]:
        """All answers that rotate in a location class."""
        assert self.table is not None
        return self.table.variants(number)

    def shorten(self, variant: Variant, excess: int) -> Variant | None:
        """*variant* less so many of its addresses that at least *excess* bytes are saved; None if none would be left.

        The nearest stay.
        """
        head, body = variant
        if not self.record:
            return None
        drop = -(-excess // self.record)
        left = int.from_bytes(head[0][4:6], "big") - drop
        if left <= self.aliases:
            return None
        count = left.to_bytes(2, "big")
        shorter = tuple([each[:4] + count + each[6:] for each in head])
        return shorter, body[: len(body) - drop * self.record]  # type: ignore[return-value]


Finish = Callable[[bytes, int, Resolved], Entry]


class Answers:
    """Answers questions about one zone.

    ``table`` maps question bytes (lower-case name, type, class) to finished answers; it is the whole fast path.
    Whoever changes liveness or classes in *nearest* calls `refresh` in the same turn.
    """

    def __init__(self, zone: Zone, nearest: NearestAnswers, finish_signed: Finish | None = None) -> None:
        self.zone = zone
        self._nearest = nearest
        self._finish_signed = finish_signed
        self.table: dict[bytes, Entry] = {}
        # The same for who asks for signatures.
        self.signed: dict[bytes, Entry] = {}
        # Of names that don't exist the answer depends on the length alone: the SOA's names point to its end.
        self._missing: dict[int, Entry] = {}
        self._shared: dict[tuple[int, bytes, bytes, int, bytes], Table] = {}

    def refresh(self) -> None:
        """Forget every finished answer. The table stays the same object."""
        self.table.clear()
        self.signed.clear()
        self._shared.clear()

    def entry(self, name: bytes, qtype: int) -> Entry:
        """The answer to a question of class IN for *name*, which is in the zone."""
        key = name + qtype.to_bytes(2, "big") + b"\0\x01"
        entry = self.table.get(key)
        if entry is not None:
            return entry
        if self.zone.find(name)[0] is None and self.zone.delegation(name) is None:
            return self._no_such_name(len(name))
        entry = self._finish(name, qtype, self.resolve(name, qtype))
        if len(self.table) >= LEARNED:
            self.refresh()
        self.table[key] = entry
        return entry

    def signed_entry(self, name: bytes, qtype: int) -> Entry:
        """The same with signatures.

        Raises:
            cackled.dns.sign.Busy: too many new names are being signed.
        """
        assert self._finish_signed is not None
        key = name + qtype.to_bytes(2, "big") + b"\0\x01"
        entry = self.signed.get(key)
        if entry is None:
            if self.zone.find(name)[0] is None and self.zone.delegation(name) is None:
                missing = Resolved()
                missing.name, missing.kind, missing.rcode = name, Kind.NXDOMAIN, NXDOMAIN
                missing.authority.append(self.zone.negative)
                return self._finish_signed(name, qtype, missing)
            entry = self._finish_signed(name, qtype, self.resolve(name, qtype))
            if len(self.signed) >= LEARNED:
                self.refresh()
            self.signed[key] = entry
        return entry

    def _no_such_name(self, length: int) -> Entry:
        entry = self._missing.get(length)
        if entry is None:
            writer = Writer(self.zone.origin, length - len(self.zone.origin))
            writer.record(self.zone.negative)
            entry = self._missing[length] = Entry(Kind.NXDOMAIN, NXDOMAIN)
            entry.variant = heads(NXDOMAIN, True, 0, 1, 0), bytes(writer.out)
            entry.size = len(writer.out)
        return entry

    def resolve(self, name: bytes, qtype: int) -> Resolved:
        """Look *name* up, following CNAMEs as far as they stay in the zone."""
        zone = self.zone
        out = Resolved()
        seen = set()
        while True:
            seen.add(name)
            out.name = name
            cut = zone.delegation(name)
            if cut is not None and not (qtype == DS and name == cut):
                if not out.answers:
                    self._refer(out, cut)
                return out
            owner, _ = zone.find(name)
            if owner is None:
                out.rcode, out.kind = NXDOMAIN, Kind.NXDOMAIN
                out.authority.append(zone.negative)
                return out
            if owner.geo and qtype in (A, AAAA) and self._nearest.has(qtype):
                out.geo = name
                return out
            rrset = owner.sets.get(qtype)
            if rrset is not None:
                out.answers += rrset.records(name)
                return out
            alias = owner.sets.get(CNAME)
            # Two types stand beside a CNAME and are not looked for behind it (RFC 4035 section 2.5).
            if alias is None or qtype in (RRSIG, NSEC):
                if qtype == ANY and (owner.sets or owner.geo):
                    out.answers.append((name, HINFO, _ANY_TTL, _MINIMAL_ANY))
                    return out
                out.kind = Kind.NODATA
                out.authority.append(zone.negative)
                return out
            out.answers += alias.records(name)
            target = alias.rdatas[0].lower()
            if qtype == ANY or target in seen or not zone.contains(target):
                return out
            name = target

    def _refer(self, out: Resolved, cut: bytes) -> None:
        out.aa = False
        out.kind = Kind.REFERRAL
        servers = self.zone.names[cut].sets[NS]
        out.authority += servers.records(cut)
        for target in servers.rdatas:
            owner = self.zone.names.get(target.lower())
            for rtype in (A, AAAA):
                if owner is not None and rtype in owner.sets:
                    out.additional += owner.sets[rtype].records(target.lower())

    def _finish(self, name: bytes, qtype: int, resolved: Resolved) -> Entry:
        entry = Entry(resolved.kind, resolved.rcode)
        writer = Writer(name)
        for record in resolved.answers:
            writer.record(record)
        if resolved.geo is not None:
            self._nearby(entry, qtype, resolved, writer)
            return entry
        for record in (*resolved.authority, *resolved.additional):
            writer.record(record)
        body = bytes(writer.out)
        counts = len(resolved.answers), len(resolved.authority), len(resolved.additional)
        entry.variant = heads(resolved.rcode, resolved.aa, *counts), body
        entry.size = len(body)
        return entry

    def _nearby(self, entry: Entry, qtype: int, resolved: Resolved, writer: Writer) -> None:
        """Fill in a geo answer; answers with equal bytes share one table."""
        assert resolved.geo is not None
        prefix = bytes(writer.out)
        owner = writer.encoded(resolved.geo)
        writer.record(self.zone.negative)
        nothing = bytes(writer.out)
        aliases = len(resolved.answers)
        start = owner + RECORD.pack(qtype, IN, self.zone.geo_ttl, 4 if qtype == A else 16)
        entry.record = len(start) + (4 if qtype == A else 16)
        entry.aliases = aliases
        entry.size = max(len(nothing), len(prefix) + entry.record * self._nearest.count)
        key = (qtype, prefix, owner, aliases, nothing)
        entry.table = self._shared.get(key)
        if entry.table is not None:
            return
        choices = self._nearest.choices[qtype]
        known: dict[int, list[Variant]] = {}

        def encode(addresses: Addresses) -> Variant:
            if not addresses:
                return heads(NOERROR, True, aliases, 1, 0), nothing
            body = prefix + b"".join([start + address for address in addresses])
            return heads(NOERROR, True, aliases + len(addresses), 0, 0), body

        def variants(number: int) -> list[Variant]:
            choice = choices[number]
            made = known.get(id(choice))
            if made is None:
                made = known[id(choice)] = [encode(addresses) for addresses in choice]
            return made

        entry.table = self._shared[key] = Table(variants)


def heads(rcode: int, aa: bool, answers: int, authority: int, additional: int) -> tuple[bytes, bytes, bytes, bytes]:
    """The ten bytes behind the id of a reply with one question, as in `Variant`."""
    flags = QR | (AA if aa else 0)

    def head(rd: int, opt: int) -> bytes:
        counts = (1, answers, authority, additional + opt)
        return bytes((flags | rd, rcode & 0x0F)) + b"".join([count.to_bytes(2, "big") for count in counts])

    return head(0, 0), head(RD, 0), head(0, 1), head(RD, 1)


