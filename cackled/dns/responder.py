"""Answers one datagram or TCP message: a fast path for queries and questions seen before, a strict parser for the rest.

`Responder.handle` never raises and never answers a response. To an address that is not proven it sends at most twice
the size of the query; an address is proven by a cookie, by TCP now or a while ago, or by the configuration. A larger
answer gets fewer of the nearest addresses, or the TC bit and no records.
"""

from __future__ import annotations

from ipaddress import ip_address
from random import Random

from twisted.logger import Logger

from cackled.geo.index import Index

from .answer import Answers, Entry, Kind, Variant
from .cookies import Cookies, packed_host
from .edns import (
    COOKIE_OPTION,
    INVALID_TYPE,
    NOT_AUTHORITATIVE,
    NSID_OPTION,
    FormatError,
    Subnet,
    extended_error,
    opt_record,
    option,
)
from .nearest import NearestAnswers
from .packet import Query, parse
from .prepared_replies import Plans
from .rrl import AMPLIFICATION, SEND, SMALL, TRUNCATE, RateLimit
from .sign import NXNAME, Busy, Signer
from .signed import SignedAnswers
from .wire import (
    AA,
    AXFR,
    BADVERS,
    FORMERR,
    IN,
    IXFR,
    NOERROR,
    NOTIMP,
    PLAIN_SIZE,
    QR,
    RD,
    REFUSED,
    SERVFAIL,
    TC,
)
from .zone import Zone

log = Logger()

# Bytes 4 to 11 of a query: one question and nothing else; the same and one additional record.
_PLAIN = b"\0\1\0\0\0\0\0\0"
_EXTENDED = b"\0\1\0\0\0\0\0\1"
# OPT from its version on, without options: without and with DO.
_NO_OPTIONS = {b"\0\0\0\0\0\0": opt_record(), b"\0\0\x80\0\0\0": opt_record(do=True)}
# The same with one option, an IPv4 client subnet /24 (what resolvers send), and the reply's OPT up to the scope.
_SUBNET24 = b"\0\x0b\0\x08\0\x07\0\x01\x18"
_ONE_SUBNET = {
    b"\0\0%c\0%s\0" % (do, _SUBNET24): opt_record(do=bool(do))[:-2] + _SUBNET24 for do in (0, 0x80)
}
_BYTE = [bytes((number,)) for number in range(256)]
# A larger answer leaves the fast path, so that its size is compared with the limit: 512 less header, the longest
# question and OPT with one subnet.
_SMALL = PLAIN_SIZE - 12 - 259 - 22
_SIGNED_SIZE = (1220).to_bytes(2, "big")
# An NSID option no longer than this fits into any reply of twice the query that asks for it.
_SHORT_NSID = 24
MAX_HOSTS = 65_536
_ERROR = int(Kind.ERROR)
# A client: the address as text, whether it is exempt from limits, and its location class.
Peer = tuple[str, bool, int]


