"""Three real daemons on 127.0.0.1, .2 and .3 with one database: what one hears all hear; one hangs, one is killed."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import dns.message
import dns.query
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.ca import init_ca, issue
from cackled.database.testing import server
from cackled.events import channel_id
from tests.support.client import Visitor, call
from tests.support.daemon import Daemon, free_ports
from tests.support.peers import masked, texts

KEY = "three"
CHANNEL = channel_id("comments", KEY)
# What is promised; the machine may be busy, but not that busy.
OUT_WITHIN = 5.0
SOON = 10.0


class Page:
    """An open page: a WebSocket to one node, and all that came."""

    def __init__(self, host: str, port: int, after: int = 0, sub: str = f"1/{CHANNEL}") -> None:
        self.socket = socket.create_connection((host, port), timeout=SOON)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /rt/ws?sub={sub}@{after} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: cackle.v1\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        self._data = b""
        while b"\r\n\r\n" not in self._data:
            self._data += self.socket.recv(65536)
        head, self._data = self._data.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101"), head

    def say(self, **message: Any) -> None:
        self.socket.sendall(masked(1, json.dumps(message).encode()))

    def got(self) -> list[dict[str, Any]]:
        """All that has come so far."""
        self.socket.setblocking(False)
        try:
            while data := self.socket.recv(65536):
                self._data += data
        except (BlockingIOError, ConnectionError):
            pass
        return texts(self._data)

    def count(self) -> int:
        """How many pages are open, as last told."""
        return next((m["data"]["count"] for m in reversed(self.got()) if m["type"] == "presence"), 0)

    def typing(self) -> list[str]:
        return [m["data"]["name"] for m in self.got() if m["type"] == "typing"]

    def comments(self) -> list[tuple[int, str]]:
        return [
            (m["seq"], re.sub("<[^>]*>", "", m["data"]["comment"]["html"]).strip())
            for m in self.got()
            if m["type"] == "comment.created"
        ]

    def close(self) -> None:
        self.socket.close()


class NodesCase(SynchronousTestCase):
    """n1, n2 and n3, all ready."""

    # Each lists itself alone, and finds the others in the database.
    discovery = False
    # Laid over the configuration of each.
    more: dict[str, Any] = {}

    def setUp(self) -> None:
        postgres = server()
        name = postgres.create("template1")
        self.addCleanup(postgres.drop, name)
        self.nodes = [Daemon(start=False) for _ in range(3)]
        for node in self.nodes:
            self.addCleanup(node.remove)
        mesh = self.nodes[0].folder / "mesh"
        init_ca(mesh)
        ports = free_ports(3)
        listed = []
        for number, node in enumerate(self.nodes, 1):
            host = f"127.0.0.{number}"
            issue(mesh, f"n{number}")
            node.url = f"http://{host}:{node.port}"
            node.settings["node"] = f"n{number}"
            node.settings["listen"] = [{"endpoint": f"tcp:{node.port}:interface={host}"}]
            node.settings["database"] = {"dsn": postgres.dsn(name), "connections": 3}
            node.settings["mesh"] = {"folder": str(mesh)}
            node.settings["dns"] = {"listen": [f"127.0.0.1:{node.dns_port}"], "ttl": 30}
            listed.append({
                "name": f"n{number}", "addresses": [host], "url": node.url, "mesh": f"{host}:{ports[number - 1]}",
            })  # fmt: skip
        for node in self.nodes:
            node.settings.update(self.more, nodes=listed)
            if self.discovery:
                node.settings["nodes"] = [one for one in listed if one["name"] == node.settings["node"]]
                node.settings["discovery"] = {"enabled": True, "interval": 2.0}
            node.start(wait=False)
        for node in self.nodes:
            node.wait_ready()

    def until(self, what: Callable[[], bool], seconds: float, text: str) -> float:
        """Wait for *what*; gives how long that took."""
        began = time.monotonic()
        while not what():
            if time.monotonic() - began > seconds:
                self.fail(f"{text}: not within {seconds} s\n" + "\n".join(node.log()[-1500:] for node in self.nodes))
            time.sleep(0.05)
        return time.monotonic() - began

    def in_dns(self, node: Daemon) -> set[str]:
        """The nodes that *node*'s DNS answers with, over several questions."""
        found = set()
        for _ in range(10):
            query = dns.message.make_query("rt.cackle.test.", "A")
            answer = dns.query.udp(query, "127.0.0.1", port=node.dns_port, timeout=2)
            found |= {"n" + record.to_text()[-1] for rrset in answer.answer for record in rrset}
        return found

    def in_loader(self, node: Daemon) -> set[str]:
        """The servers that *node*'s loader lets a browser choose from."""
        with urllib.request.urlopen(f"{node.url}/widget.js", timeout=5) as answer:
            text = answer.read().decode()
        return {"n" + number for number in re.findall(r'"url":"http://127\.0\.0\.(\d)', text)}

    def offered(self, *nodes: Daemon) -> list[set[str]]:
        return [each(node) for node in nodes for each in (self.in_dns, self.in_loader)]

    def page(self, node: Daemon, after: int = 0) -> Page:
        page = Page(node.url[7:].partition(":")[0], node.port, after)
        self.addCleanup(page.close)
        return page


