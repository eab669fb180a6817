"""Locked conversations: nothing of them is had by somebody who may not, by any way, and all of it by who may."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from cackled.events import channel_id
from tests.api.common import ORIGIN, Answer
from tests.identity.common import IdentityCase, statement

LOCKS = "/members/* read sso; /vip/* read group:gold; /talk/* write signed-in"


class LockTests(IdentityCase):
    """Sections of site 1 are locked."""

    async def setUp(self) -> None:
        await super().setUp()
        self.guest = (await self.enter()).json()
        self.written = await self.post(f"Bearer {self.guest['token']}", "members only words", "/members/a")
        self.comment_id = self.written["comment"]["id"]
        await self.application.sites.change(1, "locks", LOCKS)

    def addresses(self, key: str = "/members/a") -> list[tuple[str, str, Any]]:
        """All ways to what is written there."""
        base, quoted, one = "/api/v1/sites/1", quote(key), self.comment_id
        channel = channel_id("comments", key)
        return [
            ("GET", f"/bootstrap?widget=Comment&site=1&channel={quoted}", None),
            ("GET", f"{base}/comments?channel={quoted}", None), ("GET", f"{base}/counts?channel={quoted}", None),
            ("GET", f"{base}/counts?channel=/open&channel={quoted}", None), ("GET", f"{base}/comments/{one}", None),
            ("PUT", f"{base}/comments/{one}/vote", {"value": 1}),
            ("POST", f"{base}/comments/{one}/flags", {"reason": "spam"}),
            ("PATCH", f"{base}/comments/{one}", {"text": "x"}),
            ("POST", f"{base}/comments", self.comment("more", key, parent=one)),
            ("DELETE", f"{base}/comments/{one}", None),
            ("GET", f"/rt/poll?wait=0&sub=1/{channel}", None), ("GET", f"/rt/sse?sub=1/{channel}", None),
        ]  # fmt: skip

    async def every(self, token: str | None, query: str = "") -> list[tuple[str, Answer]]:
        """Ask all of it with the token of a session."""
        found = []
        for method, path, body in self.addresses():
            address = f"{path}{'&' if '?' in path else '?'}{query}" if query else path
            answer = await self.ask(method, address, body, origin=ORIGIN,
                                    authorization=None if token is None else f"Bearer {token}")  # fmt: skip
            found.append((f"{method} {path}", answer))
        return found

    async def test_without(self) -> None:
        """Neither guests, nor people who signed in another way, nor a bad ticket, see a word or a number of it."""
        guest, ticket = self.guest["token"], f"{self.guest['visitor']}.{self.guest['view']}"
        for token, query in (
            (None, ""), (guest, f"me={ticket}"), (guest, "me=5.x~e30"), (guest, "token=key:/members/a")
        ):  # fmt: skip
            for name, answer in await self.every(token, query):
                if token is None and not name.startswith("GET"):
                    self.assertEqual((answer.status, answer.slug), (401, "no-token"), (name, answer))
                    continue
                self.assertEqual((answer.status, answer.slug), (401, "sign-in-first"), (name, answer))
                self.assertEqual(answer.json().get("needs", "sso"), "sso", name)
                self.assertNotIn("words", answer.body.decode())

    async def test_with(self) -> None:
        """By the session, by its view ticket, and by the site's own statement where no header can be sent."""
        mine = await self.signed_in()
        ticket = f"{mine['visitor']}.{mine['view']}"
        for method, path, body in self.addresses():
            if "/rt/sse" in path or method in ("PATCH", "DELETE"):
                continue
            address = f"{path}{'&' if '?' in path else '?'}token={ticket}"
            answer = await self.ask(method, address, body, origin=ORIGIN, authorization=f"Bearer {mine['token']}")
            self.assertLess(answer.status, 300, (path, answer))
        for query in (f"me={ticket}", f"token={statement()}"):
            answer = await self.bootstrap("/members/a", f"&{query}")
            self.assertEqual(answer.status, 200, answer)
            self.assertIn("members only words", answer.body.decode())
            self.assertIn("no-store", answer.headers["cache-control"])
        self.assertEqual((await self.bootstrap("/members/a")).status, 401)

    async def test_groups(self) -> None:
        """A group is the site's word; who is in none is told so, and may not listen either."""
        plain, gold = await self.signed_in(), await self.signed_in(sub="u2", name="Gold", groups=["gold", "other"])
        for mine, status in ((plain, 403), (gold, 200)):
            ticket = f"{mine['visitor']}.{mine['view']}"
            answer = await self.bootstrap("/vip/x", f"&me={ticket}")
            self.assertEqual(answer.status, status, answer)
            live = await self.ask("GET", f"/rt/poll?wait=0&sub=1/{channel_id('comments', '/vip/x')}"
                                  f"&token={ticket}&token=key:/vip/x")  # fmt: skip
            self.assertEqual(live.status, status, live)
        # A statement for one conversation alone opens no lock; nor does a stranger's.
        for token in (statement(groups=["gold"], channels=["/x"]), statement(groups=["gold"], secret="y" * 40)):
            self.assertEqual((await self.bootstrap("/vip/x", f"&token={token}")).status, 401)

    async def test_empty_conversations(self) -> None:
        """Where nobody has written yet the key is not known: who tells it may listen where that is open."""
        for key, hint, status in (("/open/1", "", 401), ("/open/1", "key:/open/1", 200),
                                  ("/open/1", "key:/open/2", 401), ("/members/new", "key:/members/new", 401),
                                  ("/members/new", "key:/open/1", 401)):  # fmt: skip
            answer = await self.ask("GET", f"/rt/poll?wait=0&sub=1/{channel_id('comments', key)}&token={quote(hint)}")
            self.assertEqual(answer.status, status, (key, hint, answer))

    async def test_writing(self) -> None:
        """Everybody reads, who signed in writes; the first render says so."""
        answer = await self.bootstrap("/talk/1")
        self.assertEqual(answer.json()["access"], {"write": "signed-in"})
        self.assertNotIn("access", (await self.bootstrap("/open")).json())
        body = self.comment("x", "/talk/1")
        for token, status in ((self.guest["token"], 401), ((await self.signed_in())["token"], 201)):
            answer = await self.ask("POST", "/api/v1/sites/1/comments", body, origin=ORIGIN,
                                    authorization=f"Bearer {token}")  # fmt: skip
            self.assertEqual(answer.status, status, answer)
        # Other conversations are as before, and so is the other site.
        await self.post(f"Bearer {self.guest['token']}", "still open", "/open", name="Guest")
        self.assertEqual((await self.bootstrap("/members/a", site=2)).status, 200)

    async def test_locked_later(self) -> None:
        """What was kept of an open conversation is not given out once it is locked."""
        for _ in range(2):
            self.assertEqual((await self.bootstrap("/open")).status, 200)
        await self.application.sites.change(1, "readers", "signed-in")
        self.assertEqual((await self.bootstrap("/open")).status, 401)
