"""Conversations on three nodes with two PostgreSQL servers: nodes are killed and stopped, the primary dies, its replica
is promoted. What was acknowledged is there once, in order, for both sides; nobody is forgotten or assigned twice.

CACKLED_CHATS, CACKLED_CHAT_OPERATORS, CACKLED_CHAT_MESSAGES, CACKLED_CHAT_WORKERS and CACKLED_CHAT_FAULTS (so many at
random before and after the promotion, from CACKLED_CHAT_SEED) try it at another scale.
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

from cackled.cluster.ca import init_ca, issue
from cackled.database.testing import TestServer
from tests.support.chat_journal import ChatCrowd, staff_cookies
from tests.support.daemon import Daemon, free_ports
from tests.support.faults import FaultCase
from tests.support.valkey import Valkey

CHATS = int(os.environ.get("CACKLED_CHATS", "6"))
OPERATORS = int(os.environ.get("CACKLED_CHAT_OPERATORS", "2"))
MESSAGES = int(os.environ.get("CACKLED_CHAT_MESSAGES", "8"))
WORKERS = int(os.environ.get("CACKLED_CHAT_WORKERS", "0"))
FAULTS = int(os.environ.get("CACKLED_CHAT_FAULTS", "0"))
SEED = os.environ.get("CACKLED_CHAT_SEED", "1")
# Visitors, and what stands before the nodes, are believed to be where they say.
LIMITS: dict[str, Any] = {"exempt": ["127.0.0.0/8", "10.0.0.0/8"]}


class ChatReplicaTests(FaultCase):
    """n1, n2 and n3, with the servers "one" (the primary) and "two" (its replica)."""

    def setUp(self) -> None:
        super().setUp()
        self.one = TestServer()
        self.addCleanup(self.one.stop)
        self.one.execute("create database cackled")
        self.two = TestServer(replica_of=self.one, slot="two")
        self.addCleanup(self.two.stop)
        # What is acknowledged is on both.
        self.one.execute("alter system set synchronous_standby_names = 'FIRST 1 (two)'")
        self.one.execute("select pg_reload_conf()")
        self.primary = self.one
        self.random = random.Random(SEED)
        self.start_nodes()

    def start_nodes(self) -> None:
        """Three daemons that know each other."""
        self.nodes = [Daemon(start=False) for _ in range(3)]
        for node in self.nodes:
            self.addCleanup(node.remove)
        mesh = self.nodes[0].folder / "mesh"
        init_ca(mesh)
        ports = free_ports(3)
        listed = []
        named = (("one", self.one), ("two", self.two))
        servers = [{"name": name, "dsn": server.dsn("cackled")} for name, server in named]
        for number, node in enumerate(self.nodes, 1):
            host = f"127.0.0.{number}"
            issue(mesh, f"n{number}")
            node.url = f"http://{host}:{node.port}"
            listed.append({
                "name": f"n{number}", "addresses": [host], "url": node.url, "mesh": f"{host}:{ports[number - 1]}",
            })  # fmt: skip
            node.settings.update(
                node=f"n{number}", listen=[{"endpoint": f"tcp:{node.port}:interface={host}"}],
                database={"server": servers, "connections": 4}, mesh={"folder": str(mesh)}, limits=LIMITS,
                http={"trusted_proxies": ["127.0.0.0/8"]},
                dns={"listen": [f"127.0.0.1:{node.dns_port}"], "ttl": 30},
            )  # fmt: skip
            if WORKERS:
                valkey = Valkey()
                self.addCleanup(valkey.remove)
                valkey.start()
                node.settings.update(workers=WORKERS, redis={"url": f"unix://{valkey.socket}"})
        for node in self.nodes:
            node.settings["nodes"] = listed
            node.start(wait=False)
        for node in self.nodes:
            node.wait_ready()
        self.daemon = self.nodes[0]

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Ask the primary of the moment."""
        return self.primary.execute(text, database="cackled")

    def fault(self) -> str:
        """Something goes wrong, and is mended; what it was."""
        kinds = ["kill", "stop", "postgres", *(["worker"] if WORKERS else [])]
        kind, node = self.random.choice(kinds), self.random.choice(self.nodes)
        assert node.process is not None
        if kind == "kill":
            node.kill()
            time.sleep(self.random.random())
            node.start()
        elif kind == "stop":
            os.kill(node.process.pid, signal.SIGSTOP)
            time.sleep(1 + 3 * self.random.random())
            os.kill(node.process.pid, signal.SIGCONT)
        elif kind == "worker":
            with open(f"/proc/{node.process.pid}/task/{node.process.pid}/children") as file:
                pids = [int(one) for one in file.read().split()]
            if pids:
                os.kill(self.random.choice(pids), signal.SIGKILL)
        else:
            self.primary.kill()
            time.sleep(self.random.random())
            self.primary.start()
        return kind

    def promote(self) -> None:
        """The primary dies for good, and its replica takes its place."""
        since = [len(node.log()) for node in self.nodes]
        self.one.kill()
        self.two.execute("alter system set synchronous_standby_names = ''")
        self.two.promote()
        self.primary = self.two
        for node, seen in zip(self.nodes, since, strict=True):
            node.wait_log("database two is the primary now", since=seen)

    def test_promotion(self) -> None:
        """A node is killed under visitors and operators, then the primary; its replica is promoted."""
        for line in ("chat.enabled yes", "chat.rush 0", "chat.assignee_only yes"):
            self.daemon.admin(f"site set 1 {line}")
        cookies = staff_cookies(self.daemon, OPERATORS)
        began = time.monotonic()
        # So many that a machine carries them: some forty messages a second.
        pause = max(0.3, CHATS / 20)
        crowd = ChatCrowd(self, [node.url for node in self.nodes], cookies, CHATS, MESSAGES, pause=pause)
        crowd.wait_said(CHATS)
        self.nodes[1].kill()
        self.nodes[1].start()
        done = ["kill", *(self.fault() for _ in range(FAULTS // 2))]
        crowd.wait_said(MESSAGES // 3 * CHATS)
        self.promote()
        done += ["promotion", *(self.fault() for _ in range(FAULTS - FAULTS // 2))]
        figures = crowd.finish(self.sql)
        self.assertEqual(figures["messages"], CHATS * (MESSAGES - 1))
        self.assertGreater(figures["cuts"], 0)
        for node in self.nodes:
            self.daemon = node
            self.assert_quiet_log(most=256 * 1024)
        self.tell(**figures, seconds=time.monotonic() - began, faults=" ".join(done))
