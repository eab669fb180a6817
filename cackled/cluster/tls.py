"""Mutual TLS 1.3 between nodes: who may be at the other end, and sockets that ask.

Both ends show a certificate of the private authority; its names are compared with the node that is meant (RFC 6125,
RFC 9525), and whatever can't be compared is refused. A chain is looked at in the handshake only, so links are made
anew now and then.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, URI_ID, verify_service_identity
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IListeningPort, IOpenSSLServerConnectionCreator, IProtocolFactory
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    KeyPair,
    PrivateCertificate,
    TLSVersion,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from cackled.clock import wall_time
from cackled.cluster.ca import CA_CERTIFICATE, SCHEME
from cackled.config import ConfigError
from cackled.metrics import Metrics

CONNECT_TIMEOUT = 2.0
BACKLOG = 64

log = Logger()


class CredentialsError(ConfigError):
    """The own certificates can't be used; the message names the file and holds no key material."""


class Refused(Exception):
    """The other end is not who it should be; the message says why."""


def peer_name(certificate: x509.Certificate, allowed: Collection[str]) -> str:
    """Which one of the nodes *allowed* a certificate belongs to.

    Raises:
        Refused: to none of them, or to more than one.
        Exception: names that can't be understood raise whatever they do; that is a refusal too.
    """
    patterns = extract_patterns(certificate)
    found = []
    for name in allowed:
        try:
            verify_service_identity(patterns, [URI_ID(f"{SCHEME}:{name}"), DNS_ID(name)], [])
        except VerificationError:
            continue
        found.append(name)
    if len(found) != 1:
        raise Refused("its certificate is of no node that is listed" if not found else "its certificate has many names")
    return found[0]


class _Loaded:
    """The three files of a node, read together."""

    def __init__(self, folder: Path, name: str) -> None:
        self.raw = {path.name: _read(path) for path in _files(folder, name)}
        ca_raw, own_raw, key_raw = self.raw.values()
        try:
            authorities = x509.load_pem_x509_certificates(ca_raw)
            own = x509.load_pem_x509_certificate(own_raw)
            key = load_pem_private_key(key_raw, None)
        except (ValueError, TypeError):
            files = ", ".join(self.raw)
            raise CredentialsError(f"{folder}: one of {files} is not PEM, or the key is encrypted") from None
        if own.public_key() != key.public_key():
            raise CredentialsError(f"{folder}: {name}.key is not the key of {name}.pem")
        try:
            peer_name(own, [name])
        except Exception:
            raise CredentialsError(f"{folder / f'{name}.pem'} is not a certificate of node {name}") from None
        self.expires = {CA_CERTIFICATE: min(one.not_valid_after_utc for one in authorities)}
        self.expires[f"{name}.pem"] = own.not_valid_after_utc
        self.trust = trustRootFromCertificates([Certificate(crypto.X509.from_cryptography(one)) for one in authorities])
        certificate, private = crypto.X509.from_cryptography(own), crypto.PKey.from_cryptography_key(key)  # type: ignore[arg-type]
        self.own = PrivateCertificate.fromCertificateAndKeyPair(Certificate(certificate), KeyPair(private))
        # A trust root makes the client's certificate obligatory. No tickets: a resumed session would skip the chain.
        self.server = CertificateOptions(
            privateKey=private, certificate=certificate, trustRoot=self.trust, raiseMinimumTo=TLSVersion.TLSv1_3,
            enableSessions=False, enableSessionTickets=False,
        ).getContext()  # fmt: skip

    def days_left(self, now: float) -> dict[str, float]:
        """By file, days until it expires at the wall time *now*."""
        moment = datetime.fromtimestamp(now, UTC)
        return {name: (end - moment).total_seconds() / 86400 for name, end in self.expires.items()}


def _files(folder: Path, name: str) -> tuple[Path, Path, Path]:
    return folder / CA_CERTIFICATE, folder / f"{name}.pem", folder / f"{name}.key"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"[mesh] {path}: {error.strerror}") from None


