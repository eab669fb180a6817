"""The private authority: what it makes, and that it overwrites and leaks nothing."""

from __future__ import annotations

import io
import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.cli import main
from cackled.cluster.ca import CaError, check_name, init_ca, issue
from cackled.cluster.tls import peer_name


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


class CaTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        init_ca(self.folder)

    def test_authority(self) -> None:
        """It may sign nodes and no further authorities; its key is P-256 and nobody else's to read."""
        ca = read(self.folder / "ca.pem")
        basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertTrue(basic.critical and basic.value.ca)
        self.assertEqual(basic.value.path_length, 0)
        usage = ca.extensions.get_extension_for_class(x509.KeyUsage).value
        self.assertEqual((usage.key_cert_sign, usage.digital_signature), (True, False))
        key = load_pem_private_key((self.folder / "ca.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.assertEqual(key.curve.name, "secp256r1")
        self.assertEqual(stat.S_IMODE((self.folder / "ca.key").stat().st_mode), 0o600)

    def test_node(self) -> None:
        """Both names, both purposes, no authority, signed by ours, its key readable by the owner alone."""
        mask = os.umask(0)
        self.addCleanup(os.umask, mask)
        path = issue(self.folder, "eu1.example.com", days=30)
        node = read(path)
        node.verify_directly_issued_by(read(self.folder / "ca.pem"))
        names = node.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["eu1.example.com"])
        self.assertEqual(names.get_values_for_type(x509.UniformResourceIdentifier), ["cackled:eu1.example.com"])
        purposes = node.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(set(purposes), {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})
        self.assertFalse(node.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
        self.assertLess(node.not_valid_after_utc - datetime.now(UTC), timedelta(days=30))
        self.assertGreater(node.not_valid_after_utc - datetime.now(UTC), timedelta(days=29))
        self.assertEqual(stat.S_IMODE((self.folder / "eu1.example.com.key").stat().st_mode), 0o600)
        self.assertEqual(peer_name(node, ["n1", "eu1.example.com"]), "eu1.example.com")

    def test_nothing_is_written_over(self) -> None:
        """Neither authority nor node; and where one file of two stands already, the other is not made."""
        issue(self.folder, "n1")
        before = {path: path.read_bytes() for path in self.folder.iterdir()}
        self.assertIn("written over", str(self.assertRaises(CaError, init_ca, self.folder)))
        self.assertIn("written over", str(self.assertRaises(CaError, issue, self.folder, "n1")))
        (self.folder / "n2.pem").touch()
        self.assertIn("n2.pem", str(self.assertRaises(CaError, issue, self.folder, "n2")))
        self.assertFalse((self.folder / "n2.key").exists())
        self.assertEqual({path: path.read_bytes() for path in before}, before)

    def test_names(self) -> None:
        """Names that are host names, and no addresses, paths, wildcards or our own files."""
        for name in ("n1", "eu-1.example.com", "a", "0x0"):
            self.assertEqual(check_name(name), name)
        wrong = ("", "ca", "N1", "1", "127.0.0.1", "../n1", "*.example.com", "a b", "a..b", "-a", "a:b", "a_b")
        for name in (*wrong, "a" * 64):
            self.assertRaises(CaError, issue, self.folder, name)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["ca.key", "ca.pem"])

    def test_not_longer_than_the_authority(self) -> None:
        """A node's certificate ends before the authority's, and days are a sane number."""
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        error = self.assertRaises(CaError, issue, self.folder, "n1", days=3650, now=tomorrow)
        self.assertIn("authority", str(error))
        for days in (0, -1, 100_000):
            self.assertRaises(CaError, issue, self.folder, "n1", days=days)

    def test_wrong_authority(self) -> None:
        """No files, no PEM, or a key of another: one line each."""
        self.assertIn("init-ca", str(self.assertRaises(CaError, issue, Path(self.mktemp()), "n1")))
        other = Path(self.mktemp())
        init_ca(other)
        (other / "ca.key").write_bytes((self.folder / "ca.key").read_bytes())
        self.assertIn("not the key", str(self.assertRaises(CaError, issue, other, "n1")))
        (other / "ca.key").write_bytes(b"nonsense")
        self.assertNotIn("\n", str(self.assertRaises(CaError, issue, other, "n1")))


class CommandTests(SynchronousTestCase):
    """``cackled mesh``."""

    def test_commands(self) -> None:
        """They make the files; a mistake is exit status 1."""
        folder = self.mktemp()
        self.patch(sys, "stdout", io.StringIO())
        self.patch(sys, "stderr", io.StringIO())
        self.assertEqual(main(["mesh", "init-ca", folder]), 0)
        self.assertEqual(main(["mesh", "issue", "n1", "--dir", folder, "--days", "10"]), 0)
        self.assertEqual(sorted(os.listdir(folder)), ["ca.key", "ca.pem", "n1.key", "n1.pem"])
        self.assertEqual(main(["mesh", "init-ca", folder]), 1)
        self.assertEqual(main(["mesh", "issue", "N!", "--dir", folder]), 1)
        self.assertEqual(main(["mesh", "issue", "n2", "--dir", folder, "--days", "0"]), 1)
