"""The semantics of look-ups: negative answers, wildcards, aliases, delegations, shares of nodes."""

from __future__ import annotations

from collections import Counter

import dns.flags
import dns.rdatatype
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Dns
from cackled.dns import answer
from cackled.dns.wire import NOERROR, A, pack_name

from .helpers import Rig, addresses


class AnswersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(self)
        self.query = self.rig.query

    def types(self, name: str, rtype: str = "A") -> tuple[int, list[str], list[str]]:
        """Rcode, types of the answer, types of the authority section."""
        reply = self.query(name, rtype)
        return (
            reply.rcode(),
            [dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.answer],
            [dns.rdatatype.to_text(rrset.rdtype) for rrset in reply.authority],
        )

    def test_negative(self) -> None:
        """No such name and no data: authoritative, with the SOA at the TTL of negative answers."""
        for name, rtype, rcode in (
            ("nope.geo.test.", "A", 3), ("a.nope.geo.test.", "A", 3), ("static.geo.test.", "AAAA", 0),
            ("geo.test.", "AAAA", 0), ("nope.geo.test.", "ANY", 3),
        ):
            reply = self.query(name, rtype)
            self.assertEqual((reply.rcode(), reply.answer), (rcode, []), name)
            self.assertTrue(reply.flags & dns.flags.AA)
            self.assertEqual((str(reply.authority[0].name), reply.authority[0].ttl), ("geo.test.", 60))

    def test_empty_non_terminal(self) -> None:
        """A name that only has names below it exists, without data."""
        self.assertEqual(self.types("b.ent.geo.test."), (0, [], ["SOA"]))
        self.assertEqual(self.types("ent.geo.test."), (0, [], ["SOA"]))
        self.assertEqual(self.types("c.ent.geo.test."), (3, [], ["SOA"]))
        self.assertEqual(self.types("wild.geo.test."), (0, [], ["SOA"]))

    def test_wildcard(self) -> None:
        """RFC 4592: any number of labels, no data for other types, hidden below names that are there."""
        for name in ("q.wild.geo.test.", "p.q.wild.geo.test.", "*.wild.geo.test."):
            reply = self.query(name)
            self.assertEqual(addresses(reply), ["192.0.2.99"], name)
            self.assertEqual(str(reply.answer[0].name), name)
        # The wildcard itself is a name that encloses; below it there is no other wildcard.
        self.assertEqual(self.types("*.*.wild.geo.test.")[0], 3)
        self.assertEqual(self.types("q.wild.geo.test.", "MX"), (0, [], ["SOA"]))
        # x.y.wild exists, so y.wild does: neither it nor what is below it is the wildcard's.
        self.assertEqual(self.types("y.wild.geo.test."), (0, [], ["SOA"]))
        self.assertEqual(self.types("z.y.wild.geo.test."), (3, [], ["SOA"]))
        self.assertEqual(self.types("q.wild.geo.test.", "ANY")[1], ["HINFO"])

    def test_geo_wildcard(self) -> None:
        """A geo name may be a wildcard."""
        self.assertEqual(len(addresses(self.query("customer7.cdn.geo.test."))), 2)
        self.assertEqual(self.types("customer7.cdn.geo.test.", "TXT"), (0, [], ["SOA"]))

    def test_alias(self) -> None:
        """CNAMEs are followed inside the zone, and given alone where they leave it."""
        self.assertEqual(self.types("alias.geo.test."), (0, ["CNAME", "CNAME", "A"], []))
        self.assertEqual(self.types("alias.geo.test.", "AAAA")[1], ["CNAME", "CNAME", "AAAA"])
        self.assertEqual(self.types("alias.geo.test.", "CNAME"), (0, ["CNAME"], []))
        self.assertEqual(self.types("alias.geo.test.", "MX"), (0, ["CNAME", "CNAME"], ["SOA"]))
        self.assertEqual(self.types("away.geo.test."), (0, ["CNAME"], []))
        self.assertEqual(self.types("gone.geo.test."), (3, ["CNAME"], ["SOA"]))
        self.assertEqual(self.types("any.wcn.geo.test."), (0, ["CNAME", "A"], []))
        self.assertEqual(self.types("alias.geo.test.", "ANY")[1], ["CNAME"])
        reply = self.query("alias.geo.test.")
        names = [str(rrset.name) for rrset in reply.answer]
        self.assertEqual(names, ["alias.geo.test.", "middle.geo.test.", "www.geo.test."])

    def test_delegation(self) -> None:
        """Below a zone cut: a referral with glue, not authoritative; DS is still ours."""
        for name in ("sub.geo.test.", "a.b.sub.geo.test.", "ns.sub.geo.test."):
            reply = self.query(name)
            self.assertEqual((reply.rcode(), reply.answer), (0, []))
            self.assertFalse(reply.flags & dns.flags.AA)
            self.assertEqual(str(reply.authority[0].name), "sub.geo.test.")
            self.assertEqual(len(reply.additional), 1)
        reply = self.query("sub.geo.test.", "DS")
        self.assertTrue(reply.flags & dns.flags.AA)
        self.assertEqual(reply.authority[0].rdtype, dns.rdatatype.SOA)

    def test_rdata(self) -> None:
        """Records come out as they went in, through name compression."""
        for name, rtype, text in (
            ("geo.test.", "MX", "10 mail.geo.test."),
            ("geo.test.", "CAA", '0 issue "ca.example"'),
            ("geo.test.", "TXT", '"v=spf1 -all" "second ; part"'),
            ("svc.geo.test.", "HTTPS", '1 . alpn="h2,http/1.1" ipv4hint="192.0.2.80"'),
            ("svc.geo.test.", "SVCB", '1 static.geo.test. alpn="h2"'),
            ("geo.test.", "SOA", "ns1.geo.test. hostmaster.geo.test. 2026112101 7200 1800 1209600 60"),
        ):
            self.assertEqual([str(each) for each in self.query(name, rtype).answer[0]], [text])

    def test_geo_ttl(self) -> None:
        """Geo answers live for dns.ttl seconds."""
        self.assertEqual(self.query("www.geo.test.").answer[0].ttl, 30)

    def test_learned_is_bounded(self) -> None:
        """Names without end, below a wildcard or not there, don't fill the memory."""
        self.patch(answer, "LEARNED", 50)
        answers = answer.Answers(self.rig.responder.zone, self.rig.nearest)
        for number in range(200):
            answers.entry(pack_name(f"n{number}.wild.geo.test."), A)
            answers.entry(pack_name(f"n{number}.geo.test."), A)
            self.assertLessEqual(len(answers.table), 50)
        self.assertTrue(all(entry.rcode == NOERROR for entry in answers.table.values()))
        self.assertLess(len(answers._missing), 5)

    def test_address_type_that_no_live_node_has(self) -> None:
        """When the nodes left have no IPv6, AAAA is no data, with the SOA; the name stays."""
        self.rig.nearest.set_live({"sg"})
        self.rig.responder.refresh()
        self.assertEqual(self.types("www.geo.test.", "AAAA"), (0, [], ["SOA"]))
        self.assertEqual(self.types("alias.geo.test.", "AAAA"), (0, ["CNAME", "CNAME"], ["SOA"]))
        self.assertEqual(addresses(self.query("www.geo.test.")), ["198.51.100.3"])

    def test_rotation(self) -> None:
        """Where the place is not known, the load is spread over all nodes, in pairs of different ones."""
        pairs = [addresses(self.query("www.geo.test.")) for _ in range(96)]
        self.assertTrue(all(len(set(pair)) == 2 for pair in pairs))
        firsts = Counter(pair[0] for pair in pairs)
        self.assertTrue(all(28 <= firsts[f"198.51.100.{n}"] <= 36 for n in (1, 2, 3)), firsts)

    def test_more_answers(self) -> None:
        """dns.answers sets how many addresses come."""
        for count, expected in ((1, 1), (3, 3), (9, 3)):
            rig = Rig(self, settings=Dns(answers=count))
            self.assertEqual(len(addresses(rig.query("www.geo.test."))), expected)
