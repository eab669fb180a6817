"""A whole cluster: three nodes with a PostgreSQL each, in network namespaces where we may, else on loopback addresses.

Visitors stay on pages of all nodes, go elsewhere when theirs is lost or tells them to, and keep a journal. Nodes are
killed, hung, drained, and wires are cut; at the end each visitor has had every comment once, in order. Set
CACKLED_FIGURES=1 for the times it took, and for a cut of 30 s instead of 10.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.message
import dns.query
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.devcluster import Cluster, Node, Ports
from cackled.events import channel_id
from tests.cluster.namespaces import Namespaces, net
from tests.support.daemon import free_ports
from tests.support.journal import attempt, client_frame, read_frame

KEY = "combined"
SUB = f"1/{channel_id('comments', KEY)}"
FIGURES = bool(os.environ.get("CACKLED_FIGURES"))
CUT_SECONDS = 30.0 if FIGURES else 10.0
# A promise is 5 s; the machine may be busy.
OUT_WITHIN = 15.0
SOON = 60.0
# Silent for so long a connection is dead, as the server says something every 2 s.
SILENCE = 8.0
BACKOFF = 1.0
EXTRA = '[limits]\nexempt = ["127.0.0.0/8", "10.77.0.0/24"]\n[realtime]\nheartbeat = 2.0\ndrain_seconds = 1.0\n'


class Roamer(threading.Thread):
    """A visitor: one page, on one node after the other."""

    def __init__(self, name: str, nodes: list[Node], at: Node) -> None:
        super().__init__(name=name, daemon=True)
        self.nodes = nodes
        self.at = at
        self.seq = 0
        # (seq, id) of every comment, in the order it came; counts and names as last told; nodes it was on.
        self.events: list[tuple[int, str]] = []
        self.gaps = 0
        self.count = 0
        self.typing: list[str] = []
        self.visits: list[str] = []
        self.connected = False
        self.over = False
        self._told: Node | None = None
        self._socket: socket.socket | None = None
        self.start()

    def run(self) -> None:
        """Until told to stop."""
        while not self.over:
            try:
                self._stay()
            except (OSError, ValueError, EOFError):
                pass
            self.connected = False
            if self._told is not None:
                self.at, self._told = self._told, None
            elif not self.over:
                time.sleep(random.uniform(0, BACKOFF))
                self._choose()

    def _choose(self) -> None:
        """Another server, from the loader of any that answers."""
        for node in random.sample(self.nodes, len(self.nodes)):
            answer = attempt(f"{node.url}/widget.js", timeout=3.0)
            if answer is not None and answer.status == 200:
                live = [one for one in self.nodes if f'"{one.url}"'.encode() in answer.body]
                others = [one for one in live if one is not self.at]
                self.at = random.choice(others or live or self.nodes)
                return

    def _stay(self) -> None:
        made = self._socket = socket.create_connection((self.at.address, self.at.ports.http), timeout=SILENCE)
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            made.sendall(
                f"GET /rt/ws?sub={SUB}@{self.seq} HTTP/1.1\r\nHost: {self.at.address}\r\nConnection: Upgrade\r\n"
                f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            file = made.makefile("rb")
            if b" 101 " not in file.readline():
                return
            while file.readline().strip():
                pass
            self.connected = True
            self.visits.append(self.at.name)
            while not self.over:
                # The server pings every other second; after SILENCE the connection counts as dead.
                opcode, payload = read_frame(file)
                if opcode == 9:
                    made.sendall(client_frame(10, payload))
                elif opcode == 8 or (opcode == 1 and not self._take(json.loads(payload))):
                    return
        finally:
            made.close()

    def _take(self, message: dict[str, Any]) -> bool:
        kind = message["type"]
        if kind == "comment.created":
            self.seq = message["seq"]
            self.events.append((message["seq"], message["data"]["comment"]["id"]))
        elif kind == "recovered" and not message["recovered"]:
            self.gaps += 1
        elif kind == "presence":
            self.count = message["data"]["count"]
        elif kind == "typing":
            self.typing.append(message["data"]["name"])
        elif kind == "move":
            self._told = next((node for node in self.nodes if node.url == message["host"]), None)
            return False
        return True

    def say(self, **message: Any) -> None:
        """Send a message."""
        assert self._socket is not None
        self._socket.sendall(client_frame(1, json.dumps(message).encode()))

    def stop(self) -> None:
        """End."""
        self.over = True
        self.join(SILENCE + 5)


class CombinedTests(SynchronousTestCase):
    timeout = 600

    def setUp(self) -> None:
        self.net = net()
        ports = Ports() if isinstance(self.net, Namespaces) else Ports(*free_ports(6))
        self.cluster = Cluster(
            ports=ports, settings={"fsync": "off", "full_page_writes": "off"}, extra=EXTRA, net=self.net,
            # What is found is no wire of ours, and can't be cut there.
            discovery="cut_off" in self.id() and isinstance(self.net, Namespaces),
        )  # fmt: skip
        self.addCleanup(self.cluster.stop)
        self.cluster.start()
        self.nodes = self.cluster.nodes
        self.acknowledged: list[tuple[int, str]] = []
        self.roamers: list[Roamer] = []
        self.addCleanup(self.leave)
        self.token = ""
        self.until(lambda: self.offered(*self.nodes) == [{"n1", "n2", "n3"}] * 6, "three nodes offered")

    def leave(self) -> None:
        for one in self.roamers:
            one.stop()

    def figure(self, text: str) -> None:
        if FIGURES:
            print(f"\n    {text}", end="", file=sys.__stdout__, flush=True)

    def until(self, what: Callable[[], object], text: str, seconds: float = SOON) -> float:
        began = time.monotonic()
        while not what():
            if time.monotonic() - began > seconds:
                roamers = "".join(
                    f"\n{one.name}: at {one.at.name}, {one.visits}, seq {one.seq}, {one.gaps} gaps, counts {one.count}"
                    for one in self.roamers
                )
                logs = "".join(f"\n--- {node.name}\n{node.log()[-1500:]}" for node in self.nodes)
                self.fail(f"{text}: not within {seconds:.0f} s{roamers}{logs}")
            time.sleep(0.05)
        took = time.monotonic() - began
        self.figure(f"{text}: {took:.1f} s")
        return took

    # What nodes offer

    def in_dns(self, node: Node) -> set[str]:
        found = set()
        for _ in range(8):
            query = dns.message.make_query("rt.cackle.test.", "A")
            try:
                answer = dns.query.udp(query, node.address, port=node.ports.dns, timeout=2)
            except (OSError, dns.exception.DNSException):
                return set()
            found |= {"n" + record.to_text()[-1] for rrset in answer.answer for record in rrset}
        return found

    def in_loader(self, node: Node) -> set[str]:
        answer = attempt(f"{node.url}/widget.js", timeout=3.0)
        body = answer.body.decode() if answer is not None else ""
        return {one.name for one in self.nodes if re.search(rf'"url":"{re.escape(one.url)}"', body)}

    def offered(self, *nodes: Node) -> list[set[str]]:
        return [each(node) for node in nodes for each in (self.in_dns, self.in_loader)]

    # What visitors do

    def visit(self, each: int = 2) -> None:
        self.roamers = [Roamer(f"{node.name}-{n}", self.nodes, node) for node in self.nodes for n in range(each)]
        self.until(lambda: {one.count for one in self.roamers} == {len(self.roamers)}, "presence of all nodes summed")

    def post(self, text: str, *nodes: Node) -> None:
        """Write on one of *nodes*, whichever takes it, under one key until it is acknowledged."""
        key, end = str(uuid.uuid4()), time.monotonic() + SOON
        body = {"channel": {"key": KEY, "url": "http://localhost/p", "title": ""}, "text": text, "name": "Ann"}
        for attempts in range(1_000):
            api = f"{nodes[attempts % len(nodes)].url}/api/v1/sites/1"
            if not self.token:
                given = attempt(f"{api}/sessions", "POST", {}, timeout=5.0)
                self.token = given.json()["token"] if given is not None and given.status == 201 else ""
            answer = attempt(
                f"{api}/comments", "POST", body, timeout=5.0, Authorization=f"Bearer {self.token}", Idempotency_Key=key
            )
            if answer is not None and answer.status == 201:
                told = answer.json()
                self.acknowledged.append((int(told["position"].partition("@")[2]), told["comment"]["id"]))
                return
            if time.monotonic() > end:
                self.fail(f"{text}: not taken, {answer and (answer.status, answer.body[:200])}")
            time.sleep(0.1)

    def all_have_all(self, text: str) -> None:
        """Every visitor has every acknowledged comment once, in order, and was never told of a gap."""
        want = sorted(self.acknowledged)
        self.assertEqual([seq for seq, _ in want], list(range(1, len(want) + 1)), "one number for each")
        self.until(lambda: all(len(one.events) >= len(want) for one in self.roamers), text)
        for one in self.roamers:
            self.assertEqual(one.events, want, one.name)
            self.assertEqual(one.gaps, 0, one.name)

    def elsewhere(self, node: Node, text: str) -> None:
        self.until(lambda: all(one.connected and one.at is not node for one in self.roamers), text)
        self.until(lambda: {one.count for one in self.roamers} == {len(self.roamers)}, f"{text}, counted once each")

    def no_tracebacks(self) -> None:
        for node in self.nodes:
            log = node.log()
            at = log.find("Traceback")
            self.assertEqual(at, -1, f"{node.name}: {log[max(0, at - 500) : at + 3000]}")

    def test_killed_and_hung(self) -> None:
        """One node is killed, comes back and is used again; another hangs. Nobody misses or repeats anything."""
        one, two, three = self.nodes
        self.visit()
        for node in self.nodes:
            self.post(f"from {node.name}", node)
        self.all_have_all("comments of all nodes are on all")

        def typed() -> bool:
            self.roamers[0].say(type="typing", sub=SUB, name="Ann")
            return all("Ann" in one.typing for one in self.roamers[2:])

        self.until(typed, "typing crosses")
        # The far node reads its own replica.
        own = attempt(f"{three.url}/api/v1/sites/1/comments?channel=none&readPreference=nearest")
        self.assertEqual(own is not None and own.headers["X-Cackled-Server"], "n3")

        three.signal(signal.SIGKILL)
        self.post("while n3 is dead", one)
        self.until(lambda: self.offered(one, two) == [{"n1", "n2"}] * 4, "killed: out of DNS and loader", OUT_WITHIN)
        self.elsewhere(three, "killed: its visitors are elsewhere")
        self.all_have_all("killed: nothing lost")

        three.start()
        self.until(lambda: self.offered(one, two, three) == [{"n1", "n2", "n3"}] * 6, "it is back, and used again")
        self.post("on n3 again", three)

        two.signal(signal.SIGSTOP)
        self.post("while n2 hangs", one)
        self.until(lambda: self.offered(one, three) == [{"n1", "n3"}] * 4, "hung: out of DNS and loader", OUT_WITHIN)
        self.elsewhere(two, "hung: its visitors are elsewhere")
        two.signal(signal.SIGCONT)
        self.post("on n2, awake", two)
        self.all_have_all("hung: nothing lost")
        self.no_tracebacks()

    def test_cut_and_drained(self) -> None:
        """A wire between two nodes is cut and mended: each leaves the other out; later all have all. One drains."""
        one, two, three = self.nodes
        self.visit()
        self.post("before", two)
        self.net.cut(1, 2)
        mended = time.monotonic() + CUT_SECONDS
        self.until(
            lambda: self.offered(*self.nodes) == [{"n1", "n3"}] * 2 + [{"n2", "n3"}] * 2 + [{"n1", "n2", "n3"}] * 2,
            "cut: each leaves the other out", OUT_WITHIN,
        )  # fmt: skip
        number = 0
        while time.monotonic() < mended:
            self.post(f"during the cut, {number}", one, three)
            number += 1
            time.sleep(0.5)
        self.net.mend(1, 2)
        self.post("after the cut", two)
        self.all_have_all(f"mended after {CUT_SECONDS:.0f} s: nothing lost")
        self.until(lambda: self.offered(*self.nodes) == [{"n1", "n2", "n3"}] * 6, "mended: each uses the other again")

        three.admin("drain")
        self.until(lambda: self.offered(one, two) == [{"n1", "n2"}] * 4, "drained: out of DNS and loader", OUT_WITHIN)
        self.elsewhere(three, "drained: its visitors are elsewhere")
        self.post("after the drain", two)
        self.all_have_all("drained: nothing lost")
        self.no_tracebacks()

    def test_astray(self) -> None:
        """The way between n3 and the primary's node is cut, and nothing else: n3 is left out, its visitors hear on.

        A reader of n3 stays there whatever it is told, and hears of everything through another node's replica; writers
        that begin at n3 go on elsewhere under their keys. Nothing acknowledged is lost or doubled.
        """
        one, two, three = self.nodes
        far, near = three, one
        self.visit()
        stays = Roamer("stays", [far], far)
        self.roamers.append(stays)
        for node in self.nodes:
            self.post(f"from {node.name}", node)
        self.all_have_all("comments of all nodes are on all")
        self.net.cut(near.number, far.number)
        for number in range(5):
            self.post(f"during the cut, {number}", far, two)
        self.until(lambda: self.ready(far)[0] == 503, "cut: it says that it is unfit")
        self.assertIn("can't reach the primary, and n2 can", self.checks(far)["primary"])
        told: dict[str, str] = {}

        def known() -> bool:
            told.clear()
            told.update({row["problem"]: row["what"] for row in far.admin("problems")})
            return {"no-way-to-primary", "tail", "node-down"} <= told.keys()

        # Each is noticed by a part of its own, in its own time.
        self.until(known, "cut: its problems are told")
        self.assertNotIn("no-primary", told, "there is one: nobody is told to promote another")
        self.assertIn("Node n1 is not heard", told["node-down"])
        status = far.admin("status")
        self.assertEqual(next(iter(status)), "problems")
        rows = {row["server"]: row for row in status["database"]}
        self.assertEqual((rows["n1"]["state"], rows["n1"]["lag_seconds"]), ("down", None))
        self.assertIn("down", rows["n1"]["trouble"])
        nodes = {row["node"]: row for row in two.admin("nodes")}
        self.assertEqual([nodes[name]["writes"] for name in ("n1", "n2 (this)", "n3")], [True, True, False])
        self.figure(json.dumps(told, indent=1))
        self.until(lambda: self.offered(two) == [{"n1", "n2"}] * 2, "cut: out of DNS and loader of who hears both")
        self.until(
            lambda: all(one.connected and one.at is not far for one in self.roamers if one is not stays),
            "cut: its visitors are moved",
        )  # fmt: skip
        for number in range(5):
            self.post(f"later, {number}", far, two)
        self.all_have_all("cut: all hear on, who stays too")
        self.assertEqual([self.ready(node)[0] for node in (near, two)], [200, 200])
        self.net.mend(near.number, far.number)
        self.until(lambda: self.ready(far)[0] == 200, "mended: fit again")
        self.until(lambda: self.offered(*self.nodes) == [{"n1", "n2", "n3"}] * 6, "mended: used again")
        self.post("after the cut", far)
        self.all_have_all("mended: nothing lost")
        self.no_tracebacks()

    def ready(self, node: Node) -> tuple[int, bytes]:
        answer = attempt(f"{node.url}/readyz", timeout=5.0)
        return (0, b"") if answer is None else (answer.status, answer.body)

    def checks(self, node: Node) -> dict[str, str]:
        answer = attempt(f"http://{node.address}:{node.ports.admin}/readyz", timeout=5.0)
        assert answer is not None
        found: dict[str, str] = answer.json()["checks"]
        return found

    def test_cut_off(self) -> None:
        """A node whose plug is pulled knows it, and serves nobody until it is put in again.

        In namespaces the nodes have found each other in the database, the far ones through their replicas.
        """
        if not isinstance(self.net, Namespaces):
            self.net.cut(1, 3)
            self.net.cut(2, 3)
        else:
            self.net.cut_off(3)
        one, two, three = self.nodes
        self.until(lambda: self.offered(one, two) == [{"n1", "n2"}] * 4, "cut off: out of DNS and loader", OUT_WITHIN)
        self.until(lambda: "cut off: 1 of 3 nodes are heard" in three.log(), "it knows that it is cut off")
        self.post("without it", one)
        if isinstance(self.net, Namespaces):
            self.net.plug_in(3)
        else:
            self.net.mend(1, 3)
            self.net.mend(2, 3)
        self.until(lambda: self.offered(*self.nodes) == [{"n1", "n2", "n3"}] * 6, "plugged in: used again")
        self.post("with it", three)
