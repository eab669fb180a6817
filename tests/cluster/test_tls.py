"""Mutual TLS over real sockets: who gets through, and that no byte of the others does."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from OpenSSL import SSL, crypto
from service_identity import CertificateError
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.error import NoProtocol
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer

from cackled.cluster.ca import BACKDATED, init_ca, issue
from cackled.cluster.tls import Credentials, CredentialsError, Refused, TlsWire, peer_name
from cackled.metrics import Metrics

HELLO = b"application bytes"


def made_by_hand(folder: Path, file: str, names: list[Any], *, days: float = 10.0) -> None:
    """A certificate that `issue` would not make."""
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    ca_key: Any = load_pem_private_key((folder / "ca.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    end = datetime.now(UTC) + timedelta(days=days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=30))
        .not_valid_after(end)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    (folder / f"{file}.pem").write_bytes(builder.sign(ca_key, SHA256()).public_bytes(Encoding.PEM))
    (folder / f"{file}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def dns(name: str) -> x509.DNSName:
    return x509.DNSName(name)


def uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)


@implementer(IHandshakeListener)
class Side(Protocol):
    """One end: asks who is there as a link does, and says something once it knows."""

    def __init__(self, wire: TlsWire, allowed: list[str]) -> None:
        self.wire = wire
        self.allowed = allowed
        self.name = ""
        self.got = b""
        self.refusal: Exception | None = None
        self.lost: Deferred[None] = Deferred()
        self.heard: Deferred[None] = Deferred()

    def handshakeCompleted(self) -> None:
        try:
            self.name = self.wire.identify(self.transport, self.allowed)
        except Exception as error:
            self.refusal = error
            self.transport.abortConnection()  # type: ignore[union-attr]
            return
        self.transport.write(HELLO)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        self.got += data
        if not self.heard.called:
            self.heard.callback(None)

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason
        if not self.lost.called:
            self.lost.callback(None)


class Sides(Factory):
    noisy = False

    def __init__(self, wire: TlsWire, allowed: list[str]) -> None:
        self.wire = wire
        self.allowed = allowed
        self.made: list[Side] = []

    def buildProtocol(self, addr: Any) -> Side:
        side = Side(self.wire, self.allowed)
        self.made.append(side)
        return side


@implementer(IOpenSSLClientConnectionCreator)
class Careless:
    """A client that checks nothing: what a stranger would come with."""

    def __init__(self, options: CertificateOptions) -> None:
        self.context = options.getContext()

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        return SSL.Connection(self.context, None)


class WireCase(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        init_ca(self.folder)
        for name in ("n1", "n2", "n3"):
            issue(self.folder, name)

    def serve(self, name: str = "n1", allowed: tuple[str, ...] = ("n2",)) -> Sides:
        wire = TlsWire(reactor, Credentials(self.folder, name))
        factory = Sides(wire, list(allowed))
        self.port = wire.listen("127.0.0.1", 0, factory)
        self.addCleanup(self.port.stopListening)
        return factory

    def dial(self, folder: Path, name: str, expected: str = "n1") -> Deferred[Side]:
        wire = TlsWire(reactor, Credentials(folder, name))
        return wire.dial(expected, "127.0.0.1", self.port.getHost().port, Sides(wire, [expected]))

    def stranger(self, **options: Any) -> Deferred[Side]:
        """Dial without a care for who answers."""
        made = CertificateOptions(**options)
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        factory = Sides(TlsWire(reactor, Credentials(self.folder, "n2")), ["n1"])
        return wrapClientTLS(Careless(made), endpoint).connect(factory)

    def own(self, folder: Path, name: str) -> dict[str, Any]:
        """A client's certificate as *name* of *folder*, as options."""
        key = load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
        return {
            "privateKey": crypto.PKey.from_cryptography_key(key),  # type: ignore[arg-type]
            "certificate": crypto.X509.from_cryptography(certificate),
        }


