"""Macros: all steps or none, once for a key, with the rights and limits of each step."""

from __future__ import annotations

from typing import Any

from cackled.products.chat.macros import filled
from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import sign_in


class MacroTests(ChatCase):
    """An admin makes them, operators run them."""

    async def setUp(self) -> None:
        await super().setUp()
        self.admin = await sign_in(self, "admin")

    async def macro(self, *steps: dict[str, Any], name: str = "Refund") -> str:
        """A new macro's id."""
        made = await self.admin.ask("POST", f"{CHATS}/macros", {"name": name, "steps": list(steps)})
        self.assertEqual(made.status, 201, made)
        return str(made.json()["id"])

    async def test_all_at_once(self) -> None:
        """Reply, labels and close are one: its variables are filled, a repeated call does nothing, uses are counted."""
        await self.online(self.ann)
        chat = await self.start(page={"url": "https://shop.example/a", "title": "Shoes"})
        number = await self.macro(
            {"do": "reply", "text": "Dear {visitor.name|you}, from {operator.name} on {page.title}, {no.such}"},
            {"do": "label", "labels": ["refund", "b"]}, {"do": "note", "text": "paid"},
            {"do": "close", "reason": "solved"},
        )  # fmt: skip
        path = f"{CHATS}/{chat['chat']}/macros/{number}"
        for _ in range(2):
            done = await self.ann.ask("POST", path, idempotency_key="once")
            self.assertEqual(done.status, 200, done)
        self.assertEqual(
            await self.texts(chat), ["Hello", "joined", "Dear Vi, from Ann on Shoes, {no.such}"]
        )
        row = (await self.ann.ask("GET", f"{CHATS}/{chat['chat']}")).json()["chat"]
        self.assertEqual((row["state"], row["labels"], row["closed_by"]), ("closed", ["b", "refund"], "operator"))
        notes = (await self.ann.ask("GET", f"{CHATS}/{chat['chat']}/messages")).json()["messages"]
        self.assertEqual([one["text"] for one in notes if one["kind"] == "note"], ["paid", "⚙ Refund"])
        listed = (await self.ann.ask("GET", f"{CHATS}/macros")).json()["macros"]
        self.assertEqual([(one["name"], one["uses"]) for one in listed], [("Refund", 1)])
        again = await self.ann.ask("POST", path, idempotency_key="twice")
        self.assertEqual((again.slug, again.json()["step"]), ("chat-closed", 0))

    async def test_none_where_one_fails(self) -> None:
        """What a later step is refused for undoes the earlier ones, and says which step it was."""
        await self.online(self.ann)
        chat = await self.start()
        sales = (await self.admin.ask("POST", f"{CHATS}/departments", {"name": "Sales"})).json()["id"]
        number = await self.macro(
            {"do": "label", "labels": ["x"]}, {"do": "reply", "text": "Bye"}, {"do": "transfer", "department": sales}
        )
        await self.admin.ask("DELETE", f"{CHATS}/departments/{sales}")
        refused = await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/macros/{number}")
        self.assertEqual((refused.slug, refused.json()["step"]), ("department", 2), refused)
        self.assertEqual(await self.texts(chat), ["Hello"])
        self.assertEqual(self.sql("select labels, assignee from chat"), [([], self.ann.account)])
        other = await self.macro({"do": "transfer", "member": "account:999999"}, name="Away")
        self.assertEqual((await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/macros/{other}")).slug, "operator")

    async def test_limits_of_steps(self) -> None:
        """A step is refused as its deed is: newer messages, a colleague's conversation, a text that is too long."""
        await self.online(self.ann)
        chat = await self.start()
        number = await self.macro({"do": "reply", "text": "Hm"})
        path = f"{CHATS}/{chat['chat']}/macros/{number}"
        seen = (await self.ann.ask("GET", f"{CHATS}/{chat['chat']}/messages")).json()["seq"]
        await self.say(chat, "One more thing")
        self.assertEqual((await self.ann.ask("POST", path, {"seen": seen})).slug, "newer-messages")
        self.assertEqual((await self.ann.ask("POST", path, {"seen": seen, "anyway": True})).status, 200)
        await self.application.sites.change(1, "chat.assignee_only", True)
        refused = await self.ben.ask("POST", path)
        self.assertEqual((refused.slug, refused.json()["step"]), ("not-assignee", 0))
        taken = await self.macro({"do": "take"}, name="Take")
        self.assertEqual((await self.ben.ask("POST", f"{CHATS}/{chat['chat']}/macros/{taken}")).slug, "taken")
        await self.application.sites.change(1, "chat.max_length", 100)
        long = await self.macro({"do": "reply", "text": "x" * 101}, name="Long")
        refused = await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/macros/{long}")
        self.assertEqual((refused.slug, refused.json()["step"]), ("text-too-long", 0))

    async def test_checked_when_saved(self) -> None:
        """A macro that could never run is refused when it is made; only admins make them; each site has its own."""
        for steps in (
            [{"do": "close"}, {"do": "reply", "text": "late"}], [{"do": "reply", "text": " "}], [{"do": "label"}],
            [{"do": "snooze"}], [{"do": "transfer", "member": "account:1", "department": "2"}], [],
            [{"do": "dance"}], [{"do": "note", "text": "x"}] * 11,
        ):  # fmt: skip
            answer = await self.admin.ask("POST", f"{CHATS}/macros", {"name": "m", "steps": steps})
            self.assertEqual((answer.status, answer.slug), (400, "bad-field"), (steps, answer))
        first = await self.macro({"do": "spam"}, name="One")
        again = await self.admin.ask("POST", f"{CHATS}/macros", {"name": "One", "steps": [{"do": "spam"}]})
        self.assertEqual(again.slug, "bad-field")
        body = {"name": "Two", "steps": [{"do": "note", "text": "n"}]}
        for who, status in ((self.ann, 403), (self.admin, 200)):
            self.assertEqual((await who.change("PUT", f"{CHATS}/macros/{first}", body)).status, status)
        self.assertEqual((await self.ask("GET", f"{CHATS}/macros", authorization=await self.visitor())).status, 401)
        self.assertEqual((await self.admin.ask("DELETE", f"{CHATS}/macros/{first}")).status, 204)
        for method in ("PUT", "DELETE"):
            self.assertEqual((await self.admin.change(method, f"{CHATS}/macros/{first}", body)).slug, "macro")
        chat = await self.start()
        self.assertEqual((await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/macros/{first}")).slug, "macro")

    def test_variables(self) -> None:
        """A value is never read as a variable; what is not known becomes the word behind the bar."""
        facts = {"visitor.name": "{site.name}", "site.name": "S", "visitor.mail": ""}
        self.assertEqual(filled("{visitor.name} {visitor.mail|none} {visitor.mail} !", facts), "{site.name} none!")
