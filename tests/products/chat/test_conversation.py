"""A conversation from both sides: said once and in order, private, taken by one operator, closed and reopened."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import sign_in


class ConversationTests(ChatCase):
    """One visitor, and operators."""

    async def test_life(self) -> None:
        """Started, handed to who is free, answered, read, closed, refused, reopened; each side sees the same."""
        await self.online(self.ann)
        chat = await self.start(page={"url": "https://one.example/shop", "title": "Shop"}, attributes={"plan": "pro"})
        self.assertEqual((chat["state"], chat["position"], chat["operator"]), ("waiting", None, None))
        path = f"{CHATS}/{chat['chat']}"
        row = (await self.ann.ask("GET", f"{CHATS}?state=mine")).json()
        self.assertEqual([one["visitor"]["name"] for one in row["chats"]], ["Vi"])
        self.assertEqual((row["chats"][0]["unread"], row["chats"][0]["last"]["text"]), (1, "Hello"))
        self.assertEqual(row["counts"], {"waiting": 0, "mine": 1, "open": 1})
        found = (await self.ann.ask("GET", path)).json()
        self.assertEqual(found["card"]["trail"], [{"url": "https://one.example/shop", "title": "Shop"}])
        self.assertEqual(found["card"]["page"]["title"], "Shop")
        self.assertEqual((found["card"]["attributes"], found["card"]["address"]), ({"plan": "pro"}, ""))
        said = await self.ann.ask("POST", f"{path}/messages", {"text": "Good *morning*"}, idempotency_key="a1")
        self.assertEqual(said.status, 201, said)
        other = await self.ann.ask("POST", f"{path}/messages", {"text": "Other words"}, idempotency_key="a1")
        self.assertEqual((other.status, other.slug), (422, "key-reused"))
        message = said.json()["message"]
        self.assertEqual((message["from"], message["author"]["name"]), ("operator", "Ann"))
        self.assertIn("<em>morning</em>", message["html"])
        self.assertEqual(await self.texts(chat), ["Hello", "joined", "Good *morning*"])
        await self.ann.ask("PUT", f"{path}/read", {"seq": message["seq"]})
        mine = (await self.by_visitor(chat, "GET", "")).json()
        self.assertEqual(mine["chat"]["operator"]["name"], "Ann")
        self.assertGreaterEqual(mine["chat"]["read"]["operator"], 1)
        self.assertNotIn("card", mine)
        self.assertEqual((await self.ann.ask("POST", f"{path}/close", {"reason": "done"})).status, 200)
        self.assertEqual((await self.say(chat, "Too late")).slug, "chat-closed")
        quality = (await self.ann.ask("GET", path)).json()["card"]["quality"]
        times = ("wait", "first_response", "reply", "longest", "resolution")
        self.assertTrue(all(0 <= quality[one] < 300 for one in times), quality)
        words = ("visitor", "operator", "operators", "reason", "closed_by")
        self.assertEqual([quality[one] for one in words], [1, 1, ["Ann"], "done", "operator"])
        rated = await self.by_visitor(chat, "POST", "/rating", {"score": 5, "text": "Kind"})
        self.assertEqual(rated.status, 200, rated)
        closed = (await self.by_visitor(chat, "GET", "")).json()["chat"]
        self.assertEqual((closed["state"], closed["closed_by"], closed["rating"]),
                         ("closed", "operator", {"score": 5, "text": "Kind"}))  # fmt: skip
        await self.ann.ask("POST", f"{path}/reopen")
        self.assertEqual((await self.say(chat, "Again")).status, 201)

    async def test_once_by_token(self) -> None:
        """What visitors do with the conversation's token alone is done once by its key; other words are refused."""
        chat, other = await self.start(), await self.start(key="k2")
        await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/close", {})
        for path, body, changed in (
            ("/rating", {"score": 4}, {"score": 5}), ("/visit", {"tags": ["a"]}, {"tags": ["b"]}),
        ):  # fmt: skip
            method = "PUT" if path == "/visit" else "POST"
            first = await self.by_visitor(chat, method, path, body, idempotency_key="v1" + path)
            self.assertEqual(first.status // 100, 2, first)
            again = await self.by_visitor(chat, method, path, body, idempotency_key="v1" + path)
            self.assertEqual((again.status, again.body), (first.status, first.body))
            self.assertEqual(again.headers["idempotent-replayed"], "true")
            reused = await self.by_visitor(chat, method, path, changed, idempotency_key="v1" + path)
            self.assertEqual((reused.status, reused.slug), (422, "key-reused"))
            # A key is known to its token alone, and to none where there is no token.
            for key in ("v1" + path, "v2" + path):
                bare = await self.ask(method, f"{CHATS}/{chat['chat']}{path}", body, idempotency_key=key)
                self.assertEqual((bare.status, bare.slug), (401, "no-token"))
            theirs = await self.by_visitor(other, method, path, changed, idempotency_key="v1" + path)
            self.assertNotIn("idempotent-replayed", theirs.headers)
        scores = dict(self.sql("select id::text, score from chat"))
        self.assertEqual((scores[chat["chat"]], scores[other["chat"]]), (4, 5))

    async def test_once(self) -> None:
        """A start and a message that are sent again, also at the same time, are there once, with one token."""
        auth = await self.visitor()
        body = {"key": "same", "text": "Hello"}
        calls = [Deferred.fromCoroutine(self.ask("POST", CHATS, body, authorization=auth)) for _ in range(8)]
        found = [one.json() for one in await gatherResults(calls)]
        self.assertEqual(len({(one["chat"], one["token"]) for one in found}), 1)
        chat = found[0]
        sent = [Deferred.fromCoroutine(self.say(chat, "Once", "m1")) for _ in range(8)]
        answers = await gatherResults(sent)
        self.assertLessEqual({one.status for one in answers}, {200, 201})
        self.assertEqual(len({one.json()["seq"] for one in answers}), 1)
        many = [Deferred.fromCoroutine(self.say(chat, f"n{n}", f"n{n}")) for n in range(20)]
        self.assertEqual([one.status for one in await gatherResults(many)], [201] * 20)
        messages = (await self.by_visitor(chat, "GET", "/messages")).json()["messages"]
        self.assertEqual(len(messages), 22)
        self.assertEqual([one["seq"] for one in messages], sorted({one["seq"] for one in messages}))

    async def test_pages(self) -> None:
        """Messages after a seq, and those before one, without a gap."""
        chat = await self.start(text="0")
        for n in range(1, 10):
            await self.say(chat, str(n))
        newest = (await self.by_visitor(chat, "GET", "/messages?size=4")).json()
        self.assertEqual(([one["text"] for one in newest["messages"]], newest["more"]), (["6", "7", "8", "9"], True))
        older = (await self.by_visitor(chat, "GET", f"/messages?size=6&before={newest['messages'][0]['seq']}")).json()
        self.assertEqual(([one["text"] for one in older["messages"]], older["more"]), (list("012345"), False))
        later = (await self.by_visitor(chat, "GET", f"/messages?size=2&since={older['messages'][-1]['seq']}")).json()
        self.assertEqual(([one["text"] for one in later["messages"]], later["more"]), (["6", "7"], True))

    async def test_private(self) -> None:
        """Without the token nothing is found: not with another's, not by other sites' staff, nor by moderators."""
        chat, other = await self.start(text="A secret word"), await self.start(key="k2", text="Other")
        stranger = await self.visitor()
        for method, path, body in (
            ("GET", "", None), ("GET", "/messages", None), ("POST", "/messages", {"text": "x"}),
            ("PUT", "/read", {"seq": 1}), ("POST", "/close", {}), ("POST", "/rating", {"score": 1}),
            ("PUT", "/visit", {}),
            ("PATCH", "/messages/1", {"text": "x"}), ("DELETE", "/messages/1", None),
        ):  # fmt: skip
            for token in (f"Bearer {other['token']}", stranger, "Bearer chat.x", "Bearer x"):
                answer = await self.ask(method, f"{CHATS}/{chat['chat']}{path}", body, authorization=token)
                self.assertEqual((answer.status, answer.slug), (404, "chat"), (method, path, answer))
            for role, site in (("operator", 2), ("moderator", 1), ("analyst", 1)):
                staff = await sign_in(self, role, site=site)
                answer = await staff.ask(method, f"{CHATS}/{chat['chat']}{path}", body)
                self.assertIn(answer.status, (401, 403), (method, path, role, answer))
                self.assertNotIn(b"secret word", answer.body)
        foreign = await sign_in(self, "owner", site=2)
        same = await foreign.ask("GET", f"/api/v1/sites/2/chats/{chat['chat']}")
        self.assertEqual((same.status, same.slug), (404, "chat"))
        self.assertEqual(await self.texts(chat), ["A secret word"])

    async def test_webhooks(self) -> None:
        """An endpoint that takes all events is told nothing of conversations; one that names them is."""
        self.sql(
            "insert into webhook_endpoint (site_id, url, secret, types) values (1, 'https://a.example/', 'x', '{}')"
        )
        chat = await self.start(text="Not for everybody")
        self.assertEqual(self.sql("select count(*) from webhook_event"), [(0,)])
        self.sql("update webhook_endpoint set types = '{message.created}'")
        await self.say(chat, "For who asks")
        (data,) = self.sql("select data from webhook_event")[0]
        self.assertEqual(json.loads(data)["message"]["text"], "For who asks")

    async def test_visit(self) -> None:
        """The trail, attributes and tags that a page sets; a null takes an attribute away, tags are replaced."""
        chat = await self.start(attributes={"plan": "pro"})

        async def card() -> dict[str, Any]:
            return dict((await self.ann.ask("GET", f"{CHATS}/{chat['chat']}")).json()["card"])

        page = {"url": "https://one.example/cart", "title": "Cart"}
        body = {"page": page, "attributes": {"cart": "3"}, "tags": ["vip", " vip ", "new\nline"]}
        self.assertEqual((await self.by_visitor(chat, "PUT", "/visit", body)).status, 204)
        seen = await card()
        self.assertEqual((seen["trail"][-1], seen["attributes"]), (page, {"plan": "pro", "cart": "3"}))
        self.assertEqual(seen["tags"], ["new line", "vip"])
        await self.by_visitor(chat, "PUT", "/visit", {"attributes": {"plan": None}})
        seen = await card()
        self.assertEqual((seen["attributes"], seen["tags"]), ({"cart": "3"}, ["new line", "vip"]))
        await self.by_visitor(chat, "PUT", "/visit", {"tags": []})
        self.assertEqual((await card())["tags"], [])
        for bad in ({"tags": ["x" * 41]}, {"tags": ["x"] * 21}, {"attributes": {"x": 1}}):
            self.assertEqual((await self.by_visitor(chat, "PUT", "/visit", bad)).slug, "bad-field")

    async def test_changes(self) -> None:
        """A message is changed and deleted by who wrote it; the log keeps no earlier words."""
        await self.online(self.ann)
        chat = await self.start(text="first wording")
        message = (await self.by_visitor(chat, "GET", "/messages")).json()["messages"][0]["id"]
        other = await self.ann.ask("PATCH", f"{CHATS}/{chat['chat']}/messages/{message}", {"text": "mine"})
        self.assertEqual(other.slug, "author")
        edited = await self.by_visitor(chat, "PATCH", f"/messages/{message}", {"text": "second wording"})
        self.assertEqual((edited.status, edited.json()["message"]["text"]), (200, "second wording"))
        self.assertEqual(self.sql("select count(*) from event where data like '%first wording%'"), [(0,)])
        gone = await self.by_visitor(chat, "DELETE", f"/messages/{message}")
        self.assertTrue(gone.json()["message"]["deleted"])
        self.assertEqual(self.sql("select count(*) from event where data like '%second wording%'"), [(0,)])
        await self.application.sites.change(1, "chat.edit_seconds", 0)
        said = (await self.say(chat, "final")).json()["message"]["id"]
        self.assertEqual((await self.by_visitor(chat, "DELETE", f"/messages/{said}")).slug, "message-old")

    async def test_refused(self) -> None:
        """Off, without consent, nobody there, too many at once, and hostile input: said, and nothing is stored."""
        auth = await self.visitor()

        async def refused(**more: Any) -> str:
            return str((await self.ask("POST", CHATS, {"key": "r", "text": "x", **more}, authorization=auth)).slug)

        self.assertEqual(await refused(key=""), "bad-field")
        self.assertEqual(await refused(text="x" * 10_001), "bad-field")
        self.assertEqual(await refused(fields={str(n): "x" for n in range(21)}), "unprocessable")
        await self.application.sites.change(1, "chat.consent", "You agree.")
        self.assertEqual(await refused(), "consent")
        await self.application.sites.change(1, "chat.consent", "")
        await self.application.sites.change(1, "chat.offline", False)
        self.assertEqual(await refused(), "nobody-there")
        await self.application.sites.change(1, "chat.enabled", False)
        self.assertEqual(await refused(), "chat-off")
        self.assertEqual(self.sql("select count(*) from chat"), [(0,)])
        await self.application.sites.change(1, "chat.enabled", True)
        await self.application.sites.change(1, "chat.offline", True)
        await self.online(self.ann, capacity=0)
        for n in range(3):
            await self.start(auth, key=f"many{n}", name="<script>alert(1)</script>", text="<img src=x onerror=1>")
        self.assertEqual(await refused(key="fourth"), "chats")
        self.assertEqual(self.sql("select count(*) from chat_message where html like '%<img%'"), [(0,)])

    async def test_first_render(self) -> None:
        """It says whether somebody is there; of a site without chat it says that."""
        page = await self.ask("GET", "/bootstrap?widget=Chat&site=1")
        self.assertEqual((page.json()["chat"]["status"], page.json()["chat"]["accepting"]), ("offline", False))
        await self.application.sites.change(1, "chat.enabled", False)
        off = (await self.ask("GET", "/bootstrap?widget=Chat&site=1&url=x")).json()["chat"]
        self.assertEqual((off["status"], off["accepting"]), ("off", False))

    async def test_erased(self) -> None:
        """An erased visitor's words are gone from tables and log, and their conversation is closed."""
        chat = await self.start(text="erase these words", name="Erasable", mail="who@example.org")
        await self.say(chat, "and these words")
        ((visitor,),) = self.sql("select visitor_id from chat")
        await self.application.erasures.erase(1, visitor)
        for words in ("erase these", "and these", "Erasable", "who@example"):
            for table, column in (("event", "data"), ("chat_message", "text || html || author_name"),
                                  ("chat", "name || mail || trail")):  # fmt: skip
                found = self.sql(f"select count(*) from {table} where {column} like '%{words}%'")
                self.assertEqual(found, [(0,)], (words, table))
        self.assertEqual(self.sql("select state from chat"), [("closed",)])
