"""TLS for the public listeners: Mozilla's intermediate profile, certificates by name, reloaded while serving.

May touch: Twisted's TLS, pyOpenSSL, cryptography and the ground. Sessions that are open keep the certificate they
began with; TLS 1.2 and 1.3 clients resume by ticket (the keys live as long as a certificate is not reloaded).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, serverFromString
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from cackled.clock import Periodic, wall_time
from cackled.metrics import Metrics

# ssl-config.mozilla.org, intermediate, without DHE (no client of these years needs it).
TLS12_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
TLS13_CIPHERS = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
# The file whose certificate is given to clients that name no host, or none we know; else the first by name.
DEFAULT_FILE = "default.pem"
RELOAD_SECONDS = 60.0
PREFIX = "cackletls:"

log = Logger()


class CertificateError(Exception):
    """A certificate can't be used; the message names its file and never holds key material."""


class _Options(CertificateOptions):
    """Twisted's options, with the suites of TLS 1.3 chosen too."""

    def _makeContext(self, skipCiphers: bool = False) -> SSL.Context:
        context = super()._makeContext(skipCiphers)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_tls13_ciphersuites(TLS13_CIPHERS)
        context.set_alpn_select_callback(_select_protocol)
        return context


def _select_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


class Certificate:
    """One PEM file: a private key and a certificate chain, leaf first.

    Raises:
        CertificateError: the file can't be read, lacks a part, or key and certificate don't belong together.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise CertificateError(f"{path}: {error.strerror}") from None
        try:
            chain = x509.load_pem_x509_certificates(raw)
            key = load_pem_private_key(raw, None)
        except (ValueError, TypeError):
            raise CertificateError(f"{path}: needs an unencrypted private key and its certificate chain") from None
        leaf = chain[0]
        if leaf.public_key() != key.public_key():
            raise CertificateError(f"{path}: the key is not that of the first certificate")
        self.serial = leaf.serial_number
        self.expires = leaf.not_valid_after_utc
        try:
            alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            self.names = tuple(name.lower() for name in alternatives.get_values_for_type(x509.DNSName))
        except x509.ExtensionNotFound:
            self.names = ()
        options = _Options(
            privateKey=crypto.PKey.from_cryptography_key(key),  # type: ignore[arg-type]
            certificate=crypto.X509.from_cryptography(leaf),
            extraCertChain=[crypto.X509.from_cryptography(other) for other in chain[1:]],
            acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString(TLS12_CIPHERS),
            enableSessions=False,
            enableSessionTickets=True,
        )
        self.context: SSL.Context = options.getContext()

    def days_left(self, now: float) -> float:
        """Days until it expires at the wall time *now*; negative afterwards."""
        return (self.expires - datetime.fromtimestamp(now, UTC)).total_seconds() / 86400


@implementer(IOpenSSLServerConnectionCreator)
class CertificateFolder:
    """All ``*.pem`` files of a folder; chooses by the name that the client asks for (SNI).

    Raises:
        CertificateError: at construction only: there is no usable certificate.
    """

    def __init__(self, folder: str | Path, metrics: Metrics | None = None) -> None:
        self._folder = Path(folder)
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._files: dict[Path, Certificate] = {}
        self._by_name: dict[str, Certificate] = {}
        self._default: Certificate
        self._days = None
        if metrics is not None:
            self._days = metrics.gauge("tls_certificate_days", "Days until a certificate expires.", ["file"])
        wrong = self.reload()
        if not self._files:
            raise CertificateError(wrong[0] if wrong else f"{self._folder}: no .pem file")

    def reload(self) -> list[str]:
        """Read what has changed; returns what is wrong with it. A file that can't be used leaves its old one in use."""
        try:
            paths = sorted(path for path in self._folder.iterdir() if path.suffix == ".pem")
        except OSError as error:
            return [f"{self._folder}: {error.strerror}"]
        wrong: list[str] = []
        files: dict[Path, Certificate] = {}
        for path in paths:
            known = self._files.get(path)
            try:
                stat = path.stat()
                stamp = (stat.st_mtime_ns, stat.st_size)
                if known is None or self._stamps.get(path) != stamp:
                    known = self._renewed(known, Certificate(path))
                    self._stamps[path] = stamp
            except (CertificateError, OSError) as error:
                wrong.append(str(error))
            if known is not None:
                files[path] = known
        if files:
            self._use(files)
        for text in wrong:
            log.error("certificate not loaded: {problem}", problem=text)
        self._measure()
        return wrong

    def _renewed(self, old: Certificate | None, new: Certificate) -> Certificate:
        now = wall_time()
        if old is not None and new.days_left(now) <= 0 < old.days_left(now):
            raise CertificateError(f"{new.path}: has expired; the one in use is kept")
        log.info("certificate {file} for {names}", file=new.path.name, names=", ".join(new.names) or "no name")
        return new

    def _use(self, files: dict[Path, Certificate]) -> None:
        default = files.get(self._folder / DEFAULT_FILE) or next(iter(files.values()))
        by_name = {name: certificate for certificate in files.values() for name in certificate.names}
        # The callback asks at each handshake, so that a context made before a reload knows of it as well.
        default.context.set_tlsext_servername_callback(self._choose)
        self._files, self._by_name, self._default = files, by_name, default

    def _measure(self) -> None:
        if self._days is not None:
            self._days.clear()
            for path, certificate in self._files.items():
                self._days.labels(path.name).set(certificate.days_left(wall_time()))

    def lookup(self, name: str) -> Certificate:
        """The certificate for *name*: its own, a wildcard's, else the default."""
        name = name.lower().rstrip(".")
        found = self._by_name.get(name) or self._by_name.get("*." + name.partition(".")[2])
        return found or self._default

    def _choose(self, connection: SSL.Connection) -> None:
        name = connection.get_servername()
        if name is None:
            return
        try:
            chosen = self.lookup(name.decode("ascii"))
        except UnicodeDecodeError:
            return
        if chosen is not self._default:
            connection.set_context(chosen.context)

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """A connection on the certificates of now."""
        return SSL.Connection(self._default.context, None)


