"""Two tenants on one daemon: nothing that one of them wrote ever reaches the other, by whatever way."""

from __future__ import annotations

import base64
import json
import os
import random
import socket
import struct
import threading
import urllib.parse
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled.database.testing import server
from tests.api.common import ApiCase
from tests.support.client import Answer, Visitor, call
from tests.support.daemon import Daemon
from tests.support.wall_daemon import BOTH, WallDaemon

KEYS = ("page", "https://same.example/article?id=1", "другая")
EXTRA = """
[demo]
enabled = false
[limits]
exempt = ["127.0.0.0/8"]
[log]
level = "debug"
"""
ROUNDS = 100


class Listener(threading.Thread):
    """Reads everything that comes on a socket after its request, until it is closed."""

    def __init__(self, port: int, request: bytes) -> None:
        super().__init__(daemon=True)
        self.heard = b""
        self.peer = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.peer.sendall(request)
        self.start()

    def run(self) -> None:
        """Read on."""
        try:
            while data := self.peer.recv(65536):
                self.heard += data
        except OSError:
            pass

    def send(self, text: str) -> None:
        """A masked WebSocket text frame."""
        payload = text.encode()
        mask = os.urandom(4)
        size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
        self.peer.sendall(b"\x81" + size + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(payload)))

    def close(self) -> None:
        """Stop."""
        self.peer.close()
        self.join(10)