class HandshakeTests(WireCase):
    """Each refusal: the connection ends, and nothing was said to us."""

    @inlineCallbacks
    def test_accepted(self) -> Any:
        """Both know each other, over TLS 1.3."""
        served = self.serve()
        client = yield self.dial(self.folder, "n2")
        yield client.heard
        (server,) = served.made
        yield server.heard
        self.assertEqual((client.name, server.name, client.got, server.got), ("n1", "n2", HELLO, HELLO))
        self.assertEqual(client.transport._tlsConnection.get_protocol_version_name(), "TLSv1.3")
        yield self.ended(client, server)

    def ended(self, *sides: Side) -> Deferred[Any]:
        sides[0].transport.loseConnection()  # type: ignore[union-attr]
        return DeferredList([side.lost for side in sides])

    @inlineCallbacks
    def refused(self, served: Sides, dialled: Deferred[Side]) -> Any:
        """Neither end hears a byte of the other."""
        client = yield dialled
        yield client.lost
        for server in served.made:
            yield server.lost
        self.assertEqual(client.got, b"")
        self.assertEqual([server.got for server in served.made], [b""] * len(served.made))
        self.assertEqual([server.name for server in served.made], [""] * len(served.made))
        self.assertEqual(self.flushLoggedErrors(), [])
        return client

    @inlineCallbacks
    def test_other_authority(self) -> Any:
        """A certificate with the right names of another authority, shown by who checks ours and by who does not."""
        other = Path(self.mktemp())
        init_ca(other)
        issue(other, "n2")
        served = self.serve()
        yield self.refused(served, self.dial(other, "n2"))
        served.made.clear()
        yield self.refused(served, self.stranger(**self.own(other, "n2"), raiseMinimumTo=TLSVersion.TLSv1_3))

    @inlineCallbacks
    def test_wrong_name_of_the_server(self) -> Any:
        """Who answers is a node, but not the one that was dialled: the client says nothing."""
        served = self.serve("n3")
        client = yield self.refused(served, self.dial(self.folder, "n2", "n1"))
        self.assertEqual(client.name, "")

    @inlineCallbacks
    def test_not_listed(self) -> Any:
        """A node with a good certificate that is not among the allowed."""
        served = self.serve(allowed=("n3",))
        yield self.refused(served, self.dial(self.folder, "n2"))
        self.assertIsInstance(served.made[0].refusal, Refused)

    @inlineCallbacks
    def test_expired(self) -> Any:
        """A client's certificate that was good until yesterday."""
        made_by_hand(self.folder, "old", [dns("n2"), uri("cackled:n2")], days=-1)
        served = self.serve()
        yield self.refused(served, self.stranger(**self.own(self.folder, "old"), raiseMinimumTo=TLSVersion.TLSv1_3))

    @inlineCallbacks
    def test_expired_server(self) -> Any:
        """A server's likewise: the client ends the handshake."""
        served = self.serve()
        loaded = served.wire._credentials._loaded
        made_by_hand(self.folder, "old", [dns("n1"), uri("cackled:n1")], days=-1)
        loaded.server = CertificateOptions(
            **self.own(self.folder, "old"), trustRoot=loaded.trust, raiseMinimumTo=TLSVersion.TLSv1_3
        ).getContext()
        yield self.refused(served, self.dial(self.folder, "n2"))

    @inlineCallbacks
    def test_no_certificate(self) -> Any:
        """None at all."""
        served = self.serve()
        yield self.refused(served, self.stranger(raiseMinimumTo=TLSVersion.TLSv1_3))

    @inlineCallbacks
    def test_older_tls(self) -> Any:
        """TLS 1.2 with a good certificate."""
        served = self.serve()
        options = self.own(self.folder, "n2")
        yield self.refused(served, self.stranger(**options, lowerMaximumSecurityTo=TLSVersion.TLSv1_2))

    @inlineCallbacks
    def test_names_that_make_no_sense(self) -> Any:
        """URIs that can't be compared are refusals, not errors."""
        served = self.serve()
        for number, names in enumerate(([dns("n2"), uri("urn:a:b")], [dns("n2")], [uri("cackled:n2")], [])):
            made_by_hand(self.folder, f"odd{number}", names)
            served.made.clear()
            options = self.own(self.folder, f"odd{number}")
            yield self.refused(served, self.stranger(**options, raiseMinimumTo=TLSVersion.TLSv1_3))
            self.assertIsNotNone(served.made[0].refusal)

    @inlineCallbacks
    def test_plain_text(self) -> Any:
        """Somebody who speaks no TLS."""
        served = self.serve()
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        client = yield endpoint.connect(Sides(served.wire, []))
        client.transport.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        yield client.lost
        yield served.made[0].lost
        self.assertEqual((served.made[0].got, served.made[0].name), (b"", ""))
        self.assertEqual(self.flushLoggedErrors(), [])


class Closed(Factory):
    """Builds nothing: a mesh that has not started or stops, or has enough unidentified connections."""

    noisy = False

    def buildProtocol(self, addr: Any) -> None:
        return None


class NoProtocolTests(WireCase):
    """Connections that nobody wants end quietly."""

    @inlineCallbacks
    def test_server(self) -> Any:
        """The other side is closed, before or after what it says."""
        self.port = TlsWire(reactor, Credentials(self.folder, "n1")).listen("127.0.0.1", 0, Closed())
        self.addCleanup(self.port.stopListening)
        client = yield self.dial(self.folder, "n2")
        yield client.lost
        self.assertEqual(client.got, b"")
        self.assertEqual(self.flushLoggedErrors(), [])

    @inlineCallbacks
    def test_client(self) -> Any:
        """A dial that came too late fails and leaves nothing open."""
        served = self.serve()
        wire = TlsWire(reactor, Credentials(self.folder, "n2"))
        yield self.assertFailure(wire.dial("n1", "127.0.0.1", self.port.getHost().port, Closed()), NoProtocol)
        for side in served.made:
            yield side.lost
        self.assertEqual(self.flushLoggedErrors(), [])


