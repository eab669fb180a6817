"""Sites are moved between two PostgreSQL servers while they are written and listened to, and movers are killed."""

from __future__ import annotations

import subprocess

from tests.faults.shards import PROGRAM, Crowd, ShardCase
from tests.support.client import call
from tests.support.daemon import ROOT
from tests.support.faults import KEY
from tests.support.journal import comments


class MoveTests(ShardCase):
    """Sites move, and nobody but the operator notices."""

    def test_there_and_back(self) -> None:
        """Two sites go from one server to the other and back under load: nothing lost, doubled, reordered or refused,
        numbers and ids go on, subscribers stay connected, a repeated request is known, the third site is at rest.
        """
        crowds = [Crowd(self, site, pause=0.04) for site in (1, 2, 3)]
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
        held = [{one["id"] for one in comments(self.daemon.url, KEY, site)} for site in (1, 2, 3)]
        self.assertEqual(call(f"{self.daemon.url}/bootstrap?widget=Comment&site=1&channel=demo").status, 200)
        shards = self.daemon.admin("status")["shards"]
        self.assertEqual([row["sites"] for row in shards], ["the others", 2])
        self.assertIn("1", self.shard("list"))
        self.daemon.restart()
        for site, ids in zip((1, 2, 3), held, strict=True):
            self.assertEqual({one["id"] for one in comments(self.daemon.url, KEY, site)}, ids, "after a restart")
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
            if step == "streaming":
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


