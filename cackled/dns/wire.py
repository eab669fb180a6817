"""DNS on the wire: numbers, names, and a writer that compresses names.

A name is its uncompressed wire form (length bytes, labels, the root's zero byte); names that are compared are lower
case (length bytes are at most 63, so `bytes.lower` can't touch them).
"""

from __future__ import annotations

from struct import Struct

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA = 1, 2, 5, 6, 12, 13, 15, 16, 28
SRV, DNAME, OPT, DS, RRSIG, NSEC, DNSKEY, NSEC3, SVCB, HTTPS = 33, 39, 41, 43, 46, 47, 48, 50, 64, 65
TSIG, IXFR, AXFR, ANY, CAA = 250, 251, 252, 255, 257
IN, CH = 1, 3

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16

# Header bits, first and second byte of the flags.
QR, AA, TC, RD = 0x80, 0x04, 0x02, 0x01

# What a reply over UDP may have without EDNS, and with it (https://dnsflagday.net/2020/).
PLAIN_SIZE = 512
EDNS_SIZE = 1232
MAX_NAME = 255

HEADER = Struct("!HBBHHHH")
RECORD = Struct("!HHIH")
ADDRESS_BYTES = {A: 4, AAAA: 16}

Record = tuple[bytes, int, int, bytes]  # owner, type, TTL in seconds, uncompressed rdata


def pack_name(text: str) -> bytes:
    """The wire form, lower case, of a name without escapes: ``www.cackle.test.``.

    Raises:
        ValueError: a label is empty or over 63 bytes, or the name over 255.
    """
    labels = [label.encode("ascii").lower() for label in text.rstrip(".").split(".")] if text.rstrip(".") else []
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError(f"{text!r} is no domain name")
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(wire) > MAX_NAME:
        raise ValueError(f"{text!r} is too long for a domain name")
    return wire


def name_text(wire: bytes) -> str:
    """*wire* for people; bytes that are no letters, digits or hyphens are escaped as in zone files."""
    if wire == b"\0":
        return "."
    out = []
    for label in split_name(wire):
        for byte in label:
            plain = 0x21 <= byte < 0x7F and byte not in b'.\\"();@$'
            out.append(chr(byte) if plain else f"\\{byte:03d}")
        out.append(".")
    return "".join(out)


def split_name(wire: bytes) -> list[bytes]:
    """The labels of *wire*, first to last, without the root."""
    labels = []
    at = 0
    while length := wire[at]:
        labels.append(wire[at + 1 : at + 1 + length])
        at += 1 + length
    return labels


def name_length(data: bytes, at: int = 0) -> int:
    """How many bytes the uncompressed name at *at* takes (for wire data that is known to be good)."""
    start = at
    while data[at]:
        at += 1 + data[at]
    return at + 1 - start


def parents(wire: bytes) -> list[bytes]:
    """*wire* and every name above it, longest first, the root last."""
    out = [wire]
    at = 0
    while wire[at]:
        at += 1 + wire[at]
        out.append(wire[at:])
    return out


class Writer:
    """Writes records that follow the question of a message, with names compressed (RFC 1035 section 4.1.4).

    The question's name is *question*; it stands at offset 12 and its suffixes are the first targets of pointers. With
    *before*, the name has so many bytes more in front, which don't matter.
    """

    __slots__ = ("_base", "_offsets", "out")

    def __init__(self, question: bytes, before: int = 0) -> None:
        self.out = bytearray()
        self._base = 12 + before + len(question) + 4
        self._offsets: dict[bytes, int] = {}
        self._note(question.lower(), 12 + before, len(question))

    def fork(self) -> Writer:
        """A copy that goes on by itself."""
        made = Writer.__new__(Writer)
        made.out = bytearray(self.out)
        made._base = self._base
        made._offsets = dict(self._offsets)
        return made

    def _note(self, name: bytes, offset: int, upto: int) -> None:
        at = 0
        while at < upto and name[at]:
            if offset + at > 0x3FFF:
                return
            self._offsets.setdefault(name[at:], offset + at)
            at += 1 + name[at]

    def encoded(self, name: bytes) -> bytes:
        """What `name` would write now, without writing it."""
        low = name.lower()
        at = 0
        while low[at]:
            target = self._offsets.get(low[at:])
            if target is not None:
                return name[:at] + (0xC000 | target).to_bytes(2, "big")
            at += 1 + low[at]
        return name

    def name(self, name: bytes) -> None:
        """Write *name*, as a pointer where a suffix of it stands already."""
        encoded = self.encoded(name)
        fresh = len(encoded) - 2 if encoded != name else len(name)
        self._note(name.lower(), self._base + len(self.out), fresh)
        self.out += encoded

    def record(self, record: Record) -> None:
        """Write one record; names inside rdata are compressed only for the types of RFC 1035 (RFC 3597 section 4)."""
        owner, rtype, ttl, rdata = record
        self.name(owner)
        start = len(self.out)
        self.out += RECORD.pack(rtype, IN, ttl, 0)
        if rtype in (NS, CNAME, PTR):
            self.name(rdata)
        elif rtype == MX:
            self.out += rdata[:2]
            self.name(rdata[2:])
        elif rtype == SOA:
            first = name_length(rdata)
            self.name(rdata[:first])
            self.name(rdata[first:-20])
            self.out += rdata[-20:]
        else:
            self.out += rdata
        self.out[start + 8 : start + 10] = (len(self.out) - start - 10).to_bytes(2, "big")
