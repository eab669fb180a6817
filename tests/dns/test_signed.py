"""Signed answers, validated by dnspython as a resolver would, and by delv where it is installed."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random
from typing import Any

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdatatype
import dns.rrset
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.config import ConfigError, Dns
from cackled.dns.keys import ED25519, P256, Key, make
from cackled.dns.server import DnsServer
from cackled.dns.sign import NXNAME, Signer
from cackled.metrics import Metrics

from .helpers import BIG, NODES, ORIGIN, ZONE, Rig, addresses, header, make_zone, opt, option, zone_file

NOW = 1_900_000_000.0
APEX = dns.name.from_text("geo.test.")
SECURE = ZONE + "sec IN NS ns.sec\nns.sec IN A 192.0.2.67\nsec IN DS 1 15 2 " + "ab" * 32 + "\nMixed IN CNAME WWW\n"


class SignedRig(Rig):
    """A responder that signs, over the test zone."""

    def __init__(self, case: SynchronousTestCase, key: Key, rate: int = 10_000, **more: Any) -> None:
        super().__init__(case, make_zone(case, SECURE), **more)
        self.key = key
        self.signer = Signer([key], ORIGIN, lambda: NOW, self.clock.seconds, rate)
        self.responder.signer = self.signer
        self.responder.zone.publish([key.rdata])
        self.responder.set_zone(self.responder.zone)

    def ask_signed(self, name: str, rtype: str = "A", **more: Any) -> dns.message.Message:
        """The reply to a question with DO, every set in it validated, by all three ways."""
        reply = None
        for _ in range(3):
            reply = self.query(name, rtype, use_edns=0, want_dnssec=True, **more)
            self.validate(reply)
        assert reply is not None
        return reply

    def validate(self, reply: dns.message.Message) -> None:
        """Each RRset of answer and authority has a good signature; of referrals only DS and NSEC."""
        rdata = dns.rdata.from_wire("IN", "DNSKEY", self.key.rdata, 0, len(self.key.rdata))
        keys = {APEX: dns.rrset.from_rdata(APEX, 3600, rdata)}
        for section in (reply.answer, reply.authority):
            for rrset in section:
                if rrset.rdtype == dns.rdatatype.RRSIG:
                    continue
                if rrset.rdtype == dns.rdatatype.NS and rrset.name != APEX:
                    continue
                found = [
                    each for each in section
                    if each.rdtype == dns.rdatatype.RRSIG and each.name == rrset.name and each.covers == rrset.rdtype
                ]
                assert len(found) == 1, (rrset, found)
                assert found[0].ttl == rrset.ttl
                dns.dnssec.validate(rrset, found[0], keys, now=NOW)


class ValidateTests(SynchronousTestCase):
    algorithm = ED25519

    def setUp(self) -> None:
        self.rig = SignedRig(self, make(self.mktemp(), self.algorithm))
        self.ask = self.rig.ask_signed

    def types(self, reply: dns.message.Message) -> tuple[int, list[str], list[str]]:
        return (
            int(reply.rcode()),
            [dns.rdatatype.to_text(each.rdtype) for each in reply.answer if each.rdtype != dns.rdatatype.RRSIG],
            [dns.rdatatype.to_text(each.rdtype) for each in reply.authority if each.rdtype != dns.rdatatype.RRSIG],
        )

    def denied(self, reply: dns.message.Message) -> tuple[str, set[int]]:
        """Name and types of the NSEC."""
        for rrset in reply.authority:
            if rrset.rdtype == dns.rdatatype.NSEC:
                types = {
                    window * 256 + byte * 8 + bit
                    for window, bitmap in rrset[0].windows for byte, value in enumerate(bitmap) for bit in range(8)
                    if value & 0x80 >> bit
                }
                self.assertEqual(rrset[0].next, dns.name.Name((b"\0", *rrset.name.labels)))
                return str(rrset.name), types
        raise AssertionError(reply)

    def test_every_type(self) -> None:
        """Records of every type in the zone, the key too; names inside them in any case."""
        for name, rtype in (
            ("geo.test.", "SOA"), ("geo.test.", "NS"), ("geo.test.", "MX"), ("geo.test.", "TXT"), ("geo.test.", "CAA"),
            ("geo.test.", "DNSKEY"), ("ns1.geo.test.", "AAAA"), ("svc.geo.test.", "HTTPS"), ("svc.geo.test.", "SVCB"),
            ("odd.geo.test.", "TYPE1000"), ("away.geo.test.", "CNAME"), ("www.geo.test.", "ANY"),
        ):
            code, answer, authority = self.types(self.ask(name, rtype))
            self.assertEqual((code, len(answer), authority), (0, 1, []), (name, rtype))

    def test_geo(self) -> None:
        """Each set of addresses that rotates is signed; its size stays within what the fast ways send."""
        seen = set()
        for _ in range(12):
            reply = self.ask("www.geo.test.", "AAAA")
            self.assertEqual(len(addresses(reply)), 2)
            seen |= set(addresses(reply))
        self.assertEqual(len(seen), 2)
        hits = self.rig.responder.hits
        self.ask("www.geo.test.", "AAAA")
        self.assertEqual(self.rig.responder.hits, hits + 3)
        reply = self.rig.query("www.geo.test.", use_edns=0)
        self.assertEqual(len(reply.answer), 1)

    def test_liveness(self) -> None:
        """After a change the new sets are signed, and a type whose nodes are away is denied."""
        self.ask("www.geo.test.")
        self.rig.nearest.set_live({"sg"})
        self.rig.responder.refresh()
        self.assertEqual(addresses(self.ask("www.geo.test.")), ["198.51.100.3"])
        reply = self.ask("www.geo.test.", "AAAA")
        self.assertEqual(self.types(reply), (0, [], ["SOA", "NSEC"]))
        self.assertEqual(self.denied(reply), ("www.geo.test.", {1, 46, 47}))

    def test_no_data(self) -> None:
        """NSEC at the name with the types that it has; for names that only have names below them, with none."""
        self.assertEqual(self.denied(self.ask("static.geo.test.", "MX")), ("static.geo.test.", {1, 46, 47}))
        self.assertEqual(self.denied(self.ask("b.ent.geo.test.")), ("b.ent.geo.test.", {46, 47}))
        self.assertEqual(self.denied(self.ask("www.geo.test.", "TXT")), ("www.geo.test.", {1, 28, 46, 47}))
        self.assertEqual(
            self.denied(self.ask("geo.test.", "PTR")), ("geo.test.", {2, 6, 15, 16, 46, 47, 48, 257})
        )

    def test_no_such_name(self) -> None:
        """NOERROR, and an NSEC that says of this name that there is none, and of no other (RFC 9824)."""
        for name in ("nope.geo.test.", "a.b.nope.geo.test.", "c.ent.geo.test."):
            reply = self.ask(name)
            self.assertEqual(self.types(reply), (0, [], ["SOA", "NSEC"]))
            self.assertEqual(self.denied(reply), (name, {46, 47, NXNAME}))
            self.assertEqual({each.ttl for each in reply.authority}, {60})
        self.assertEqual(self.rig.query("nope.geo.test.", use_edns=0).rcode(), 3)
        self.assertEqual(self.rig.query("nope.geo.test.").rcode(), 3)

    def test_no_such_name_of_any_length(self) -> None:
        """Up to the longest name; the answer is put together from parts, which are made anew with the signatures."""
        nothing = {dns.rdatatype.RRSIG, dns.rdatatype.NSEC, NXNAME}
        for size in (1, 2, 63, 64, 120, 240, 242, 243, 244):
            text = "x" * size
            name = ".".join(text[at : at + 60] for at in range(0, size, 60))
            if len(name) > 244:
                name = name[-244:]
            for _ in range(2):
                reply = self.ask(f"{name}.geo.test.")
                self.assertEqual(self.types(reply), (0, [], ["SOA", "NSEC"]))
                (denial,) = [each for each in reply.authority if each.rdtype == dns.rdatatype.NSEC]
                self.assertGreater(denial[0].next, denial.name)
                windows = denial[0].windows
            bits = {w * 256 + at * 8 + bit for w, bitmap in windows for at, byte in enumerate(bitmap)
                    for bit in range(8) if byte & 0x80 >> bit}  # fmt: skip
            self.assertEqual(bits, nothing)
        before = self.rig.signer.made
        self.rig.signer.renew()
        self.rig.responder.refresh()
        self.ask("x.geo.test.")
        self.assertEqual(self.rig.signer.made, before + 2)

    def test_mark_and_denial_asked_for(self) -> None:
        """NXNAME can't be asked for; NSEC can."""
        reply = self.rig.query("www.geo.test.", "TYPE128", use_edns=0, want_dnssec=True)
        self.assertEqual((reply.rcode(), reply.options[0].to_wire()), (1, b"\0\x1e"))
        self.assertEqual(self.types(self.ask("static.geo.test.", "NSEC")), (0, ["NSEC"], []))
        self.assertEqual(self.types(self.ask("nope.geo.test.", "NSEC")), (0, ["NSEC"], []))

    def test_signatures_asked_for(self) -> None:
        """Whoever asks for RRSIG gets one: to deny them in an answer that is signed would be a contradiction. With the
        NSEC it stands beside a CNAME too, and is not looked for behind it."""
        for name in ("www", "static", "q.wild", "b.ent", "nope", "alias", "away"):
            for tcp in (False, True):
                reply = self.rig.query(f"{name}.geo.test.", "RRSIG", use_edns=0, want_dnssec=True, tcp=tcp)
                self.assertEqual((self.types(reply)[0], reply.authority), (0, []))
                (found,) = reply.answer
                self.assertEqual(found.covers, dns.rdatatype.NSEC)
                denial = self.rig.query(f"{name}.geo.test.", "NSEC", use_edns=0, want_dnssec=True)
                self.assertIn(found, denial.answer)
                self.assertEqual(self.rig.query(f"{name}.geo.test.", "NSEC").answer, [])

    def test_wildcard(self) -> None:
        """What a wildcard stands for is signed under the name that was asked for."""
        reply = self.ask("q.wild.geo.test.")
        self.assertEqual((self.types(reply), addresses(reply)), ((0, ["A"], []), ["192.0.2.99"]))
        self.assertEqual(self.denied(self.ask("q.wild.geo.test.", "MX")), ("q.wild.geo.test.", {1, 16, 46, 47}))
        self.assertEqual(len(addresses(self.ask("any.cdn.geo.test."))), 2)
        self.assertEqual(self.types(self.ask("*.wild.geo.test.")), (0, ["A"], []))

    def test_alias(self) -> None:
        """Each link of a chain is signed, and so is what is missing at its end."""
        self.assertEqual(self.types(self.ask("alias.geo.test."))[1], ["CNAME", "CNAME", "A"])
        self.assertEqual(self.types(self.ask("mixed.geo.test."))[1], ["CNAME", "A"])
        self.assertEqual(self.types(self.ask("any.wcn.geo.test.", "AAAA"))[1], ["CNAME", "AAAA"])
        self.assertEqual(self.types(self.ask("away.geo.test.")), (0, ["CNAME"], []))
        reply = self.ask("gone.geo.test.")
        self.assertEqual(self.types(reply), (0, ["CNAME"], ["SOA", "NSEC"]))
        self.assertEqual(self.denied(reply), ("nothing.geo.test.", {46, 47, NXNAME}))

    def test_delegation(self) -> None:
        """A referral carries DS, or the proof that there is none; NS and glue are not ours to sign."""
        reply = self.ask("x.sub.geo.test.")
        self.assertEqual(self.types(reply), (0, [], ["NS", "NSEC"]))
        self.assertEqual(self.denied(reply), ("sub.geo.test.", {2, 46, 47}))
        self.assertFalse(reply.flags & dns.flags.AA)
        self.assertEqual(len(reply.additional), 1)
        self.assertEqual(self.types(self.ask("x.sec.geo.test."))[2], ["NS", "DS"])
        self.assertEqual(self.types(self.ask("sec.geo.test.", "DS"))[1], ["DS"])
        self.assertEqual(self.denied(self.ask("sub.geo.test.", "DS")), ("sub.geo.test.", {2, 46, 47}))

    def test_big(self) -> None:
        """Too big for UDP: TC, and complete over TCP."""
        query = dns.message.make_query("big.geo.test.", "TXT", use_edns=0, want_dnssec=True)
        self.assertTrue(self.rig.ask(query).flags & dns.flags.TC)
        reply = self.rig.ask(query, tcp=True)
        self.rig.validate(reply)
        self.assertEqual(len(reply.answer[0][0].strings), BIG.count('" "') + 1)
        query = dns.message.make_query("nope.geo.test.", "A", use_edns=0, want_dnssec=True, payload=512)
        for _ in range(3):
            self.assertLessEqual(len(self.rig.ask(query).to_wire()), 512)