class FullNode(NodesCase):
    """Nodes that take 50 connections each."""

    more = {"http": {"max_connections": 50}}

    def test_weights(self) -> None:
        """A node that is nearly full comes first in few answers of DNS, and has a small weight in the loader."""
        first, second, _ = self.nodes
        self.until(lambda: self.offered(first) == [{"n1", "n2", "n3"}] * 2, SOON, "three nodes offered")
        held = []
        for _ in range(42):
            held.append(socket.create_connection(("127.0.0.2", second.port), timeout=SOON))
            self.addCleanup(held[-1].close)
            held[-1].sendall(b"GET /rt/sse?sub=1/5 HTTP/1.1\r\nHost: localhost\r\n\r\n")

        def firsts() -> int:
            """In how many of 96 answers it comes first."""
            count = 0
            for _ in range(96):
                query = dns.message.make_query("rt.cackle.test.", "A")
                answer = dns.query.udp(query, "127.0.0.1", port=first.dns_port, timeout=5)
                count += answer.answer[0].to_rdataset()[0].to_text() == "127.0.0.2"
            return count

        # By weight it would be 32; of 10, 1 and 10 it is 6.
        self.until(lambda: firsts() < 18, SOON, "rarely first in DNS")
        with urllib.request.urlopen(f"{first.url}/widget.js", timeout=5) as answer:
            weights = re.findall(r'"url":"http://127\.0\.0\.(\d):\d+","weight":(\d+)', answer.read().decode())
        self.assertEqual([int(weight) <= 3 for _, weight in sorted(weights)], [False, True, False], weights)


