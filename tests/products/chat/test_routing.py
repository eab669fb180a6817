"""Who gets what: offers that run out, skills, hours of departments, forms, floods, and filters."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from cackled.products.chat.rush import BITS, worked
from cackled.products.chat.upkeep import Routing
from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import sign_in

# A week with a day that has no range is never open.
NEVER = {"zone": "UTC", "week": {"mon": []}}


class RoutingTests(ChatCase):
    """Two operators and an admin."""

    timeout = 300

    async def assigned(self) -> list[tuple[Any, ...]]:
        """State and operator of all conversations."""
        return self.sql("select state, assignee from chat order by created_at")

    async def later(self, seconds: int = 121) -> None:
        """So much time passes for what is offered."""
        self.sql(f"update chat set offered_at = offered_at - interval '{seconds} seconds'")
        await self.application.shared[Routing].run()

    async def test_offers(self) -> None:
        """Who does nothing with it for the time that the site allows loses it to a colleague, and not back to them."""
        await self.online(self.ann)
        chat = await self.start()
        await self.online(self.ben)
        self.assertEqual(await self.assigned(), [("open", self.ann.account)])
        row = (await self.ann.ask("GET", CHATS)).json()["chats"][0]
        self.assertTrue(row["offered"])
        await self.later(60)
        self.assertEqual(await self.assigned(), [("open", self.ann.account)])
        await self.later()
        self.assertEqual(await self.assigned(), [("open", self.ben.account)])
        # Its visitor is told of nobody who has not accepted it.
        self.assertEqual((await self.texts(chat))[1:], ["timeout"])
        seen = (await self.by_visitor(chat, "GET", "")).json()["chat"]
        self.assertEqual((seen["state"], seen["operator"]), ("waiting", None))
        told = self.sql("""select data from event
            where channel_id = (select channel_id from chat) and type <> 'message.created'""")
        self.assertTrue(told)
        self.assertFalse([one for (one,) in told if "Ann" in one or "Ben" in one], told)
        await self.later()
        # Both let it pass: it waits, and is asked of them again after a while.
        self.assertEqual(await self.assigned(), [("waiting", None)])
        self.sql("update chat set passed_at = passed_at - interval '6 minutes'")
        await self.application.shared[Routing].run()
        self.assertEqual((await self.assigned())[0][0], "open")
        mine = (await self.assigned())[0][1]
        who = self.ann if mine == self.ann.account else self.ben
        await who.ask("POST", f"{CHATS}/{chat['chat']}/take")
        await self.later()
        self.assertEqual(await self.assigned(), [("open", mine)])
        self.assertEqual((await self.texts(chat))[-1], "joined")
        seen = (await self.by_visitor(chat, "GET", "")).json()["chat"]
        self.assertEqual((seen["state"], seen["operator"]["id"]), ("open", f"account:{mine}"))

    async def test_answered_offer(self) -> None:
        """Whoever answers first has what was offered, a colleague too; with no limit of time it stays offered."""
        await self.application.sites.change(1, "chat.offer_seconds", 0)
        await self.online(self.ann)
        await self.online(self.ben, capacity=0)
        chat = await self.start()
        await self.later(86_400)
        self.assertEqual(await self.assigned(), [("open", self.ann.account)])
        self.assertEqual(await self.texts(chat), ["Hello"])
        await self.ben.ask("POST", f"{CHATS}/{chat['chat']}/messages", {"text": "I do it"})
        self.assertEqual(await self.assigned(), [("open", self.ben.account)])
        self.assertEqual(await self.texts(chat), ["Hello", "joined", "I do it"])
        row = (await self.ann.ask("GET", f"{CHATS}?state=open")).json()["chats"][0]
        self.assertEqual((row["offered"], row["assignee"]["name"]), (False, "Ben"))

    async def test_transfer_back(self) -> None:
        """A colleague who does not take what is handed over gives it back to who did."""
        await self.online(self.ann)
        await self.online(self.ben, capacity=0)
        await self.ann.ask("GET", f"{CHATS}/live")
        chat = await self.start()
        path = f"{CHATS}/{chat['chat']}"
        await self.ann.ask("POST", f"{path}/messages", {"text": "One moment"})
        await self.later()
        self.assertEqual(await self.assigned(), [("open", self.ann.account)])
        await self.ann.ask("POST", f"{path}/transfer", {"member": f"account:{self.ben.account}"})
        self.assertEqual(await self.assigned(), [("open", self.ben.account)])
        # What is told of in one second is gathered; this is later.
        self.sql("update event set created_at = created_at - interval '2 seconds'")
        await self.later()
        self.assertEqual(await self.assigned(), [("open", self.ann.account)])
        # What was told is what is so: she has it, and her visitor knows.
        told = self.sql("select data from event where type in ('chat.assigned', 'chat.changed') order by xid, seq")
        rows = [json.loads(one) for (one,) in told]
        of_staff, of_visitor = ([one for one in rows if ("offered" in one) is staff][-1] for staff in (True, False))
        listed = (await self.ann.ask("GET", f"{CHATS}?state=mine")).json()["chats"][0]
        self.assertEqual((of_staff["offered"], listed["offered"]), (False, False))
        self.assertEqual((of_visitor["state"], of_visitor["operator"]["id"]), ("open", f"account:{self.ann.account}"))

    async def test_departments(self) -> None:
        """Departments have skills and hours of their own, each says whether somebody is there."""
        owner = await sign_in(self, "admin")
        made = []
        for body in ({"name": "Law", "skills": ["law"]}, {"name": "Night", "hours": NEVER}, {"name": "All"}):
            answer = await owner.ask("POST", f"{CHATS}/departments", body)
            self.assertEqual(answer.status, 201, answer)
            made.append(answer.json()["id"])
        law, night, _ = made
        await self.online(self.ann)
        page = (await self.ask("GET", "/bootstrap?widget=Chat&site=1", origin=None)).json()["chat"]
        self.assertEqual({one["name"]: one["status"] for one in page["departments"]},
                         {"Law": "offline", "Night": "offline", "All": "online"})  # fmt: skip
        self.assertEqual((await self.start(key="n", department=night))["state"], "offline")
        await self.online(self.ben, skills=["law", "tax"])
        chat = await self.start(key="l", department=law)
        self.assertEqual((await self.assigned())[-1], ("open", self.ben.account))
        for query, found in ((f"?department={law}", 1), ("?department=9", 0), ("?label=x", 0), ("", 2)):
            self.assertEqual(len((await self.ann.ask("GET", CHATS + query)).json()["chats"]), found, query)
        self.assertEqual((await self.ann.ask("GET", f"{CHATS}?department=x")).slug, "bad-field")
        await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/labels", {"labels": ["x"]})
        self.assertEqual(len((await self.ann.ask("GET", f"{CHATS}?label=x")).json()["chats"]), 1)
        path = f"{CHATS}/departments/{night}"
        self.assertEqual((await owner.change("PATCH", path, {"name": "Day"})).json()["hours"]["week"], {"mon": []})
        self.assertIsNone((await owner.change("PATCH", path, {"name": "Day", "hours": None})).json()["hours"])
        bad = await owner.change("PATCH", path, {"name": "Day", "hours": {"zone": "Nowhere"}})
        self.assertEqual(bad.slug, "bad-field")

    async def test_forms(self) -> None:
        """What a form asks for has to be there, whatever the browser checked."""
        owner = await sign_in(self, "admin")
        fields = [
            {"name": "mail", "label": "Mail", "kind": "mail", "required": True},
            {"name": "topic", "label": "Topic", "kind": "choice", "options": ["a", "b"]},
        ]
        await owner.change("PUT", f"{CHATS}/setup", {"offline": fields, "before": []})
        auth = await self.visitor()
        for more, slug in (
            ({}, "required"), ({"mail": "x"}, "unprocessable"),
            ({"mail": "x@y.zz", "fields": {"topic": "c"}}, "unprocessable"),
        ):  # fmt: skip
            answer = await self.ask("POST", CHATS, {"key": "f", "text": "Hi", **more}, authorization=auth)
            self.assertEqual(answer.slug, slug, more)
        await self.start(auth, key="f", mail="x@y.zz", fields={"topic": "b", "story": "s" * 1_500})
        await self.online(self.ann)
        await self.start(key="g")

    async def test_flood(self) -> None:
        """While very many start, work is asked for, which is of one address and moment; an address has its bound."""
        await self.application.sites.change(1, "chat.rush", 1)
        await self.start()
        self.sql("select 1")
        auth = await self.visitor()
        body = {"key": "w", "text": "Hi"}
        self.application.parts.cache.clear()
        answer = await self.ask("POST", CHATS, body, authorization=auth)
        self.assertEqual(answer.slug, "work-needed")
        work = answer.json()["work"]
        number = next(n for n in range(2**24) if worked(work["salt"], str(n)))
        self.assertTrue(sha256(f"{work['salt']}{number}".encode()).hexdigest().startswith("0000"))
        self.assertEqual(work["bits"], BITS)
        for sent in (f"{work['salt']}.{number + 1}", f"{'0' * 24}.{number}", str(number), "." * 40):
            again = await self.ask("POST", CHATS, {**body, "work": sent}, authorization=auth)
            self.assertEqual(again.slug, "work-needed", sent)
        await self.start(auth, key="w", work=f"{work['salt']}.{number}")
        await self.application.sites.change(1, "chat.rush", 0)
        self.sql("""insert into chat (site_id, id, channel_id, visitor_id, key, state, address)
                 select 1, n, n, n, 'x', 'waiting', (select address from chat limit 1) from generate_series(1, 20) n""")
        answer = await self.ask("POST", CHATS, {"key": "z", "text": "Hi"}, authorization=await self.visitor())
        self.assertEqual(answer.slug, "chats")

    async def test_wait(self) -> None:
        """The wait that is said comes from how long conversations took; without any, none is said."""
        await self.online(self.ann, capacity=1)
        await self.start(key="a")
        self.assertIsNone((await self.start(key="b"))["wait"])
        self.sql("""insert into chat (site_id, id, channel_id, visitor_id, key, state, accepted_at, closed_at)
                 select 1, n, n, n, 'x', 'closed', now() - interval '300 seconds', now()
                 from generate_series(1, 3) n""")
        chat = await self.start(key="c")
        self.assertEqual((chat["position"], chat["wait"]), (2, 600))
