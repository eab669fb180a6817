"""What tests of shards stand on: two PostgreSQL servers, a daemon with a shard on each, and crowds on its sites."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from cackled.database.testing import shared_servers
from cackled.events import channel_id
from tests.support.client import Visitor
from tests.support.daemon import ROOT, Daemon
from tests.support.faults import CONFIG, KEY, FaultCase
from tests.support.journal import READERS, Journal, Reader, Writer, comments

PROGRAM = [sys.executable, "-m", "cackled"]
# Dies at the step that it is given.
DOOMED = """
import os, signal, sys
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from cackled.admin.shards import shards
from cackled.config import load
from cackled.database.moving import Mover
path, at, sites, to = sys.argv[1:]
def step(name):
    print("step", name, flush=True)
    if name == at:
        os.kill(os.getpid(), signal.SIGKILL)
mover = Mover(shards(load(path), ""), clock=reactor, say=print, at=step)
async def main():
    await mover.move([int(one) for one in sites.split(",")], int(to))
def over(result):
    print(result, flush=True)
    reactor.stop()
reactor.callWhenRunning(lambda: Deferred.fromCoroutine(main()).addBoth(over))
reactor.run()
"""


class Crowd:
    """Who writes on and listens to one site."""

    def __init__(self, case: ShardCase, site: int, writers: int = 2, pause: float = 0.08) -> None:
        daemon = case.daemon
        self.case = case
        self.site = site
        self.sub = f"{site}/{channel_id('comments', KEY)}"
        self.journal = Journal(daemon.folder / f"journal-{site}")
        case.addCleanup(self.journal.close)
        case.addCleanup(self.stop)
        self.visitor = Visitor(daemon.url, site)
        self.readers: list[Reader] = [kind(self.journal, daemon.port, f"{self.sub}@0") for kind in READERS]
        self.writers = [
            Writer(self.journal, daemon.url, KEY, f"w{n}", 100_000, self.visitor.token, site) for n in range(writers)
        ]
        for one in self.writers:
            one.pause = pause
            one.start()

    def acks(self) -> int:
        """How many comments are acknowledged."""
        return len(self.journal.lines("ack"))

    def wait_more(self, count: int = 10, timeout: float = 60.0) -> None:
        """Wait until so many more are."""
        wanted, end = self.acks() + count, time.monotonic() + timeout
        while self.acks() < wanted:
            if time.monotonic() > end:
                self.case.fail(f"site {self.site} is not written any more:\n{self.case.daemon.log()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End all of it."""
        for one in self.writers:
            one.over = True
        for one in self.writers:
            one.join(60)
        for reader in self.readers:
            reader.stop()

    def check(self) -> dict[str, Any]:
        """What was acknowledged is there once, in order, and came to everybody over one connection; no write failed."""
        case = self.case
        for one in self.writers:
            one.over = True
        for one in self.writers:
            one.join(60)
            case.assertEqual(one.wrong, [])
        acks = self.journal.lines("ack")
        self.journal.wait_readers(case, self.sub, max(line["seq"] for line in acks))
        figures: dict[str, Any] = self.journal.check(case, self.sub, comments(case.daemon.url, KEY, self.site))
        case.assertEqual(self.journal.lines("refused"), [])
        case.assertEqual(self.journal.lines("cut"), [])
        case.assertEqual({one.kind: one.sessions for one in self.readers}, {one.kind: 1 for one in self.readers})
        figures["longest"] = max(line["took"] for line in acks)
        return figures


class ShardCase(FaultCase):
    """Two servers, a daemon that has a shard on each, and sites 1 to 3."""

    settings = {"wal_level": "logical"}
    extra = ""

    def setUp(self) -> None:
        """Start them: the servers are shared by tests with the same settings, the databases are new."""
        super().setUp()
        self.servers = shared_servers(self, 2, self.settings)
        made = all(server.has("template_pages") for server in self.servers)
        for server in self.servers:
            server.execute("create database pages" + (" template template_pages strategy file_copy" if made else ""))
        first, second = (json.dumps(server.dsn("pages")) for server in self.servers)
        shards = f"[database]\ndsn = {first}\n[[database.shard]]\nnumber = 1\ndsn = {second}\n{self.extra}"
        before = self.top()

        class Kind(Daemon):
            @classmethod
            def for_test(cls, case: Any, extra: str = "", **options: Any) -> Daemon:
                return super().for_test(case, before + extra, **options)

        if not made:
            # Once: a daemon fills both databases, which the databases of all tests are copies of.
            with_sites = Daemon(before + CONFIG + shards)
            self.addCleanup(with_sites.remove)
            self.daemon = with_sites
            for site in (2, 3):
                with_sites.admin(f"site add id={site} Site{site} localhost:*")
            self.shard("add", "1")
            with_sites.stop()
            for server in self.servers:
                server.wait_alone("pages")
                server.drop("template_pages")
                server.execute("create database template_pages template pages strategy file_copy")
        self.run_daemon(shards, Kind)

    def top(self) -> str:
        """Keys that stand before all tables."""
        return ""

    def sql(self, shard: int, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        """Ask a shard's server."""
        return self.servers[shard].execute(sql, *args, database="pages")

    def shard(self, *words: str, fails: bool = False) -> str:
        """Run ``cackled shard``; gives what it says."""
        action, *rest = words
        done = subprocess.run(
            [*PROGRAM, "shard", action, "-c", str(self.daemon.config), *rest],
            cwd=ROOT, capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        self.assertEqual(done.returncode != 0, fails, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def doom(self, step: str, sites: str, to: int) -> None:
        """A mover that is killed at a step."""
        done = subprocess.run(
            [sys.executable, "-c", DOOMED, str(self.daemon.config), step, sites, str(to)],
            cwd=ROOT, capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        self.assertEqual(done.returncode, -9, f"{step}: {done.stdout}{done.stderr}")

    def assert_nothing_left(self) -> None:
        """No slot, no publication, no subscription, no mark and no open move."""
        for shard in (0, 1):
            for what in ("pg_replication_slots", "pg_publication", "pg_subscription", "shard.mark"):
                self.assertEqual(self.sql(shard, f"select * from {what}"), [], f"{what} of shard {shard}")
        self.assertEqual(self.sql(0, "select * from catalog.move where ended_at is null"), [])

    def counts(self, site: int) -> list[int]:
        """How many comments of a site each server has."""
        return [
            self.sql(shard, "select count(*) from comment where site_id = %s", site)[0][0] for shard in (0, 1)
        ]  # fmt: skip
