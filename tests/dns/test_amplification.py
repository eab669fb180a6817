"""Nobody gets more than twice the bytes of a query who has not shown that the address is real."""

from __future__ import annotations

import random
from collections.abc import Iterator

import dns.flags
import dns.message
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Dns
from cackled.dns.wire import pack_name

from .helpers import EMPTY_OPT, EU, QUESTION, US, Rig, addresses, header, opt, option

STRANGER = "203.0.113.5"
NAMES = (
    "geo.test.", "www.geo.test.", "a.cdn.geo.test.", "static.geo.test.", "alias.geo.test.", "away.geo.test.",
    "gone.geo.test.", "svc.geo.test.", "ent.geo.test.", "q.wild.geo.test.", "big.geo.test.", "mid.geo.test.",
    "sub.geo.test.", "x.sub.geo.test.", "nope.geo.test.", "odd.geo.test.", "n.geo.test.", ".", "example.com.",
)
TYPES = (1, 2, 5, 6, 12, 13, 15, 16, 28, 33, 43, 46, 48, 64, 65, 128, 250, 251, 252, 255, 257, 1000)
NO_SUBNET = option(8, b"\0\0\0\0")
EXTRAS = (
    None, b"", option(3, b""), option(10, b"12345678"), option(10, b"12345678" + bytes(16)), option(100, b"x"),
    option(8, b"\0\1\x18\0\x0a\1\2"), option(8, b"\0\2\x38\0" + bytes(7)), NO_SUBNET,
    option(3, b"") + option(10, b"12345678") + option(8, b"\0\1\x18\0\x0a\1\2"),
)


def queries() -> Iterator[bytes]:
    """Every name, type and kind of OPT, by three writings of the name."""
    for name in NAMES:
        wire = pack_name(name)
        for written in (wire, wire.upper() if name != "." else wire):
            for rtype in TYPES:
                question = written + rtype.to_bytes(2, "big") + b"\0\1"
                for extra in EXTRAS:
                    if extra is None:
                        yield header(body=question)
                    else:
                        yield header(ar=1, body=question + opt(extra))
                        yield header(ar=1, body=question + opt(extra, flags=0x8000))


class AmplificationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(self, settings=Dns(rate=0))

    def test_every_query(self) -> None:
        """Of every name, type and option, the first time and later, no reply is over twice the query; and each can be
        read, and says TC where something is missing."""
        worst = 0.0
        for turn in range(3):
            for data in queries():
                reply = self.rig.handle(data, STRANGER)
                assert reply is not None
                worst = max(worst, len(reply) / len(data))
                self.assertLessEqual(len(reply), 2 * len(data), data)
                # dnspython can't read the option of family 0.
                if turn == 2 and NO_SUBNET not in data:
                    message = dns.message.from_wire(reply)
                    if message.rcode() == 3 and not message.authority:
                        self.assertTrue(message.flags & dns.flags.TC)
        self.assertGreater(worst, 1.7)
        self.assertEqual(self.rig.responder.failures, 0)

    def test_no_question(self) -> None:
        """Nor is a reply to a message without a question."""
        for extra in (option(10, b"12345678"), option(10, b"12345678") + option(3, b"")):
            data = header(qd=0, ar=1, body=opt(extra))
            reply = self.rig.handle(data, STRANGER)
            assert reply is not None
            self.assertLessEqual(len(reply), 2 * len(data))

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_mutations(self, source: st.DataObject) -> None:
        """Nor to a query that is broken somehow."""
        rng = random.Random(source.draw(st.integers()))
        data = bytearray(rng.choice(MADE))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        reply = self.rig.handle(bytes(data), STRANGER)
        self.assertLessEqual(len(reply or b""), 2 * len(data))

    def test_flood(self) -> None:
        """Over many queries nothing adds up either, with rate limits on."""
        rig = Rig(self)
        sent = received = 0
        for data in queries():
            sent += len(data)
            received += len(rig.handle(data, STRANGER) or b"")
        self.assertLessEqual(received, 2 * sent)
        self.assertGreater(rig.responder.unproven, 0)