class Tenant:
    """One site with its visitors, its secret word, and every byte that was sent to it."""

    def __init__(self, daemon: Daemon, number: int, rng: random.Random) -> None:
        self.daemon = daemon
        # Daemons of other tests have no wall: with them what asks for it is answered with an error.
        self.widgets = ("Comment", "Wall") if isinstance(daemon, WallDaemon) else ("Comment",)
        self.site = number
        self.rng = rng
        self.canary = f"canary{number}x{rng.getrandbits(64):016x}"
        self.sent = b""
        self.ids: list[str] = []
        self.visitors = [Visitor(daemon.url, number, f"{self.canary} {n}") for n in range(3)]
        self.written = 0
        position = call(f"{daemon.url}/bootstrap?site={number}&channel=page").json()["position"]
        subs = "&".join(f"sub={urllib.parse.quote(one)}" for one in self.subs(position))
        self.subscribed = self.subs(position)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sse = Listener(daemon.port, f"GET /rt/sse?{subs} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.ws = Listener(
            daemon.port,
            f"GET /rt/ws?{subs} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: cackle.v1\r\n\r\n".encode(),
        )

    def subs(self, position: str) -> list[str]:
        """The same channels as the other tenant's, by this one's positions."""
        found = [
            call(f"{self.daemon.url}/bootstrap?widget={widget}&site={self.site}&channel={urllib.parse.quote(key)}")
            for key in KEYS
            for widget in self.widgets
        ]
        return [one.json()["position"] for one in found]

    def note(self, answer: Answer) -> Answer:
        """Keep what was sent."""
        self.sent += f"{answer.status} {answer.headers}".encode() + answer.body
        return answer

    def act(self, other: Tenant) -> None:
        """One random operation, some of them on what is the other's."""
        rng, visitor = self.rng, self.rng.choice(self.visitors)
        key = rng.choice(KEYS)
        quoted = urllib.parse.quote(key)
        mine = rng.choice(self.ids) if self.ids else "5"
        theirs = rng.choice(other.ids) if other.ids else "6"
        one = rng.choice([mine, mine, theirs])
        match rng.randrange(18):
            case 0 | 1 | 2 | 3:
                parent = one if rng.random() < 0.4 else None
                answer = visitor.post(
                    key, f"{self.canary} says {rng.random()}", parent, Idempotency_Key=f"k{rng.randrange(40)}"
                )
                if answer.status == 201:
                    self.written += 1
                    self.ids.append(answer.json()["comment"]["id"])
            case 4:
                answer = visitor.call(f"/comments/{one}", "PATCH", {"text": f"{self.canary} edited"})
            case 5:
                answer = visitor.call(f"/comments/{one}/vote", "PUT", {"value": rng.choice([1, -1, 0])})
            case 6:
                answer = (
                    visitor.call(f"/comments/{one}", "DELETE")
                    if rng.random() < 0.3
                    else visitor.call(f"/comments/{one}")
                )
            case 7:
                answer = visitor.call(f"/comments/{one}/flags", "POST", {"reason": self.canary})
            case 8:
                author = rng.choice([*self.visitors, *other.visitors])
                answer = visitor.call(f"/blocks/{author.id}", "PUT")
                self.note(answer)
                answer = visitor.call("/blocks")
            case 9:
                sort = rng.choice(["best", "new", "old"])
                answer = visitor.call(f"/comments?channel={quoted}&sort={sort}&parent={one}")
            case 10:
                answer = visitor.call(f"/counts?channel={quoted}&channel=page")
            case 11:
                ticket = rng.choice([visitor, other.visitors[0]])
                answer = call(
                    f"{self.daemon.url}/bootstrap?site={self.site}&channel={quoted}&me={ticket.id}.{ticket.view}"
                )
            case 12:
                # The other's token on this site, and this one's on the other's.
                stolen = rng.choice(other.visitors)
                answer = call(f"{visitor.api}/comments/{theirs}", Authorization=f"Bearer {stolen.token}")
            case 13 | 14 | 15:
                body = {"channel": key, "name": f"{self.canary} r", "words": self.canary}
                answer = visitor.call("/reactions", "POST", body)
            case 16:
                self.note(call(f"{self.daemon.url}/bootstrap?widget=Wall&site={self.site}&channel={quoted}"))
                stolen = rng.choice(other.visitors)
                body = {"channel": key, "name": "x", "words": "x"}
                api = f"{visitor.api}/reactions"
                self.note(call(api, "POST", body, Authorization=f"Bearer {stolen.token}"))
                answer = visitor.call(f"/wall?channel={quoted}")
            case _:
                after = rng.choice(["", "&after=1", "&sort=new", "&size=3"])
                answer = call(f"{self.daemon.url}/bootstrap?site={self.site}&channel={quoted}{after}")
        self.note(answer)

    def poll(self) -> None:
        """What a long poll from the beginning brings."""
        subs = "&".join(f"sub={one.partition('@')[0]}@0" for one in self.subscribed)
        self.note(call(f"{self.daemon.url}/rt/poll?{subs}&wait=1"))

    def close(self) -> bytes:
        """Everything that was sent to this tenant."""
        self.sse.close()
        self.ws.close()
        return self.sent + self.sse.heard + self.ws.heard


