"""Who a visitor is, signing out, links that resume a conversation, letters, and answers by mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from time import time
from typing import Any
from unittest.mock import patch

import jwt

from cackled.database.errors import Unavailable
from cackled.domain.outbox import Work
from cackled.products.chat.mail import ChatMail
from cackled.products.chat.replies_by_mail import MailReplies
from cackled.products.chat.resuming import Resuming
from cackled.products.chat.service import Chats
from cackled.products.chat.upkeep import Routing
from cackled.products.product import OutboxParts
from tests.products.chat.common import CHATS, ChatCase

SECRET = "secret of site one, which is long enough"


class PeopleTests(ChatCase):
    """A visitor whom the site knows as 42."""

    timeout = 300

    async def setUp(self) -> None:
        await super().setUp()
        await self.application.sites.change(1, "channel_secret", SECRET)

    def signed(self, sub: str = "42", secret: str = SECRET, site: int = 1, **more: Any) -> str:
        """What the site's server says."""
        now = int(time())
        claims = {"sub": sub, "name": "Vera", "email": "vera@example.org", "aud": f"site:{site}", "iat": now,
                  "exp": now + 600, **more}  # fmt: skip
        return jwt.encode(claims, secret, algorithm="HS256")

    async def card(self, chat: dict[str, Any]) -> dict[str, Any]:
        """What operators see."""
        return dict((await self.ann.ask("GET", f"{CHATS}/{chat['chat']}")).json())

    async def test_identified(self) -> None:
        """The site's word is checked on every path, marks the visitor as verified, and is for one person alone."""
        chat = await self.start()
        for token in (self.signed(secret="x" * 40), self.signed(site=2), self.signed(exp=1), "x"):
            for method, path, body in (("POST", "/identify", {"token": token}), ("PUT", "/visit", {"identity": token})):
                self.assertEqual((await self.by_visitor(chat, method, path, body)).slug, "bad-statement")
            auth = await self.visitor()
            answer = await self.ask("POST", CHATS, {"key": "x", "text": "A", "identity": token}, authorization=auth)
            self.assertEqual(answer.slug, "bad-statement")
        self.assertFalse((await self.card(chat))["chat"]["visitor"]["verified"])
        token = self.signed(jti="once")
        for _ in range(2):
            self.assertEqual((await self.by_visitor(chat, "POST", "/identify", {"token": token})).status, 200)
        seen = await self.card(chat)
        self.assertEqual((seen["chat"]["visitor"]["name"], seen["chat"]["visitor"]["verified"]), ("Vera", True))
        self.assertEqual((seen["card"]["mail"], seen["card"]["verified"]), ("vera@example.org", True))
        other = await self.by_visitor(chat, "PUT", "/visit", {"identity": self.signed("43")})
        self.assertEqual(other.slug, "other-person")
        # Used once: not for another conversation.
        second = await self.start(key="k2")
        self.assertEqual((await self.by_visitor(second, "POST", "/identify", {"token": token})).slug, "bad-statement")
        third = await self.start(key="k3", identity=self.signed())
        found = self.sql("select count(distinct visitor_id), count(*) from chat where person = '42'")
        self.assertEqual(found, [(1, 2)])
        self.assertEqual((await self.card(third))["card"]["chats"], 1)
        # What the guest began elsewhere stays the guest's.
        self.assertFalse((await self.card(second))["chat"]["visitor"]["verified"])

    async def test_signed_in(self) -> None:
        """Who has a session that the site vouched for is verified from the start, and finds the conversation again."""
        opened = await self.ask("POST", "/api/v1/sites/1/sessions", {"sso": self.signed()})
        auth = f"Bearer {opened.json()['token']}"
        chat = await self.start(auth)
        self.assertTrue((await self.card(chat))["chat"]["visitor"]["verified"])
        found = await self.ask("POST", f"{CHATS}/resume", {}, authorization=auth)
        self.assertEqual((found.json()["chat"], found.json()["token"]), (chat["chat"], chat["token"]))
        nobody = await self.ask("POST", f"{CHATS}/resume", {}, authorization=await self.visitor())
        self.assertEqual(nobody.slug, "chat")

    async def test_log_out(self) -> None:
        """Signing out ends the token in every tab; nobody opens the conversation again, or gets it by the same key."""
        auth = await self.visitor()
        chat = await self.start(auth)
        await self.say(chat, "nobody hears that later")
        ((channel, before),) = self.sql("select c.channel_id, h.seq from chat c join channel h on h.id = c.channel_id")
        self.assertEqual((await self.by_visitor(chat, "POST", "/logout")).status, 204)
        # Who listened hears that it ended, and nothing more; the log of that channel has no words.
        told = self.sql(f"select type, data from event where channel_id = {channel} order by seq")
        self.assertEqual([one for one, _ in told[-2:]], ["chat.closed", "chat.ended"])
        self.assertEqual({(one, data) for one, data in told[:-2]}, {("channel.updated", "{}")})
        self.assertEqual(self.sql(f"select count(*) from channel where id = {channel}"), [(0,)])
        seen = (await self.ann.ask("GET", f"{CHATS}/{chat['chat']}")).json()
        self.assertNotEqual(seen["channel"], str(channel))
        self.assertGreater(seen["seq"], before)
        rest = await self.ann.ask("GET", f"{CHATS}/{chat['chat']}/messages")
        self.assertIn("nobody hears that later", [one["text"] for one in rest.json()["messages"]])
        for method, path in (("GET", ""), ("GET", "/messages"), ("POST", "/close"), ("POST", "/logout")):
            self.assertEqual((await self.by_visitor(chat, method, path)).slug, "chat", path)
        self.assertEqual((await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/reopen")).slug, "chat-ended")
        again = await self.start(auth)
        self.assertNotEqual(again["chat"], chat["chat"])

    async def letters(self, replies: str = "") -> list[EmailMessage]:
        """What the outbox would send now."""
        sent: list[EmailMessage] = []

        async def send(to: str, message: EmailMessage) -> None:
            self.assertEqual(to, message["To"])
            sent.append(message)

        parts = OutboxParts(
            sites=self.application.sites, database=self.application.database, send=send, sender="chat@cackled.example",
            links=self.application.shared[Resuming].links, own_url="", replies=replies,
        )  # fmt: skip
        for number, site, body in self.sql("select id, site_id, body from outbox where kind = 'chat-mail' order by id"):
            await ChatMail(parts).deliver(Work(number, site, "chat-mail", body, 1, time()))
        self.sql("delete from outbox where kind = 'chat-mail'")
        return sent

    @contextmanager
    def broken(self) -> Iterator[None]:
        """Nobody can read a conversation."""

        async def find(chats: Chats, chat: int) -> Any:
            raise Unavailable(1.0)

        with patch.object(Chats, "find", find):
            yield

    async def test_answer_by_mail(self) -> None:
        """An answer that was not read goes out once, in the visitor's language, with a link that works once."""
        page = {"url": "https://one.example/shop?x=1#frag"}
        chat = await self.start(mail="vi@example.org", page=page, language="de")
        path = f"{CHATS}/{chat['chat']}"
        await self.ann.ask("POST", f"{path}/messages", {"text": "Try https://evil.example now"})
        run = self.application.shared[Routing].run
        await run()
        self.assertEqual(await self.letters(), [])
        self.sql("update chat set modified_at = now() - interval '10 minutes'")
        await run()
        await run()
        (letter,) = await self.letters()
        words = letter.get_content()
        self.assertIn("Antwort", letter["Subject"])
        self.assertIn("Try https[:]//evil.example now", words)
        link = re.search(r"https://\S+#cackled-chat=(\S+)", words)
        assert link is not None
        self.assertTrue(link[0].startswith("https://one.example/shop?x=1#cackled-chat="))
        # Neither the wrong site nor what fails meanwhile uses it up.
        two = await self.ask("POST", "/api/v1/sites/2/chats/resume", {"token": link[1]}, origin="https://two.example")
        self.assertEqual(two.slug, "link-used")
        with self.broken():
            answer = await self.ask("POST", f"{CHATS}/resume", {"token": link[1]})
            self.assertEqual(answer.status, 503, answer)
        resumed = await self.ask("POST", f"{CHATS}/resume", {"token": link[1]})
        self.assertEqual((resumed.json()["chat"], resumed.json()["token"]), (chat["chat"], chat["token"]))
        for token in (link[1], "x", "x.y.z"):
            self.assertEqual((await self.ask("POST", f"{CHATS}/resume", {"token": token})).slug, "link-used")
        two = await self.ask("POST", "/api/v1/sites/2/chats/resume", {"token": link[1]}, origin="https://two.example")
        self.assertEqual(two.slug, "link-used")
        # What was read is not sent; a page of another site is not linked to.
        await self.by_visitor(chat, "PUT", "/visit", {"page": {"url": "https://evil.example/"}})
        await self.ann.ask("POST", f"{path}/messages", {"text": "More", "anyway": True})
        self.sql("update chat set modified_at = now() - interval '10 minutes'")
        await run()
        (letter,) = await self.letters()
        self.assertNotIn("cackled-chat", letter.get_content())
        await self.ann.ask("POST", f"{path}/messages", {"text": "And", "anyway": True})
        seq = (await self.by_visitor(chat, "GET", "")).json()["seq"]
        await self.by_visitor(chat, "PUT", "/read", {"seq": seq})
        self.sql("update chat set modified_at = now() - interval '10 minutes'")
        await run()
        self.assertEqual(await self.letters(), [])

    async def test_transcript(self) -> None:
        """The conversation goes where its visitor says, without notes, three times at most."""
        chat = await self.start()
        answer = await self.by_visitor(chat, "POST", "/transcript", {"mail": "a@example.org"})
        self.assertEqual(answer.slug, "mail-off")
        links = self.application.shared[Resuming].links
        self.application.shared[Resuming] = Resuming(links, True)
        await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/note", {"text": "hush"})
        for mail in ("x", "a@b", "a b@example.org", "a@example.org, b@example.org", "ä@example.org"):
            answer = await self.by_visitor(chat, "POST", "/transcript", {"mail": mail})
            self.assertIn(answer.status, (400, 422), mail)
        for status in (204, 204, 204, 409):
            answer = await self.by_visitor(chat, "POST", "/transcript", {"mail": "a@example.org"})
            self.assertEqual(answer.status, status)
        words = [one.get_content() for one in await self.letters()]
        self.assertEqual(len(words), 3)
        self.assertIn("Hello", words[0])
        self.assertNotIn("hush", words[0])

    async def test_reply_by_mail(self) -> None:
        """A letter to the conversation's address is said there, once; others, machines and strangers say nothing."""
        chat = await self.start(mail="vi@example.org")
        await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/messages", {"text": "Answer"})
        self.sql("update chat set modified_at = now() - interval '10 minutes'")
        await self.application.shared[Routing].run()
        (letter,) = await self.letters("chat@cackled.example")
        address = letter["Reply-To"]
        self.assertTrue(address.startswith(f"chat+1.{chat['chat']}."))
        links = self.application.shared[Resuming].links
        replies = MailReplies(
            self.application.sites, self.application.database, links, self.reactor_of(), "chat@cackled.example",
            "127.0.0.1", 0,
        )  # fmt: skip
        user, _, host = address.partition("@")
        where = await replies.find(user, host)
        self.assertEqual(where, (1, int(chat["chat"])))
        wrong = user[:-1] + ("a" if user[-1] != "a" else "b")
        for one in (wrong, "chat", "chat+", user.replace("+1.", "+2."), "other" + user[4:], user + "9" * 200):
            self.assertIsNone(await replies.find(one, host), one)
        assert where is not None
        raw = (b"From: vi@example.org\r\nMessage-ID: <1@x>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
               b"Thanks!\r\n\r\nOn Monday Ann wrote:\r\n> Answer\r\n")  # fmt: skip
        await self.by_visitor(chat, "POST", "/close")
        for _ in range(2):
            await replies.say(where, raw)
        await replies.say(where, b"Auto-Submitted: auto-replied\r\n\r\nI am away")
        self.assertEqual((await self.texts(chat)).count("Thanks!"), 1)
        self.assertEqual(self.sql("select state from chat"), [("open",)])
        await self.by_visitor(chat, "POST", "/logout")
        self.assertIsNone(await replies.find(user, host))
        # Whatever else comes leaves no traceback.
        with self.assertRaises(ValueError):
            await replies.say(where, b"\xff\xfe\x00 broken: \x00\r\nContent-Type: text/plain; charset=none\r\n\r\nx")

    @staticmethod
    def reactor_of() -> Any:
        """The reactor."""
        from twisted.internet import reactor

        return reactor
