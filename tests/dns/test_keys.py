"""Keys, compared with what dnspython makes of them."""

from __future__ import annotations

import os
from pathlib import Path

import dns.dnssec
import dns.name
import dns.rdata
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from twisted.trial.unittest import SynchronousTestCase

from cackled.dns.keys import NAMES, load, make
from cackled.dns.zone import ZoneError

from .helpers import ORIGIN


class KeysTests(SynchronousTestCase):
    def test_records(self) -> None:
        """Key tag and DS are those that dnspython computes; a key read back is the same."""
        for algorithm in NAMES.values():
            path = self.mktemp()
            key = make(path, algorithm)
            ds, dnskey = key.describe(ORIGIN)
            parsed = dns.rdata.from_text("IN", "DNSKEY", dnskey.split(" ", 3)[3])
            self.assertEqual((parsed.to_wire(), dns.dnssec.key_id(parsed)), (key.rdata, key.tag))
            expected = dns.dnssec.make_ds(dns.name.from_text("geo.test."), parsed, "SHA256")
            self.assertEqual(dns.rdata.from_text("IN", "DS", ds.split(" ", 3)[3]), expected)
            self.assertTrue(ds.startswith("geo.test. IN DS "))
            self.assertEqual(load(path).rdata, key.rdata)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

    def test_refused(self) -> None:
        """What is no usable key says so, naming the file; a key is never overwritten."""
        path = Path(self.mktemp())
        make(path, 15)
        before = path.read_bytes()
        self.assertIn(str(path), str(self.assertRaises(ZoneError, make, path, 13)))
        self.assertEqual(path.read_bytes(), before)
        path.chmod(0o640)
        self.assertIn("owner only", str(self.assertRaises(ZoneError, load, path)))
        path.chmod(0o600)
        other = rsa.generate_private_key(65537, 2048)
        for content in (
            b"", b"nonsense", before[:40],
            other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        ):
            path.write_bytes(content)
            error = str(self.assertRaises(ZoneError, load, path))
            self.assertIn(str(path), error)
            self.assertNotIn("\n", error)
        self.assertRaises(ZoneError, load, "/nonexistent")
