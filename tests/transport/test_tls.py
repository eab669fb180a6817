"""Tests of TLS: handshakes over the loopback on a fake reactor, certificates by name, reload."""

from __future__ import annotations

import os
import ssl
import sys
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import SkipTest

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from cackled.metrics import Metrics
from cackled.transport import _private
from cackled.transport._groups import set_groups
from cackled.transport.endpoints import PublicEndpoint
from cackled.transport.tls import CertificateError, CertificateFolder, make_context, quiet_names
from tests.support.answers import Server, answers, get
from tests.support.sockets import Peer, Reactor, client_context


def pem(*names: str, days: float = 90, other_key: bool = False) -> bytes:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=200)).not_valid_after(now + timedelta(days=days))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    certificate = builder.sign(key, hashes.SHA256())
    if other_key:
        key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + certificate.public_bytes(Encoding.PEM)


class TlsTestCase(SynchronousTestCase):
    """A folder of certificates."""

    def setUp(self) -> None:
        """Two names, one wildcard, a default."""
        self.folder = self.mktemp()
        os.makedirs(self.folder)
        self.clock = 1
        self.put("a.pem", pem("a.example"))
        self.put("b.pem", pem("b.example", "*.b.example"))
        self.put("default.pem", pem("d.example"))

    def put(self, name: str, data: bytes) -> None:
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        self.clock += 10
        os.utime(path, (self.clock, self.clock))


class Site:
    """An `HttpFactory` behind a listener on the loopback, on a fake reactor; with *folder*, by TLS."""

    def __init__(self, case: Any, folder: str | None = None, routes: Any = None, **more: Any) -> None:
        settings = more.pop("settings", {})
        self.server = Server(routes, **settings)
        self.reactor = Reactor()
        self.reactor.advance(1000)
        self.server.clock = self.server.factory.clock = self.server.factory.line.clock = self.reactor
        self.server.microcache.clock = self.reactor
        self.metrics = self.server.metrics
        self.endpoint = PublicEndpoint(self.reactor, 0, "127.0.0.1", certs=folder, metrics=self.metrics, **more)
        self.listener = self.endpoint.listen_on(self.endpoint.bind(), self.server.factory)
        case.addCleanup(self.close)

    def client(self, context: ssl.SSLContext | None = None, name: str | None = "a.example") -> Peer:
        """A client whose handshake is over."""
        return Peer(self.listener, context or client_context(), server_hostname=name).handshake()

    def plain(self) -> Peer:
        """A client without TLS."""
        return Peer(self.listener)

    def close(self) -> None:
        self.endpoint.close()
        self.listener.stopListening()
        for transport in list(self.listener._opening):
            transport.abortConnection()
        self.server.factory.abort_all()
        self.reactor.turn(3)
        for reader in list(self.reactor.readers):
            reader.abortConnection()
        self.reactor.turn(2)


def serial(peer: Peer) -> int:
    """Of the certificate that the server showed."""
    return x509.load_der_x509_certificate(peer.socket.getpeercert(True)).serial_number


