"""The private certificate authority of the mesh: what ``cackled mesh`` makes.

Its key signs node certificates only, and belongs on no node. A node gets ``ca.pem`` and its own ``NAME.pem`` and
``NAME.key``.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_CERTIFICATE = "ca.pem"
CA_KEY = "ca.key"
# A node is known as cackled:NAME; service-identity compares the part after the colon as a host name.
SCHEME = "cackled"
CA_DAYS = 3650
NODE_DAYS = 397
MOST_DAYS = 3650
# Clocks of nodes differ a little, so a certificate is valid from this long before its creation.
BACKDATED = timedelta(minutes=10)
# What is both a host name and not an address: lower case, with a letter in it.
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,200}}$)(?=.*[a-z])(?!ca$){_LABEL}(\.{_LABEL})*")


class CaError(Exception):
    """Nothing was made; the message is one line for the operator."""


def check_name(name: str) -> str:
    """Return *name* if it is allowed as the name of a node.

    Raises:
        CaError: it is not.
    """
    if _NAME.fullmatch(name) is None:
        raise CaError(
            f"a node of a mesh is named like a host (a-z, 0-9, '-', '.', with a letter; not 'ca'), not {name[:60]!r}"
        )
    return name


def init_ca(folder: Path, *, days: int = CA_DAYS, now: datetime | None = None) -> Path:
    """Make the authority in *folder*, which is made where there is none; gives the certificate's path.

    Raises:
        CaError: there is one already, or the folder can't be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cackled mesh CA")])
    certificate = (
        _builder(name, name, key, days, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, SHA256())
    )
    path = folder / CA_CERTIFICATE
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaError(f"{folder}: {error.strerror}") from None
    _write(folder / CA_KEY, _private(key), path, certificate.public_bytes(Encoding.PEM))
    return path


def issue(folder: Path, name: str, *, days: int = NODE_DAYS, now: datetime | None = None) -> Path:
    """Make key and certificate of node *name* with the authority in *folder*; gives the certificate's path.

    The name stands in it twice: as DNS name for who dials, as URI ``cackled:NAME`` for both. It is good for both ends.

    Raises:
        CaError: the name can't be one, there is no authority, it ends before the certificate would, or the files exist.
    """
    check_name(name)
    ca, ca_key = _load(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    if not 1 <= days <= MOST_DAYS:
        raise CaError(f"days is a number from 1 to {MOST_DAYS}")
    if (now or datetime.now(UTC)) + timedelta(days=days) > ca.not_valid_after_utc:
        raise CaError(f"the authority itself is good until {ca.not_valid_after_utc:%Y-%m-%d} only; give fewer --days")
    names = [x509.DNSName(name), x509.UniformResourceIdentifier(f"{SCHEME}:{name}")]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        _builder(subject, ca.subject, key, days, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, SHA256())
    )
    path = folder / f"{name}.pem"
    _write(folder / f"{name}.key", _private(key), path, certificate.public_bytes(Encoding.PEM))
    return path


def _load(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((folder / CA_CERTIFICATE).read_bytes())
        key = load_pem_private_key((folder / CA_KEY).read_bytes(), None)
    except OSError as error:
        raise CaError(f"{error.filename}: {error.strerror}; make an authority with: cackled mesh init-ca") from None
    except (ValueError, TypeError):
        raise CaError(f"{folder}: {CA_CERTIFICATE} and {CA_KEY} are not those of an authority") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise CaError(f"{folder}: {CA_KEY} is not the key of {CA_CERTIFICATE}")
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int, now: datetime | None
) -> x509.CertificateBuilder:
    start = now or datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - BACKDATED)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(key_path: Path, key: bytes, path: Path, certificate: bytes) -> None:
    """Write both files or none; existing files are not overwritten."""
    made: list[Path] = []
    try:
        for target, mode, content in ((key_path, 0o600, key), (path, 0o644, certificate)):
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            made.append(target)
            with open(descriptor, "wb") as out:
                out.write(content)
    except OSError as error:
        for target in made:
            target.unlink(missing_ok=True)
        what = "exists and is not written over" if isinstance(error, FileExistsError) else error.strerror
        raise CaError(f"{error.filename}: {what}") from None
