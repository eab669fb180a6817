"""OPT records and options."""

from __future__ import annotations

import dns.message
from twisted.trial.unittest import SynchronousTestCase

from cackled.dns.edns import Edns, FormatError, Subnet, extended_error, opt_record, parse_options, parse_subnet

from .helpers import option


class EdnsTests(SynchronousTestCase):
    def test_size(self) -> None:
        """The client's size counts between 512 and ours."""
        for size, used in ((0, 512), (511, 512), (600, 600), (1232, 1232), (4096, 1232), (65535, 1232)):
            self.assertEqual(Edns(size, 0, False).size, used)

    def test_opt_record(self) -> None:
        """The reply's OPT as dnspython reads it: extended code, DO, an extended error."""
        message = dns.message.from_wire(
            b"\0\1\x80\0" + bytes(6) + b"\0\1" + opt_record(extended_error(20), do=True, rcode=16)
        )
        self.assertEqual((message.rcode(), message.ednsflags & 0xFFFF, message.payload), (16, 0x8000, 1232))
        self.assertEqual(message.options[0].code, 20)  # type: ignore[attr-defined]

    def test_subnet_option(self) -> None:
        """The echo of a subnet differs in the scope only."""
        for value in (b"\0\1\x18\0\1\2\3", b"\0\2\x38\0" + bytes(7), b"\0\1\0\0", b"\0\0\0\0", b"\0\1\x09\0\1\x80"):
            subnet = parse_subnet(value)
            self.assertEqual(subnet.option(17), option(8, value[:3] + b"\x11" + value[4:]))

    def test_first_cookie_counts(self) -> None:
        """Of two cookies the first is taken (RFC 7873 section 5.2)."""
        edns = Edns(512, 0, False)
        parse_options(edns, option(10, b"aaaaaaaa") + option(10, b"bbbbbbbb"))
        self.assertEqual(edns.cookie, b"aaaaaaaa")

    def test_two_subnets(self) -> None:
        """Two subnets can't both be meant."""
        edns = Edns(512, 0, False)
        self.assertRaises(FormatError, parse_options, edns, Subnet(1, 8, b"\1").option(0) * 2)
