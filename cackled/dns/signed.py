"""Answers with DNSSEC: each RRset with its signature, and compact denial of names and types that don't exist.

RFC 4035 section 3.1. RFC 9824 (compact denial): a name that does not exist is answered with NOERROR, and an NSEC
that says that the name has only the pseudo-type NXNAME. So one NSEC, made for the question, is enough. Wildcards are
expanded before they are signed and need no proof.
"""

from __future__ import annotations

from itertools import groupby
from random import Random

from .answer import Entry, Kind, Resolved, Table, Variant, heads
from .nearest import NearestAnswers
from .sign import NXNAME, NXNAME_BITMAP, Signer, after, nsec
from .wire import AAAA, DS, IN, NOERROR, NS, NSEC, RECORD, RRSIG, A, Record, Writer
from .zone import Zone

# A pointer to the question's name.
_OWNER = b"\xc0\x0c"


class SignedAnswers:
    """Makes signed entries from the result of a look-up."""

    def __init__(self, zone: Zone, nearest: NearestAnswers, signer: Signer, random: Random) -> None:
        self._zone = zone
        self._nearest = nearest
        self._signer = signer
        self._random = random
        # For names that don't exist, by length of the name: the SOA and its signature as the answer has them.
        self._soas: dict[int, bytes] = {}
        self._age = signer.age
        self._denied = heads(NOERROR, True, 0, 4, 0)

    def finish(self, name: bytes, qtype: int, resolved: Resolved) -> Entry:
        """The entry for a question.

        Raises:
            Busy: too many new names are being signed.
        """
        if resolved.kind == Kind.NXDOMAIN and not resolved.answers and qtype not in (NSEC, RRSIG):
            return self._missing(name)
        entry = Entry(resolved.kind, NOERROR if resolved.kind == Kind.NXDOMAIN else resolved.rcode)
        writer = Writer(name)
        answers = self._with_signatures(writer, resolved.answers)
        if resolved.geo is not None:
            self._nearby(entry, qtype, resolved.geo, writer, answers)
            return entry
        if resolved.kind == Kind.REFERRAL:
            for record in resolved.authority:
                writer.record(record)
            cut = resolved.authority[0][0]
            authority = len(resolved.authority) + self._referral(writer, cut)
            for record in resolved.additional:
                writer.record(record)
        elif qtype == NSEC and resolved.authority:
            # The question asks for the NSEC itself.
            answers += self._nsec(writer, resolved.name, self._types(resolved))
            authority = 0
        elif qtype == RRSIG and resolved.authority:
            # ANY: one RRset is enough (RFC 8482 section 7), and every name has an NSEC.
            writer.record(self._denial_signature(resolved))
            answers += 1
            authority = 0
        else:
            authority = self._deny(writer, resolved, qtype) if resolved.authority else 0
        body = bytes(writer.out)
        entry.variant = heads(entry.rcode, resolved.aa, answers, authority, len(resolved.additional)), body
        entry.size = len(body)
        return entry

    def _missing(self, name: bytes) -> Entry:
        """The entry for a name that does not exist.

        It equals what the general code would make, but is faster, because such names can be asked for without end.
        """
        if self._age != self._signer.age:
            self._age = self._signer.age
            self._soas.clear()
        soa = self._soas.get(len(name))
        if soa is None:
            origin = self._zone.origin
            writer = Writer(origin, len(name) - len(origin))
            self._rrset(writer, [self._zone.negative])
            soa = self._soas[len(name)] = bytes(writer.out)
        ttl, rdata = self._zone.negative[2], after(name) + NXNAME_BITMAP
        made = self._signer.sign(name, NSEC, ttl, (rdata,), fixed=False)
        body = b"".join((
            soa, _OWNER, RECORD.pack(NSEC, IN, ttl, len(rdata)), rdata,
            _OWNER, RECORD.pack(RRSIG, IN, ttl, len(made)), made,
        ))  # fmt: skip
        entry = Entry(Kind.NXDOMAIN, NOERROR)
        entry.variant = self._denied, body
        entry.size = len(body)
        return entry

    def _rrset(self, writer: Writer, records: list[Record]) -> int:
        """Write one RRset and its signature. Returns the number of records."""
        owner, rtype, ttl, _ = records[0]
        made = self._signer.sign(
            owner, rtype, ttl, [record[3] for record in records], fixed=owner in self._zone.names
        )
        for record in records:
            writer.record(record)
        writer.record((owner, RRSIG, ttl, made))
        return len(records) + 1

    def _with_signatures(self, writer: Writer, records: list[Record]) -> int:
        return sum(self._rrset(writer, list(group)) for _, group in groupby(records, lambda record: record[:2]))

    def _types(self, resolved: Resolved) -> set[int]:
        """The types that exist at the last name of a look-up."""
        if resolved.kind == Kind.NXDOMAIN:
            return {NXNAME}
        owner, _ = self._zone.find(resolved.name)
        if owner is None:
            return set()
        types = set(owner.sets)
        if resolved.name in self._zone.cuts:
            return types & {NS, DS}
        return types | {rtype for rtype in (A, AAAA) if owner.geo and self._nearest.has(rtype)}

    def _deny(self, writer: Writer, resolved: Resolved, qtype: int) -> int:
        """Write SOA and NSEC for a type or a name that does not exist."""
        # A geo name: no node with addresses of this type is up, so the type is denied meanwhile.
        types = self._types(resolved) - {qtype}
        return self._rrset(writer, [self._zone.negative]) + self._nsec(writer, resolved.name, types)

    def _nsec(self, writer: Writer, name: bytes, types: set[int]) -> int:
        return self._rrset(writer, [(name, NSEC, self._zone.negative[2], nsec(name, types))])

    def _denial_signature(self, resolved: Resolved) -> Record:
        name, ttl = resolved.name, self._zone.negative[2]
        rdata = nsec(name, self._types(resolved))
        return name, RRSIG, ttl, self._signer.sign(name, NSEC, ttl, [rdata], fixed=name in self._zone.names)

    def _referral(self, writer: Writer, cut: bytes) -> int:
        """Write the DS records of a delegation, or the proof that there are none."""
        secure = self._zone.names[cut].sets.get(DS)
        if secure is not None:
            return self._rrset(writer, secure.records(cut))
        return self._nsec(writer, cut, {NS})

    def _nearby(self, entry: Entry, qtype: int, owner: bytes, writer: Writer, before: int) -> None:
        """Make the table of a geo answer as `Answers` does, each set of addresses with its signature."""
        prefix, ttl, fixed = bytes(writer.out), self._zone.geo_ttl, owner in self._zone.names
        choices = self._nearest.choices[qtype]
        known: dict[int, list[Variant]] = {}
        base = writer.fork()

        def encode(addresses: tuple[bytes, ...]) -> Variant:
            mine = base.fork()
            if not addresses:
                denied = Resolved()
                denied.name, denied.kind = owner, Kind.NODATA
                count = self._deny(mine, denied, qtype)
                return heads(NOERROR, True, before, count, 0), bytes(mine.out)
            count = self._rrset(mine, [(owner, qtype, ttl, address) for address in addresses])
            return heads(NOERROR, True, before + count, 0, 0), bytes(mine.out)

        def variants(number: int) -> list[Variant]:
            choice = choices[number]
            made = known.get(id(choice))
            if made is None:
                # Of a name without end of its like, one is signed; the names turn, so to say.
                picked = choice if fixed else (self._random.choice(choice),)
                made = known[id(choice)] = [encode(addresses) for addresses in picked]
            return made

        entry.table = Table(variants)
        # The longest possible answer: all addresses and their signature, or the denial.
        signature = 94 + len(self._zone.origin)
        denial = 96 + len(self._zone.negative[3]) + len(owner) + 2 * signature
        entry.size = len(prefix) + max(28 * self._nearest.count + signature, denial)
