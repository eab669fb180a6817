"""Translations: asked of the site's own server once, kept, shown with what was written; failures are said."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred

from cackled.domain.personal_data import collect
from cackled.features import registry
from cackled.products.chat import translator
from cackled.products.chat.translator import Translator
from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import sign_in, site_key
from tests.support.translator import SECRET, StrictTranslator


class TranslationCase(ChatCase):
    """Site 1 has a translator on this machine."""

    async def setUp(self) -> None:
        self.server = StrictTranslator()
        self.addCleanup(self.server.close)
        self.toml = ChatCase.toml + f'[outbound]\nnetworks = ["127.0.0.0/8"]\nports = [{self.server.port}]\n'
        await super().setUp()
        await self.application.sites.change(1, "chat.translate_url", self.server.url + "/translate")
        await self.application.sites.change(1, "chat.translate_secret", SECRET)

    def tearDown(self) -> None:
        self.assertEqual(self.server.wrong, [])

    async def ids(self, chat: dict[str, Any]) -> dict[str, str]:
        """The conversation's messages: ids by text."""
        found = (await self.ann.ask("GET", f"{CHATS}/{chat['chat']}/messages")).json()["messages"]
        return {one["text"]: one["id"] for one in found}

    async def translate(self, chat: dict[str, Any], *messages: str, by: Any = None, **more: Any) -> Any:
        """Ask for messages in German, as an operator."""
        body = {"language": "de", "messages": list(messages), **more}
        return await (by or self.ann).ask("POST", f"{CHATS}/{chat['chat']}/translations", body)


