"""Countries of addresses, as people see them."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from cackled.geo.whereabouts import LOOK, Countries
from tests.support.geo import write_mmdb


class CountriesTests(SynchronousTestCase):
    """One file, or several, or none."""

    def setUp(self) -> None:
        self.now = 0.0
        self.path = write_mmdb(self.mktemp())

    def make(self, *files: str) -> Countries:
        return Countries(files, "country/iso_code", lambda: self.now)

    def test_found(self) -> None:
        """IPv4, IPv6, mapped; what is in no network, or no address, is nowhere."""
        country = self.make(self.path)
        for address, code in (
            ("81.2.64.1", "DE"), ("100.1.2.3", "US"), ("2001:db8:1::7", "DE"), ("::ffff:100.1.2.3", "US"),
            ("111.0.0.1", ""), ("1.1.1.1", ""), ("9.9.9.9", ""), ("fe80::1%eth0", ""), ("", ""), (None, ""), ("x", ""),
        ):  # fmt: skip
            self.assertEqual(country(address), code, address)

    def test_files(self) -> None:
        """A missing or broken file is left out; the second is asked where the first knows nothing."""
        four = write_mmdb(self.mktemp(), {"100.0.0.0/10": {"country": {"iso_code": "fr"}}}, version=4)
        broken = Path(self.mktemp())
        broken.write_bytes(b"nothing")
        country = self.make(str(broken), "/nowhere", four, self.path)
        self.assertEqual([country(one) for one in ("100.1.2.3", "81.2.64.1", "2001:db8:1::7")], ["FR", "DE", "DE"])
        self.assertEqual(self.make()("81.2.64.1"), "")

    def test_changed(self) -> None:
        """A file that was replaced is read again, at the next look."""
        country = self.make(self.path)
        self.assertEqual(country("81.2.64.1"), "DE")
        Path(write_mmdb(self.path + ".new", {"81.2.64.0/18": {"country": {"iso_code": "AT"}}})).replace(self.path)
        self.now += LOOK - 1
        self.assertEqual(country("81.2.64.1"), "DE")
        self.now += 1
        self.assertEqual(country("81.2.64.1"), "AT")
