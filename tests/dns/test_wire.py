"""Names and the writer, with dnspython reading what is written."""

from __future__ import annotations

import dns.message
import dns.name
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.dns.wire import CNAME, MX, NS, SOA, TXT, A, Writer, name_length, name_text, pack_name, parents

label = st.sampled_from([b"a", b"b", b"cc", b"mail", b"x" * 63])
name = st.lists(label, max_size=3).map(lambda found: b"".join(bytes((len(x),)) + x for x in found) + b"\0")


class NamesTests(SynchronousTestCase):
    def test_pack(self) -> None:
        """Text to wire and back; what is no name raises."""
        self.assertEqual(pack_name("Www.Geo.TEST."), b"\3www\3geo\4test\0")
        self.assertEqual(pack_name("."), b"\0")
        self.assertEqual(name_text(b"\3a.b\2\0c\0"), "a\\046b.\\000c.")
        self.assertEqual(name_text(b"\0"), ".")
        for text in ("a..b", "a" * 64, ".".join(["a" * 60] * 5)):
            self.assertRaises(ValueError, pack_name, text)

    def test_parents(self) -> None:
        """Every name above, the root last."""
        self.assertEqual(parents(b"\1a\1b\0"), [b"\1a\1b\0", b"\1b\0", b"\0"])
        self.assertEqual(name_length(b"xx\1a\1b\0yy", 2), 5)


class WriterTests(SynchronousTestCase):
    @settings(max_examples=200, deadline=None)
    @given(name, st.lists(st.tuples(name, st.sampled_from([A, NS, CNAME, MX, SOA, TXT]), name), max_size=8))
    def test_compression(self, question: bytes, wanted: list[tuple[bytes, int, bytes]]) -> None:
        """Whatever is compressed comes out of another reader as it was."""
        writer = Writer(question)
        def rdata(rtype: int, target: bytes) -> bytes:
            fixed = {A: b"abcd", MX: b"\0\5" + target, TXT: b"\1x", SOA: target + target + bytes(20)}
            return fixed.get(rtype, target)

        records = [(owner, rtype, 60, rdata(rtype, target)) for owner, rtype, target in wanted]
        for record in records:
            writer.record(record)
        head = b"\0\1\x80\0\0\1" + len(records).to_bytes(2, "big") + bytes(4)
        message = dns.message.from_wire(head + question + b"\0\1\0\1" + bytes(writer.out), one_rr_per_rrset=True)
        self.assertEqual(len(message.answer), len(records))
        for rrset, (owner, rtype, _, raw) in zip(message.answer, records, strict=True):
            self.assertEqual(rrset.name.to_wire(), owner)
            self.assertEqual((rrset.rdtype, rrset[0].to_wire()), (rtype, raw))

    def test_is_shorter(self) -> None:
        """Names of the question's domain take two bytes."""
        writer = Writer(pack_name("www.geo.test."))
        writer.record((pack_name("www.geo.test."), NS, 60, pack_name("ns1.geo.test.")))
        self.assertEqual(bytes(writer.out), b"\xc0\x0c\0\2\0\1\0\0\0\x3c\0\6\3ns1\xc0\x10")
