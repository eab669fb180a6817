"""The responder over time: rate limits, changes while it answers, and whatever bytes come."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Dns
from cackled.geo.index import Index
from tests.dns.test_responder import RigCase, ecs, subnet

from .helpers import EMPTY_OPT, EU, INDEX, QUESTION, SG, US, Rig, addresses, header, opt, option


class RateTests(SynchronousTestCase):
    """Rate limiting, seen from outside."""

    def test_equal_answers(self) -> None:
        """Over the rate, one in two comes with TC and the others not at all; the next second starts anew."""
        rig = Rig(self, settings=Dns(rate=10))
        replies = [rig.handle(header(body=QUESTION), f"203.0.113.{number}") for number in range(20)]
        self.assertEqual(sum(reply is None for reply in replies), 5)
        self.assertEqual(sum(reply is not None and bool(reply[2] & 2) for reply in replies), 5)
        for reply in replies[10:]:
            self.assertTrue(reply is None or len(reply) == 12 + len(QUESTION))
        rig.clock.advance(1.1)
        self.assertIsNotNone(rig.handle(header(body=QUESTION), "203.0.113.9"))

    def test_cookie_passes(self) -> None:
        """A good server cookie proves the address; a made-up one does not."""
        rig = Rig(self, settings=Dns(rate=3))
        good, _ = rig.cookies.answer(b"12345678", "203.0.113.5")
        for cookie, passed in ((good, 10), (b"12345678" + bytes(16), 3)):
            data = header(ar=1, body=QUESTION + opt(option(10, cookie)))
            full = [rig.handle(data, "203.0.113.5") for _ in range(10)]
            self.assertEqual(sum(reply is not None and reply[7] == 2 for reply in full), passed)

    def test_errors_count(self) -> None:
        """REFUSED, FORMERR and NXDOMAIN are limited too; an error over the rate is dropped, never sent with TC."""
        rig = Rig(self, settings=Dns(rate=10))
        refused = header(body=b"\7example\0\0\1\0\1")
        self.assertEqual(sum(rig.handle(refused, "203.0.113.1") is not None for _ in range(50)), 10)
        missing = header(body=b"\x20" + b"n" * 32 + QUESTION[4:])
        replies = [rig.handle(missing, "198.18.0.1") for _ in range(50)]
        self.assertEqual(sum(reply is not None and not reply[2] & 2 for reply in replies), 10)


class ChangeTests(RigCase):
    """Liveness, classes and zones change between two queries (points 36 to 38)."""

    def test_liveness(self) -> None:
        """A node that is gone is out of every answer at once; when all are gone, all answer."""
        def ask() -> set[str]:
            return {each for _ in range(8) for each in addresses(self.query("www.geo.test.", **subnet("10.0.0.0", 24)))}
        self.assertEqual(ask(), {EU, US})
        for live, expected in (
            ({"us", "sg"}, {US, SG}), ({"sg"}, {SG}), (set(), {EU, US}), ({"eu", "sg"}, {EU, SG}),
        ):
            self.rig.nearest.set_live(live)
            self.rig.responder.refresh()
            self.assertEqual(ask(), expected, live)

    def test_index(self) -> None:
        """A new index counts from the next query on, also for resolvers seen before."""
        self.assertEqual(addresses(self.query("www.geo.test.", host="30.0.0.1"))[0], SG)
        self.rig.responder.set_index(Index.single(INDEX.classes[2]))
        self.assertEqual(addresses(self.query("www.geo.test.", host="30.0.0.1"))[0], US)
        option = ecs(self.query("www.geo.test.", **subnet("10.1.2.0", 24)))
        assert option is not None
        self.assertEqual(option.scopelen, 0)


class HypothesisTests(SynchronousTestCase):
    """Properties for any bytes and any names."""

    def setUp(self) -> None:
        self.rig = Rig(self)

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=80), st.integers(0, 3), st.booleans())
    def test_never_raises(self, body: bytes, additional: int, tcp: bool) -> None:
        """Any body behind a query's header: no error of ours; an answer can be read."""
        reply = self.rig.handle(header(ar=additional, body=body), "127.0.0.1", tcp)
        assert reply is not None
        dns.message.from_wire(reply)
        self.assertEqual(self.rig.responder.failures, 0)

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.binary(min_size=1, max_size=20) | st.sampled_from([b"*", b"wild", b"cdn", b"alias"]), max_size=6),
        st.integers(0, 65535), st.booleans(),
    )
    def test_any_question(self, labels: list[bytes], rtype: int, edns: bool) -> None:
        """Any name in the zone and any type: a readable answer that fits, echoing the question."""
        name = b"".join(bytes((len(label),)) + label for label in labels) + b"\3geo\4test\0"
        data = header(ar=int(edns), body=name + rtype.to_bytes(2, "big") + b"\0\1" + (EMPTY_OPT if edns else b""))
        first, second = self.rig.handle(data, "127.0.0.1"), self.rig.handle(data, "127.0.0.1")
        for reply in (first, second):
            assert reply is not None
            self.assertLessEqual(len(reply), 1232 if edns else 512)
            message = dns.message.from_wire(reply)
            self.assertIn(message.rcode(), (0, 3, 5))
            self.assertEqual(reply[12 : 12 + len(name) + 2], data[12 : 12 + len(name) + 2])
