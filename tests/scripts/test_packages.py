"""What is installed has every file that it reads."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]


class PackageDataTests(SynchronousTestCase):
    """The files beside the modules."""

    def test_sql(self) -> None:
        """Migrations and functions of every package are shipped."""
        config = ConfigParser()
        config.read(ROOT / "setup.cfg")
        patterns = config["options.package_data"]["cackled"].split()
        shipped = {one for pattern in patterns for one in (ROOT / "cackled").glob(pattern)}
        there = set((ROOT / "cackled").rglob("*.sql"))
        self.assertGreater(len(there), 100)
        self.assertEqual(sorted(there - shipped), [])
