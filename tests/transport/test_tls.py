"""Tests of TLS: handshakes in memory, certificates by name, reload."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from cackled.metrics import Metrics
from cackled.transport.tls import CertificateError, CertificateFolder, TlsEndpoint, server_endpoint
from tests.transport.common import Server, Wire, answers, get


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


class Client:
    """A TLS client without sockets, on a server's transport."""

    def __init__(
        self, factory: Any, wire: Wire, context: SSL.Context | None = None, name: bytes = b"a.example"
    ) -> None:
        self.wire = wire
        wire.protocol = factory.buildProtocol(wire.getPeer())
        wire.protocol.makeConnection(wire)
        self.tls = SSL.Connection(context or SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        if name:
            self.tls.set_tlsext_host_name(name)
        self.tls.set_connect_state()

    def turn(self) -> None:
        """Carry bytes both ways."""
        try:
            self.wire.protocol.dataReceived(self.tls.bio_read(1 << 16))
        except SSL.WantReadError:
            pass
        if self.wire.value():
            self.tls.bio_write(self.wire.value())
            self.wire.clear()

    def handshake(self) -> Client:
        for _ in range(6):
            try:
                self.tls.do_handshake()
                self.turn()
                return self
            except SSL.WantReadError:
                self.turn()
        raise AssertionError("no end of the handshake")

    def read(self) -> bytes:
        self.turn()
        data = b""
        while True:
            try:
                data += self.tls.recv(1 << 16)
            except (SSL.WantReadError, SSL.ZeroReturnError):
                return data

    @property
    def serial(self) -> int:
        certificate = self.tls.get_peer_certificate()
        assert certificate is not None
        return certificate.get_serial_number()


class HandshakeTests(TlsTestCase):
    """What a client gets."""

    def setUp(self) -> None:
        """A server below TLS."""
        super().setUp()
        self.metrics = Metrics()
        self.certificates = CertificateFolder(self.folder, self.metrics)
        self.server = Server()
        self.factory = TLSMemoryBIOFactory(self.certificates, False, self.server.factory, self.server.clock)

    def client(self, name: bytes = b"a.example", context: SSL.Context | None = None) -> Client:
        wire = Wire()
        wire.clock = self.server.clock
        return Client(self.factory, wire, context, name).handshake()

    def test_request(self) -> None:
        """A request over TLS is answered, and known to be secure."""
        client = self.client()
        client.tls.send(get())
        client.turn()
        self.server.clock.advance(0)
        self.assertEqual(answers(client.read())[0].status, 200)
        self.assertTrue(self.server.seen[0].isSecure())
        self.assertEqual(self.server.seen[0].scheme, b"https")

    def test_refusal(self) -> None:
        """A malformed request is answered and the connection closed; data after it is no error in the log."""
        client = self.client()
        client.tls.send(b"rubbish\r\n\r\n")
        client.turn()
        client.tls.send(b"more rubbish\r\n\r\n")
        client.turn()
        self.server.clock.advance(0)
        self.assertEqual([answer.status for answer in answers(client.read())], [400])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_no_handshake(self) -> None:
        """Who connects and says nothing, or no TLS, does not stay."""
        for data in (b"", b"GET / HTTP/1.0\r\n\r\n"):
            wire = Wire()
            wire.clock = self.server.clock
            wire.protocol = self.factory.buildProtocol(wire.getPeer())
            wire.protocol.makeConnection(wire)
            if data:
                wire.protocol.dataReceived(data)
            self.server.clock.pump([0.5] * 100)
            self.assertTrue(wire.lost)
        self.assertEqual(self.server.factory.limits.total, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_above_the_caps(self) -> None:
        """A connection too many does not stay to wait for a handshake."""
        self.server.factory.limits.total = 10_000
        wire = Wire()
        wire.clock = self.server.clock
        wire.protocol = self.factory.buildProtocol(wire.getPeer())
        wire.protocol.makeConnection(wire)
        self.assertTrue(wire.aborted)

    def test_names(self) -> None:
        """The certificate fits the name; for others, and without one, the default is given."""
        serial = {name: certificate.serial for name, certificate in self.certificates._by_name.items()}
        for name, expected in (
            (b"a.example", "a.example"),
            (b"A.Example", "a.example"),
            (b"b.example", "b.example"),
            (b"x.b.example", "b.example"),
            (b"x.y.b.example", "d.example"),
            (b"unknown.example", "d.example"),
            (b"", "d.example"),
        ):
            self.assertEqual(self.client(name).serial, serial[expected], name)

    def test_profile(self) -> None:
        """TLS 1.2 and 1.3 with forward secrecy and AEAD only; nothing older."""

        def context(version: int, ciphers: bytes = b"ALL") -> SSL.Context:
            made = SSL.Context(SSL.TLS_CLIENT_METHOD)
            made.set_min_proto_version(version)
            made.set_max_proto_version(version)
            made.set_cipher_list(ciphers + b":@SECLEVEL=0")
            return made

        self.assertEqual(self.client(context=context(SSL.TLS1_2_VERSION)).tls.get_protocol_version_name(), "TLSv1.2")
        self.assertEqual(self.client(context=context(SSL.TLS1_3_VERSION)).tls.get_protocol_version_name(), "TLSv1.3")
        for refused in (
            context(SSL.TLS1_1_VERSION),
            context(SSL.TLS1_2_VERSION, b"ECDHE-ECDSA-AES128-SHA"),
            context(SSL.TLS1_2_VERSION, b"ECDHE-ECDSA-AES128-CCM8"),
        ):
            self.assertRaises((SSL.Error, AssertionError), self.client, context=refused)

    def test_protocols(self) -> None:
        """HTTP/1.1 is agreed upon, HTTP/2 never, with every certificate."""
        for name in (b"a.example", b"d.example"):
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_alpn_protos([b"h2", b"http/1.1"])
            self.assertEqual(self.client(name, context).tls.get_alpn_proto_negotiated(), b"http/1.1")

    def test_resumption(self) -> None:
        """A client that comes again resumes by ticket."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_max_proto_version(version)
            first = self.client(context=context)
            first.read()
            session = first.tls.get_session()
            assert session is not None
            again = Client(self.factory, Wire(), context)
            again.tls.set_session(session)
            again.handshake()
            # pyOpenSSL has no public name for it.
            self.assertEqual(SSL._lib.SSL_session_reused(again.tls._ssl), 1)  # type: ignore[attr-defined]


class FolderTests(TlsTestCase):
    """Reading and reading again."""

    def test_reload(self) -> None:
        """New handshakes get the new certificate, connections that are open go on."""
        certificates = CertificateFolder(self.folder)
        server = Server()
        factory = TLSMemoryBIOFactory(certificates, False, server.factory, server.clock)
        before = {name: Client(factory, Wire(), None, name).handshake() for name in (b"a.example", b"d.example")}
        self.put("a.pem", pem("a.example"))
        self.put("default.pem", pem("d.example"))
        self.put("c.pem", pem("c.example"))
        self.assertEqual(certificates.reload(), [])
        for name, old in before.items():
            new = Client(factory, Wire(), None, name).handshake()
            self.assertNotEqual(new.serial, old.serial)
            self.assertEqual(new.serial, certificates.lookup(name.decode()).serial)
            old.tls.send(get())
            old.turn()
            server.clock.advance(0)
            self.assertEqual(answers(old.read())[0].status, 200)
        added = Client(factory, Wire(), None, b"c.example").handshake()
        self.assertEqual(added.serial, certificates.lookup("c.example").serial)

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


class EndpointTests(TlsTestCase):
    """From text to a listener."""

    def test_text(self) -> None:
        """Our prefix listens with the folder and looks for changes; others are Twisted's."""
        reactor = MemoryReactorClock()
        endpoint = server_endpoint(reactor, f"cackletls:port=8443:certs={self.folder}:interface=127.0.0.1")
        assert isinstance(endpoint, TlsEndpoint)
        self.successResultOf(endpoint.listen(Server().factory))
        port, factory, _, interface = reactor.tcpServers[0]
        self.assertEqual((port, interface), (8443, "127.0.0.1"))
        self.assertIsInstance(factory, TLSMemoryBIOFactory)
        before = endpoint.certificates.lookup("a.example").serial
        self.put("a.pem", pem("a.example"))
        reactor.advance(61)
        self.assertNotEqual(endpoint.certificates.lookup("a.example").serial, before)
        endpoint.close()
        self.assertEqual(reactor.getDelayedCalls(), [])
        self.assertNotIsInstance(server_endpoint(reactor, "tcp:80"), TlsEndpoint)

    def test_malformed(self) -> None:
        """What is wrong with the text is said."""
        for text in ("cackletls:", "cackletls:port=1", "cackletls:port=x:certs=y", "cackletls:port=1:certs=y:z=1"):
            self.assertRaises(ValueError, server_endpoint, MemoryReactorClock(), text)