class P256Tests(ValidateTests):
    """The same with the other kind of key."""

    algorithm = P256


class BoundTests(SynchronousTestCase):
    """What strangers can make us compute and send."""

    def test_strangers(self) -> None:
        """No answer to an unproven address is over twice the query, and for names that are not in the zone none of
        them costs a signature."""
        rig = SignedRig(self, make(self.mktemp(), ED25519), settings=Dns(rate=0))
        names = (b"\3www", b"\4nope", b"\1q\4wild", b"\1a\3cdn", b"\x30" + b"l" * 48, b"\6static", b"")
        for name in names:
            for rtype in (1, 2, 16, 28, 48, 255):
                body = name + b"\3geo\4test\0" + rtype.to_bytes(2, "big") + b"\0\1" + opt(flags=0x8000)
                data = header(ar=1, body=body)
                for _ in range(3):
                    reply = rig.handle(data, "203.0.113.5")
                    assert reply is not None
                    self.assertLessEqual(len(reply), 2 * len(data))
        self.assertEqual(rig.responder.failures, 0)
        before = rig.signer.made
        for number in range(50):
            rig.handle(header(ar=1, body=b"\4n%03d" % number + body[body.index(b"\3geo") :]), "203.0.113.5")
        self.assertEqual(rig.signer.made, before)

    def test_budget(self) -> None:
        """Over the budget new names are SERVFAIL, names of the zone are not."""
        rig = SignedRig(self, make(self.mktemp(), ED25519), rate=5)
        codes = [
            rig.query(f"n{number}.geo.test.", use_edns=0, want_dnssec=True).rcode() for number in range(8)
        ]
        self.assertEqual(codes, [0] * 5 + [2] * 3)
        rig.ask_signed("www.geo.test.")
        rig.clock.advance(1)
        rig.ask_signed("n9.geo.test.")

    def test_budget_of_places(self) -> None:
        """Below a wildcard that is a geo name each place has its own signatures: over the budget those are SERVFAIL,
        by every way, and an error of nobody."""
        rig = SignedRig(self, make(self.mktemp(), ED25519), rate=1)
        question = b"\1q\3cdn\3geo\4test\0\0\1\0\1"
        codes = []
        for place in (10, 20, 30, 30):
            for _ in range(2):
                data = header(ar=1, body=question + opt(option(8, bytes((0, 1, 24, 0, place, 0, 0))), flags=0x8000))
                reply = rig.handle(data, "127.0.0.1")
                assert reply is not None
                self.assertEqual(reply[12 : 12 + len(question)], question)
                codes.append(reply[3] & 15)
        self.assertEqual(codes, [0] * 4 + [2] * 4)
        other = header(ar=1, body=b"\1z" + question[2:] + opt(flags=0x8000))
        reply = rig.handle(other, "127.0.0.1")
        assert reply is not None
        self.assertEqual((reply[3] & 15, rig.responder.failures), (2, 0))