class IsolationTests(SynchronousTestCase):
    """Over the real daemon."""

    def test_canaries(self) -> None:
        """Neither tenant's word is in any byte sent to the other, in the log, in the metrics or in operators' views."""
        # The test server keeps nothing safe on disk, so that hundreds of writes take no time.
        base = server().create()
        self.addCleanup(server().drop, base)
        daemon = WallDaemon.for_test(self, f"{EXTRA}\n[database]\ndsn = {json.dumps(server().dsn(base))}\n")
        for name in ("one", "two"):
            daemon.admin(f"site add {name} {name}.example")
        rng = random.Random(20)
        one, two = Tenant(daemon, 1, rng), Tenant(daemon, 2, rng)
        for _ in range(ROUNDS):
            one.act(two)
            two.act(one)
        last = {}
        for tenant in (one, two):
            # The end of each live stream: all before it has arrived when this has.
            last[tenant.site] = f"{tenant.canary} last"
            body = {"channel": "page", "name": "x", "words": f"{tenant.canary} wall"}
            self.assertEqual(tenant.visitors[0].call("/reactions", "POST", body).status, 201)
            self.assertEqual(tenant.visitors[0].post("page", last[tenant.site]).status, 201)
        for tenant in (one, two):
            # Two channels: one may be told of before the other.
            ends = [last[tenant.site].encode(), b'"words":"%s wall"' % tenant.canary.encode()]
            for _ in range(100):
                tenant.poll()
                if ends[1] in tenant.sent:
                    break
            for stream in (tenant.sse, tenant.ws):
                for _ in range(3_000):
                    if all(end in stream.heard for end in ends):
                        break
                    threading.Event().wait(0.02)
        sent = {1: one.close(), 2: two.close()}
        for tenant, other in ((one, two), (two, one)):
            self.assertGreater(tenant.written, 10)
            for heard in (tenant.sse.heard, tenant.ws.heard, tenant.sent):
                self.assertIn(b'"words":"%s wall"' % tenant.canary.encode(), heard)
            own = sent[tenant.site]
            for heard in (tenant.sse.heard, tenant.ws.heard, tenant.sent):
                self.assertIn(last[tenant.site].encode() if heard is not tenant.sent else tenant.canary.encode(), heard)
            self.assertNotIn(other.canary.encode(), own)
            for visitor in other.visitors:
                self.assertNotIn(visitor.token.encode(), own)
                self.assertNotIn(f'"author":{{"id":"{visitor.id}"'.encode(), own)
        log = daemon.log()
        metrics = call(f"{daemon.admin_url}/metrics").body.decode()
        for tenant in (one, two):
            for secret in (tenant.canary, *(v.token for v in tenant.visitors), *(v.view for v in tenant.visitors)):
                self.assertNotIn(secret, log)
                self.assertNotIn(secret, metrics)
        self.assertNotIn("Traceback", log)


class CacheTests(ApiCase):
    """What lies in memory."""

    products = BOTH

    async def test_dump(self) -> None:
        """Every entry of both caches that holds a tenant's word is that tenant's, by group, tag, owner and address."""
        canaries = {site: f"canary{site}" for site in (1, 2)}
        for site, canary in canaries.items():
            auth = await self.visitor(site)
            for key in KEYS:
                answer = await self.ask(
                    "POST", f"/api/v1/sites/{site}/comments", self.comment(canary, key), authorization=auth
                )
                self.assertEqual(answer.status, 201)
                body = {"channel": key, "name": "Ann", "words": canary}
                answer = await self.ask("POST", f"/api/v1/sites/{site}/reactions", body, authorization=auth)
                self.assertEqual(answer.status, 201)
        for site in (1, 2, 1):
            for key in KEYS:
                for query in ("", "&sort=new", "&size=1", "&after=1"):
                    answer = await self.bootstrap(key, query, site=site)
                    self.assertIn(canaries[site].encode(), answer.body)
                    self.assertNotIn(canaries[3 - site].encode(), answer.raw)
                path = f"/bootstrap?widget=Wall&site={site}&channel={urllib.parse.quote(key)}"
                answer = await self.ask("GET", path)
                self.assertIn(canaries[site].encode(), answer.body)
                self.assertNotIn(canaries[3 - site].encode(), answer.raw)
        seen = {1: 0, 2: 0}
        for entry in self.infrastructure.cache:
            for site, canary in canaries.items():
                if canary.encode() in entry.loaded.value:
                    group: Any = entry.group
                    self.assertEqual(group[0], site)
                    seen[site] += 1
        self.assertTrue(all(count >= len(KEYS) for count in seen.values()), seen)
        for (_, _, target), kept in self.infrastructure.microcache.entries.items():
            for site, canary in canaries.items():
                if canary.encode() in kept.body:
                    self.assertIn(b"site=%d&" % site, target)
                    self.assertEqual((kept.owner, {tag[0] for tag in kept.tags}), (site, {site}))  # type: ignore[index]
                    seen[site] += 1
        self.assertGreater(seen[1] + seen[2], 12)