class HandshakeTests(TlsTestCase):
    """What a client gets."""

    def setUp(self) -> None:
        """A server by TLS."""
        super().setUp()
        self.site = Site(self, self.folder)
        folder = self.site.endpoint.certificates
        assert folder is not None
        self.certificates = folder

    def test_request(self) -> None:
        """A request over TLS is answered, and known to be secure."""
        client = self.site.client()
        client.send(get())
        self.assertEqual(answers(client.read(10))[0].status, 200)
        self.assertTrue(self.site.server.seen[0].isSecure())
        self.assertEqual(self.site.server.seen[0].scheme, b"https")
        self.assertEqual(self.site.metrics.value("tls_handshakes_total", kind="full"), 1)

    def test_refusal(self) -> None:
        """A malformed request is answered and the connection closed in order; data after it is no error in the log."""
        client = self.site.client()
        client.send(b"rubbish\r\n\r\n")
        client.send(b"more rubbish\r\n\r\n" * 1000)
        self.assertEqual([answer.status for answer in answers(client.rest())], [400])
        client.close()
        self.site.reactor.turn(2)
        self.assertEqual(self.site.server.factory.limits.total, 0)

    def test_no_handshake(self) -> None:
        """Who connects and says nothing, or no TLS, or half a handshake, does not stay."""
        for data in (b"", b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
            peer = self.site.plain()
            if data:
                peer.socket.send(data)
            self.assertEqual(self.site.server.factory.limits.total, 1)
            self.site.reactor.turn(3)
            for _ in range(12):
                self.site.reactor.advance(1)
                self.site.reactor.turn()
            self.assertEqual(self.site.server.factory.limits.total, 0, data)
            peer.socket.close()
        self.assertEqual(self.site.metrics.value("tls_handshake_failures_total", reason="http_request"), 1)
        self.assertEqual(self.site.metrics.value("tls_handshake_failures_total", reason="deadline"), 2)
        self.assertEqual(self.site.reactor.getDelayedCalls(), self.watch_only())
        self.assertEqual(self.flushLoggedErrors(), [])

    def watch_only(self) -> list[Any]:
        """The one timer there is when nobody is connected: that of the certificates."""
        calls = self.site.reactor.getDelayedCalls()
        self.assertEqual(len(calls), 1)
        return calls

    def test_above_the_caps(self) -> None:
        """A connection too many does not stay to wait for a handshake."""
        self.site.server.factory.limits.total = 10_000
        peer = self.site.plain()
        self.assertEqual(peer.socket.recv(10), b"")
        self.assertEqual(self.site.server.factory.limits.total, 10_000)
        self.site.server.factory.limits.total = 0

    def test_names(self) -> None:
        """The certificate fits the name; for others, and without one, the default is given."""
        known = {name: certificate.serial for name, certificate in self.certificates._by_name.items()}
        for name, expected in (
            ("a.example", "a.example"),
            ("A.Example", "a.example"),
            ("b.example", "b.example"),
            ("x.b.example", "b.example"),
            ("x.y.b.example", "d.example"),
            ("unknown.example", "d.example"),
            (None, "d.example"),
        ):
            self.assertEqual(serial(self.site.client(name=name)), known[expected], name)

    def test_names_that_are_none(self) -> None:
        """A name that is no ASCII fails the handshake, and nothing of it is printed."""
        printed: list[Any] = []
        self.patch(sys, "unraisablehook", printed.append)
        quiet_names()
        tls = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        tls.set_tlsext_host_name(b"\xff\xfe.example")
        tls.set_connect_state()
        self.assertRaises(SSL.WantReadError, tls.do_handshake)
        peer = self.site.plain()
        peer.socket.send(tls.bio_read(1 << 16))
        self.site.reactor.turn(3)
        self.assertEqual(printed, [])
        self.assertEqual(self.site.server.factory.limits.total, 0)
        peer.socket.close()

    def test_profile(self) -> None:
        """TLS 1.2 and 1.3 with forward secrecy and AEAD only; nothing older."""

        def context(version: ssl.TLSVersion, ciphers: str = "ALL") -> ssl.SSLContext:
            made = client_context()
            made.set_ciphers(ciphers + ":@SECLEVEL=0")
            made.minimum_version = ssl.TLSVersion.TLSv1
            made.maximum_version = version
            made.minimum_version = version
            return made

        self.assertEqual(self.site.client(context(ssl.TLSVersion.TLSv1_2)).socket.version(), "TLSv1.2")
        self.assertEqual(self.site.client(context(ssl.TLSVersion.TLSv1_3)).socket.version(), "TLSv1.3")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old = context(ssl.TLSVersion.TLSv1_1)
        for refused in (
            old,
            context(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA"),
            context(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256"),
            context(ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-CCM8"),
            context(ssl.TLSVersion.TLSv1_2, "AES128-GCM-SHA256"),
        ):
            self.assertRaises((ssl.SSLError, ConnectionError), self.site.client, refused)
        # Where the library would refuse them by itself, too.
        ours = make_context(["http/1.1"])
        self.assertEqual(ours.minimum_version, ssl.TLSVersion.TLSv1_2)
        self.assertTrue(ours.options & ssl.OP_NO_RENEGOTIATION)

    def test_groups(self) -> None:
        """Three curves are offered, others are not."""
        for name, taken in (("X25519", True), ("P-256", True), ("P-384", True), ("P-521", False), ("X448", False)):
            context = client_context()
            if not set_groups(context, name):
                raise SkipTest("this Python does not let us choose curves")
            if taken:
                self.site.client(context)
            else:
                self.assertRaises((ssl.SSLError, ConnectionError), self.site.client, context)

    def test_protocols(self) -> None:
        """HTTP/1.1 is agreed upon, HTTP/2 not unless switched on, with every certificate."""
        for http2, agreed in ((False, "http/1.1"), (True, "h2")):
            site = Site(self, self.folder, http2=http2)
            for name in ("a.example", "d.example"):
                context = client_context()
                context.set_alpn_protocols(["h2", "http/1.1"])
                peer = Peer(site.listener, context, server_hostname=name)
                peer.handshake()
                self.assertEqual(peer.socket.selected_alpn_protocol(), agreed)

    def test_resumption(self) -> None:
        """A client that comes again resumes by ticket, under any of our names."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = client_context(maximum_version=version)
            for name in ("a.example", "d.example"):
                first = self.site.client(context, name)
                first.send(get())
                first.read(10)
                session = first.socket.session
                again = Peer(self.site.listener, context, server_hostname=name, session=session).handshake()
                self.assertTrue(again.socket.session_reused, (version, name))
        self.assertEqual(self.site.metrics.value("tls_handshakes_total", kind="resumed"), 4)

    def test_renegotiation(self) -> None:
        """A client of TLS 1.2 that begins a second handshake is refused, and the connection is none the worse."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        peer = self.site.plain()
        tls = SSL.Connection(context, peer.socket)
        tls.set_connect_state()

        def do(call: Any) -> Any:
            for _ in range(500):
                try:
                    return call()
                except SSL.WantReadError:
                    self.site.reactor.turn()
            return None

        do(tls.do_handshake)
        tls.renegotiate()
        try:
            do(tls.do_handshake)
            refused = tls.renegotiate_pending()
        except SSL.Error:
            refused = True
        self.assertTrue(refused)
        self.assertEqual(self.site.metrics.value("tls_handshakes_total", kind="full"), 1)
        self.assertEqual(self.flushLoggedErrors(), [])


class ReloadTests(TlsTestCase):
    """Certificates change while connections live."""

    def test_reload(self) -> None:
        """New handshakes get the new certificate, connections that are open go on."""
        site = Site(self, self.folder)
        names = ("a.example", "d.example")
        before = {name: site.client(name=name) for name in names}
        serials = {name: serial(before[name]) for name in names}
        self.put("a.pem", pem("a.example"))
        self.put("default.pem", pem("d.example"))
        self.put("c.pem", pem("c.example"))
        certificates = site.endpoint.certificates
        assert certificates is not None
        site.reactor.advance(61)
        for name in before:
            new = site.client(name=name)
            self.assertNotEqual(serial(new), serials[name])
            self.assertEqual(serial(new), certificates.lookup(name).serial)
        added = site.client(name="c.example")
        self.assertEqual(serial(added), certificates.lookup("c.example").serial)

    def test_old_connections_live(self) -> None:
        """What was open before a reload is served after it."""
        site = Site(self, self.folder)
        old = site.client()
        self.put("a.pem", pem("a.example"))
        site.endpoint.reload()
        old.send(get())
        self.assertEqual(answers(old.read(10))[0].status, 200)


class FolderTests(TlsTestCase):
    """Reading and reading again."""

    def test_bad_files(self) -> None:
        """A file that can't be used leaves the old one in use, and is named, without its contents."""
        certificates = CertificateFolder(self.folder)
        serial = certificates.lookup("a.example").serial
        no_certificate = pem("a.example").partition(b"-----BEGIN C")[0]
        others_key, expired = pem("a.example", other_key=True), pem("a.example", days=-1)
        for data in (b"", b"rubbish", others_key, no_certificate, expired):
            self.put("a.pem", data)
            (wrong,) = certificates.reload()
            self.assertIn("a.pem", wrong)
            self.assertNotIn("BEGIN", wrong)
            self.assertEqual(certificates.lookup("a.example").serial, serial)
        os.remove(os.path.join(self.folder, "a.pem"))
        self.assertEqual(certificates.reload(), [])
        self.assertEqual(certificates.lookup("a.example").serial, certificates.lookup("d.example").serial)

    def test_unchanged_files_are_not_read(self) -> None:
        """A reload without changes keeps contexts, and with them the tickets."""
        certificates = CertificateFolder(self.folder)
        before = certificates.lookup("a.example")
        certificates.reload()
        self.assertIs(certificates.lookup("a.example"), before)

    def test_folder_vanishes(self) -> None:
        """Then what is loaded stays."""
        certificates = CertificateFolder(self.folder)
        os.rename(self.folder, self.folder + "x")
        self.assertEqual(len(certificates.reload()), 1)
        self.assertEqual(certificates.lookup("a.example").names, ("a.example",))

    def test_nothing_there(self) -> None:
        """At start, a folder without a usable certificate is an error."""
        self.assertRaises(CertificateError, CertificateFolder, self.mktemp())
        empty = self.mktemp()
        os.makedirs(empty)
        self.assertRaises(CertificateError, CertificateFolder, empty)

    def test_days_left(self) -> None:
        """The metrics say how long each file lasts."""
        metrics = Metrics()
        CertificateFolder(self.folder, metrics)
        self.assertAlmostEqual(metrics.value("tls_certificate_days", file="a.pem"), 90, 1)


class PublicHandshakeTests(HandshakeTests):
    """The same where CPython's ``ssl`` is not as we know it: by the standard library's documented way."""

    def setUp(self) -> None:
        """No lean TLS."""
        self.patch(_private, "tls_on", _private._public_wrap)
        super().setUp()

    def test_which(self) -> None:
        """It is that way indeed."""
        peer = self.site.client()
        (transport,) = self.site.reactor.readers - {self.site.listener}
        self.assertIsInstance(transport.tls, ssl.SSLSocket)
        peer.close()


class PublicReloadTests(ReloadTests):
    """As above."""

    def setUp(self) -> None:
        """No lean TLS."""
        self.patch(_private, "tls_on", _private._public_wrap)
        super().setUp()