@implementer(IOpenSSLServerConnectionCreator)
class Credentials:
    """The certificates of this node: ``ca.pem``, ``NAME.pem`` and ``NAME.key`` of a folder, read again when changed.

    ``ca.pem`` may hold several authorities, so that one can be replaced by another without a gap.

    Raises:
        CredentialsError: at construction: a file is missing, wrong or expired.
    """

    def __init__(self, folder: str | Path, name: str, metrics: Metrics | None = None) -> None:
        self._folder = Path(folder)
        self._name = name
        self._loaded = self._load()
        if metrics is not None:
            days = metrics.gauge("mesh_certificate_days", "Days until a certificate of the mesh expires.", ["file"])
            for file in self._loaded.expires:
                days.labels(file).set_function(lambda file=file: self.days_left()[file])  # type: ignore[misc]

    def _load(self) -> _Loaded:
        loaded = _Loaded(self._folder, self._name)
        for file, days in loaded.days_left(wall_time()).items():
            if days <= 0:
                raise CredentialsError(f"[mesh] {self._folder / file} has expired")
        return loaded

    def days_left(self) -> dict[str, float]:
        """By file, days until it expires; negative afterwards."""
        return self._loaded.days_left(wall_time())

    def reload(self) -> bool:
        """Read the files again; tells whether others are in use now. Ones that can't be used leave the old in use."""
        try:
            raw = {path.name: _read(path) for path in _files(self._folder, self._name)}
            if raw == self._loaded.raw:
                return False
            self._loaded = self._load()
        except CredentialsError as error:
            log.error("certificates of the mesh were not read again: {reason}", reason=str(error))
            return False
        log.info("certificates of the mesh read again, good for {days:.0f} days", days=min(self.days_left().values()))
        return True

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection on the certificates of now."""
        return SSL.Connection(self._loaded.server, None)

    def client_options(self, name: str) -> Any:
        """What a connection to node *name* is made with; another node's certificate ends its handshake."""
        return optionsForClientTLS(
            name, trustRoot=self._loaded.trust, clientCertificate=self._loaded.own,
            extraCertificateOptions={"raiseMinimumTo": TLSVersion.TLSv1_3},
        )  # fmt: skip


class _TLSFactory(TLSMemoryBIOFactory):
    """Closes connections that the wrapped factory refuses.

    Twisted's wrapper would fail when the factory returns None.
    """

    noisy = False

    def buildProtocol(self, addr: Any) -> Any:
        """TLS around what the wrapped factory builds, or None: the connection is closed."""
        made = self.wrappedFactory.buildProtocol(addr)
        return None if made is None else self.protocol(self, made)


class TlsWire:
    """Listens for nodes and dials them, with the certificates of the moment."""

    def __init__(self, reactor: Any, credentials: Credentials) -> None:
        self._reactor = reactor
        self._credentials = credentials

    def listen(self, host: str, port: int, factory: IProtocolFactory) -> IListeningPort:
        """Listen; the factory's protocols see decrypted bytes of verified nodes only.

        Raises:
            CannotListenError: as `IReactorTCP.listenTCP`.
        """
        wrapped = _TLSFactory(self._credentials, False, factory, self._reactor)
        port_: IListeningPort = self._reactor.listenTCP(port, wrapped, BACKLOG, host)
        return port_

    def dial(self, name: str, host: str, port: int, factory: IProtocolFactory) -> Deferred[Any]:
        """Connect to node *name*; fires with the protocol before the handshake is over.

        Fails, with `NoProtocol` too: *factory* built none.
        """
        endpoint = HostnameEndpoint(self._reactor, host, port, timeout=CONNECT_TIMEOUT)
        wrapped = _TLSFactory(self._credentials.client_options(name), True, factory, self._reactor)
        connecting: Deferred[Any] = endpoint.connect(wrapped)
        return connecting.addCallback(lambda tls: tls.wrappedProtocol)

    def identify(self, transport: Any, allowed: Collection[str]) -> str:
        """The node at the other end of a connection whose handshake is over.

        Raises:
            Exception: any: it is none of *allowed*.
        """
        certificate = transport.getPeerCertificate()
        if certificate is None:
            raise Refused("it showed no certificate")
        return peer_name(certificate.to_cryptography(), allowed)