class TranslationTests(TranslationCase):
    async def test_once(self) -> None:
        """A message is asked for once in a language, by whomever; an edit is another text."""
        await self.online(self.ann)
        chat = await self.start(text="Bonjour", language="fr")
        said = (await self.say(chat, "Merci")).json()["message"]["id"]
        hello = (await self.ids(chat))["Bonjour"]
        answer = await self.translate(chat, hello, said)
        self.assertEqual(
            answer.json(),
            {"translations": [
                {"message": hello, "text": "Guten Tag", "from": "fr", "written": False},
                {"message": said, "text": "Danke", "from": "fr", "written": False}], "left": []},
        )  # fmt: skip
        self.assertEqual(
            self.server.asked,
            [{"type": "chat.translate", "site": "1", "chat": chat["chat"], "to": "de", "from": "",
              "texts": [{"id": hello, "text": "Bonjour"}, {"id": said, "text": "Merci"}]}],
        )  # fmt: skip
        again = await self.translate(chat, said, hello, by=self.ben)
        self.assertEqual([one["text"] for one in again.json()["translations"]], ["Danke", "Guten Tag"])
        self.assertEqual(len(self.server.asked), 1)
        await self.translate(chat, said, language="pl")
        self.assertEqual(self.server.asked[1]["to"], "pl")
        await self.by_visitor(chat, "PATCH", f"/messages/{said}", {"text": "Merci bien"})
        self.assertEqual((await self.translate(chat, said, ask=False)).json()["translations"], [])
        self.assertEqual((await self.translate(chat, said)).json()["translations"][0]["text"], "[de] Merci bien")
        await self.by_visitor(chat, "DELETE", f"/messages/{said}")
        self.assertEqual((await self.translate(chat, said)).json()["translations"], [])
        self.assertEqual(self.sql(f"select count(*) from chat_translation where message_id = {said}"), [(0,)])

    async def test_draft(self) -> None:
        """What an operator writes is sent in the visitor's language; colleagues read both, the visitor one."""
        await self.online(self.ann)
        chat = await self.start(text="Bonjour", language="fr")
        path = f"{CHATS}/{chat['chat']}"
        made = await self.ann.ask("POST", f"{path}/translate", {"text": "Ich helfe gern.", "source": "de"})
        self.assertEqual(made.json(), {"text": "Je vous aide volontiers.", "language": "fr"})
        original = {"text": "Ich helfe gern.", "language": "de", "to": "fr"}
        body = {"text": made.json()["text"], "original": original}
        for _ in range(2):
            sent = await self.ann.ask("POST", f"{path}/messages", body, idempotency_key="k")
            self.assertEqual(sent.status, 201, sent)
        found = (await self.translate(chat, sent.json()["message"]["id"], by=self.ben)).json()["translations"]
        self.assertEqual(
            found, [{"message": sent.json()["message"]["id"], "text": "Ich helfe gern.", "from": "fr", "written": True}]
        )
        self.assertEqual(len(self.server.asked), 1)
        # Both were written at once: whoever hears of the message finds what it was translated from.
        self.assertEqual(self.sql("select x.xmin = m.xmin from chat_translation x join chat_message m "
                                  "on m.site_id = x.site_id and m.id = x.message_id"), [(True,)])  # fmt: skip
        read = await self.by_visitor(chat, "GET", "/messages")
        self.assertIn("Je vous aide volontiers.", read.body.decode())
        self.assertNotIn("Ich helfe", read.body.decode())
        # A visitor's word has no other one.
        forged = await self.by_visitor(chat, "POST", "/messages", {"text": "Merci", "original": original})
        self.assertEqual(self.sql(f"select count(*) from chat_translation where message_id = "
                                  f"{forged.json()['message']['id']}"), [(0,)])  # fmt: skip
        # An original that is refused sends nothing.
        bad = {"text": "x", "original": {**original, "text": " "}}
        self.assertEqual((await self.ann.ask("POST", f"{path}/messages", bad)).slug, "text-empty")
        self.assertNotIn("x", await self.texts(chat))

    async def test_no_language(self) -> None:
        """A visitor whose language nobody knows."""
        chat = await self.start()
        asked = await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/translate", {"text": "Hallo"})
        self.assertEqual(asked.slug, "language")
        named = await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/translate", {"text": "Hallo", "language": "it"})
        self.assertEqual(named.json(), {"text": "[it] Hallo", "language": "it"})

    async def test_failures(self) -> None:
        """Whatever the server answers that can't be used is said, and nothing is kept; the next try works."""
        chat = await self.start(text="Bonjour")
        hello = (await self.ids(chat))["Bonjour"]
        for says in (
            (500, {}), (302, {}), (200, []), (200, {"texts": [{"id": hello, "text": ""}]}), (200, {"texts": []}),
            (200, {"texts": [{"id": hello, "text": "x" * 5_000}]}), (200, {"texts": [{"id": 7, "text": "x"}]}),
            (200, {"texts": [{"id": hello, "text": "x"}], "more": "x" * 700_000}), (0, None),
            (200, {"texts": [{"id": "another", "text": "x"}]}),
        ):  # fmt: skip
            self.server.says = [says]
            self.assertEqual((await self.translate(chat, hello)).slug, "translate-failed", str(says)[:100])
        self.patch(translator, "DEADLINE", 0.2)
        self.server.slow = 1.0
        self.assertEqual((await self.translate(chat, hello)).slug, "translate-failed")
        self.server.slow = 0.0
        self.patch(translator, "DEADLINE", 5.0)
        self.assertEqual(self.sql("select count(*) from chat_translation"), [(0,)])
        self.assertEqual((await self.translate(chat, hello)).json()["translations"][0]["text"], "Guten Tag")
        # A language that is none is no reason to refuse the words.
        self.server.says = [(200, {"texts": [{"id": hello, "text": "Hi", "from": "<b>"}]})]
        found = (await self.translate(chat, hello, language="en")).json()["translations"]
        self.assertEqual((found[0]["text"], found[0]["from"]), ("Hi", ""))

    async def test_guard(self) -> None:
        """An address that is not public is not asked."""
        chat = await self.start(text="Bonjour")
        hello = (await self.ids(chat))["Bonjour"]
        await self.application.sites.change(1, "chat.translate_url", "http://10.0.0.1/translate")
        self.assertEqual((await self.translate(chat, hello)).slug, "translate-failed")
        await self.application.sites.change(1, "chat.translate_url", "")
        self.assertEqual((await self.translate(chat, hello)).slug, "translate-off")
        desk = await self.ann.ask("GET", f"{CHATS}/desk")
        self.assertFalse(desk.json()["translate"])

    async def test_bounds(self) -> None:
        """Long messages are asked for in several requests, and no more at once than a site may have."""
        await self.online(self.ann)
        chat = await self.start(text="Bonjour")
        await self.application.sites.change(1, "chat.max_length", 10_000)
        for letter in "abc":
            self.assertEqual((await self.say(chat, letter * 9_000)).status, 201)
        numbers = list((await self.ids(chat)).values())
        first = (await self.translate(chat, *numbers)).json()
        self.assertEqual(len(first["left"]), 1)
        rest = (await self.translate(chat, *first["left"])).json()
        self.assertEqual((len(rest["translations"]), rest["left"]), (1, []))
        self.assertEqual((await self.translate(chat, *[str(n) for n in range(1, 22)])).status, 400)
        self.assertEqual((await self.translate(chat, numbers[0], language="x<y")).status, 400)

        waiting: list[Deferred[Any]] = []

        def never(*args: Any, **more: Any) -> Deferred[Any]:
            waiting.append(Deferred())
            return waiting[-1]

        asker = self.application.shared[Translator]
        self.patch(asker, "_ask", never)
        self.patch(translator, "MOST_ASKED_SITE", 1)
        asked = Deferred.fromCoroutine(self.translate(chat, numbers[0], language="pl"))
        while not waiting:
            await self.translate(chat, numbers[0], ask=False)
        busy = await self.translate(chat, numbers[0], language="it")
        self.assertEqual((busy.slug, busy.headers["retry-after"]), ("translate-busy", "2"))
        waiting[0].errback(OSError("gone"))
        self.assertEqual((await asked).slug, "translate-failed")

    async def test_rights(self) -> None:
        """Operators of the site alone; a message of another conversation is not there."""
        one, other = await self.start(text="Bonjour"), await self.start(text="Merci", key="k2")
        merci = (await self.ids(other))["Merci"]
        self.assertEqual((await self.translate(one, merci)).json(), {"translations": [], "left": []})
        self.assertEqual(self.server.asked, [])
        path, body = "/translations", {"language": "de", "messages": [merci]}
        self.assertEqual((await self.by_visitor(other, "POST", path, body)).status, 401)
        for who in (await sign_in(self, "analyst"), await site_key(self, ["chat"])):
            self.assertEqual((await self.translate(other, merci, by=who)).status, 403)
        missing = await self.ann.ask("POST", f"{CHATS}/77/translations", body)
        self.assertEqual(missing.slug, "chat")

    async def test_erased(self) -> None:
        """Translations of what a visitor wrote are given out to them, and go with it."""
        auth = await self.visitor()
        chat = await self.start(auth=auth, text="Bonjour")
        await self.translate(chat, (await self.ids(chat))["Bonjour"])
        visitor = int(self.visitor_of(auth))
        parts = [part async for part in collect(self.application.database, 1, visitor, registry().held)]
        held = json.loads(b"".join(parts))["held"]["chat_translated"]["rows"]
        self.assertEqual([one["text"] for one in held], ["Guten Tag"])
        self.sql(f"select erase_chats(1, {visitor}, 100)")
        self.assertEqual(self.sql("select count(*) from chat_translation"), [(0,)])