class DaemonTests(TestCase):
    """The server with keys from files."""

    def serve(self, **more: Any) -> DnsServer:
        keys = []
        for algorithm in (ED25519, P256):
            keys.append(self.mktemp())
            make(keys[-1], algorithm)
        zone = zone_file(self, ZONE.replace("{big}", BIG).replace("{mid}", BIG[:512]))  # type: ignore[arg-type]
        self.keys = keys
        settings = Dns(
            listen=("127.0.0.1:0",), origin="geo.test.", zone_file=zone, geo_names=("www",), keys=tuple(keys)
        )
        return DnsServer(reactor, None, None, NODES, settings, reactor, Random(1), Metrics(), state=Path(self.mktemp()))

    def test_wrong_key(self) -> None:
        """A key that can't be read is told at the start, in one line."""
        settings = Dns(keys=("/nonexistent",))
        error = self.assertRaises(
            ConfigError, DnsServer, reactor, None, None, NODES, settings, reactor, Random(1), Metrics()
        )
        self.assertIn("dns.keys: /nonexistent", str(error))

    async def test_renewal(self) -> None:
        """Signatures are made anew, and both keys are published."""
        server = self.serve()
        query = dns.message.make_query("geo.test.", "DNSKEY", use_edns=0, want_dnssec=True)
        first, second = server.handle(query.to_wire(), "127.0.0.1"), server.handle(query.to_wire(), "127.0.0.1")
        assert first is not None and second is not None and server._signer is not None
        self.assertEqual(first, second)
        self.assertEqual([len(rrset) for rrset in dns.message.from_wire(first).answer], [2, 1])
        made = server._signer.made
        server._renew_signatures()
        server.handle(query.to_wire(), "127.0.0.1")
        self.assertEqual(server._signer.made, made + 1)
        # A clock that was wrong when this began is set right; nothing is to be done until it is.
        for shift, expected in ((0, 0), (86_400 * 365, 1), (0, 0)):
            self.patch(server._signer, "_wall", lambda shift=shift, wall=server._signer._wall: wall() + shift)
            server._look_at_signatures()
            server.handle(query.to_wire(), "127.0.0.1")
            self.assertEqual(server._signer.made, made + 1 + expected)
            made += expected

    async def test_delv(self) -> None:
        """delv validates answers, aliases, wildcards and denials."""
        delv = shutil.which("delv")
        if delv is None:
            self.skipTest("delv is not installed")
        server = self.serve()
        server.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        host, port = server.addresses[0]
        assert server._signer is not None
        text = server._signer.keys[0].describe(ORIGIN)[1].split(" ", 3)[3].split(" ")
        anchor = Path(self.mktemp())
        anchor.write_text(
            f'trust-anchors {{ "geo.test." static-key {text[0]} {text[1]} {text[2]} "{text[3]}"; }};\n'
        )
        for name, rtype, expected in (
            ("www.geo.test", "A", b"; fully validated"), ("www.geo.test", "AAAA", b"; fully validated"),
            ("geo.test", "SOA", b"; fully validated"), ("alias.geo.test", "A", b"; fully validated"),
            ("q.wild.geo.test", "A", b"; fully validated"), ("static.geo.test", "MX", b"; negative response, fully"),
            ("b.ent.geo.test", "A", b"; negative response, fully"),
            ("nope.geo.test", "A", b"; negative response, fully"),
            ("q.wild.geo.test", "MX", b"; negative response, fully"), ("big.geo.test", "TXT", b"; fully validated"),
        ):
            out, err, _ = await getProcessOutputAndValue(
                delv, [f"@{host}", "-p", str(port), "-a", str(anchor), "+root=geo.test", name, rtype]
            )
            self.assertIn(expected, out + err, (name, rtype, out, err))
