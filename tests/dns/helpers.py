"""A small zone, three nodes and a fake geo index, shared by the tests of dns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Dns, Node
from cackled.dns.cookies import Cookies
from cackled.dns.nearest import NearestAnswers
from cackled.dns.responder import Responder
from cackled.dns.rrl import RateLimit
from cackled.dns.wire import pack_name
from cackled.dns.zone import Zone, read_file
from cackled.geo.index import Index

ZONE = """
$ORIGIN geo.test.
$TTL 300
@       3600 IN SOA ns1 hostmaster 2026112101 7200 1800 1209600 60
@       3600 IN NS ns1
@       3600 IN NS ns2
@       IN MX 10 mail
@       IN TXT "v=spf1 -all" "second ; part"
@       IN CAA 0 issue "ca.example"
ns1     IN A 192.0.2.53
ns1     IN AAAA 2001:db8::53
ns2     IN A 192.0.2.54
mail    IN A 192.0.2.25
static  IN A 192.0.2.80
alias   IN CNAME middle
middle  IN CNAME www
away    IN CNAME target.example.
gone    IN CNAME nothing
svc     IN HTTPS 1 . alpn=h2,http/1.1 ipv4hint=192.0.2.80
svc     IN SVCB 1 static alpn=h2
a.b.ent IN TXT "below empty names"
*.wild  IN A 192.0.2.99
*.wild  IN TXT "wildcard"
x.y.wild IN A 192.0.2.98
*.wcn   IN CNAME www
big     IN TXT {big}
mid     IN TXT {mid}
sub     IN NS ns.sub
ns.sub  IN A 192.0.2.66
odd     IN TYPE1000 \\# 3 010203
"""
BIG = " ".join(f'"{number:03d}{"x" * 250}"' for number in range(8))  # each 256 bytes with quotes and blank
ORIGIN = pack_name("geo.test.")

NODES = (
    Node(name="eu", addresses=("198.51.100.1", "2001:db8:1::1"), latitude=50, longitude=8),
    Node(name="us", addresses=("198.51.100.2", "2001:db8:2::1"), latitude=40, longitude=-75),
    Node(name="sg", addresses=("198.51.100.3",), latitude=1, longitude=103),
)
EU, US, SG = "198.51.100.1", "198.51.100.2", "198.51.100.3"
CLASSES = (
    (("eu", "us", "sg"),),
    (("eu",), ("us",), ("sg",)),
    (("us",), ("eu",), ("sg",)),
    (("sg",), ("us",), ("eu",)),
)


def fake_lookup(packed: bytes) -> tuple[int, int]:
    """10/8 is Europe to /18, 20/8 America to /27, 30/8 Asia to /9; 2001:db8:e::/48 Europe to /60; else nowhere."""
    if len(packed) == 16:
        return (1, 60) if packed[:6] == b"\x20\x01\x0d\xb8\0\x0e" else (0, 16)
    return {10: (1, 18), 20: (2, 27), 30: (3, 9)}.get(packed[0], (0, 7))


INDEX = Index(CLASSES, fake_lookup, fake_lookup, None)


def make_zone(
    case: SynchronousTestCase, text: str = ZONE, geo: Sequence[str] = ("www.geo.test.", "*.cdn.geo.test.")
) -> Zone:
    """The test zone."""
    records = read_file(zone_file(case, text.replace("{big}", BIG).replace("{mid}", BIG[:512])), "geo.test.")
    return Zone(ORIGIN, records, [pack_name(name) for name in geo], 30)


def zone_file(case: SynchronousTestCase, text: str) -> str:
    """A file holding *text*, in the directory of the test."""
    path = Path(case.mktemp())
    path.write_text(text, encoding="utf-8")
    return str(path)


class Rig:
    """A responder over the test zone, on a clock."""

    def __init__(
        self, case: SynchronousTestCase, zone: Zone | None = None, settings: Dns | None = None, index: Index = INDEX
    ) -> None:
        settings = settings or Dns(rate_exempt=("127.0.0.0/8",))
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.nearest = NearestAnswers(NODES, settings.answers, Random(1))
        self.cookies = Cookies(self.clock.seconds, Random(2).randbytes)
        self.limit = RateLimit(self.clock, settings.rate, settings.slip, settings.rate_exempt)
        self.responder = Responder(
            zone or make_zone(case), self.nearest, index, self.cookies, self.limit, b"node-1",
            Random(3),
        )
        self.handle = self.responder.handle

    def ask(self, message: dns.message.Message, host: str = "127.0.0.1", tcp: bool = False) -> dns.message.Message:
        """The reply to *message*, checked by dnspython to be one."""
        raw = self.handle(message.to_wire(), host, tcp)
        assert raw is not None, "no reply"
        reply = dns.message.from_wire(raw)
        assert message.is_response(reply), reply
        return reply

    def query(
        self, name: str, rtype: str = "A", host: str = "127.0.0.1", tcp: bool = False, **more: object
    ) -> dns.message.Message:
        """Ask for *name*; *more* as for ``dns.message.make_query``."""
        flags = more.pop("flags", 0)
        return self.ask(dns.message.make_query(name, rtype, flags=flags, **more), host, tcp)  # type: ignore[arg-type]


def addresses(reply: dns.message.Message) -> list[str]:
    """The A and AAAA rdata of the answer, in order."""
    return [
        rdata.address
        for rrset in reply.answer
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
        for rdata in rrset
    ]


def header(
    ident: int = 7, flags: int = 0, qd: int = 1, an: int = 0, ns: int = 0, ar: int = 0, body: bytes = b""
) -> bytes:
    """A message written by hand."""
    return b"".join(number.to_bytes(2, "big") for number in (ident, flags, qd, an, ns, ar)) + body


QUESTION = b"\x03www\x03geo\x04test\0\0\x01\0\x01"
EMPTY_OPT = b"\0\0\x29\x10\0\0\0\0\0\0\0"


def opt(options: bytes = b"", version: int = 0, flags: int = 0, size: int = 4096) -> bytes:
    """An OPT record written by hand."""
    return (
        b"\0\0\x29" + size.to_bytes(2, "big") + bytes((0, version)) + flags.to_bytes(2, "big")
        + len(options).to_bytes(2, "big") + options
    )


def option(code: int, value: bytes) -> bytes:
    """An EDNS option written by hand."""
    return code.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value
