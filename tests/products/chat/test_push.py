"""Operators who have no console open are told by web push: of what concerns them, once, without a word of it."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.web.server import Site

from cackled.domain.outbox import Retry, Work
from cackled.products.chat.mail import WORDS
from cackled.products.chat.push import DeskKeys, DeskPush
from cackled.products.product import OutboxParts
from tests.products.chat.common import CHATS, ChatCase
from tests.products.comments.test_push import Browser, PushService

clock: Any = reactor
PORTS = range(20050, 20100)


class DeskPushTests(ChatCase):
    """Ann and Ben have browsers that are told."""

    toml = (
        '[limits]\nexempt = ["127.0.0.0/8"]\n'
        f'[outbound]\nnetworks = ["127.0.0.0/8"]\nports = [80, 443, {", ".join(map(str, PORTS))}]\n'
    )

    async def setUp(self) -> None:
        await super().setUp()
        self.application.outbox.stop()
        self.service = PushService()
        for port in PORTS:
            try:
                self.serving = clock.listenTCP(port, Site(self.service), interface="127.0.0.1")
                break
            except Exception:
                continue
        self.addCleanup(self.serving.stopListening)
        origin = self.service.origin = f"http://127.0.0.1:{self.serving.getHost().port}"
        keys = self.application.shared[DeskKeys]
        self.push = DeskPush(
            OutboxParts(
                sites=self.application.sites, database=self.application.database, send=None, sender="a@b.example",
                links=self.application.links, own_url="", http=self.application.http,
            ), keys,
        )  # fmt: skip
        self.browsers = {}
        for name, who in (("ann", self.ann), ("ben", self.ben)):
            self.service.key = (await who.ask("GET", f"{CHATS}/desk/push")).json()["key"]
            self.browsers[name] = Browser(f"{origin}/{name}")
            body = {**self.browsers[name].json(), "language": "de"}
            for _ in range(2):
                self.assertEqual((await who.ask("PUT", f"{CHATS}/desk/push", body)).status, 204)

    def gone(self) -> None:
        """No console is open."""
        self.sql("update chat_desk set seen_at = now() - interval '50 seconds'")

    async def told(self) -> list[tuple[str, str]]:
        """Who was told what, now that the outbox is done."""
        rows = self.sql(
            "update outbox set done_at = now() where done_at is null and kind = 'chat-push' "
            "returning id, site_id, kind, body, 1, 0::float8"
        )
        for row in rows:
            await self.push.deliver(Work(*row))
        self.assertEqual(self.service.wrong, [])
        made = []
        for path, body in self.service.got:
            text = self.browsers[path[1:]].read(body)
            self.assertEqual((text["title"], text["to"].partition("=")[0]), ("One", "/panel/sites/1/chat?chat"))
            made.append((path[1:], text["body"]))
        self.service.got.clear()
        return sorted(made)

    async def test_told(self) -> None:
        """Waiting: all who are online; a message: who has it; a mention: who is meant. Not who has the console open."""
        await self.online(self.ann, capacity=0)
        await self.online(self.ben, capacity=0)
        await self.start(key="open")
        self.assertEqual(await self.told(), [])
        self.gone()
        chat = await self.start(key="closed", text="canary")
        words = WORDS.words("de")
        self.assertEqual(await self.told(), [("ann", words("waiting")), ("ben", words("waiting"))])
        # Once, not for each word.
        await self.say(chat, "canary again")
        self.assertEqual(await self.told(), [])
        await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/take")
        self.gone()
        self.sql("update chat_push set told_at = told_at - interval '1 minute'")
        await self.say(chat, "more")
        self.assertEqual(await self.told(), [("ann", words("message"))])
        await self.ann.ask("GET", f"{CHATS}/live")
        for text, meant in (("mail@ben.example, @benny", False), ("@Ann, me", False), ("please, @BEN: look", True)):
            self.gone()
            await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/note", {"text": text})
            self.assertEqual(await self.told(), [("ben", words("mention"))] if meant else [], text)
        ((event,),) = self.sql("select data from event where type = 'chat.mentioned'")
        told = {"id": chat["chat"], "by": "Ann", "members": [f"account:{self.ben.account}"]}
        self.assertEqual(json.loads(event), told)

    async def test_gone(self) -> None:
        """A browser that is gone, or of who is no member any more, is forgotten; one that is late is asked again."""
        await self.online(self.ann, capacity=0)
        await self.online(self.ben, capacity=0)
        self.gone()
        self.service.status = 503
        await self.start(key="late")
        with self.assertRaises(Retry):
            await self.told()
        self.service.got.clear()
        self.sql("delete from outbox")
        self.service.status = 410
        self.sql(f"delete from catalog.membership where account_id = {self.ben.account}")
        await self.start(key="gone")
        self.assertEqual([who for who, _ in await self.told()], ["ann"])
        self.assertEqual(self.sql("select count(*) from chat_push"), [(0,)])

    async def test_refused(self) -> None:
        """Strange subscriptions are refused; ten browsers are enough; one can be ended."""
        body = self.browsers["ann"].json()
        keys = {"p256dh": "AA", "auth": "AA"}
        for change in ({"endpoint": "ftp://x"}, {"endpoint": "http://10.0.0.1/x"}, {"keys": keys}):
            self.assertEqual((await self.ann.ask("PUT", f"{CHATS}/desk/push", body | change)).slug, "bad-field", change)
        for number in range(10):
            more = {**body, "endpoint": f"{self.service.origin}/more{number}"}
            status = (await self.ann.ask("PUT", f"{CHATS}/desk/push", more)).status
            self.assertEqual(status, 204 if number < 9 else 409)
        await self.ann.ask("POST", f"{CHATS}/desk/push/gone", {"endpoint": body["endpoint"]})
        self.assertEqual(self.sql(f"select count(*) from chat_push where account_id = {self.ann.account}"), [(9,)])
