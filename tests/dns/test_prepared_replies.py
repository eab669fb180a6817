"""Plans: the fastest way says what the longest one says, and forgets when it must."""

from __future__ import annotations

from collections import Counter

import dns.message
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Dns
from cackled.dns import prepared_replies
from cackled.dns.zone import Zone

from .helpers import EMPTY_OPT, QUESTION, SG, Rig, addresses, header, make_zone, opt, option

SUBNET = option(8, b"\0\1\x18\0\x0a\1\2")


class PlansTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig(self, settings=Dns(rate=0))
        self.plans = self.rig.responder.plans

    def learn(self, data: bytes, host: str = "127.0.0.1") -> list[bytes]:
        """The replies of the three ways: strict, known question, plan."""
        made = []
        for _ in range(3):
            reply = self.rig.handle(data, host)
            assert reply is not None
            made.append(reply)
        return made

    def test_all_ways_agree(self) -> None:
        """For static, geo and delegated names, with and without OPT, DO and subnet, by strangers and friends."""
        self.rig.nearest.set_live({"sg"})
        for name in (b"\6static", b"\3www", b"\5alias", b"\1q\4wild", b"\3sub", b"\3svc"):
            for rtype in (b"\0\1", b"\0\x1c", b"\0\x41"):
                question = name + b"\3geo\4test\0" + rtype + b"\0\1"
                for rd in (0, 0x100):
                    for extra in (b"", EMPTY_OPT, opt(flags=0x8000), opt(SUBNET), opt(SUBNET, flags=0x8000)):
                        data = header(ident=rd + 3, flags=rd, ar=int(bool(extra)), body=question + extra)
                        for host in ("127.0.0.1", "203.0.113.5", "2001:db8:e::1"):
                            self.assertEqual(len(set(self.learn(data, host))), 1, data)
        self.assertGreater(self.plans.whole, 20)
        self.assertGreater(self.plans.subnets, 20)

    def test_id_and_subnet_are_the_senders(self) -> None:
        """Another id and another subnet come back in the reply; the place is that of the subnet."""
        self.learn(header(ar=1, body=QUESTION + opt(SUBNET)))
        hits = self.rig.responder.hits
        reply = self.rig.handle(
            header(ident=0xABCD, ar=1, body=QUESTION + opt(option(8, b"\0\1\x18\0\x1e\5\6"))), "127.0.0.1"
        )
        assert reply is not None
        message = dns.message.from_wire(reply)
        self.assertEqual((message.id, addresses(message)[0]), (0xABCD, SG))
        self.assertEqual((message.options[0].address, message.options[0].scopelen), ("30.5.6.0", 9))
        self.assertEqual(self.rig.responder.hits, hits + 1)
        # Where blocks are smaller than what was asked for, the scope is no more than that.
        finer = self.rig.handle(header(ar=1, body=QUESTION + opt(option(8, b"\0\1\x18\0\x14\1\2"))), "127.0.0.1")
        assert finer is not None
        self.assertEqual(dns.message.from_wire(finer).options[0].scopelen, 24)

    def test_changes(self) -> None:
        """Liveness, zone and index count at once."""
        data = header(body=QUESTION)
        self.learn(data)
        self.rig.nearest.set_live({"sg"})
        self.rig.responder.refresh()
        self.assertEqual({addresses(dns.message.from_wire(reply))[0] for reply in self.learn(data)}, {SG})
        zone: Zone = make_zone(self, geo=["cdn.geo.test."])
        self.rig.responder.set_zone(zone)
        self.assertEqual({reply[3] for reply in self.learn(data)}, {3})

    def test_rotation(self) -> None:
        """Plans turn by themselves, and not all from the same start."""
        firsts = Counter[str]()
        for number in range(60):
            data = header(body=b"\3n%02d" % number + b"\3cdn\3geo\4test\0\0\1\0\1")
            reply = self.learn(data, "127.0.0.1")[2]
            firsts[addresses(dns.message.from_wire(reply))[0]] += 1
        self.assertTrue(all(count > 5 for count in firsts.values()), firsts)
        self.assertEqual(len(firsts), 3)

    def test_bounded(self) -> None:
        """Names and cases without end don't fill the memory; random case is not learned at all."""
        self.patch(prepared_replies, "MAX_PLANS", 50)
        self.patch(prepared_replies, "MAX_REPLIES", 500)
        for number in range(200):
            self.learn(header(body=b"\4n%03d" % number + b"\3cdn\3geo\4test\0\0\1\0\1"))
            self.assertLessEqual(self.plans.whole, 50)
            self.assertLessEqual(self.plans._replies, 500)
        self.plans.clear()
        self.learn(header(body=QUESTION.replace(b"www", b"wWw")))
        self.assertEqual(self.plans.whole, 0)

    def test_only_whole_copies(self) -> None:
        """One byte more or less, another count or flag, and the query is another."""
        data = header(ar=1, body=QUESTION + opt(SUBNET))
        self.learn(data)
        for broken in (data + b"x", data[:-1], data[:-3], data[:-2] + b"\0\0\0"):
            reply = self.rig.handle(broken, "127.0.0.1")
            assert reply is not None
            self.assertEqual(reply[3] & 15, 1, broken)
        self.assertIsNone(self.rig.handle(data[:2] + b"\x80" + data[3:], "127.0.0.1"))