class ProofTests(SynchronousTestCase):
    """What an address that is not proven gets instead, and how it gets the rest."""

    AAAA = QUESTION[:-4] + b"\0\x1c\0\1"

    def setUp(self) -> None:
        self.rig = Rig(self)

    def ask(self, body: bytes, ar: int = 0, tcp: bool = False) -> dns.message.Message:
        """The third reply is of the fastest way; all three must say the same."""
        replies = [self.rig.handle(header(ar=ar, body=body), STRANGER, tcp) for _ in range(3)]
        shapes = {(reply[2:4], len(reply)) for reply in replies if reply is not None}
        self.assertEqual(len(shapes), 1)
        assert replies[2] is not None
        return dns.message.from_wire(replies[2])

    def test_nearest_alone(self) -> None:
        """Two IPv6 addresses are too many for a short name: the nearest comes alone, a whole answer."""
        host4 = option(8, b"\0\1\x18\0\x0a\1\2")
        for body, ar in ((self.AAAA, 0), (self.AAAA + EMPTY_OPT, 1), (self.AAAA + opt(host4), 1)):
            reply = self.ask(body, ar)
            self.assertEqual(len(addresses(reply)), 1)
            self.assertFalse(reply.flags & dns.flags.TC)
        self.assertEqual(addresses(reply), ["2001:db8:1::1"])
        self.assertEqual(reply.options[0].scopelen, 18)
        # A rotation goes on, so that the load of those who get one address is spread all the same.
        seen = {addresses(self.ask(self.AAAA))[0] for _ in range(20)}
        self.assertEqual(seen, {"2001:db8:1::1", "2001:db8:2::1"})

    def test_two_ipv4(self) -> None:
        """Two IPv4 addresses fit for whoever speaks EDNS, as resolvers do."""
        reply = self.ask(QUESTION + opt(option(8, b"\0\1\x18\0\x0a\1\2")), 1)
        self.assertEqual(addresses(reply), [EU, US])

    def test_alias(self) -> None:
        """Aliases before the addresses stay, or all goes."""
        long = b"\x28" + b"c" * 40 + b"\3wcn\3geo\4test\0\0\1\0\1"
        reply = self.ask(long)
        self.assertEqual([len(rrset) for rrset in reply.answer], [1, 2])
        reply = self.ask(b"\5alias\3geo\4test\0\0\1\0\1")
        self.assertEqual((reply.answer, bool(reply.flags & dns.flags.TC)), ([], True))
        self.assertTrue(reply.flags & dns.flags.AA)

    def test_tcp_gives_everything(self) -> None:
        """Over TCP there is no bound; nor for UDP from the same address in the next ten minutes."""
        for rtype, size in ((b"\0\x1c", 2), (b"\0\x10", 0)):
            body = QUESTION[:-4] + rtype + b"\0\1"
            self.assertLess(len(self.ask(body).answer) + len(self.ask(body).authority), 2 if size else 1)
            whole = self.ask(body, tcp=True)
            self.assertEqual((len(addresses(whole)), len(whole.authority)), (size, 0 if size else 1))
        self.rig.limit.prove(STRANGER)
        self.assertEqual(len(addresses(self.ask(self.AAAA))), 2)
        self.rig.clock.advance(601)
        self.assertEqual(len(addresses(self.ask(self.AAAA))), 1)

    def test_cookie_gives_everything(self) -> None:
        """A good cookie is a proof; the reply to who has none yet brings one."""
        reply = self.ask(self.AAAA + opt(option(10, b"12345678")), 1)
        self.assertEqual(len(addresses(reply)), 1)
        cookie = reply.options[0].to_wire()
        assert isinstance(cookie, bytes)
        self.assertEqual(len(addresses(self.ask(self.AAAA + opt(option(10, cookie)), 1))), 2)

    def test_configured(self) -> None:
        """Addresses of dns.rate_exempt need no proof."""
        rig = Rig(self, settings=Dns(rate_exempt=("203.0.113.0/24",)))
        self.assertEqual(len(addresses(rig.query("www.geo.test.", "AAAA", STRANGER))), 2)


MADE = list(queries())[::7]
