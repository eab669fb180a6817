"""Tests of the PROXY protocol's parser."""

from __future__ import annotations

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport import _proxy
from cackled.transport._proxy import PEEK, V2, ProxyError, Told, read


def v1(source: str, port: int, kind: str = "TCP4", target: str = "10.0.0.1") -> bytes:
    """A header of version 1."""
    return f"PROXY {kind} {source} {target} {port} 443\r\n".encode()


def v2(source: str, port: int, extensions: bytes = b"", command: int = 0x21) -> bytes:
    """A header of version 2."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    address = socket.inet_pton(family, source)
    body = address + address + struct.pack("!HH", port, 443) + extensions
    return V2 + struct.pack("!BBH", command, 0x21 if ":" in source else 0x11, len(body)) + body


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
ports = st.integers(0, 65535)


class ParserTests(SynchronousTestCase):
    """Headers, and what is none."""

    @given(st.ip_addresses(v=4).map(str), ports, st.binary(max_size=50))
    def test_v1(self, source: str, port: int, rest: bytes) -> None:
        """An address comes through, and what follows is not touched."""
        header = v1(source, port)
        self.assertEqual(read(header + rest), Told(len(header), (source, port), False))

    @given(addresses, ports, st.booleans(), st.binary(max_size=50))
    def test_v2(self, source: str, port: int, tls: bool, rest: bytes) -> None:
        """An address of either kind comes through, and whether TLS was used."""
        told = b"\x01\x00\x02h2" + b"\x20\x00\x05" + bytes([int(tls)]) + bytes(4)
        header = v2(source, port, told)
        found = read(header + rest)
        assert found is not None and found.client is not None
        self.assertEqual((found.size, found.secure, found.client[1]), (len(header), tls, port))
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        self.assertEqual(socket.inet_pton(family, found.client[0]), socket.inet_pton(family, source))

    @given(addresses, ports)
    def test_incomplete(self, source: str, port: int) -> None:
        """A header that is not all there is waited for, at any point."""
        header = v2(source, port) if port % 2 else v1(source, port, "TCP6" if ":" in source else "TCP4", source)
        for size in range(len(header)):
            self.assertIsNone(read(header[:size]))
        self.assertIsNotNone(read(header))

    @given(st.binary(max_size=300))
    def test_rubbish(self, data: bytes) -> None:
        """Anything is a header, or the beginning of one, or refused."""
        for start in (b"", b"PROXY ", V2, V2 + b"\x21\x11"):
            try:
                found = read(start + data)
            except ProxyError:
                continue
            self.assertTrue(found is None or 0 < found.size <= len(start + data))

    def test_proxy_itself(self) -> None:
        """UNKNOWN and LOCAL: the balancer speaks for itself."""
        for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ::1 ::1 1 1\r\n", v2("192.0.2.1", 1, command=0x20)):
            self.assertEqual(read(header), Told(len(header), None, False))
        self.assertEqual(read(V2 + b"\x21\x00\x00\x00"), Told(16, None, False))

    def test_refused(self) -> None:
        """What is malformed or too long is told apart from what is incomplete."""
        for data in (
            b"GET / HTTP/1.1\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 70000\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP6 192.0.2.1 ::1 1 2\r\n",
            b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            b"PROXY UNKNOWN " + b"x" * 200,
            v2("192.0.2.1", 1, command=0x11),
            V2 + b"\x21\x11\x00\x0b" + bytes(11),
            V2 + b"\x21\x31\x00\x00",
            V2 + b"\x21\x11\xff\xff",
            v2("192.0.2.1", 1, b"\x20\x00\x01\x01"),
            v2("192.0.2.1", 1, b"\x20\x00\x09\x01"),
            v2("192.0.2.1", 1, b"\x20"),
        ):
            self.assertRaises(ProxyError, read, data)
        self.assertGreaterEqual(PEEK, _proxy.V2_BYTES)
