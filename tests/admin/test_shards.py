"""``cackled shard``: adding a shard, naming sites; moves are tested in tests/database and tests/faults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.shards import add, parse_sites
from cackled.database.dsn import ServerSettings
from cackled.database.migrate import migrate
from cackled.database.moving import Servers
from cackled.database.stream import MoveError
from tests.support.daemon import ROOT
from tests.support.moving import MovingCase, clock


class ShardTests(MovingCase):
    """On real databases."""

    async def test_add(self) -> None:
        """A database is made a shard once, whole or not at all, and only one that can be."""
        await add(self.known, 1, clock, self.said.append)
        await self.refused(add(self.known, 2, clock, self.said.append), "names no")
        self.server(0).execute("create database two")
        known = {**self.known, 2: Servers([ServerSettings("s2", self.server(0).dsn("two"))])}
        await migrate(self.server(0).dsn("two"), clock=clock)
        self.server(0).execute("insert into catalog.site (id, name) values (5, '')", database="two")
        await self.refused(add(known, 2, clock, self.said.append), "sites of its own")
        await self.refused(add({**known, 2: self.known[1]}, 2, clock, self.said.append), "is shard 1")
        await self.refused(add({**known, 1: self.known[0]}, 1, clock, self.said.append), "that shard 0 is")


class WordTests(SynchronousTestCase):
    """What the command line says."""

    def test_sites(self) -> None:
        """How sites are written."""
        self.assertEqual(parse_sites("3, 7,10-12"), [3, 7, 10, 11, 12])
        for wrong in ("", "x", "0", "5-3", "-4", "1-99999999", "1,,2"):
            self.assertRaises(MoveError, parse_sites, wrong)

    def test_no_daemon(self) -> None:
        """The embedded server is there with the daemon only; one line says so."""
        path = Path(self.mktemp())
        path.write_text(f'state = "{path.absolute()}-var"\n')
        done = subprocess.run(
            [sys.executable, "-m", "cackled", "shard", "list", "-c", str(path.absolute())],
            capture_output=True, text=True, timeout=60, cwd=ROOT,
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "cackled: the embedded server runs with the daemon: start that first\n")
