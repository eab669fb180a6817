"""Tests of the head parser and of what the server makes of malformed requests."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport import _head
from cackled.transport._head import Refused
from tests.support.answers import Server, answers, get

H = b"Host: example.com\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
POST = b"POST / HTTP/1.1\r\n" + H
# name, bytes, status. Every one must be answered with that status and the connection closed.
PROBES: list[tuple[str, bytes, int]] = [
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("no host on 1.0", b"GET / HTTP/1.0\r\n\r\n", 400),
    ("two hosts", b"GET / HTTP/1.1\r\n" + H + H + b"\r\n", 400),
    ("two different hosts", b"GET / HTTP/1.1\r\n" + H + b"Host: other\r\n\r\n", 400),
    ("empty host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("host with path", b"GET / HTTP/1.1\r\nHost: x/y?<script>\r\n\r\n", 400),
    ("host with user", b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ("host with a bad port", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    ("host list", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    ("host with two dots", b"GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", 400),
    ("obs-fold", b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n b\r\n\r\n", 400),
    ("obs-fold with a tab", b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n\tb\r\n\r\n", 400),
    ("folded transfer-encoding", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    ("fold before the first field", b"GET / HTTP/1.1\r\n X: y\r\n" + H + b"\r\n", 400),
    ("bare LF lines", b"GET / HTTP/1.1\nHost: example.com\n\n", 400),
    ("bare LF in a value", b"GET / HTTP/1.1\r\n" + H + b"X: a\nY: b\r\n\r\n", 400),
    ("bare LF without an end", b"GET / HTTP/1.1\n", 400),
    ("bare CR in a value", b"GET / HTTP/1.1\r\n" + H + b"X: a\rb\r\n\r\n", 400),
    ("NUL in a value", b"GET / HTTP/1.1\r\n" + H + b"X: a\x00b\r\n\r\n", 400),
    ("DEL in a value", b"GET / HTTP/1.1\r\n" + H + b"X: a\x7fb\r\n\r\n", 400),
    ("space before the colon", b"GET / HTTP/1.1\r\n" + H + b"X : a\r\n\r\n", 400),
    ("no colon", b"GET / HTTP/1.1\r\n" + H + b"nonsense\r\n\r\n", 400),
    ("empty name", b"GET / HTTP/1.1\r\n" + H + b": a\r\n\r\n", 400),
    ("space in a name", b"GET / HTTP/1.1\r\n" + H + b"X Y: a\r\n\r\n", 400),
    ("transfer-encoding and length", POST + TE + b"Content-Length: 3\r\n\r\n0\r\n\r\n", 400),
    ("length and identity", POST + b"Content-Length: 3\r\nTransfer-Encoding: identity\r\n\r\nabc", 400),
    ("transfer-encoding identity", POST + b"Transfer-Encoding: identity\r\n\r\n", 400),
    ("transfer-encoding on 1.0", b"POST / HTTP/1.0\r\n" + H + TE + b"\r\n0\r\n\r\n", 400),
    ("gzip, chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ("xchunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("two transfer-encodings", POST + TE + TE + b"\r\n0\r\n\r\n", 400),
    ("two lengths", POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    ("length list", POST + b"Content-Length: 3, 3\r\n\r\nabc", 400),
    ("signed length", POST + b"Content-Length: +3\r\n\r\nabc", 400),
    ("negative length", POST + b"Content-Length: -3\r\n\r\nabc", 400),
    ("hex length", POST + b"Content-Length: 0x3\r\n\r\nabc", 400),
    ("endless length", POST + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n", 400),
    ("hex chunk size", POST + TE + b"\r\n0x1\r\na\r\n0\r\n\r\n", 400),
    ("negative chunk size", POST + TE + b"\r\n-1\r\na\r\n0\r\n\r\n", 400),
    ("missing chunk end", POST + TE + b"\r\n1\r\naXX0\r\n\r\n", 400),
    ("LF in a chunk extension", POST + TE + b"\r\n1;a\nb\r\na\r\n0\r\n\r\n", 400),
    ("GET with a body", b"GET / HTTP/1.1\r\n" + H + b"Content-Length: 3\r\n\r\nabc", 400),
    ("GET with a chunked body", b"GET / HTTP/1.1\r\n" + H + TE + b"\r\n0\r\n\r\n", 400),
    ("HEAD with a body", b"HEAD / HTTP/1.1\r\n" + H + b"Content-Length: 3\r\n\r\nabc", 400),
    ("absolute form, other host", b"GET http://evil.example/ HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("absolute form, other scheme", b"GET ftp://example.com/ HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("absolute form with a user", b"GET http://a@example.com/ HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("relative target", b"GET a HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("star with GET", b"GET * HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("fragment", b"GET /a#b HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("byte above 7e in the target", b"GET /\x7f HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("byte a0 in the target", b"GET /\xa0 HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("tab in the request line", b"GET\t/ HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("two spaces in the request line", b"GET  / HTTP/1.1\r\n" + H + b"\r\n", 400),
    ("no version", b"GET /\r\n" + H + b"\r\n", 400),
    ("lower case version", b"GET / http/1.1\r\n" + H + b"\r\n", 400),
    ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\n" + H + b"\r\n", 505),
    ("HTTP/9.9", b"GET / HTTP/9.9\r\n" + H + b"\r\n", 505),
    ("CONNECT", b"CONNECT example.com:443 HTTP/1.1\r\n" + H + b"\r\n", 405),
    ("TRACE", b"TRACE / HTTP/1.1\r\n" + H + b"\r\n", 405),
    ("unknown method", b"BREW / HTTP/1.1\r\n" + H + b"\r\n", 501),
    ("method in lower case", b"get / HTTP/1.1\r\n" + H + b"\r\n", 501),
    ("expect", POST + b"Expect: foo\r\nContent-Length: 3\r\n\r\n", 417),
    ("two expects", POST + b"Expect: 100-continue\r\nExpect: foo\r\nContent-Length: 3\r\n\r\n", 400),
    ("long line", b"GET /" + b"a" * 9000, 414),
    ("long line with an end", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + H + b"\r\n", 414),
    ("long head", b"GET / HTTP/1.1\r\n" + H + b"X: " + b"a" * 9000 + b"\r\n\r\n", 431),
    ("long head without an end", b"GET / HTTP/1.1\r\n" + H + (b"X: " + b"a" * 100 + b"\r\n") * 90, 431),
    ("many fields", b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n" * 64 + b"\r\n", 431),
    ("body over the cap", POST + b"Content-Length: 65537\r\n\r\n", 413),
    ("two authorizations", b"GET / HTTP/1.1\r\n" + H + b"Authorization: a\r\nAuthorization: b\r\n\r\n", 400),
]  # fmt: skip
ACCEPTED: list[tuple[str, bytes]] = [
    ("plain", b"GET / HTTP/1.1\r\n" + H + b"\r\n"),
    ("1.0", b"GET / HTTP/1.0\r\n" + H + b"\r\n"),
    ("port", b"GET / HTTP/1.1\r\nHost: Example.COM:8080\r\n\r\n"),
    ("final dot", b"GET / HTTP/1.1\r\nHost: example.com.\r\n\r\n"),
    ("IPv6", b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    ("absolute form, same host", b"GET http://EXAMPLE.com:80/a?b HTTP/1.1\r\n" + H + b"\r\n"),
    ("empty line before", b"\r\nGET / HTTP/1.1\r\n" + H + b"\r\n"),
    ("latin value", b"GET / HTTP/1.1\r\n" + H + b"X: \xe4\t \r\n\r\n"),
    ("empty value", b"GET / HTTP/1.1\r\n" + H + b"X:\r\n\r\n"),
    ("length 0", b"GET / HTTP/1.1\r\n" + H + b"Content-Length: 0\r\n\r\n"),
    ("63 fields", b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n" * 63 + b"\r\n"),
    ("underscores", POST + b"Content_Length: 5\r\nContent-Length: 3\r\n\r\nabc"),
    ("options star", b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n"),
    ("chunked", POST + b"Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n"),
]


class ProbeTests(SynchronousTestCase):
    """Requests that two parsers could read differently never reach a resource."""

    def test_refused(self) -> None:
        """Each malformed request gets its status with a problem document, and the connection closes."""
        for name, raw, status in PROBES:
            with self.subTest(name):
                server = Server()
                wire = server.send(raw)
                to_head = raw.startswith(b"HEAD ")
                found = answers(wire.value(), (to_head,))
                self.assertEqual([answer.status for answer in found], [status])
                self.assertEqual(found[0].headers["content-type"], "application/problem+json")
                self.assertEqual(found[0].headers["connection"], "close")
                self.assertEqual(found[0].headers["access-control-allow-origin"], "*")
                self.assertIn(b"" if to_head else b'"status":%d' % status, found[0].body)
                self.assertTrue(wire.disconnecting)
                self.assertEqual(server.seen, [])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_refused_byte_by_byte(self) -> None:
        """However the bytes are cut, a malformed request is refused with the same status."""
        for name, raw, status in PROBES:
            if len(raw) > 3000:
                continue
            with self.subTest(name):
                server = Server()
                wire = server.connect()
                for at in range(len(raw)):
                    wire.protocol.dataReceived(raw[at : at + 1])
                found = answers(wire.value(), (raw.startswith(b"HEAD "),))
                self.assertEqual([answer.status for answer in found], [status])
                self.assertEqual(server.seen, [])

    def test_accepted(self) -> None:
        """What is right is answered, whole and byte by byte."""
        for name, raw in ACCEPTED:
            for size in (len(raw), 1):
                with self.subTest(name, size=size):
                    server = Server()
                    wire = server.connect()
                    for at in range(0, len(raw), size):
                        wire.protocol.dataReceived(raw[at : at + size])
                    self.assertIn(answers(wire.value())[0].status, (200, 204))

    def test_unknown_host(self) -> None:
        """With names configured, others are misdirected; case, port and a final dot don't matter."""
        server = Server(hosts=("example.com",))
        for host, status in (("example.com", 200), ("EXAMPLE.com.:80", 200), ("other.com", 421), ("127.0.0.1", 421)):
            self.assertEqual(server.ask(get(host=host)).status, status, host)

    def test_health(self) -> None:
        """Balancers ask for health in HTTP/1.0 without a name, or by an address; nothing else is answered so."""
        for target in ("/healthz", "/readyz", "/readyz?x=1"):
            for method in ("GET", "HEAD", "OPTIONS"):
                self.assertEqual(_head.parse(f"{method} {target} HTTP/1.0\r\n\r\n".encode(), 10).host, b"")
                raw = f"{method} {target} HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n".encode()
                self.assertEqual(_head.parse(raw, 10, frozenset((b"a.example",))).host, b"10.0.0.1")
        for line in (
            "GET /readyz HTTP/1.1", "GET /readyz/x HTTP/1.0", "GET /bootstrap HTTP/1.0", "GET / HTTP/1.0",
            "GET http://a.example/readyz HTTP/1.0",
        ):
            self.assertRaises(Refused, _head.parse, f"{line}\r\n\r\n".encode(), 10)

    def test_absolute_form(self) -> None:
        """An absolute target becomes its path and query before anybody sees it."""
        server = Server()
        server.ask(get("http://example.com?x=1"))
        server.ask(get("http://example.com/a?x=1"))
        self.assertEqual([request.uri for request in server.seen], [b"/?x=1", b"/a?x=1"])


