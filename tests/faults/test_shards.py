"""Sites are moved between two PostgreSQL servers while they are written and listened to, and movers are killed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from cackled.database.testing import TestServer
from cackled.events import channel_id
from tests.daemon import ROOT, Visitor, call
from tests.faults.case import KEY, FaultCase
from tests.faults.journal import READERS, Journal, Reader, Writer, comments

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

    def __init__(self, case: ShardCase, site: int, writers: int = 2) -> None:
        daemon = case.daemon
        self.case = case
        self.site = site
        self.sub = f"{site}/{channel_id(KEY)}"
        self.journal = Journal(daemon.folder / f"journal-{site}")
        case.addCleanup(self.journal.close)
        case.addCleanup(self.stop)
        self.visitor = Visitor(daemon.url, site)
        self.readers: list[Reader] = [kind(self.journal, daemon.port, f"{self.sub}@0") for kind in READERS]
        self.writers = [
            Writer(self.journal, daemon.url, KEY, f"w{n}", 100_000, self.visitor.token, site) for n in range(writers)
        ]
        for one in self.writers:
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
        """Start them."""
        super().setUp()
        self.servers = [TestServer(settings=self.settings) for _ in range(2)]
        for server in self.servers:
            self.addCleanup(server.stop)
            server.execute("create database pages")
        first, second = (json.dumps(server.dsn("pages")) for server in self.servers)
        self.run_daemon(f"[database]\ndsn = {first}\n[[database.shard]]\nnumber = 1\ndsn = {second}\n{self.extra}")
        for site in (2, 3):
            self.daemon.admin(f"site add id={site} Site{site} localhost:*")
        self.shard("add", "1")

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


class MoveTests(ShardCase):
    """Sites move, and nobody but the operator notices."""

    def test_there_and_back(self) -> None:
        """Two sites go from one server to the other and back under load: nothing lost, doubled, reordered or refused,
        numbers and ids go on, subscribers stay connected, a repeated request is known, the third site is at rest.
        """
        crowds = [Crowd(self, site) for site in (1, 2, 3)]
        before = crowds[0].visitor.post("other", "said once", Idempotency_Key="0001-once").json()
        fences = []
        for target in (1, 0, 1):
            for crowd in crowds:
                crowd.wait_more()
            said = self.shard("move", "1-2", "--to", str(target))
            fences.append(said.split("held up for ")[1].split(" ms")[0])
            self.assert_nothing_left()
            for site in (1, 2):
                left, there = self.counts(site) if target else self.counts(site)[::-1]
                self.assertEqual(left, 0)
                self.assertGreater(there, 0)
            self.assertEqual(self.counts(3)[1], 0)
            again = crowds[0].visitor.post("other", "said once", Idempotency_Key="0001-once")
            self.assertEqual(again.json()["comment"]["id"], before["comment"]["id"])
            self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        for crowd in crowds:
            crowd.wait_more()
        figures = [crowd.check() for crowd in crowds]
        self.assertEqual(call(f"{self.daemon.url}/bootstrap?widget=Comment&site=1&channel=demo").status, 200)
        shards = self.daemon.admin("status")["shards"]
        self.assertEqual([row["sites"] for row in shards], ["the others", 2])
        self.assertIn("1", self.shard("list"))
        self.assert_quiet_log()
        self.tell(
            fences_ms="/".join(fences), longest_write=max(one["longest"] for one in figures[:2]),
            longest_write_elsewhere=figures[2]["longest"],
            **{name: sum(one[name] for one in figures) for name in ("acknowledged", "lost", "doubled", "events")},
        )  # fmt: skip

    def test_refused(self) -> None:
        """What can't be done is refused in words, and changes nothing."""
        for words, why in (
            (("move", "9", "--to", "1"), "there is no site 9"),
            (("move", "1", "--to", "0"), "site 1 is in shard 0 already"),
            (("move", "1", "--to", "2"), "there is no shard 2"),
            (("move", "x", "--to", "1"), "is no site"),
            (("resume",), "no move is under way"),
            (("abort",), "no move is under way"),
            (("add", "2"), "names no"),
        ):
            self.assertIn(why, self.shard(*words, fails=True))
        self.sql(1, "delete from catalog.schema_version where version = 8")
        self.assertIn("shard 1 lacks migrations 0008", self.shard("move", "1", "--to", "1", fails=True))
        self.sql(0, "create role weak login")
        self.sql(0, "grant all on schema shard, catalog to weak")
        self.sql(0, "grant select on all tables in schema shard, catalog to weak")
        weak = self.daemon.config.with_name("weak.toml")
        weak.write_text(self.daemon.config.read_text().replace("user=cackled", "user=weak", 1))
        said = subprocess.run(
            [*PROGRAM, "shard", "move", "1", "--to", "1", "-c", str(weak)], cwd=ROOT, capture_output=True, text=True
        )
        self.assertIn("alter role weak replication bypassrls", said.stderr)
        self.assert_nothing_left()
        self.assertEqual(self.sql(0, "select * from catalog.move"), [])


class UnfitTests(ShardCase):
    """A source that was not made ready."""

    settings: dict[str, str] = {}

    def test_refused(self) -> None:
        """Without logical decoding nothing begins."""
        self.assertIn("wal_level = replica", self.shard("move", "1", "--to", "1", fails=True))
        self.assertEqual(self.sql(0, "select * from catalog.move"), [])


class KilledTests(ShardCase):
    """A mover is killed at each of its steps, under load."""

    def test_resumed(self) -> None:
        """Whatever step it dies at, writers and readers go on, and the move is ended by whoever resumes it."""
        crowd = Crowd(self, 2)
        target = 1
        for step in ("begun", "streaming", "leaving", "fenced", "handed", f"flip {target}", "flipped", "cleaned"):
            crowd.wait_more(5)
            self.doom(step, "2", target)
            crowd.wait_more(5)
            self.assertIn("shard resume", self.shard("list"))
            self.assertIn("resume", self.shard("move", "3", "--to", "1", fails=True))
            self.shard("resume")
            self.assert_nothing_left()
            crowd.wait_more(5)
            left, there = self.counts(2) if target else self.counts(2)[::-1]
            self.assertEqual(left, 0, step)
            self.assertGreater(there, 0, step)
            target = 1 - target
        figures = crowd.check()
        self.assert_quiet_log()
        self.tell(**figures)

    def test_aborted(self) -> None:
        """Before the sites are handed over a move can be given up, and leaves nothing; after that it can't."""
        crowd = Crowd(self, 2)
        for step in ("begun", "streaming", "leaving", "fenced"):
            crowd.wait_more(5)
            self.doom(step, "2", 1)
            self.shard("abort")
            self.assert_nothing_left()
            self.assertEqual(self.counts(2)[1], 0, step)
            crowd.wait_more(5)
        self.doom("handed", "2", 1)
        self.assertIn("too late", self.shard("abort", fails=True))
        self.shard("resume")
        self.assertEqual(self.counts(2)[0], 0)
        crowd.wait_more(5)
        self.tell(**crowd.check())


