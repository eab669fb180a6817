"""What the microcache keeps of an answer: its forms, ready to send, and how long each may be used."""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import sha256
from typing import TYPE_CHECKING

from cackled.transport._request import SERVER, http_date, status_line
from cackled.transport._variants import IDENTITY, compress, compressible, variant_etag
from cackled.transport.response import Response

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

# scheme, host, target without ``after``
Key = tuple[bytes, bytes, bytes]

STORABLE = frozenset((200, 301, 308, 404, 410))
_NEGATIVE = frozenset((404, 410))
NEGATIVE_TTL = 1.0
# Set by the cache or the transport themselves.
_OURS = frozenset(
    (b"age", b"cache-status", b"connection", b"content-length", b"date", b"etag", b"server", b"transfer-encoding",
     b"vary", b"x-microcachable")
)  # fmt: skip
_NOT_IN_304 = frozenset((b"content-type", b"content-language", b"last-modified"))
_COMMON = b"Server: " + SERVER + b"\r\n"
_CONTROL = b"Cache-Control: public, max-age=0\r\n"
# What an entry weighs beside its bytes.
_OVERHEAD = 1500
# Bodies above this are not joined with their head in memory.
JOINED = 128 * 1024


def ttl_of(response: Response, configured: float, entry_bytes: int) -> float:
    """Seconds that *response* may be kept; 0 when it may not be kept at all (RFC 9111 section 3, narrowed)."""
    ttl = response.ttl
    if ttl is None or ttl == 0 or response.status not in STORABLE or len(response.body) > entry_bytes:
        return 0.0
    for name, value in response.headers:
        name = name.lower()
        if name in (b"set-cookie", b"content-encoding", b"content-range"):
            return 0.0
        if name == b"cache-control":
            directives = _directives(value)
            if directives & {b"private", b"no-store", b"no-cache"}:
                return 0.0
        elif name == b"vary" and {part.strip() for part in value.lower().split(b",")} - {b"accept-encoding", b""}:
            return 0.0
    if ttl < 0:
        ttl = configured
    return min(ttl, NEGATIVE_TTL) if response.status in _NEGATIVE else ttl


def _directives(value: bytes) -> set[bytes]:
    return {part.partition(b"=")[0].strip() for part in value.lower().split(b",")}


class Variant:
    """One coded form of an entry, with its whole answer rebuilt at most once a second.

    ``quick``: compressed in a hurry; one that is asked for again is worth more.
    """

    __slots__ = ("body", "etag", "fixed", "fixed304", "quick", "wire", "wire304", "wire_last", "wire_until")

    def __init__(self, body: bytes, etag: bytes, fixed: bytes, fixed304: bytes, quick: bool = False) -> None:
        self.body = body
        self.quick = quick
        self.etag = etag
        # The parts of the heads that never change.
        self.fixed = fixed
        self.fixed304 = fixed304
        self.wire = b""
        self.wire304 = b""
        # For a connection that closes afterwards; made when somebody asks for it.
        self.wire_last = b""
        # On the monotonic clock; the wires hold until then.
        self.wire_until = 0.0

    @property
    def size(self) -> int:
        """Bytes held: the body, its copy in the wire, and both heads twice."""
        return len(self.body) * (1 if len(self.body) > JOINED else 2) + 2 * (len(self.fixed) + len(self.fixed304))

    def heads(self, moving: bytes) -> tuple[bytes, bytes]:
        """The heads of the 200 (or whatever the status is) and of the 304, with the *moving* fields in them."""
        return self.fixed + moving, self.fixed304 + moving


