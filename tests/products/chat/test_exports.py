"""Conversations that are taken out: by the site's owner, and by the visitor whom they are about."""

from __future__ import annotations

import csv
import io
import json

from cackled.domain.personal_data import collect
from cackled.features import registry
from cackled.products.chat.exporting import EXPORTS
from tests.products.chat.common import CHATS, ChatCase


class ExportTests(ChatCase):
    """A conversation of each of two sites."""

    async def test_site(self) -> None:
        """All of one site's, whole: state, visitor, messages, notes; a table has no formula."""
        chat = await self.start(text="=1+1", name="Vi", mail="vi@example.org", fields={"order": "7"})
        path = f"{CHATS}/{chat['chat']}"
        await self.ann.ask("POST", f"{path}/messages", {"text": "Two", "quick": ["Thanks"]})
        await self.ann.ask("POST", f"{path}/note", {"text": "easy"})
        await self.application.sites.change(2, "chat.enabled", True)
        await self.ask(
            "POST", "/api/v1/sites/2/chats", {"key": "x", "text": "foreign"},
            authorization=await self.visitor(2), origin="https://two.example",
        )  # fmt: skip
        made = {}
        site = self.application.sites.get(1)
        for one in EXPORTS:
            made[one.name] = b"".join([piece async for piece in one.write(self.application.database, site)])
            self.assertNotIn(b"foreign", made[one.name])
        head, about, *said = [json.loads(line) for line in made["jsonl"].splitlines()]
        self.assertEqual((head["product"], head["site"]), ("chat", 1))
        self.assertEqual((about["name"], about["fields"], about["state"]), ("Vi", {"order": "7"}, "offline"))
        self.assertEqual([(one["from"], one["kind"], one["text"]) for one in said],
                         [("visitor", "text", "=1+1"), ("system", "event", ""), ("operator", "text", "Two"),
                          ("operator", "note", "easy")])  # fmt: skip
        self.assertEqual((said[2]["quick"], said[1]["event"]["name"]), (["Thanks"], "joined"))
        rows = list(csv.DictReader(io.StringIO(made["csv"].decode("utf-8-sig"))))
        self.assertEqual([one["text"] for one in rows], ["'=1+1", "", "Two", "easy"])
        self.assertIn("chat", registry().exports)

    async def test_person(self) -> None:
        """What they wrote and were answered; not whose accounts, notes, labels, nor how to listen; nobody else's."""
        chat = await self.start(text="mine", name="Vi")
        await self.start(key="k2", text="another's")
        path = f"{CHATS}/{chat['chat']}"
        await self.ann.ask("POST", f"{path}/messages", {"text": "an answer"})
        await self.ann.ask("POST", f"{path}/note", {"text": "hush"})
        await self.ann.ask("POST", f"{path}/labels", {"labels": ["odd"]})
        ((visitor, channel),) = self.sql(f"select visitor_id, channel_id from chat where id = {chat['chat']}")
        held = registry().held
        given = b"".join([piece async for piece in collect(self.application.database, 1, visitor, held)]).decode()
        for word in ("mine", "an answer", "Vi"):
            self.assertIn(word, given)
        for word in ("another's", "hush", "odd", str(channel)):
            self.assertNotIn(word, given)
        json.loads(given)
