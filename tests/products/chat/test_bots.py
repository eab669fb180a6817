"""Programs in conversations: a bot with a key of the site, hand-over to people, and webhooks of every event."""

from __future__ import annotations

import json
from typing import Any

from cackled.products.chat.events import EVENTS
from cackled.products.chat.upkeep import Routing
from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import StaffClient, sign_in, site_key


class BotTests(ChatCase):
    """Site 1, whose bot answers first."""

    timeout = 300

    async def setUp(self) -> None:
        await super().setUp()
        await self.application.sites.change(1, "chat.bot", True)
        self.bot: StaffClient = await site_key(self, ["chat"], name="Robby")

    async def states(self) -> list[tuple[Any, ...]]:
        """State, operator and whether a bot has it."""
        return self.sql("select state, assignee, bot from chat order by created_at")

    async def test_hand_over(self) -> None:
        """It answers, offers answers to choose from, and hands over to people; then it is silent."""
        await self.online(self.ann)
        chat = await self.start()
        path = f"{CHATS}/{chat['chat']}"
        self.assertEqual((chat["state"], chat["operator"]), ("open", None))
        self.assertEqual(await self.states(), [("open", None, True)])
        row = (await self.bot.ask("GET", f"{CHATS}?state=open")).json()["chats"][0]
        self.assertEqual((row["id"], row["last"]["text"]), (chat["chat"], "Hello"))
        body = {"text": "What is it about?", "quick": ["Order", "A person, please"]}
        said = await self.bot.ask("POST", f"{path}/messages", body, idempotency_key="b1")
        self.assertEqual(said.status, 201, said)
        self.assertEqual((said.json()["message"]["from"], said.json()["message"]["author"]),
                         ("bot", {"id": "", "name": "Robby"}))  # fmt: skip
        again = await self.bot.ask("POST", f"{path}/messages", body, idempotency_key="b1")
        self.assertEqual(again.json()["message"]["id"], said.json()["message"]["id"])
        self.assertEqual((await self.bot.ask("PUT", f"{path}/typing", {})).status, 204)
        read = {"seq": said.json()["seq"]}
        self.assertEqual((await self.bot.ask("PUT", f"{path}/read", read)).status, 200)
        await self.say(chat, "A person, please")
        late = await self.bot.ask("POST", f"{path}/messages", {"text": "Order?", "seen": said.json()["seq"]})
        self.assertEqual(late.slug, "newer-messages")
        self.assertEqual((await self.bot.ask("POST", f"{path}/note", {"text": "wants a person"})).status, 201)
        self.assertEqual((await self.bot.ask("POST", f"{path}/labels", {"labels": ["asked"]})).status, 200)
        self.assertEqual((await self.bot.ask("POST", f"{path}/transfer", {})).status, 200)
        self.assertEqual(await self.states(), [("open", self.ann.account, False)])
        self.assertEqual((await self.by_visitor(chat, "GET", "")).json()["chat"]["state"], "waiting")
        self.assertEqual((await self.bot.ask("POST", f"{path}/messages", {"text": "Me"})).slug, "not-assignee")
        await self.ann.ask("POST", f"{path}/take")
        self.assertEqual(await self.texts(chat),
                         ["Hello", "What is it about?", "A person, please", "transferred", "joined"])  # fmt: skip
        # A bot's words are no first response of the report.
        self.assertEqual(self.sql("select answered_at is null from chat"), [(True,)])

    async def test_silent(self) -> None:
        """What it leaves without an answer for half a minute waits for people, also after it has answered."""
        await self.online(self.ann, capacity=0)
        chat = await self.start()
        await self.bot.ask("POST", f"{CHATS}/{chat['chat']}/messages", {"text": "Hi"})
        routing = self.application.shared[Routing]
        await self.say(chat, "Are you there?")
        await routing.run()
        self.assertEqual(await self.states(), [("open", None, True)])
        self.sql("update chat set offered_at = offered_at - interval '31 seconds'")
        await routing.run()
        self.assertEqual(await self.states(), [("waiting", None, False)])
        taken = await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/messages", {"text": "I am"})
        self.assertEqual(taken.status, 201, taken)
        self.assertEqual(await self.states(), [("open", self.ann.account, False)])

    async def test_rights(self) -> None:
        """Keys of other scopes and sites read nothing; one for chat does no more than a bot needs."""
        chat = await self.start()
        path = f"{CHATS}/{chat['chat']}"
        for key in (await site_key(self, ["read", "sync", "moderate", "sso"]), await site_key(self, ["chat"], site=2)):
            for method, what, body in (("GET", path, None), ("GET", path + "/messages", None), ("GET", CHATS, None),
                                       ("POST", path + "/messages", {"text": "x"})):  # fmt: skip
                answer = await key.ask(method, what, body)
                self.assertIn((answer.status, answer.slug), ((403, "role"), (401, "bad-key")), what)
        for method, what, body in (
            ("POST", "/take", {}), ("POST", "/block", {"kinds": ["visitor"]}), ("POST", "/spam", {}),
            ("POST", "/invite", {"member": "account:1"}), ("PATCH", "/messages/1", {"text": "x"}),
        ):  # fmt: skip
            self.assertEqual((await self.bot.ask(method, path + what, body)).slug, "role", what)
        self.assertEqual((await self.bot.ask("GET", path)).json()["card"]["address"], "")
        self.assertEqual((await self.ask("GET", path, authorization="Bearer cackled_x")).slug, "bad-key")

    async def test_webhooks(self) -> None:
        """Each kind of event is told to who names it, with the conversation that it is about, and to nobody else."""
        # What is gathered for consoles is told here one by one.
        names = [one.type for one in EVENTS if one.type != "chat.gathered"]
        types = "{" + ",".join(names) + "}"
        self.sql(f"""insert into webhook_endpoint (site_id, url, secret, types)
                 values (1, 'https://a.example/', 'x', '{types}')""")
        await self.ann.ask("GET", f"{CHATS}/live")
        await self.online(self.ann)
        await self.ann.ask("POST", f"{CHATS}/desk/beat", {})
        chat = await self.start()
        path = f"{CHATS}/{chat['chat']}"
        await self.bot.ask("POST", f"{path}/transfer", {})
        await self.ann.ask("POST", f"{CHATS}/desk/beat", {"viewing": chat["chat"]})
        await self.ann.ask("POST", f"{path}/take")
        said = (await self.ann.ask("POST", f"{path}/messages", {"text": "Hi"})).json()
        await self.ann.ask("PATCH", f"{path}/messages/{said['message']['id']}", {"text": "Hello"})
        await self.ben.ask("POST", f"{CHATS}/desk/beat", {})
        await self.ann.ask("POST", f"{path}/note", {"text": "hush @Ben"})
        await self.by_visitor(chat, "PUT", "/read", {"seq": said["seq"]})
        await self.by_visitor(chat, "PUT", "/visit", {"tags": ["hush"]})
        await self.ann.ask("POST", f"{path}/labels", {"labels": ["x"]})
        await self.ann.ask("POST", f"{path}/close")
        await self.by_visitor(chat, "POST", "/logout")
        told = [(one, json.loads(data)) for one, data in self.sql("select type, data from webhook_event order by id")]
        self.assertEqual(sorted({one for one, _ in told}), sorted(names))
        for one, data in told:
            if one not in ("desk.changed", "chat.status"):
                self.assertEqual(data.get("chat") or data["id"], chat["chat"], one)
        self.assertNotIn("hush", json.dumps(told))

    async def test_settings(self) -> None:
        """Without the setting people have a conversation at once; the key speaks in it all the same while it waits."""
        await self.application.sites.change(1, "chat.bot", False)
        await self.online(self.ann, capacity=0)
        chat = await self.start()
        self.assertEqual(chat["state"], "waiting")
        self.assertEqual((await self.bot.ask("POST", f"{CHATS}/{chat['chat']}/messages", {"text": "Soon"})).status, 201)
        self.assertEqual(await self.states(), [("waiting", None, False)])
        admin = await sign_in(self, "admin")
        self.assertEqual((await admin.ask("GET", f"{CHATS}/{chat['chat']}")).json()["chat"]["state"], "waiting")
