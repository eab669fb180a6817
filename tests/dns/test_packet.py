"""The strict parser, against dnspython and against anything."""

from __future__ import annotations

import dns.edns
import dns.message
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.dns.edns import FormatError
from cackled.dns.packet import Query, parse

from .helpers import EMPTY_OPT, QUESTION, header, opt, option


class ParseTests(SynchronousTestCase):
    def test_everything(self) -> None:
        """A query with all that we know comes out whole."""
        query = Query()
        options = option(3, b"") + option(8, b"\0\1\x18\0\1\2\3") + option(10, b"12345678") + option(99, b"?")
        parse(header(ar=1, body=b"\3WWW" + QUESTION[4:] + opt(options, flags=0x8000)), query)
        edns = query.edns
        assert edns is not None and edns.subnet is not None
        self.assertEqual((query.name, query.qtype, query.qclass), (QUESTION[:-4], 1, 1))
        self.assertEqual(query.question, b"\3WWW" + QUESTION[4:])
        self.assertEqual((edns.size, edns.version, edns.do, edns.nsid, edns.cookie), (1232, 0, True, True, b"12345678"))
        self.assertEqual((edns.subnet.family, edns.subnet.bits, edns.subnet.address), (1, 24, b"\1\2\3"))

    def test_kept_after_a_mistake(self) -> None:
        """What came before the mistake is there for the error reply."""
        query = Query()
        self.assertRaises(FormatError, parse, header(ar=1, body=QUESTION + EMPTY_OPT + b"x"), query)
        self.assertEqual(query.question, QUESTION)
        self.assertIsNotNone(query.edns)

    def test_ixfr_authority(self) -> None:
        """IXFR carries one record in the authority section, nothing else does."""
        soa = b"\xc0\x0c\0\6\0\1\0\0\0\0\0\x16\0\0" + bytes(20)
        parse(header(ns=1, body=QUESTION[:-4] + b"\0\xfb\0\1" + soa), Query())
        self.assertRaises(FormatError, parse, header(ns=1, body=QUESTION + soa), Query())

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=100), st.integers(0, 2), st.integers(0, 3))
    def test_only_format_errors(self, body: bytes, questions: int, additional: int) -> None:
        """Any bytes: a query or FormatError, nothing else; what we take dnspython can read too."""
        data = header(qd=questions, ar=additional, body=body)
        try:
            parse(data, Query())
        except FormatError:
            return
        dns.message.from_wire(data, ignore_trailing=False, continue_on_error=True)

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.text("abcdefghij-0123456789", min_size=1, max_size=63), min_size=0, max_size=3),
        st.integers(1, 65535), st.booleans(), st.binary(max_size=30),
    )
    def test_all_that_dnspython_writes(self, labels: list[str], rtype: int, edns: bool, value: bytes) -> None:
        """What a good client writes is read."""
        message = dns.message.make_query(".".join(labels) + ".", rtype, use_edns=0 if edns else None)
        if edns:
            message.use_edns(0, options=[dns.edns.GenericOption(65001, value)])
        query = Query()
        parse(message.to_wire(), query)
        self.assertEqual((query.name, query.qtype), (message.question[0].name.to_wire(), rtype))
