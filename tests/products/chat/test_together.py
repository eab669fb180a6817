"""Typing, pictures, colleagues who help, blocking, and who is there."""

from __future__ import annotations

from typing import Any

from cackled.products.chat.upkeep import Routing
from tests.media import corpus
from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import sign_in


class TogetherTests(ChatCase):
    """Two operators and a visitor."""

    timeout = 300

    async def status(self) -> str:
        """What a first render says."""
        answer = await self.ask("GET", "/bootstrap?widget=Chat&site=1", origin=None)
        return str(answer.json()["chat"]["status"])

    async def test_typing(self) -> None:
        """Both sides are told who types, at once and without a trace; nobody else can do that."""
        chat = await self.start()
        heard: list[tuple[int, int, str, Any]] = []
        self.patch(self.application.hub, "signal", lambda *what, **more: heard.append(what))
        self.assertEqual((await self.by_visitor(chat, "PUT", "/typing", {})).status, 204)
        self.assertEqual((await self.ann.ask("PUT", f"{CHATS}/{chat['chat']}/typing")).status, 204)
        channel = int(chat["channel"])
        self.assertEqual(heard, [
            (1, channel, "typing", {"by": "visitor", "name": "Vi", "id": ""}),
            (1, channel, "typing", {"by": "operator", "name": "Ann", "id": f"account:{self.ann.account}"}),
        ])
        other = await self.start(key="other")
        stolen = {**chat, "token": other["token"]}
        self.assertEqual((await self.by_visitor(stolen, "PUT", "/typing", {})).slug, "chat")
        await self.by_visitor(chat, "POST", "/close")
        await self.by_visitor(chat, "PUT", "/typing", {})
        self.assertEqual(len(heard), 2)
        self.assertEqual(self.sql("select count(*) from event where type = 'typing'"), [(0,)])

    async def test_pictures(self) -> None:
        """Both sides send pictures of their own; not those of somebody else, nor once more; deleting lets them go."""
        await self.application.sites.change(1, "media.pictures", True)
        chat = await self.start()
        path = f"{CHATS}/{chat['chat']}"
        raw = corpus.picture()
        kind = {"content_type": "image/jpeg"}
        mine = await self.by_visitor(chat, "POST", "/files?alt=A%20boat", raw, **kind)
        self.assertEqual(mine.status, 201, mine)
        hers = await self.ann.ask("POST", f"{path}/files", raw, **kind)
        self.assertEqual(hers.status, 201, hers)
        name, other = mine.json()["id"], hers.json()["id"]
        self.assertEqual((await self.ask("GET", mine.json()["url"])).status, 200)
        self.assertEqual((await self.ask("GET", f"/media/{name}/400.webp")).status, 404)
        self.assertEqual((await self.by_visitor(chat, "POST", "/messages", {"files": [other]})).slug, "media-unknown")
        self.assertEqual((await self.by_visitor(chat, "POST", "/messages", {})).slug, "text-empty")
        for _ in range(2):
            said = await self.by_visitor(chat, "POST", "/messages", {"files": [name]}, idempotency_key="p1")
            self.assertEqual(said.status, 201, said)
            self.assertEqual([one["alt"] for one in said.json()["message"]["files"]], ["A boat"])
        blue = await self.by_visitor(chat, "POST", "/files?alt=A%20mug", corpus.picture(color="blue"), **kind)
        more = blue.json()["id"]
        for files in ([more], [name, more], []):
            body = {"files": files, **({} if files else {"text": "A boat"})}
            reused = await self.by_visitor(chat, "POST", "/messages", body, idempotency_key="p1")
            self.assertEqual((reused.status, reused.slug), (422, "key-reused"), files)
        answer = await self.by_visitor(chat, "POST", "/messages", {"files": [name]}, idempotency_key="p2")
        self.assertEqual(answer.slug, "media-unknown")
        said = await self.ann.ask("POST", f"{path}/messages", {"text": "See", "files": [other], "quick": ["Yes", "No"]})
        self.assertEqual(said.status, 201, said)
        self.assertEqual(said.json()["message"]["quick"], ["Yes", "No"])
        self.assertEqual(self.sql("select count(*) from media where item like 'chat:%%'"), [(2,)])
        message = (await self.by_visitor(chat, "GET", "/messages")).json()["messages"][1]
        signed = message["files"][0]["url"]
        self.assertEqual((await self.ask("GET", signed)).status, 200)
        # No address holds for ever: not in answers, not in what is live; one can be had anew.
        plain = f"/media/{name}/{signed.rpartition('/')[2]}"
        self.assertEqual((await self.ask("GET", plain)).status, 404)
        sign = signed.split("/")[3]
        for wrong in (sign[:-1] + ("A" if sign[-1] != "A" else "B"), f"{int(sign[:8], 16) + 1:08x}" + sign[8:]):
            self.assertEqual((await self.ask("GET", signed.replace(sign, wrong))).status, 404)
        self.assertEqual((await self.ask("GET", signed.replace(name, other))).status, 404)
        again = await self.by_visitor(chat, "GET", f"/files/{name}")
        self.assertEqual((again.json()["url"], again.json()["alt"]), (signed, "A boat"))
        self.assertEqual((await self.ann.ask("GET", f"{path}/files/{name}")).json()["url"], signed)
        stranger = await self.start(key="stranger")
        self.assertEqual((await self.by_visitor(stranger, "GET", f"/files/{name}")).slug, "message")
        live = self.sql("select data from event where type = 'message.created' and data like '%%/media/%%'")
        self.assertEqual(len(live), 2)
        for (data,) in live:
            self.assertNotIn('"url":"/media/', data)
            self.assertNotIn(plain.encode(), self.application.signed_media.in_json(data.encode()))
        await self.by_visitor(chat, "DELETE", f"/messages/{message['id']}")
        self.assertEqual(self.sql("select count(*) from media where item like 'chat:%%'"), [(1,)])
        self.sql("delete from chat_message")
        self.assertEqual(self.sql("select count(*) from media where item like 'chat:%%'"), [(0,)])

    async def test_invited(self) -> None:
        """A colleague is asked to help: it is theirs as well, also where one alone may answer; then they go."""
        await self.application.sites.change(1, "chat.assignee_only", True)
        await self.online(self.ann)
        await self.online(self.ben, capacity=0)
        chat = await self.start()
        path = f"{CHATS}/{chat['chat']}"
        ben = {"member": f"account:{self.ben.account}"}
        self.assertEqual((await self.ann.ask("POST", f"{path}/invite", {"member": "account:9999"})).slug, "operator")
        for _ in range(2):
            self.assertEqual((await self.ann.ask("POST", f"{path}/invite", ben)).status, 200)
        row = (await self.ben.ask("GET", f"{CHATS}?state=mine")).json()
        self.assertEqual([one["guests"] for one in row["chats"]], [[{"id": ben["member"], "name": "Ben"}]])
        self.assertEqual(row["counts"]["mine"], 1)
        self.assertEqual((await self.ben.ask("POST", f"{path}/messages", {"text": "Hi"})).status, 201)
        await self.ben.ask("POST", f"{path}/leave")
        self.assertEqual((await self.ben.ask("POST", f"{path}/messages", {"text": "Hi"})).slug, "not-assignee")
        self.assertEqual(await self.texts(chat), ["Hello", "joined", "invited", "Hi", "left"])
        await self.online(self.ann, capacity=0)
        await self.ann.ask("POST", f"{path}/leave")
        self.assertEqual(self.sql("select state, assignee from chat"), [("waiting", None)])

    async def test_blocked(self) -> None:
        """Whoever is blocked writes no more, here and in new conversations; what is not known can't be banned."""
        auth = await self.visitor()
        chat = await self.start(auth)
        path = f"{CHATS}/{chat['chat']}/block"
        self.assertEqual((await self.ann.ask("POST", path, {"kinds": ["mail"]})).slug, "not-known")
        answer = await self.ann.ask("POST", path, {"kinds": ["visitor", "mail"], "seconds": 3600})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.sql("select kind, who, until is null from ban"), [("visitor", "Ann", False)])
        self.assertEqual((await self.say(chat, "Again")).slug, "chat-closed")
        again = await self.ask("POST", CHATS, {"key": "k2", "text": "Me again"}, authorization=auth)
        self.assertEqual(again.slug, "banned")
        self.assertEqual((await self.by_visitor(chat, "POST", "/block", {"kinds": ["visitor"]})).status, 401)

    async def test_there(self) -> None:
        """First renders say at once that somebody comes or goes; it is told to open pages, once for each change."""
        self.assertEqual(await self.status(), "offline")
        await self.ann.ask("POST", f"{CHATS}/desk/beat", {})
        # Whose console is open is there. An owner who looks in is not asked to answer.
        self.assertEqual(self.sql("select state, chosen from chat_desk"), [("online", False)])
        owner = await sign_in(self, "owner", name="Olga")
        await owner.ask("POST", f"{CHATS}/desk/beat", {})
        self.assertEqual(self.sql("select state from chat_desk where name = 'Olga'"), [("away",)])
        await self.online(self.ann, state="away")
        self.assertEqual(await self.status(), "away")
        await self.online(self.ann)
        self.assertEqual(await self.status(), "online")
        await self.online(self.ben)
        told = self.sql("select data from event where type = 'chat.status' order by seq")
        self.assertEqual([one for (one,) in told], [f'{{"status":"{word}"}}' for word in ("online", "away", "online")])
        setup = {"greeting": {"text": "Welcome"}}
        self.assertEqual((await owner.change("PUT", f"{CHATS}/setup", setup)).status, 200)
        page = (await self.ask("GET", "/bootstrap?widget=Chat&site=1", origin=None)).json()["chat"]
        self.assertEqual(page["greeting"]["text"], "Welcome")
        self.assertTrue(page["position"].startswith("1/"))

    async def test_back(self) -> None:
        """Who was lost is as before with the next sign of life; an away operator who is gone keeps no conversation."""
        await self.online(self.ann)
        chat = await self.start()
        await self.online(self.ann, state="away")
        self.sql("update chat_desk set seen_at = now() - interval '2 minutes'")
        await self.application.shared[Routing].run()
        self.assertEqual(self.sql("select state, assignee from chat"), [("waiting", None)])
        self.assertEqual((await self.texts(chat))[-1], "lost")
        await self.ann.ask("POST", f"{CHATS}/desk/beat", {})
        self.assertEqual(self.sql("select lost, state from chat_desk"), [(False, "away")])
        self.sql("update chat_desk set state = 'online', seen_at = now() - interval '2 minutes'")
        await self.application.shared[Routing].run()
        self.assertEqual((await self.ann.ask("POST", f"{CHATS}/desk/beat", {})).json()["state"], "online")
        self.assertEqual(self.sql("select state, assignee from chat"), [("open", self.ann.account)])
