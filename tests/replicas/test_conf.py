"""The files in conf/postgresql name settings that PostgreSQL has, with values that it takes."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from cackled.database.testing import server

CONF = Path(__file__).resolve().parents[2] / "conf" / "postgresql"
# Only set at start, or not taken by a server built without OpenSSL.
NOT_TRIED = re.compile("ssl|listen_addresses")


class ConfTests(SynchronousTestCase):
    """Against a real server."""

    def test_settings(self) -> None:
        """Each setting exists, and its value is valid."""
        lines = (CONF / "cackled.conf").read_text().splitlines()
        given = [line for line in lines if line and not line.startswith("#")]
        self.assertGreater(len(given), 15)
        for line in given:
            match = re.fullmatch(r"([a-z_]+) = ('[^']*'|[a-z0-9]+)", line)
            assert match is not None, line
            name, value = match[1], match[2]
            self.assertEqual(server().execute("select count(*) from pg_settings where name = %s", name), [(1,)], name)
            if not NOT_TRIED.match(name):
                server().execute(f"alter system set {name} = {value}")
                server().execute(f"alter system reset {name}")

    def test_access(self) -> None:
        """Every line of pg_hba.conf has its columns, and nobody from elsewhere comes without TLS."""
        lines = [line.split() for line in (CONF / "pg_hba.conf").read_text().splitlines() if line[:1] not in ("#", "")]
        for words in lines:
            self.assertIn(words[0], ("local", "host", "hostssl", "hostnossl"))
            self.assertGreaterEqual(len(words), 4 if words[0] == "local" else 5, words)
            if words[0] == "host":
                self.assertEqual(words[3], "127.0.0.1/32")
        self.assertEqual(lines[-1], ["hostnossl", "all", "all", "all", "reject"])