class ThreeNodes(NodesCase):
    """Each knows of all by its configuration."""

    def test_three_nodes(self) -> None:
        """Comments, presence and typing reach every node; a hung and a killed node are out of DNS and loader."""
        first, second, third = self.nodes
        everybody = {"n1", "n2", "n3"}
        self.until(lambda: self.offered(*self.nodes) == [everybody] * 6, SOON, "three nodes offered")
        rows = first.admin("nodes")
        self.assertEqual(
            [(row["node"], row["state"]) for row in rows], [("n1 (this)", "live"), ("n2", "live"), ("n3", "live")]
        )

        pages = [self.page(node) for node in self.nodes]
        self.until(lambda: [page.count() for page in pages] == [3, 3, 3], SOON, "presence summed")
        pages[1].say(type="typing", sub=f"1/{CHANNEL}", name="Ann")
        self.until(lambda: [page.typing() for page in pages] == [["Ann"], [], ["Ann"]], SOON, "typing crosses")
        self.assertEqual(Visitor(first.url).post(KEY, "from one").status, 201)
        self.assertEqual(Visitor(third.url).post(KEY, "from three").status, 201)
        expected = [(1, "from one"), (2, "from three")]
        self.until(lambda: [page.comments() for page in pages] == [expected] * 3, SOON, "comments everywhere")

        third.signal(signal.SIGSTOP)
        took = self.until(lambda: self.offered(first, second) == [{"n1", "n2"}] * 4, OUT_WITHIN, "hung node out")
        self.until(lambda: [page.count() for page in pages[:2]] == [2, 2], SOON, "its visitors not counted")
        third.signal(signal.SIGCONT)
        self.until(lambda: first.admin("nodes")[2]["ready"], SOON, "hung node linked again")

        second.kill()
        gone = self.until(lambda: self.offered(first) == [{"n1"}] * 2, OUT_WITHIN, "killed node out")
        self.assertTrue(call(f"{first.url}/readyz").status == 200, "two of three hear each other")
        self.until(lambda: [pages[0].count(), pages[2].count()] == [2, 2], SOON, "presence without it")
        self.assertEqual(Visitor(third.url).post(KEY, "after").status, 201)
        moved = self.page(first, after=1)
        expected.append((3, "after"))
        self.until(lambda: moved.comments() == expected[1:], SOON, "its visitor elsewhere, nothing lost or twice")
        self.until(lambda: [p.comments() for p in (pages[0], pages[2])] == [expected] * 2, SOON, "others lost nothing")
        self.assertLess(max(took, gone), OUT_WITHIN)
        for node in (first, third):
            self.assertNotIn("Traceback", node.log())

    def test_listed_anew(self) -> None:
        """SIGHUP takes a node out of the list, and in again; a list that can't be used leaves the old one."""
        first, second, third = self.nodes
        everybody = {"n1", "n2", "n3"}
        self.until(lambda: self.offered(*self.nodes) == [everybody] * 6, SOON, "three nodes offered")
        listed = first.settings["nodes"]
        for nodes, offered in ((listed[:2], {"n1", "n2"}), (listed, everybody)):
            first.settings["nodes"] = nodes
            first.write_config()
            first.signal(signal.SIGHUP)
            self.until(lambda: self.offered(first) == [offered] * 2, SOON, f"{offered} offered")  # noqa: B023
        self.until(lambda: [row["linked"] for row in first.admin("nodes")] == [True] * 3, SOON, "linked again")
        first.settings["nodes"] = [*listed[:2], {**listed[2], "addresses": ["nowhere"]}]
        first.write_config()
        first.signal(signal.SIGHUP)
        first.wait_log("the nodes were not read again")
        self.assertEqual(self.offered(first), [everybody] * 2)
        self.assertNotIn("Traceback", first.log() + second.log() + third.log())

    def test_drained_and_cut_off(self) -> None:
        """A node that drains is out at once, its visitors are told where to go; the last of three offers everybody."""
        first, second, third = self.nodes
        everybody = {"n1", "n2", "n3"}
        self.until(lambda: self.offered(*self.nodes) == [everybody] * 6, SOON, "three nodes offered")
        page = self.page(second)
        second.admin("drain")
        self.until(lambda: self.offered(first, third) == [{"n1", "n3"}] * 4, 2.0, "drained node out")
        self.assertEqual(call(f"{second.url}/readyz").status, 503)
        self.until(lambda: any(m["type"] == "move" for m in page.got()), SOON, "visitors are told")
        (host,) = [m["host"] for m in page.got() if m["type"] == "move"]
        self.assertIn(host, (first.url, third.url))

        (told,) = second.admin("problems")
        self.assertEqual(told["problem"], "draining")
        second.admin("undrain")
        self.until(lambda: self.offered(*self.nodes) == [everybody] * 6, SOON, "offered again")
        self.assertEqual((call(f"{second.url}/readyz").status, second.admin("problems")), (200, []))
        self.page(second)
        second.admin("drain")
        self.until(lambda: self.offered(first, third) == [{"n1", "n3"}] * 4, 2.0, "drained again")

        first.kill()
        self.until(lambda: self.offered(third) == [{"n3"}] * 2, OUT_WITHIN, "killed node out")
        self.assertEqual(call(f"{third.url}/readyz").status, 200)
        second.kill()
        self.until(lambda: call(f"{third.url}/readyz").status == 503, OUT_WITHIN + 1, "cut off, so not ready")
        self.assertNotEqual(call(f"{third.admin_url}/readyz").json()["checks"]["mesh"], "ok")
        self.until(lambda: self.offered(third) == [everybody] * 2, SOON, "everybody offered")
        self.assertEqual(Visitor(third.url).post(KEY, "alone").status, 201, "it serves whoever comes all the same")