class NameTests(SynchronousTestCase):
    def test_one_and_no_other(self) -> None:
        """Exactly one listed node; both its names must be there; case and order don't matter."""
        folder = Path(self.mktemp())
        init_ca(folder)

        def who(names: list[Any], allowed: list[str]) -> str:
            made_by_hand(folder, "x", names)
            return peer_name(x509.load_pem_x509_certificate((folder / "x.pem").read_bytes()), allowed)

        n1, n2 = [dns("n1"), uri("cackled:n1")], [dns("n2"), uri("cackled:n2")]
        self.assertEqual(who(n1, ["n2", "n1"]), "n1")
        self.assertEqual(who([uri("Cackled:N1"), dns("N1")], ["n1"]), "n1")
        for names, allowed in (
            (n1, ["n2"]), (n1, []), (n1 + n2, ["n1", "n2"]), ([dns("n1"), uri("cackled:n2")], ["n1", "n2"]),
            ([dns("*.n1"), uri("cackled:n1")], ["n1"]), ([dns("n1"), uri("other:n1")], ["n1"]),
            ([dns("n1"), uri("cackled://n1")], ["n1x"]), ([dns("n1.n2"), uri("cackled:n1.n2")], ["n1", "n2"]),
        ):  # fmt: skip
            self.assertRaises((Refused, ValueError, CertificateError), who, names, allowed)


class CredentialsTests(WireCase):
    """The files."""

    def wrong(self, name: str = "n1") -> str:
        error = str(self.assertRaises(CredentialsError, Credentials, self.folder, name))
        self.assertNotIn("\n", error)
        return error

    def test_refused_files(self) -> None:
        """Missing, no PEM, key of another, certificate of another node, expired: one line with the file's name."""
        self.assertIn("n9.pem", self.wrong("n9"))
        shutil.copy(self.folder / "n2.key", self.folder / "n1.key")
        self.assertIn("n1.key", self.wrong())
        shutil.copy(self.folder / "n2.pem", self.folder / "n1.pem")
        self.assertIn("not a certificate of node n1", self.wrong())
        (self.folder / "n3.key").write_bytes(b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n")
        self.assertNotIn("secret", self.wrong("n3"))
        made_by_hand(self.folder, "n4", [dns("n4"), uri("cackled:n4")], days=-1)
        self.assertIn("n4.pem has expired", self.wrong("n4"))

    def test_days_left(self) -> None:
        """Exported for each file."""
        metrics = Metrics()
        Credentials(self.folder, "n1", metrics)
        for file, days in (("n1.pem", 397), ("ca.pem", 3650)):
            self.assertLess(abs(metrics.value("mesh_certificate_days", file=file) - days), 0.1)
        self.assertGreater(BACKDATED, timedelta(0))

    @inlineCallbacks
    def test_reload(self) -> Any:
        """New files are used by new connections, open ones live on; files that can't be used change nothing."""
        served = self.serve()
        credentials = served.wire._credentials
        before = yield self.dial(self.folder, "n2")
        yield before.heard
        self.assertFalse(credentials.reload())
        serial = before.transport.getPeerCertificate().get_serial_number()
        os.unlink(self.folder / "n1.pem")
        self.assertFalse(credentials.reload())
        os.unlink(self.folder / "n1.key")
        issue(self.folder, "n1", days=5)
        self.assertTrue(credentials.reload())
        self.assertLess(credentials.days_left()["n1.pem"], 6)
        after = yield self.dial(self.folder, "n2")
        yield after.heard
        self.assertNotEqual(after.transport.getPeerCertificate().get_serial_number(), serial)
        before.got = b""
        before.heard = Deferred()
        served.made[0].transport.write(b"still here")  # type: ignore[union-attr]
        yield before.heard
        self.assertEqual(before.got, b"still here")
        for side in (before, after):
            side.transport.loseConnection()
        for side in (before, after, *served.made):
            yield side.lost

    @inlineCallbacks
    def test_two_authorities(self) -> Any:
        """While one authority replaces another, both are in ca.pem and nodes of both are let in."""
        other = Path(self.mktemp())
        init_ca(other)
        issue(other, "n2")
        both = (self.folder / "ca.pem").read_bytes() + (other / "ca.pem").read_bytes()
        (self.folder / "ca.pem").write_bytes(both)
        (other / "ca.pem").write_bytes(both)
        served = self.serve()
        client = yield self.dial(other, "n2")
        yield client.heard
        yield served.made[0].heard
        client.transport.loseConnection()
        yield client.lost
        yield served.made[0].lost
