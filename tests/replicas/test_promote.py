"""``cackled promote``: a replica becomes the primary, the others follow; what would lose something is refused."""

from __future__ import annotations

import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.promote import PromoteError, Promotion
from cackled.database.dsn import ServerSettings
from cackled.database.instance import Instance
from tests.support.daemon import free_ports


class PromoteTests(SynchronousTestCase):
    """A primary and two replicas on addresses of their own, as nodes have them."""

    def setUp(self) -> None:
        from pathlib import Path
        from tempfile import mkdtemp

        folder = Path(mkdtemp(prefix="cackled-promote-", dir="/tmp"))
        folder.chmod(0o755)
        (port,) = free_ports(1)
        fast = {"fsync": "off", "full_page_writes": "off"}
        self.servers: dict[str, Instance] = {}
        for number, name in enumerate(("n1", "n-2", "n3"), 1):
            one = Instance(
                folder / name, replica_of=self.servers.get("n1"), slot=name.replace("-", "_"),
                address=f"127.0.0.{number}", port=port, settings={**fast, "cluster_name": name},
            )  # fmt: skip
            self.addCleanup(one.remove)
            one.start()
            self.servers[name] = one
        self.given = [ServerSettings(name, one.dsn("postgres")) for name, one in self.servers.items()]
        self.servers["n1"].execute("create table t (n int)")
        self.said: list[str] = []

    def until(self, what: Any) -> None:
        end = time.monotonic() + 60
        while not what():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def promote(self, name: str, **more: Any) -> None:
        Promotion(self.given, name, say=self.said.append, **more).run()

    def refusal(self, name: str, **more: Any) -> str:
        error = self.assertRaises(PromoteError, self.promote, name, **more)
        self.assertNotIn("\n", str(error))
        return str(error)

    def count(self, name: str) -> Any:
        try:
            return self.servers[name].execute("select count(*) from t")[0][0]
        except Exception:
            return None

    def test_promote(self) -> None:
        """While the primary lives it is refused; then the chosen one takes writes and the other replica follows it."""
        self.assertIn("there are: n1, n-2, n3", self.refusal("n9"))
        self.until(lambda: self.count("n-2") == 0 and self.count("n3") == 0)
        self.assertIn("n1 is up and is a primary: stop it first", self.refusal("n-2"))
        self.servers["n1"].stop()
        self.promote("n-2", dry=True)
        told = "\n".join(self.said)
        for part in (
            "n-2: select pg_promote(true, 60);", "pg_create_physical_replication_slot('n3', true)",
            "n3: alter system set primary_conninfo = ", "n3: alter system set primary_slot_name = 'n3';",
            "n3: select pg_reload_conf();",
        ):  # fmt: skip
            self.assertIn(part, told)
        self.assertTrue(self.servers["n-2"].execute("select pg_is_in_recovery()")[0][0], "only said")
        self.said.clear()
        self.promote("n-2")
        self.assertIn("n3 follows n-2", self.said)
        self.assertIn("pg_basebackup", self.said[-1], "the old one is told how to come back")
        self.servers["n-2"].execute("insert into t values (1)")
        self.until(lambda: self.count("n3") == 1)
        self.said.clear()
        self.promote("n-2")
        self.assertIn("is the primary already", self.said[1])
        self.servers["n1"].rebuild(self.servers["n-2"])
        self.until(lambda: self.count("n1") == 1)

    def test_who_has_more(self) -> None:
        """A replica that lacks what another has is not promoted by mistake; one that is down can't be at all."""
        self.until(lambda: self.count("n-2") == 0 and self.count("n3") == 0)
        self.servers["n3"].execute("alter system set primary_conninfo = ''")
        self.servers["n3"].execute("select pg_reload_conf()")
        self.until(lambda: not self.servers["n3"].execute("select 1 from pg_stat_wal_receiver"))
        self.servers["n1"].execute("insert into t values (1)")
        self.until(lambda: self.count("n-2") == 1)
        self.servers["n1"].stop()
        self.assertIn("n-2 has more of the log than n3", self.refusal("n3"))
        self.assertIn("n1 does not answer", self.refusal("n1"))
        self.assertIn("say where they do, --host", self.unreachable())

    def unreachable(self) -> str:
        """The chosen one's DSN is this machine's own socket: the others need an address."""
        given = [
            ServerSettings("n-2", self.given[1].dsn), ServerSettings("n3", self.given[2].dsn),
        ]  # fmt: skip
        made = Promotion(given, "n-2", say=self.said.append, dry=True)
        made._chosen.given["host"] = "/run/postgresql"
        return str(self.assertRaises(PromoteError, made.run))