class ParseTests(SynchronousTestCase):
    """The parser alone."""

    def test_fields(self) -> None:
        """Names are found in lower case, values without the space around them, repeated ones can be joined."""
        head = _head.parse(get("/", "A:  b \t", "Accept-Encoding: gzip", "accept-encoding: br"), 64)
        self.assertEqual(head.named[b"a"], b"b")
        self.assertEqual(head.joined(b"accept-encoding"), b"gzip, br")
        self.assertEqual(head.host, b"example.com")

    def test_no_cache(self) -> None:
        """Credentials and the mark of a recent write keep a request out of the microcache."""
        for field, expected in (
            ("Cookie: a=1; _mcnc=1", True),
            ("Cookie: _mcnc=1", True),
            ("Cookie: x_mcnc=1", False),
            ("Cookie: a=_mcnc", False),
            ("Authorization: Bearer x", True),
            ("X: y", False),
        ):
            self.assertIs(_head.parse(get("/", field), 64).no_cache, expected, field)
        self.assertTrue(_head.parse(get("/", "Cookie: _mcnc=1", "Cookie: b=1"), 64).no_cache)

    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=300))
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever the bytes, the parser returns a head or a refusal."""
        for raw in (data, b"GET / HTTP/1.1\r\nHost: a\r\n" + data + b"\r\n\r\n"):
            try:
                _head.parse(raw, 64)
            except Refused as error:
                self.assertGreaterEqual(error.response.status, 400)