class Entry:
    """An answer in the cache. All times are on the monotonic clock, in seconds."""

    __slots__ = (
        "asked", "body", "coded", "etag", "fresh_until", "key", "lines", "lines304", "must_revalidate", "owner",
        "pending", "retry_at", "seq", "seqs", "size", "status", "stored", "tags", "variants", "visited",
    )  # fmt: skip

    def __init__(self, key: Key, response: Response, now: float, ttl: float, asked: int) -> None:
        self.key = key
        self.status = response.status
        self.body = response.body
        self.tags = response.tags
        self.seqs: dict[Hashable, int] = dict(response.seqs)
        # What ``after`` is compared with: the oldest of what the answer was made from.
        self.seq = min(self.seqs.values()) if self.seqs else 0
        # The highest ``after`` the load was asked for: a newer answer is not to be had before it expires.
        self.asked = asked
        self.owner = response.owner
        self.stored = now
        self.fresh_until = now + ttl
        # While loads fail, no other is tried before this.
        self.retry_at = 0.0
        self.visited = False
        self.variants: dict[bytes, Variant] = {}
        self.pending: dict[bytes, Deferred[Variant]] = {}
        full, short, size = [], [], 0
        etag = control = kind = None
        for name, value in response.headers:
            low = name.lower()
            if low == b"etag":
                etag = etag or value
            if low in _OURS:
                continue
            if low == b"cache-control":
                control = value if control is None else control
            elif low == b"content-type":
                kind = value if kind is None else kind
            line = b"%b: %b\r\n" % (name, value)
            size += len(line) - 4
            full.append(line)
            if low not in _NOT_IN_304:
                short.append(line)
        if control is None:
            size += len(_CONTROL) - 4
            full.append(_CONTROL)
            short.append(_CONTROL)
        # The fields that never change, of the 200 (or whatever the status is) and of the 304.
        self.lines, self.lines304 = b"".join(full), b"".join(short)
        self.must_revalidate = control is not None and bool(
            _directives(control) & {b"must-revalidate", b"proxy-revalidate"}
        )
        # The handler's own; without one each form has its own, made of its bytes, which are fewer where compressed.
        self.etag = etag
        self.coded = compressible(kind, len(self.body))
        self.size = _OVERHEAD + len(self.body) + size
        if self.coded:
            for coding, body in response.coded.items():
                self.add(coding, body)

    def ttl(self, now: float) -> int:
        """Whole seconds of freshness left: the lifetime less the Age, so that both change together."""
        return int(self.fresh_until - self.stored) - int(now - self.stored)

    def coding(self, wanted: bytes) -> bytes:
        """The coding in which a client of class *wanted* is answered."""
        return wanted if self.coded else IDENTITY

    def satisfies(self, after: int) -> bool:
        """Whether a read that must see ``after`` may have this."""
        return after <= self.seq or after <= self.asked

    def compressed(self, coding: bytes, quick: bool = False) -> bytes:
        """The body in *coding* (may take milliseconds; safe in a thread)."""
        return compress(self.body, coding, quick=quick)

    def add(self, coding: bytes, body: bytes, quick: bool = False) -> Variant:
        """Keep a compressed form in place of an earlier one. One that came out larger is replaced by the plain one."""
        earlier = self.variants.get(coding)
        if earlier is not None and earlier is not self.variants.get(IDENTITY):
            self.size -= earlier.size
        if len(body) >= len(self.body):
            variant = self.variants[coding] = self.plain()
            return variant
        return self._add(coding, body, quick)

    def plain(self) -> Variant:
        """The form that is not compressed; made when somebody asks for it, which most browsers never do."""
        return self.variants.get(IDENTITY) or self._add(IDENTITY, self.body)

    def _add(self, coding: bytes, body: bytes, quick: bool = False) -> Variant:
        etag = self.etag or b'"%b"' % sha256(body).hexdigest()[:20].encode()
        etag = variant_etag(etag, coding, quick=quick)
        varying = b"ETag: %b\r\n%bX-Microcachable: 1\r\n" % (etag, b"Vary: Accept-Encoding\r\n" if self.coded else b"")
        coded = b"Content-Encoding: %b\r\n" % coding if coding else b""
        lines = (
            b"%b%b%b%b%bContent-Length: %d\r\n"
            % (status_line(self.status), _COMMON, self.lines, varying, coded, len(body)),
            b"%b%b%b%b" % (status_line(304), _COMMON, self.lines304, varying),
        )
        variant = self.variants[coding] = Variant(body, etag, *lines, quick)
        self.size += variant.size
        return variant

    def rebuild(self, variant: Variant, now: float, wall: float) -> None:
        """Rebuild the bytes of a hit. They are valid until Date or Age change, or freshness ends."""
        age = int(now - self.stored)
        moving = b"Date: %b\r\nAge: %d\r\nCache-Status: cackled; hit; ttl=%d\r\n\r\n" % (
            http_date(wall), age, self.ttl(now),
        )  # fmt: skip
        head, variant.wire304 = variant.heads(moving)
        variant.wire = head + variant.body if len(variant.body) <= JOINED else b""
        variant.wire_last = b""
        variant.wire_until = min(self.fresh_until, self.stored + age + 1, now + 1 - wall % 1)

    def last(self, variant: Variant, now: float, wall: float) -> bytes:
        """The whole answer to a hit whose connection closes afterwards; kept for as long as the wires hold."""
        status = b"hit; ttl=%d" % self.ttl(now)
        wire = variant.fixed + self.moving(now, wall, status, close=True) + variant.body
        if len(variant.body) <= JOINED:
            variant.wire_last = wire
        return wire

    def moving(self, now: float, wall: float, status: bytes, *, close: bool, age: bool = True) -> bytes:
        """The changing end of a head: Date, Age, Cache-Status *status*, and Connection."""
        return b"Date: %b\r\n%bCache-Status: cackled; %b\r\n%b\r\n" % (
            http_date(wall),
            b"Age: %d\r\n" % int(now - self.stored) if age else b"",
            status,
            b"Connection: close\r\n" if close else b"",
        )