@implementer(IStreamServerEndpoint)
class TlsEndpoint:
    """Listens with TLS and the certificates of a folder, looking for changed ones once a minute.

    Raises:
        CertificateError: the folder has no usable certificate.
    """

    def __init__(
        self, reactor: Any, port: int, folder: str | Path, interface: str = "", backlog: int = 1024,
        metrics: Metrics | None = None,
    ) -> None:  # fmt: skip
        kind = TCP6ServerEndpoint if ":" in interface else TCP4ServerEndpoint
        self._reactor = reactor
        self._endpoint = kind(reactor, port, backlog, interface)
        self.certificates = CertificateFolder(folder, metrics)
        self._watch = Periodic(reactor, RELOAD_SECONDS, self._reload, "certificates")

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen; the factory sees decrypted bytes."""
        self._watch.start()
        return self._endpoint.listen(TLSMemoryBIOFactory(self.certificates, False, protocolFactory, self._reactor))

    def _reload(self) -> None:
        self.certificates.reload()

    def close(self) -> None:
        """Look for changes no more."""
        self._watch.stop()


def server_endpoint(reactor: Any, description: str, metrics: Metrics | None = None) -> IStreamServerEndpoint:
    """An endpoint from text: ``cackletls:port=8443:certs=/folder[:interface=..][:backlog=..]``, or any of Twisted's.

    A colon within a value is written ``\\:``.

    Raises:
        ValueError: the text is malformed.
        CertificateError: the folder has no usable certificate.
    """
    if not description.startswith(PREFIX):
        return serverFromString(reactor, description)
    values: dict[str, str] = {}
    for part in description[len(PREFIX) :].replace("\\:", "\0").split(":"):
        key, equals, value = part.replace("\0", ":").partition("=")
        if not equals or key not in ("port", "certs", "interface", "backlog") or key in values:
            raise ValueError(f"endpoint {description!r}: {key!r} is not understood")
        values[key] = value
    if not values.get("port", "").isdigit() or not values.get("certs"):
        raise ValueError(f"endpoint {description!r} needs port= and certs=")
    return TlsEndpoint(
        reactor, int(values["port"]), values["certs"], values.get("interface", ""),
        int(values.get("backlog", "1024")), metrics,
    )  # fmt: skip
