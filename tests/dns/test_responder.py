"""The acceptance list of an authoritative server, over the pure `handle`, with dnspython as the client's eyes."""

from __future__ import annotations

import random

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from .helpers import EMPTY_OPT, EU, QUESTION, SG, US, Rig, addresses, header, opt, option

SUBNET4 = "10.1.2.0"


def ecs(reply: dns.message.Message) -> dns.edns.ECSOption | None:
    """The client subnet of a reply."""
    found = [each for each in reply.options if isinstance(each, dns.edns.ECSOption)]
    return found[0] if found else None


def subnet(address: str, bits: int) -> dict[str, object]:
    return {"use_edns": 0, "options": [dns.edns.ECSOption(address, bits)]}


class RigCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(self)
        self.query = self.rig.query

    def rcode_of(self, data: bytes) -> int | None:
        """The rcode of the reply to *data*, None for silence; a reply must be a response with the id."""
        reply = self.rig.handle(data, "127.0.0.1")
        if reply is None:
            return None
        self.assertEqual(reply[:2], data[:2])
        self.assertTrue(reply[2] & 0x80)
        self.assertEqual(self.rig.responder.failures, 0)
        return reply[3] & 15


class HeaderTests(RigCase):
    """Flags, opcodes and counts (points 1 to 6, 25, 26)."""

    def test_plain_query(self) -> None:
        """A query without EDNS gets an authoritative answer without OPT and without RA."""
        reply = self.query("geo.test.", "SOA")
        self.assertEqual(reply.rcode(), dns.rcode.NOERROR)
        self.assertEqual(dns.flags.to_text(reply.flags), "QR AA")
        self.assertEqual(reply.edns, -1)
        self.assertEqual(len(reply.answer), 1)

    def test_unknown_type(self) -> None:
        """A type nobody has heard of is no data, not an error; one that is in the zone is served."""
        reply = self.query("www.geo.test.", "TYPE1000")
        self.assertEqual((reply.rcode(), reply.answer), (0, []))
        self.assertEqual(reply.authority[0].rdtype, dns.rdatatype.SOA)
        self.assertEqual(len(self.query("odd.geo.test.", "TYPE1000").answer), 1)

    def test_other_opcodes(self) -> None:
        """Every opcode but QUERY is NOTIMP with QR set, the opcode kept and nothing in it."""
        for opcode in (1, 2, 3, 4, 5, 6, 15):
            data = header(flags=opcode << 11, body=QUESTION)
            reply = self.rig.handle(data, "127.0.0.1")
            assert reply is not None
            self.assertEqual(reply, b"\0\7" + bytes((0x80 | opcode << 3, 4)) + bytes(8))

    def test_flags_that_mean_nothing(self) -> None:
        """Z, AD and CD are cleared; RD is copied; RA is never set."""
        for sent, expected in ((0x40, 0), (0x20, 0), (0x10, 0), (0x100, 0x100), (0x170, 0x100)):
            for body, counts in ((QUESTION, 0), (QUESTION + EMPTY_OPT, 1)):
                reply = self.rig.handle(header(flags=sent, ar=counts, body=body), "127.0.0.1")
                assert reply is not None
                self.assertEqual(int.from_bytes(reply[2:4], "big"), 0x8400 | expected)

    def test_responses_meet_silence(self) -> None:
        """A message with QR is never answered, whatever is in it: two servers can't be made to talk to each other."""
        for flags in (0x8000, 0x8400, 0x8180, 0xF800, 0x8005):
            self.assertIsNone(self.rig.handle(header(flags=flags, body=QUESTION), "127.0.0.1"))
            self.assertIsNone(self.rig.handle(header(flags=flags, ar=1, body=QUESTION + EMPTY_OPT), "127.0.0.1"))
        reply = self.rig.handle(header(body=QUESTION), "127.0.0.1")
        assert reply is not None
        self.assertIsNone(self.rig.handle(reply, "127.0.0.1"))

    def test_scraps_meet_silence(self) -> None:
        """Less than a header is not answered."""
        for size in range(12):
            self.assertIsNone(self.rig.handle(header(body=QUESTION)[:size], "127.0.0.1"))
        self.assertEqual(self.rig.responder.ignored, 12)

    def test_question_counts(self) -> None:
        """No question and two questions are FORMERR; so are answers in a query."""
        self.assertEqual(self.rcode_of(header(qd=0)), 1)
        self.assertEqual(self.rcode_of(header(qd=2, body=QUESTION * 2)), 1)
        self.assertEqual(self.rcode_of(header(an=1, body=QUESTION + b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4abcd")), 1)

    def test_cookie_without_question(self) -> None:
        """No question but a cookie asks for a server cookie (RFC 7873 section 5.4)."""
        reply = self.rig.handle(header(qd=0, ar=1, body=opt(option(10, b"12345678"))), "127.0.0.1")
        assert reply is not None
        message = dns.message.from_wire(reply)
        self.assertEqual(message.rcode(), 0)
        self.assertEqual(len(message.options), 1)
        self.assertEqual(self.rcode_of(header(qd=0, ar=1, body=opt(option(3, b"")))), 1)


class EdnsTests(RigCase):
    """OPT and its options (points 7 to 17)."""

    def test_opt(self) -> None:
        """EDNS in, EDNS out: version 0 and our size; DO is copied, other flags are not."""
        reply = self.query("www.geo.test.", use_edns=0)
        self.assertEqual((reply.edns, reply.payload, reply.ednsflags), (0, 1232, 0))
        reply = self.query("www.geo.test.", use_edns=0, ednsflags=0x8000)
        self.assertEqual(reply.ednsflags, 0x8000)
        reply = self.query("www.geo.test.", use_edns=0, ednsflags=0x80)
        self.assertEqual((reply.rcode(), reply.ednsflags), (0, 0))

    def test_version(self) -> None:
        """Another version is BADVERS with version 0 and no answer, whatever options it has."""
        for options in (b"", option(100, b"x"), option(8, b"rubbish")):
            reply = self.rig.handle(header(ar=1, body=QUESTION + opt(options, version=1)), "127.0.0.1")
            assert reply is not None
            message = dns.message.from_wire(reply)
            self.assertEqual((message.rcode(), message.edns, message.answer), (16, 0, []))
            self.assertFalse(message.flags & dns.flags.AA)

    def test_unknown_option(self) -> None:
        """An unknown option is ignored and not echoed."""
        for code in (100, 26946, 5, 9, 12):
            reply = self.query("www.geo.test.", use_edns=0, options=[dns.edns.GenericOption(code, b"abc")])
            self.assertEqual((reply.rcode(), reply.options), (0, ()))
            self.assertEqual(len(addresses(reply)), 2)

    def test_truncation(self) -> None:
        """A big RRset over UDP: TC, no part of a set, OPT kept; over TCP it is complete."""
        for more in ({}, *({"use_edns": 0, "payload": size} for size in (0, 512, 4096))):
            reply = self.query("big.geo.test.", "TXT", **more)
            self.assertTrue(reply.flags & dns.flags.TC)
            self.assertEqual(reply.answer, [])
            self.assertEqual(reply.edns, 0 if more else -1)
            reply = self.query("big.geo.test.", "TXT", tcp=True, **more)
            self.assertFalse(reply.flags & dns.flags.TC)
            self.assertEqual(len(reply.answer[0][0].strings), 8)

    def test_small_limit_is_512(self) -> None:
        """A client that says less than 512 gets what fits into 512."""
        self.assertEqual(len(self.query("static.geo.test.", use_edns=0, payload=100).answer), 1)

    def test_cookie(self) -> None:
        """A client cookie is answered with 24 bytes that are good the next time; a wrong one gets a new one."""
        def ask(cookie: bytes) -> bytes:
            raw = self.rig.handle(header(ar=1, body=QUESTION + opt(option(10, cookie))), "127.0.0.1")
            assert raw is not None
            message = dns.message.from_wire(raw)
            self.assertEqual((message.rcode(), len(addresses(message))), (0, 2))
            return message.options[0].to_wire()  # type: ignore[return-value]
        first = ask(b"12345678")
        self.assertEqual((len(first), first[:8]), (24, b"12345678"))
        self.assertEqual(ask(first), first)
        self.assertEqual(ask(b"12345678" + bytes(16)), first)
        self.assertEqual(ask(b"12345678" + bytes(32)), first)

    def test_cookie_lengths(self) -> None:
        """A cookie of a length that can't be is FORMERR."""
        for length in range(50):
            expected = 0 if length == 8 or 16 <= length <= 40 else 1
            data = header(ar=1, body=QUESTION + opt(option(10, bytes(length))))
            self.assertEqual(self.rcode_of(data), expected, length)

    def test_nsid(self) -> None:
        """NSID tells the node to who asks, and to nobody else."""
        reply = self.query("www.geo.test.", use_edns=0, options=[dns.edns.GenericOption(3, b"")])
        self.assertEqual(reply.options[0].to_wire(), b"node-1")
        self.assertEqual(self.query("www.geo.test.", use_edns=0).options, ())


class SubnetTests(RigCase):
    """Client subnet (points 18 to 20)."""

    def test_nearest_and_echo(self) -> None:
        """The subnet decides; family, length and address come back, the scope is the index's, at most /24."""
        for address, bits, scope, nearest in (
            ("10.1.2.0", 24, 18, EU), ("20.1.2.0", 24, 24, US), ("30.1.2.0", 24, 9, SG), ("30.0.0.0", 8, 9, SG),
            ("20.1.2.5", 32, 27, US), ("10.1.0.0", 16, 18, EU),
        ):
            for name in ("www.geo.test.", "alias.geo.test.", "any.cdn.geo.test."):
                reply = self.query(name, **subnet(address, bits))
                option = ecs(reply)
                assert option is not None
                self.assertEqual((option.address, option.srclen, option.scopelen), (address, bits, scope))
                self.assertEqual(addresses(reply)[0], nearest)

    def test_ipv6(self) -> None:
        """The same for IPv6, at most /56."""
        reply = self.query("www.geo.test.", "AAAA", **subnet("2001:db8:e::", 56))
        option = ecs(reply)
        assert option is not None
        self.assertEqual((option.family, option.srclen, option.scopelen), (2, 56, 56))
        self.assertEqual(addresses(reply)[0], "2001:db8:1::1")

    def test_fast_path(self) -> None:
        """What resolvers send all day takes the fast path: plain, EDNS, DO, a subnet of /24."""
        self.query("www.geo.test.")
        for hits, more in enumerate(
            (
                {}, {"use_edns": 0}, {"ednsflags": 0x8000}, subnet("10.1.2.0", 24),
                {"ednsflags": 0x8000, **subnet("10.0.0.0", 24)},
            ),
            1,
        ):
            self.query("wWw.GEO.test.", **more)
            self.assertEqual(self.rig.responder.hits, hits, more)

    def test_do_with_subnet(self) -> None:
        """DO is copied beside a subnet as well."""
        reply = self.query("www.geo.test.", ednsflags=0x8000, **subnet("10.1.2.0", 24))
        self.assertEqual(reply.ednsflags, 0x8000)

    def test_no_subnet_please(self) -> None:
        """Length 0 asks that none be used: scope 0, and the resolver's own address decides."""
        for address in ("0.0.0.0", "::"):
            reply = self.query("www.geo.test.", host="30.0.0.1", **subnet(address, 0))
            option = ecs(reply)
            assert option is not None
            self.assertEqual((option.srclen, option.scopelen), (0, 0))
            self.assertEqual(addresses(reply)[0], SG)
        data = header(ar=1, body=QUESTION + opt(option_of(b"\0\0\0\0")))
        self.assertEqual(self.rcode_of(data), 0)

    def test_static_names_have_scope_0(self) -> None:
        """What is the same for everybody says so: static sets, no data, no such name."""
        for name, rtype in (("static.geo.test.", "A"), ("www.geo.test.", "TXT"), ("nope.geo.test.", "A")):
            option = ecs(self.query(name, rtype, **subnet("10.1.2.0", 24)))
            assert option is not None
            self.assertEqual(option.scopelen, 0, name)

    def test_malformed(self) -> None:
        """Each way to write a wrong subnet is FORMERR, and so are options that overrun."""
        for value in (
            b"", b"\0", b"\0\1\x18", b"\0\3\x18\0\1\2\3", b"\0\0\x08\0\1", b"\0\1\x21\0\1\2\3\4\5", b"\0\1\x18\0\1\2",
            b"\0\1\x18\0\1\2\3\4", b"\0\1\x18\x18\1\2\3", b"\0\1\x17\0\1\2\3", b"\0\2\x81\0" + bytes(17), b"\0\1\0\0\1",
        ):
            data = header(ar=1, body=QUESTION + opt(option_of(value)))
            self.assertEqual(self.rcode_of(data), 1, value)
        for options in (b"\0\x08\0\xff", b"\0", b"\0\x08\0", option_of(b"\0\1\x18\0\1\2\3") * 2):
            self.assertEqual(self.rcode_of(header(ar=1, body=QUESTION + opt(options))), 1, options)

    def test_none_in_none_out(self) -> None:
        """Who sends no subnet gets none; the resolver's address decides, also one mapped into IPv6."""
        for host in ("30.0.0.1", "::ffff:30.0.0.1"):
            reply = self.query("www.geo.test.", host=host, use_edns=0)
            self.assertEqual(reply.options, ())
            self.assertEqual(addresses(reply)[0], SG)
        self.assertEqual(addresses(self.query("www.geo.test.", host="10.9.9.9"))[0], EU)


def option_of(value: bytes) -> bytes:
    return option(8, value)


class MalformedTests(RigCase):
    """Wrong messages (points 27 to 30, 34)."""

    def test_additional_section(self) -> None:
        """Two OPT, OPT that overruns, OPT with a name, bytes left over, a record cut short: FORMERR."""
        for counts, rest in (
            (2, EMPTY_OPT * 2), (1, EMPTY_OPT[:-2] + b"\0\5"), (1, b"\1a" + EMPTY_OPT), (1, EMPTY_OPT + b"x"),
            (0, b"x"), (1, b""), (1, EMPTY_OPT[:-1]), (5, b"\0\0\1\0\1\0\0\0\0\0\0" * 5), (2, EMPTY_OPT),
            (0, EMPTY_OPT),
        ):
            self.assertEqual(self.rcode_of(header(ar=counts, body=QUESTION + rest)), 1, rest)

    def test_other_records_are_ignored(self) -> None:
        """A signature beside OPT does not disturb (we know no keys)."""
        tsig = b"\xc0\x0c\0\xfa\0\xff\0\0\0\0\0\3abc"
        self.assertEqual(self.rcode_of(header(ar=2, body=QUESTION + EMPTY_OPT + tsig)), 0)

    def test_names(self) -> None:
        """Pointers, label types, names cut short or too long in the question: FORMERR and no exception."""
        for name in (
            b"\xc0\x0c", b"\xc0\x00", b"\xff\xff", b"\x40a\0", b"\x80a\0", b"\3ww", b"", b"\x3f" + b"a" * 62,
            b"\3www\xc0\x0c", (b"\x3f" + b"a" * 63) * 4 + b"\0",
        ):
            self.assertEqual(self.rcode_of(header(body=name + b"\0\1\0\1")), 1, name)
        longest = (b"\x3f" + b"a" * 63) * 3 + b"\x33" + b"a" * 51 + b"\3geo\4test\0"
        self.assertEqual(len(longest), 254)
        self.assertEqual(self.rcode_of(header(body=longest + b"\0\1\0\1")), 3)

    def test_zero_bytes_and_dots_in_labels(self) -> None:
        """A label that holds a zero byte or a dot is another name than the one it looks like."""
        for name, expected in (
            (b"\7www.geo\4test\0", 5), (b"\x08www\0geo.\4test\0", 5), (b"\x0bwww.geo.tes\0", 5),
            (b"\4\0www\3geo\4test\0", 3), (b"\4www\0\3geo\4test\0", 3), (b"\4www.\3geo\4test\0", 3),
        ):
            self.assertEqual(self.rcode_of(header(body=name + b"\0\1\0\1")), expected, name)

    def test_case_is_echoed(self) -> None:
        """The question comes back byte for byte (clients hide random bits in its case); the answer is the same."""
        for name in (b"\3wWw\3GeO\4TEST\0", b"\5ALIAS\3geo\4tEst\0", b"\4NoPe\3gEo\4test\0", b"\1X\4WILD\3geo\4test\0"):
            data = header(body=name + b"\0\1\0\1")
            for _ in range(2):
                reply = self.rig.handle(data, "127.0.0.1")
                assert reply is not None
                self.assertEqual(reply[12 : 12 + len(name) + 4], data[12:])
                dns.message.from_wire(reply)

    def test_type_65_is_not_the_letter_a(self) -> None:
        """HTTPS is type 65, which is "A": it is not made lower case on the way, nor is type 97 taken for it."""
        for _ in range(3):
            self.assertEqual(self.query("svc.geo.test.", "TYPE97").answer, [])
            self.assertEqual(self.query("SVC.geo.test.", "HTTPS").answer[0].rdtype, 65)
            self.assertEqual(self.query("svc.geo.test.", "TYPE16705").answer, [])

    def test_classes(self) -> None:
        """Other classes than IN are refused."""
        for qclass in (dns.rdataclass.CH, dns.rdataclass.ANY, dns.rdataclass.NONE, dns.rdataclass.HS):
            reply = self.query("www.geo.test.", rdclass=qclass)
            self.assertEqual((reply.rcode(), reply.answer), (5, []))
        self.assertEqual(self.query("version.bind.", "TXT", rdclass=dns.rdataclass.CH).rcode(), 5)

    def test_20000_mutations(self) -> None:
        """Real queries with bits flipped, bytes cut, doubled or moved: no exception, no answer to a response, and
        every answer can be read."""
        rng = random.Random(20)
        seeds = [
            header(body=QUESTION), header(ar=1, body=QUESTION + EMPTY_OPT),
            header(ar=1, body=QUESTION + opt(option(8, b"\0\1\x18\0\1\2\3"))),
            header(ar=1, body=QUESTION + opt(option(10, b"12345678") + option(3, b""))),
            header(body=b"\4nope" + QUESTION[4:]), header(body=b"\1a\4wild" + QUESTION[4:]),
            header(body=b"\5alias" + QUESTION[4:-4] + b"\0\x1c\0\1"),
            header(body=b"\3big" + QUESTION[4:-4] + b"\0\x10\0\1"),
        ]
        answered = 0
        for number in range(20_000):
            data = bytearray(seeds[number % len(seeds)])
            for _ in range(rng.randrange(1, 4)):
                at = rng.randrange(len(data))
                match rng.randrange(5):
                    case 0 | 1:
                        data[at] ^= 1 << rng.randrange(8)
                    case 2:
                        data[at] = rng.randrange(256)
                    case 3:
                        data[at:at] = rng.randbytes(rng.randrange(4))
                    case _:
                        del data[at : at + rng.randrange(1, 4)]
                if not data:
                    data += b"\0"
            reply = self.rig.handle(bytes(data), "127.0.0.1")
            if reply is not None:
                answered += 1
                self.assertGreaterEqual(len(data), 12)
                self.assertFalse(data[2] & 0x80)
                if number % 10 == 0:
                    dns.message.from_wire(reply, ignore_trailing=False)
        self.assertEqual(self.rig.responder.failures, 0)
        self.assertGreater(answered, 10_000)

    def test_random_bytes(self) -> None:
        """Noise, and headers with noise behind them, a hundred thousand: no exception, and not a line in the log."""
        told: list[object] = []
        globalLogPublisher.addObserver(told.append)
        self.addCleanup(globalLogPublisher.removeObserver, told.append)
        rng = random.Random(34)
        for number in range(100_000):
            data = rng.randbytes(rng.randrange(0, 80))
            self.rig.handle(header(ar=number % 3, body=data) if number % 2 else data, "127.0.0.1")
        self.assertEqual((self.rig.responder.failures, told), (0, []))

    def test_errors_of_ours_are_silence(self) -> None:
        """Should the handler itself fail, the sender meets silence and the log has it."""
        def broken(host: str) -> int:
            raise RuntimeError("broken on purpose")
        self.patch(self.rig.responder, "_class_of", broken)
        self.assertIsNone(self.rig.handle(header(body=QUESTION), "127.0.0.1"))
        self.assertEqual(self.rig.responder.failures, 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)


class NamesTests(RigCase):
    """Names outside, transfers, ANY (points 24, 31, 32)."""

    def test_outside_the_zone(self) -> None:
        """Names of others are REFUSED, with the reason for who speaks EDNS; never a referral."""
        for name in ("example.com.", ".", "test.", "xgeo.test.", "geo.test.example."):
            reply = self.query(name)
            self.assertEqual((reply.rcode(), reply.answer, reply.authority), (5, [], []), name)
            self.assertFalse(reply.flags & dns.flags.AA)
            reply = self.query(name, use_edns=0)
            self.assertEqual(reply.options[0].to_wire(), b"\0\x14")

    def test_transfers(self) -> None:
        """AXFR and IXFR get nothing here, over UDP or TCP."""
        for rtype in ("AXFR", "IXFR"):
            for tcp in (False, True):
                reply = self.query("geo.test.", rtype, tcp=tcp)
                self.assertEqual((reply.rcode(), reply.answer), (5, []))

    def test_any(self) -> None:
        """ANY gets one small set (RFC 8482)."""
        for name in ("www.geo.test.", "geo.test.", "big.geo.test."):
            reply = self.query(name, "ANY")
            self.assertEqual([rrset.rdtype for rrset in reply.answer], [dns.rdatatype.HINFO])
            self.assertLess(len(reply.to_wire()), 100)
        self.assertEqual(self.query("b.ent.geo.test.", "ANY").answer, [])
