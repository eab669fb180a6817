"""Private sites: nothing of them is had without a grant that the site signed, by any way."""

from __future__ import annotations

import json
from time import time
from typing import Any
from urllib.parse import quote

import jwt
from twisted.internet.defer import Deferred

from cackled.clock import sleep
from cackled.daemon import catalog
from cackled.database.errors import Busy
from cackled.database.query import Query, Rows
from cackled.domain import grants
from cackled.events import channel_id
from cackled.realtime import hub
from tests.api.common import ORIGIN, ApiCase, clock

SECRET = "a secret of the site that is long enough"


def grant(**claims: Any) -> str:
    """A token of site 1."""
    return jwt.encode({"aud": "site:1", "exp": int(time()) + 600, **claims}, SECRET, algorithm="HS256")


class PrivateTests(ApiCase):
    """Site 1 is private, site 2 is not."""

    async def setUp(self) -> None:
        await super().setUp()
        self.open = await self.visitor()
        self.written = await self.post(self.open, "for members only", "members")
        await self.application.sites.change(1, "channel_secret", SECRET)
        await self.application.sites.change(1, "private", True)
        self.all, self.some = grant(), grant(channels=["members"], name="Ann")

    def addresses(self) -> list[tuple[str, str, Any]]:
        comment = self.written["comment"]["id"]
        base = "/api/v1/sites/1"
        return [
            ("GET", "/bootstrap?widget=Comment&site=1&channel=members", None),
            ("GET", f"{base}/comments?channel=members", None), ("GET", f"{base}/counts?channel=members", None),
            ("GET", f"{base}/comments/{comment}", None), ("PUT", f"{base}/comments/{comment}/vote", {"value": 1}),
            ("POST", f"{base}/comments/{comment}/flags", {"reason": "spam"}), ("GET", f"{base}/blocks", None),
            ("PATCH", f"{base}/comments/{comment}", {"text": "x"}), ("POST", f"{base}/sessions", {}),
            ("POST", f"{base}/comments", self.comment("more", "members")),
            ("DELETE", f"{base}/comments/{comment}", None),
            ("GET", f"/rt/poll?wait=0&sub=1/{channel_id('comments', 'members')}", None),
            ("GET", f"/rt/sse?sub=1/{channel_id('comments', 'members')}", None),
        ]  # fmt: skip

    async def test_without(self) -> None:
        """Every address says 401 in words that a page may read, and tells nothing."""
        for method, path, body in self.addresses():
            for token, slug in (("", "no-token"), ("rubbish", "bad-token"), (self.open[7:], "bad-token")):
                address = f"{path}{'&' if '?' in path else '?'}token={token}"
                answer = await self.ask(method, address, body, authorization=self.open, origin=ORIGIN)
                self.assertEqual((answer.status, answer.slug), (401, slug), (method, address, answer))
                self.assertIn(answer.headers["access-control-allow-origin"], (ORIGIN, "*"))
                self.assertNotIn("members only", answer.body.decode())

    async def test_with(self) -> None:
        """All of it works with a grant of the whole site."""
        for method, path, body in self.addresses():
            if "/rt/sse" in path:
                continue
            address = f"{path}{'&' if '?' in path else '?'}token={self.all}"
            answer = await self.ask(method, address, body, authorization=self.open if "bootstrap" not in path else None)
            self.assertLess(answer.status, 300, (method, address, answer))

    async def test_channel(self) -> None:
        """A grant of one channel is worth nothing in another, nor where the channel can't be told."""
        for path, status in (
            ("/bootstrap?widget=Comment&site=1&channel={}", 200), ("/api/v1/sites/1/comments?channel={}", 200),
            ("/api/v1/sites/1/counts?channel=members&channel={}", 200), ("/rt/poll?wait=0&sub={id}", 200),
        ):  # fmt: skip
            for key, expected in (("members", status), ("guests", 403)):
                address = path.format(quote(key), id=f"1/{channel_id('comments', key)}") + f"&token={self.some}"
                answer = await self.ask("GET", address)
                self.assertEqual(answer.status, expected, address)
                if expected == 403:
                    self.assertEqual(answer.slug, "not-granted")
        address = f"/api/v1/sites/1/comments?token={self.some}"
        answer = await self.ask("POST", address, self.comment("x", "guests"), authorization=self.open)
        self.assertEqual((answer.status, answer.slug), (403, "not-granted"))
        comment = self.written["comment"]["id"]
        answer = await self.ask("GET", f"/api/v1/sites/1/comments/{comment}?token={self.some}")
        self.assertEqual((answer.status, answer.slug), (403, "not-granted"))

    async def test_not_shared(self) -> None:
        """What one was granted is given to nobody else: no cache keeps it, ours neither."""
        first = await self.bootstrap("members", f"&token={self.all}")
        self.assertEqual(first.status, 200)
        self.assertIn("private", first.headers["cache-control"])
        self.assertTrue(first.json()["site"]["settings"]["private"])
        self.assertNotIn(SECRET, first.body.decode())
        await self.application.sites.change(1, "channel_secret", "another secret, just as long as that one was")
        again = await self.bootstrap("members", f"&token={self.all}")
        self.assertEqual((again.status, again.slug), (401, "bad-token"), "the same address, a moment later")

    async def test_what_was_public(self) -> None:
        """A site that becomes private is not served from what was kept before."""
        await self.application.sites.change(1, "private", False)
        self.assertEqual((await self.bootstrap("members")).status, 200)
        address = f"/rt/poll?wait=20&sub=1/{channel_id('comments', 'members')}@1"
        waits = Deferred.fromCoroutine(self.ask("GET", address))
        while not self.application.hub.stats().subscriptions:
            await sleep(clock, 0.01)
        await self.application.sites.change(1, "private", True)
        self.assertEqual((await self.bootstrap("members")).status, 401)
        self.assertEqual((await waits).json()["events"], [], "who listened is sent home")
        self.assertEqual((await self.ask("GET", address)).status, 401)

    async def test_preflight(self) -> None:
        """A browser may ask what it may send."""
        answer = await self.ask(
            "OPTIONS", "/api/v1/sites/1/comments?token=x", origin=ORIGIN, access_control_request_method="POST"
        )
        self.assertEqual(answer.status, 204)

    async def test_live(self) -> None:
        """Events come to who may see them, and their names are shown."""
        address = f"/rt/poll?wait=10&sub=1/{channel_id('comments', 'members')}@1&token={self.some}"
        waits = Deferred.fromCoroutine(self.ask("GET", address))
        address = f"/api/v1/sites/1/comments?token={self.all}"
        sent = await self.ask("POST", address, self.comment("news", "members"), authorization=self.open)
        self.assertEqual(sent.status, 201)
        told = (await waits).json()
        self.assertEqual([event["seq"] for event in told["events"] if "seq" in event], [2])
        self.assertIn("news", json.dumps(told))

    async def test_runs_out(self) -> None:
        """A stream ends soon after its grant does, and says why; with the same grant it does not come back."""
        self.patch(grants, "LEEWAY", 0)
        self.patch(hub, "ENDING_SECONDS", 1)
        address = f"/rt/sse?sub=1/{channel_id('comments', 'members')}@1&token={grant(exp=int(time()) + 2)}"
        ended = await self.ask("GET", address)
        self.assertEqual(ended.status, 200)
        self.assertIn(b'"type":"error","code":"token"', ended.body)
        while (again := await self.ask("GET", f"{address}&wait=0".replace("sse", "poll"))).status == 200:
            await sleep(clock, 0.1)
        self.assertEqual((again.status, again.slug), (401, "bad-token"))

    async def test_made_private_elsewhere(self) -> None:
        """What another node changed is known here too, though the first look at it was refused."""
        self.patch(catalog, "REREAD", 0.02)
        system, asked = self.application.database.system, 0

        class Crowded:
            """The database, whose connections are all taken when it is asked first."""

            async def read(self, query: Query, *args: Any, **more: Any) -> Rows:
                nonlocal asked
                asked += 1
                if asked == 1:
                    raise Busy()
                return await system.read(query, *args, **more)

            async def write(self, *args: Any, **more: Any) -> Any:
                return await system.write(*args, **more)

        self.patch(self.application.database, "_system", Crowded())
        self.sql("update catalog.site set settings = settings || '{\"private\": false}' where id = 1")
        end = clock.seconds() + 30.0
        while self.site.settings.private and clock.seconds() < end:
            await sleep(clock, 0.01)
        self.assertFalse(self.site.settings.private)
