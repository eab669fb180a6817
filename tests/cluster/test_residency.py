"""Two deployments, each with its own PostgreSQL: nothing of a site of one is ever in the other.

The worst that operators can do is done: both nodes have the same name and one Redis, one authority signed both
certificates, and each lists the other in its mesh.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import dns.message
import dns.query
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.ca import init_ca, issue
from cackled.database.testing import TestServer
from cackled.events import channel_id
from tests.cluster.test_three_nodes import Page
from tests.support.client import Visitor, call
from tests.support.daemon import ROOT, Daemon, free_ports
from tests.support.valkey import Valkey

CANARY = "kanarienvogel"
SITE = 5000
KEY = f"{CANARY}-page"
SOON = 60.0
LOUD = {"log_min_messages": "log", "log_statement": "all"}


def holds(path: Path) -> list[str]:
    """Files below *path* that the canary is in."""
    word = CANARY.encode()
    found = []
    for one in path.rglob("*"):
        try:
            if one.is_file() and word in one.read_bytes():
                found.append(str(one))
        except OSError:
            pass
    return found


def in_memory(pid: int) -> int:
    """How often the canary is in the writable memory of a process; -1 where it may not be read."""
    count = 0
    try:
        with open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                place, rights = line.split()[:2]
                if not rights.startswith("rw"):
                    continue
                start, end = (int(part, 16) for part in place.split("-"))
                try:
                    memory.seek(start)
                    count += memory.read(end - start).count(CANARY.encode())
                except (OSError, OverflowError, ValueError):
                    continue
    except OSError:
        return -1
    return count


def family(pid: int) -> list[int]:
    """A process and its workers."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [pid, *(map(int, children.read_text().split()) if children.exists() else ())]


class Eavesdropper(threading.Thread):
    """Hears all that passes through a Redis: (channel, message)."""

    def __init__(self, valkey: Valkey) -> None:
        super().__init__(daemon=True)
        self.heard: list[tuple[str, bytes]] = []
        self._pubsub = valkey.server.client().pubsub()
        self._pubsub.psubscribe("*")
        self.start()

    def run(self) -> None:
        try:
            for message in self._pubsub.listen():
                if message["type"] == "pmessage":
                    channel, data = message["channel"], message["data"]
                    self.heard.append((
                        channel.decode() if isinstance(channel, bytes) else channel,
                        data if isinstance(data, bytes) else str(data).encode(),
                    ))  # fmt: skip
        except Exception:  # the server is gone at the end
            return

    def channels(self) -> set[str]:
        """Those that the canary was in."""
        return {channel for channel, data in self.heard if CANARY.encode() in data}


class ResidencyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.valkey = Valkey(save="")
        self.addCleanup(self.valkey.remove)
        self.valkey.start()
        self.ear = Eavesdropper(self.valkey)
        self.servers = [TestServer(settings=LOUD) for _ in range(2)]
        for server in self.servers:
            self.addCleanup(server.stop)
            server.execute("create database cackled")
        self.daemons = [Daemon(start=False) for _ in range(2)]
        for daemon in self.daemons:
            self.addCleanup(daemon.remove)
        mesh = self.daemons[0].folder / "mesh"
        init_ca(mesh)
        ports = free_ports(2)
        deployments = [
            {"name": "global", "url": self.daemons[0].url, "sites": [1, 4999]},
            {"name": "eu", "url": self.daemons[1].url, "sites": [SITE, 9999], "dns": ["127.0.0.77"]},
        ]
        for name in ("n1", "n2"):
            issue(mesh, name)
        for number, (daemon, server) in enumerate(zip(self.daemons, self.servers, strict=True)):
            nodes = [
                {"name": f"n{one + 1}", "url": other.url, "addresses": [f"127.0.0.{one + 1}"],
                 "mesh": f"127.0.0.1:{ports[one]}"}
                for one, other in enumerate(self.daemons)
            ]  # fmt: skip
            daemon.settings.update(
                node=f"n{number + 1}", deployment=deployments[number]["name"], deployments=deployments, nodes=nodes,
                workers=1, redis={"url": f"unix://{self.valkey.socket}"}, mesh={"folder": str(mesh)},
                database={"dsn": server.dsn("cackled"), "connections": 2}, limits={"exempt": ["127.0.0.0/8"]},
                http={"access_log": True},
            )  # fmt: skip
            daemon.start(wait=False)
        for daemon in self.daemons:
            daemon.wait_log("is ready, node")

    def until(self, what: Any, text: str) -> None:
        end = time.monotonic() + SOON
        while not what():
            if time.monotonic() > end:
                self.fail(f"{text}\n" + "\n".join(daemon.log()[-2000:] for daemon in self.daemons))
            time.sleep(0.05)

    def ask(self, daemon: Daemon, name: str) -> Any:
        """What a daemon's DNS says of a name."""
        return dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", port=daemon.dns_port, timeout=15)

    def nothing_in(self, daemon: Daemon, server: TestServer) -> None:
        """The canary is in nothing that a deployment has stored, read, logged or told others."""
        server.execute("checkpoint")
        self.assertEqual(holds(server.folder), [], "PostgreSQL: data, log of changes, statements")
        self.assertEqual(holds(daemon.folder), [], "state and log")
        name = str(daemon.settings["deployment"])
        told = [channel for channel in self.ear.channels() if f":{name}:" in channel]
        self.assertEqual(told, [], "Redis")

    def test_canary(self) -> None:
        """What happens on a site of eu is nowhere in global: stored, read, logged, in memory, in mesh or Redis."""
        home, away = self.daemons
        made = away.admin(f"site add id={SITE} {CANARY}-site {CANARY}.example localhost:*")
        self.assertEqual(made, {"site": SITE})
        sub = f"{SITE}/{channel_id('comments', KEY)}"
        self.until(lambda: call(f"{away.url}/rt/poll?sub={sub}&wait=0").status == 200, "the site is known to eu")
        pages = [Page("127.0.0.1", away.port, sub=sub) for _ in range(2)]
        for page in pages:
            self.addCleanup(page.close)
        visitor = Visitor(away.url, site=SITE, name=f"{CANARY} Ann")
        self.assertEqual(visitor.post(KEY, f"{CANARY} says hello").status, 201)
        self.until(lambda: all(page.comments() for page in pages), "live within eu")

        def typed() -> bool:
            pages[0].say(type="typing", sub=sub, name=f"{CANARY} Bob")
            return bool(self.ear.channels())

        self.until(typed, "heard in Redis")
        self.until(lambda: holds(self.servers[1].folder), "stored in eu")
        # The search finds what there is.
        self.assertTrue(all(":eu:" in channel for channel in self.ear.channels()), self.ear.channels())
        for daemon in self.daemons:
            self.assertIn(b"\ncackled_mesh_links 0.0\n", call(f"{daemon.admin_url}/metrics").body)
        found = [in_memory(pid) for pid in family(away.process.pid)]  # type: ignore[union-attr]
        if min(found) >= 0:
            self.assertGreater(sum(found), 0)
            self.assertEqual([in_memory(pid) for pid in family(home.process.pid)], [0, 0])  # type: ignore[union-attr]
        self.nothing_in(home, self.servers[0])

        # Visitors who come to the wrong node are told the way, and what they brought is not kept.
        channel = {"key": KEY, "url": f"http://{CANARY}.example/p", "title": ""}
        body = {"channel": channel, "text": CANARY, "name": CANARY}
        for method, path, sent in (
            ("GET", f"/bootstrap?widget=Comment&site={SITE}&channel={KEY}&url=http://{CANARY}.example/", None),
            ("GET", f"/api/v1/sites/{SITE}/comments?channel={KEY}", None),
            ("POST", f"/api/v1/sites/{SITE}/comments", body), ("POST", f"/api/v1/sites/{SITE}/sessions", {}),
            ("GET", f"/rt/poll?sub={sub}&token={CANARY}", None), ("GET", f"/rt/sse?sub={sub}", None),
        ):  # fmt: skip
            answer = call(f"{home.url}{path}", method, sent, Origin=f"http://{CANARY}.example",
                          Content_Type="application/json", Authorization=f"Bearer {visitor.token}")  # fmt: skip
            self.assertEqual(answer.status, 421, path)
            self.assertNotIn(CANARY.encode(), answer.body)
        answer = call(f"{home.url}/bootstrap?widget=Comment&site={SITE}&channel={KEY}")
        self.assertEqual((answer.json()["deployment"], answer.json()["url"]), ("eu", away.url))
        with self.assertRaises(AssertionError) as caught:
            home.admin(f"site add id={SITE} {CANARY} {CANARY}.example")
        self.assertIn("lives in deployment eu", str(caught.exception))
        # The operator's own words are in the log by design; they are no visitor's.
        home.out.write_text("\n".join(line for line in home.log().splitlines() if "operator" not in line))
        self.nothing_in(home, self.servers[0])

        # Loader, DNS and status follow.
        with urllib.request.urlopen(f"{home.url}/widget.js?site={SITE}", timeout=15) as loader:
            self.assertEqual(loader.url, f"{away.url}/widget.js?site={SITE}")
            self.assertIn(f'"servers":[{{"url":"{away.url}"', loader.read().decode())
        for daemon in self.daemons:
            with urllib.request.urlopen(f"{daemon.url}/widget.js", timeout=15) as loader:
                offered = re.findall(r'"url":"(http[^"]*)"', loader.read().decode())
            self.assertEqual(offered, [daemon.url])
        for number, daemon in enumerate(self.daemons, 1):
            self.assertEqual(self.ask(daemon, "rt.cackle.test.").answer[0].to_rdataset().to_text().split()[-1],
                             f"127.0.0.{number}")  # fmt: skip
        referred = self.ask(home, "rt.eu.cackle.test.")
        self.assertEqual((referred.answer, str(referred.authority[0].name)), ([], "eu.cackle.test."))
        self.assertEqual(referred.additional[0].to_text().split()[-1], "127.0.0.77")
        self.assertEqual(home.admin("status")["process"]["deployment"], "global")
        # Within its own deployment all is as ever.
        self.assertEqual(Visitor(home.url).post("here", "hello").status, 201)

    def test_foreign_database(self) -> None:
        """A node of one deployment that is pointed at the database of the other does not start, and changes nothing."""
        away = self.daemons[1]
        dsn = json.dumps(self.servers[1].dsn("cackled"))
        made = Daemon.for_test(self, f'deployment = "global"\n[database]\ndsn = {dsn}\n', wait=False)
        self.assertEqual(made.wait(), 1)
        self.assertIn("belongs to deployment 'eu', this node to 'global'", made.log())
        self.assertNotIn("Traceback", made.log())
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        for words in (["--check"], []):
            done = subprocess.run(
                [sys.executable, "-m", "cackled", "migrate", *words, "-c", str(made.config)], capture_output=True,
                text=True, check=False, cwd=made.folder, env=environ,
            )  # fmt: skip
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("belongs to deployment 'eu'", done.stderr)
        done = subprocess.run(
            [sys.executable, "-m", "cackled", "status", "-c", str(away.config)], capture_output=True, text=True,
            check=False, cwd=away.folder, env=environ,
        )  # fmt: skip
        self.assertRegex(done.stdout, r"deployment +eu")