class Responder:
    """Answers messages for one zone.

    Attributes are figures for the metrics: ``hits`` answers of the fast paths, ``rcodes`` the others by code,
    ``ignored`` messages without reply, ``failures`` errors of ours, ``truncated`` answers too big for the client,
    ``unproven`` those sent with TC as they are over twice the query.
    """

    def __init__(
        self, zone: Zone, nearest: NearestAnswers, index: Index, cookies: Cookies, limit: RateLimit, nsid: bytes = b"",
        random: Random | None = None, signer: Signer | None = None,
    ) -> None:
        self._nearest = nearest
        self._cookies = cookies
        self.limit = limit
        self._nsid = option(NSID_OPTION, nsid[:64]) if nsid else b""
        self.hits = 0
        self.ignored = 0
        self.failures = 0
        self.truncated = 0
        self.unproven = 0
        self.rcodes = [0] * 32
        self._hosts: dict[str, int] = {}
        # Packed address -> what the fastest path must know of a client.
        self.peers: dict[bytes, Peer] = {}
        self._exempt = limit.exempt
        self.check = limit.check
        self._random = random or Random()
        self.signer = signer
        self.plans = Plans(self._random)
        self.set_zone(zone)
        self.set_index(index)

    @property
    def zone(self) -> Zone:
        """The zone in use."""
        return self._answers.zone

    def set_zone(self, zone: Zone) -> None:
        """Answer for *zone* from now on."""
        finish = None
        if self.signer is not None:
            finish = SignedAnswers(zone, self._nearest, self.signer, self._random).finish
        self._answers = Answers(zone, self._nearest, finish)
        self._table = self._answers.table
        self._signed = self._answers.signed
        self.plans.clear()

    def set_index(self, index: Index) -> None:
        """Locate clients by *index* from now on."""
        self.plans.rows = index.rows
        self._lookup = index.lookup
        self._hosts.clear()
        self.peers.clear()
        self._nearest.set_classes(index.classes)
        self.refresh()

    def refresh(self) -> None:
        """Forget finished answers, because the nearest live nodes have changed."""
        self._answers.refresh()
        self.plans.clear()

    def handle(self, data: bytes, host: str, tcp: bool = False) -> bytes | None:
        """The reply to the message *data* from *host* (an address as sockets give it); None for silence."""
        try:
            if tcp:
                return self._strict(data, host, True)
            plan = self.plans.find(data)
            if plan is None:
                return self._known(data, host)
            tail = b""
            if plan.subnet:
                tail = data[-3:]
                number = self.plans.pair(tail)[0] if plan.geo else 0
            else:
                number = self._class_of(host) if plan.geo else 0
            self.hits += 1
            verdict = SEND if host in self._exempt else self.check(host, plan.kind)
            if verdict == SMALL:
                reply = next(plan.short[number])[0]
                if reply[0] & TC:
                    self.unproven += 1
                return data[:2] + reply + tail
            if verdict == SEND:
                return data[:2] + next(plan.full[number])[0] + tail
            return data[:2] + plan.bare + tail if verdict == TRUNCATE else None
        except Busy:
            # A name below a wildcard that is a geo name: it is known, but not yet signed for this client's place.
            self.rcodes[SERVFAIL] += 1
            return _bare(data, SERVFAIL, 0, data[12 : data.index(0, 12) + 5], opt_record(do=True))
        except Exception:
            if len(data) < 12:
                self.ignored += 1
                return None
            self.failures += 1
            log.failure("a DNS message of {size} bytes was not answered", size=len(data))
            return None

    def _known(self, data: bytes, host: str) -> bytes | None:
        """The reply to a known question in a new form: another case, or options of another resolver."""
        end = data.find(b"\0", 12) + 1
        stop = end + 4
        # Type and class are never made lower case: type 65 is the letter A. A name with a zero byte inside a
        # label is cut at that byte here, and what is left of it differs from every key.
        name = data[12:end]
        low = name.lower()
        counts = data[4:12]
        if self.signer is not None and counts == _EXTENDED and data[stop + 7 : stop + 8] >= b"\x80":
            # A client that wants signatures accepts at least so many bytes (RFC 4035 section 4.1).
            entry = self._signed.get(low + data[end:stop]) if data[stop + 3 : stop + 5] >= _SIGNED_SIZE else None
            small = _SMALL + 708
        else:
            entry = self._table.get(low + data[end:stop])
            small = _SMALL
        if entry is None or data[2] > 1 or entry.size > small:
            return self._strict(data, host, False)
        rd = data[2]
        subnet = b""
        if counts == _PLAIN:
            if len(data) != stop:
                return self._strict(data, host, False)
            opt = b""
        else:
            if counts != _EXTENDED or data[stop : stop + 3] != b"\0\0\x29":
                return self._strict(data, host, False)
            rest = data[stop + 5 :]
            rd += 2
            plain = _NO_OPTIONS.get(rest)
            if plain is not None:
                opt = plain
            else:
                upto = _ONE_SUBNET.get(rest[:14])
                if upto is None or len(rest) != 17:
                    return self._strict(data, host, False)
                opt, subnet = upto, rest[14:]
        if low == name:
            self.plans.learn(data, entry, opt, bool(subnet))
        verdict = SEND if host in self._exempt else self.check(host, entry.kind)
        if verdict > SMALL:
            self.hits += 1
            return _over(verdict, data, entry, data[12:stop], opt_record() if opt else b"")
        if subnet:
            _, number, scope = self.plans.pair(subnet) if entry.table is not None else (0, 0, 0)
            opt += _BYTE[scope] + subnet
        else:
            number = self._class_of(host)
        variant = entry.variant if entry.table is None else next(entry.table[number])
        assert variant is not None
        self.hits += 1
        reply = data[:2] + variant[0][rd] + data[12:stop] + variant[1] + opt
        if verdict == SMALL and len(reply) > AMPLIFICATION * len(data):
            return self._fit(data, entry, variant, rd, data[12:stop], opt, AMPLIFICATION * len(data))
        return reply

    def _fit(
        self, data: bytes, entry: Entry, variant: Variant, rd: int, question: bytes, opt: bytes, limit: int
    ) -> bytes:
        """Shorten *variant*, which is longer than *limit* bytes, for an address that is not proven."""
        fixed = 12 + len(question) + len(opt)
        shorter = entry.shorten(variant, fixed + len(variant[1]) - limit)
        if shorter is not None:
            return data[:2] + shorter[0][rd] + question + shorter[1] + opt
        self.unproven += 1
        return _bare(data, entry.rcode, variant[0][0][0] & AA | TC, question, opt)

    def meet(self, packed: bytes, host: str) -> None:
        """Remember a client under its packed address, once the rate limit has seen it."""
        if self.limit.knows(host):
            if len(self.peers) >= MAX_HOSTS:
                self.peers.clear()
            self.peers[packed] = host, host in self._exempt, self._class_of(host)

    def _class_of(self, host: str) -> int:
        """The location class of a client by its own address."""
        number = self._hosts.get(host)
        if number is None:
            number = self._lookup(_unmapped(host))[0]
            if len(self._hosts) >= MAX_HOSTS:
                self._hosts.clear()
            self._hosts[host] = number
        return number

    def _strict(self, data: bytes, host: str, tcp: bool) -> bytes | None:
        """The reply to any message, with all checks of the protocol."""
        if len(data) < 12 or data[2] & QR:
            self.ignored += 1
            return None
        opcode = data[2] & 0x78
        if opcode:
            return self._error(_bare(data, NOTIMP, opcode), NOTIMP, data, host, tcp)
        query = Query()
        try:
            parse(data, query)
        except FormatError:
            opt = opt_record(do=query.edns.do) if query.edns is not None else b""
            return self._error(_bare(data, FORMERR, 0, query.question, opt), FORMERR, data, host, tcp)
        edns = query.edns
        proven = tcp
        options = b""
        if edns is not None:
            if edns.version:
                opt = opt_record(do=edns.do, rcode=BADVERS)
                return self._error(_bare(data, BADVERS, 0, query.question, opt), BADVERS, data, host, tcp)
            if edns.cookie is not None:
                cookie, valid = self._cookies.answer(edns.cookie, host)
                options += option(COOKIE_OPTION, cookie)
                proven = proven or valid
            if edns.nsid and (proven or len(self._nsid) <= _SHORT_NSID or host in self._exempt):
                options += self._nsid
        if not query.question:
            reply = _bare(data, NOERROR, 0, b"", opt_record(options))
            return self._error(reply, NOERROR, data, host, proven)
        refused = query.qclass != IN or not self.zone.contains(query.name)
        if refused or query.qtype in (AXFR, IXFR):
            if edns is None:
                opt = b""
            else:
                opt = opt_record(options + (extended_error(NOT_AUTHORITATIVE) if refused else b""), do=edns.do)
            return self._error(_bare(data, REFUSED, 0, query.question, opt), REFUSED, data, host, proven)
        if query.qtype == NXNAME and self.signer is not None:
            # RFC 9824 section 3.5: NXNAME is a pseudo-type and can't be queried.
            opt = opt_record(options + extended_error(INVALID_TYPE), do=edns.do) if edns is not None else b""
            return self._error(_bare(data, FORMERR, 0, query.question, opt), FORMERR, data, host, proven)
        return self._answer(data, host, tcp, proven, query, options)

    def _answer(
        self, data: bytes, host: str, tcp: bool, proven: bool, query: Query, options: bytes
    ) -> bytes | None:
        edns = query.edns
        entry = self._answers.entry(query.name, query.qtype)
        verdict = SEND if proven or host in self._exempt else self.check(host, entry.kind)
        if verdict > SMALL:
            self.rcodes[entry.rcode] += 1
            opt = opt_record(do=edns.do) if edns is not None else b""
            return _over(verdict, data, entry, query.question, opt)
        signed = self.signer is not None and edns is not None and edns.do
        if signed and verdict == SMALL and query.name not in self.zone.names:
            # It would hardly fit. For an unproven address, only signatures that can be kept are made.
            self.unproven += 1
            return _bare(data, NOERROR, AA | TC, query.question, opt_record(options, do=True))
        try:
            if signed:
                entry = self._answers.signed_entry(query.name, query.qtype)
            variant, scope = self._pick(entry, host, edns.subnet if edns is not None else None)
        except Busy:
            self.rcodes[SERVFAIL] += 1
            return _bare(data, SERVFAIL, 0, query.question, opt_record(options, do=True))
        self.rcodes[entry.rcode] += 1
        opt = b""
        rd = data[2] & RD
        if edns is not None:
            rd += 2
            if edns.subnet is not None:
                options += edns.subnet.option(scope)
            opt = opt_record(options, do=edns.do)
        limit = 65_535 if tcp else PLAIN_SIZE if edns is None else edns.size
        reply = data[:2] + variant[0][rd] + query.question + variant[1] + opt
        if len(reply) > limit:
            self.truncated += 1
            return _bare(data, entry.rcode, variant[0][0][0] & AA | TC, query.question, opt)
        if verdict == SMALL and len(reply) > AMPLIFICATION * len(data):
            return self._fit(data, entry, variant, rd, query.question, opt, AMPLIFICATION * len(data))
        return reply

    def _pick(self, entry: Entry, host: str, subnet: Subnet | None) -> tuple[Variant, int]:
        """The variant for a client and the scope it holds for."""
        if entry.table is None:
            assert entry.variant is not None
            return entry.variant, 0
        if subnet is None or not subnet.bits:
            return next(entry.table[self._class_of(host)]), 0
        width = 4 if subnet.family == 1 else 16
        number, scope = self._lookup(subnet.address.ljust(width, b"\0"))
        # A scope finer than /24 or /56 only for a client that sent such a subnet (RFC 7871 section 11.1).
        return next(entry.table[number]), min(scope, max(subnet.bits, 24 if width == 4 else 56))

    def _error(self, reply: bytes, rcode: int, data: bytes, host: str, proven: bool) -> bytes | None:
        self.rcodes[rcode] += 1
        if proven or host in self._exempt or self.check(host, _ERROR) <= SMALL:
            return reply
        return None


def _over(verdict: int, data: bytes, entry: Entry, question: bytes, opt: bytes) -> bytes | None:
    """The reply in place of an answer over the rate: truncated, or None."""
    return _bare(data, entry.rcode, TC, question, opt) if verdict == TRUNCATE else None


def _bare(data: bytes, rcode: int, flags: int, question: bytes = b"", opt: bytes = b"") -> bytes:
    """A reply without records. *flags*: opcode, AA, TC; id and RD are copied, QR is set."""
    head = bytes((QR | flags | data[2] & RD, rcode & 0x0F, 0, 1 if question else 0, 0, 0, 0, 0, 0, 1 if opt else 0))
    return data[:2] + head + question + opt


def _unmapped(host: str) -> bytes:
    """The packed address; an IPv4 address inside an IPv6 one is taken out."""
    packed = packed_host(host)
    if len(packed) == 16:
        mapped = ip_address(packed).ipv4_mapped  # type: ignore[union-attr]
        if mapped is not None:
            return mapped.packed
    return packed


