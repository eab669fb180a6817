"""TLS for the public listeners: Mozilla's intermediate profile, certificates by name, reloaded while serving.

Sessions that are open keep the certificate they began with; TLS 1.2 and 1.3 clients resume by ticket (the keys live as
long as the default certificate is not reloaded).
"""

from __future__ import annotations

import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.logger import Logger

from cackled.clock import wall_time
from cackled.metrics import Metrics
from cackled.transport._groups import set_groups

# ssl-config.mozilla.org, intermediate, without DHE (no client of these years needs it).
TLS12_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
# The three of TLS 1.3 are what OpenSSL offers by itself.
GROUPS = "X25519:P-256:P-384"
# The file whose certificate is given to clients that name no host, or none we know; else the first by name.
DEFAULT_FILE = "default.pem"

log = Logger()


class CertificateError(Exception):
    """A certificate can't be used; the message names its file and never holds key material."""


def make_context(protocols: list[str]) -> ssl.SSLContext:
    """A server's context by the profile, without a certificate; *protocols* are offered by ALPN."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    # The profile lets the client choose among the suites: it knows which ones its hardware supports well.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    # Making a ticket costs a tenth of a handshake, and a client that resumes gets another one.
    context.num_tickets = 1
    context.set_alpn_protocols(protocols)
    set_groups(context, GROUPS)
    return context


class Certificate:
    """One PEM file: a private key and a certificate chain, leaf first.

    Raises:
        CertificateError: the file can't be read, lacks a part, or key and certificate don't belong together.
    """

    def __init__(self, path: Path, protocols: list[str] | None = None) -> None:
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
        self.context = make_context(protocols or ["http/1.1"])
        try:
            # The file again: ssl reads no key from memory. A prompt for a password would stop the process.
            self.context.load_cert_chain(path, password=lambda: b"")
        except (ssl.SSLError, OSError, ValueError):
            raise CertificateError(f"{path}: the key or the chain can't be used") from None

    def days_left(self, now: float) -> float:
        """Days until it expires at the wall time *now*; negative afterwards."""
        return (self.expires - datetime.fromtimestamp(now, UTC)).total_seconds() / 86400


class CertificateFolder:
    """All ``*.pem`` files of a folder; chooses by the name that the client asks for (SNI). *protocols* go by ALPN.

    Raises:
        CertificateError: at construction only: there is no usable certificate.
    """

    def __init__(
        self, folder: str | Path, metrics: Metrics | None = None, protocols: tuple[str, ...] = ("http/1.1",)
    ) -> None:
        self._folder = Path(folder)
        self._protocols = list(protocols)
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
                    known = self._renewed(known, Certificate(path, self._protocols))
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
        default.context.sni_callback = self._choose
        self._files, self._by_name, self._default = files, by_name, default

    def days_left(self, now: float) -> list[tuple[str, float]]:
        """Each file in use, and the days until it expires at the wall time *now*."""
        return [(str(path), certificate.days_left(now)) for path, certificate in self._files.items()]

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

    def knows(self, name: str) -> bool:
        """Whether a certificate is for *name*, by itself or by a wildcard."""
        return name in self._by_name or "*." + name.partition(".")[2] in self._by_name

    def _choose(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        # Never an error: what is raised here, ssl prints.
        if name is None:
            return
        chosen = self.lookup(name)
        if chosen.context is not context:
            connection.switch(chosen.context) if hasattr(connection, "switch") else setattr(
                connection, "context", chosen.context
            )

    def context(self) -> ssl.SSLContext:
        """The context that a new connection begins with."""
        return self._default.context


def quiet_names() -> None:
    """Keep names that are no ASCII out of the log: ssl tells of each through ``sys.unraisablehook``, at length."""
    told = sys.unraisablehook
    if getattr(told, "quiet_names", False):
        return

    def hook(unraisable: Any) -> None:
        if not (unraisable.exc_type is UnicodeDecodeError and isinstance(unraisable.object, bytes)):
            told(unraisable)

    hook.quiet_names = True  # type: ignore[attr-defined]
    sys.unraisablehook = hook
