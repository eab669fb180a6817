"""Two nodes, one of them with workers: to each other and to visitors it makes no difference."""

from __future__ import annotations

import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.ca import init_ca, issue
from cackled.database.testing import server
from tests.cluster.test_three_nodes import CHANNEL, KEY, Page
from tests.support.client import Visitor
from tests.support.daemon import Daemon, free_ports
from tests.support.valkey import Valkey


class WorkerNodesCase(SynchronousTestCase):
    """n1, which has two workers, and n2, both ready."""

    def setUp(self) -> None:
        valkey = Valkey(save="")
        self.addCleanup(valkey.remove)
        valkey.start()
        postgres = server()
        name = postgres.create("template1")
        self.addCleanup(postgres.drop, name)
        self.nodes = [Daemon(start=False) for _ in range(2)]
        for node in self.nodes:
            self.addCleanup(node.remove)
        self.database = name
        mesh = self.nodes[0].folder / "mesh"
        init_ca(mesh)
        listed = []
        for number, (node, port) in enumerate(zip(self.nodes, free_ports(2), strict=True), 1):
            host = f"127.0.0.{number}"
            issue(mesh, f"n{number}")
            node.url = f"http://{host}:{node.port}"
            node.settings.update(
                node=f"n{number}", listen=[{"endpoint": f"tcp:{node.port}:interface={host}"}],
                database={"dsn": postgres.dsn(name), "connections": 3}, mesh={"folder": str(mesh)},
            )  # fmt: skip
            listed.append({"name": f"n{number}", "addresses": [host], "url": node.url, "mesh": f"{host}:{port}"})
        self.nodes[0].settings.update(workers=2, redis={"url": f"unix://{valkey.socket}"})
        for node in self.nodes:
            node.settings["nodes"] = listed
            node.start(wait=False)
        for node in self.nodes:
            node.wait_ready()

    def until(self, what: Callable[[], object], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                self.fail("not in time\n" + "\n".join(node.log()[-2500:] for node in self.nodes))
            time.sleep(0.1)

    def in_loader(self, node: Daemon) -> set[str]:
        with urllib.request.urlopen(f"{node.url}/widget.js", timeout=5) as answer:
            return {"n" + number for number in re.findall(r'"url":"http://127\.0\.0\.(\d)', answer.read().decode())}


class WorkerNodesTests(WorkerNodesCase):
    """Live pages."""

    def page(self, node: Daemon) -> Page:
        made = Page(node.url[7:].partition(":")[0], node.port)
        self.addCleanup(made.close)
        return made

    def test_as_one(self) -> None:
        """Presence adds up over nodes and workers, typing and comments cross, a worker that dies is counted out."""
        with_workers, plain = self.nodes
        self.until(lambda: with_workers.admin("workers") and self.in_loader(with_workers) == {"n1", "n2"})
        pages = [self.page(with_workers) for _ in range(7)]
        others = [self.page(plain) for _ in range(2)]
        self.until(lambda: all(page.count() == 9 for page in pages + others))
        pages[0].say(type="typing", sub=f"1/{CHANNEL}", name="Ann")
        others[0].say(type="typing", sub=f"1/{CHANNEL}", name="Bob")
        self.until(lambda: all("Bob" in page.typing() for page in pages))
        self.until(lambda: all("Ann" in page.typing() for page in others))
        Visitor(plain.url).post(KEY, "from the plain one")
        Visitor(with_workers.url).post(KEY, "from a worker")
        want = [(1, "from the plain one"), (2, "from a worker")]
        self.until(lambda: all(page.comments() == want for page in pages + others))

        row = with_workers.admin("sessions")[0]
        slot = 0 if row.get("worker_0") else 1
        gone = row[f"worker_{slot}"]
        pid = next(one["pid"] for one in with_workers.admin("workers") if one["worker"] == slot)
        os.kill(pid, signal.SIGKILL)
        self.until(lambda: others[0].count() == 9 - gone)

    def test_view(self) -> None:
        """Workers hear who drains and send their clients to who lives; their load is the node's."""
        with_workers, plain = self.nodes
        self.until(lambda: self.in_loader(with_workers) == self.in_loader(plain) == {"n1", "n2"})
        pages = [self.page(with_workers) for _ in range(4)]
        self.until(lambda: any(n["node"] == "n1" and n["connections"] >= 4 for n in plain.admin("nodes")))
        self.assertEqual(with_workers.admin("drain")["moved"], 4)
        self.until(lambda: all(any(m["type"] == "move" for m in page.got()) for page in pages))
        self.assertEqual({m["host"] for page in pages for m in page.got() if m["type"] == "move"}, {plain.url})
        self.until(lambda: self.in_loader(with_workers) == self.in_loader(plain) == {"n2"})
        self.assertFalse(with_workers.ready())
