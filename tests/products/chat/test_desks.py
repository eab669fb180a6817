"""Operators: who is given what, nobody twice, collisions, notes, and desks that are lost."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from cackled.products.chat.upkeep import Routing
from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import sign_in


class DeskTests(ChatCase):
    """Two operators."""

    async def assignees(self) -> list[int | None]:
        """Who has the conversations, in the order in which they began."""
        return [one for (one,) in self.sql("select assignee from chat order by created_at")]

    async def test_fair(self) -> None:
        """Conversations go to who has been free longest, up to the capacity; the rest waits in its order."""
        await self.online(self.ann, capacity=1)
        await self.online(self.ben, capacity=1)
        chats = [await self.start() for _ in range(4)]
        # What is offered and not accepted waits, to its visitor.
        self.assertEqual([one["state"] for one in chats], ["waiting"] * 4)
        self.assertEqual([one["position"] for one in chats], [None, None, 1, 2])
        self.assertEqual(await self.assignees(), [self.ann.account, self.ben.account, None, None])
        await self.by_visitor(chats[1], "POST", "/close")
        self.assertEqual(await self.assignees(), [self.ann.account, self.ben.account, self.ben.account, None])
        self.assertEqual((await self.by_visitor(chats[3], "GET", "")).json()["chat"]["position"], 1)

    async def test_nobody_twice(self) -> None:
        """Two take the same at once: one has it, the other is told."""
        await self.online(self.ann, capacity=0)
        await self.online(self.ben, capacity=0)
        for n in range(5):
            chat = await self.start(key=f"t{n}")
            path = f"{CHATS}/{chat['chat']}/take"
            calls = [Deferred.fromCoroutine(one.ask("POST", path)) for one in (self.ann, self.ben)]
            statuses = sorted(one.status for one in await gatherResults(calls))
            self.assertEqual(statuses, [200, 409])
        over = await self.ben.ask("POST", path, {"over": True})
        self.assertEqual(over.status, 200, over)
        self.assertEqual((await self.assignees())[-1], self.ben.account)

    async def test_collision(self) -> None:
        """A reply that was written before something came is refused with a reason, and sent anyway on demand."""
        await self.online(self.ann)
        chat = await self.start()
        path = f"{CHATS}/{chat['chat']}/messages"
        seen = (await self.ann.ask("GET", path)).json()["seq"]
        await self.say(chat, "One more thing")
        body = {"text": "Answer", "seen": seen}
        self.assertEqual((await self.ann.ask("POST", path, body)).slug, "newer-messages")
        self.assertEqual((await self.ann.ask("POST", path, {**body, "anyway": True})).status, 201)
        await self.application.sites.change(1, "chat.assignee_only", True)
        self.assertEqual((await self.ben.ask("POST", path, {"text": "Me too"})).slug, "not-assignee")

    async def test_notes(self) -> None:
        """A note is read by operators alone: not by the visitor, nor in the log of the conversation."""
        chat = await self.start()
        noted = await self.ann.ask("POST", f"{CHATS}/{chat['chat']}/note", {"text": "hush among us"})
        self.assertEqual(noted.status, 201, noted)
        self.assertEqual(await self.texts(chat), ["Hello"])
        answer = await self.ben.ask("GET", f"{CHATS}/{chat['chat']}/messages")
        self.assertEqual([one["text"] for one in answer.json()["messages"]], ["Hello", "hush among us"])
        self.assertEqual(self.sql("select count(*) from event where data like '%hush%'"), [(0,)])

    async def test_transfer(self) -> None:
        """Handed to a colleague, and to the queue of a department, where only its operators get it."""
        await self.online(self.ann)
        chat = await self.start()
        await self.online(self.ben, capacity=0)
        path = f"{CHATS}/{chat['chat']}/transfer"
        for note in ("x" * 4_001, "\u200b"):
            answer = await self.ann.ask("POST", path, {"member": f"account:{self.ben.account}", "note": note})
            self.assertEqual((answer.status, await self.assignees()), (422, [self.ann.account]), answer)
        answer = await self.ann.ask("POST", path, {"member": f"account:{self.ben.account}"})
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(await self.assignees(), [self.ben.account])
        owner = await sign_in(self, "admin")
        made = (await owner.ask("POST", f"{CHATS}/departments", {"name": "Sales"})).json()["id"]
        await self.online(self.ann, departments=["999999"])
        await self.ben.ask("POST", path, {"department": made})
        self.assertEqual(await self.assignees(), [None])
        await self.online(self.ann, departments=[made])
        self.assertEqual(await self.assignees(), [self.ann.account])
        for body, slug in (({"member": "account:99999"}, "operator"), ({"department": "99999"}, "department"),
                           ({"member": "x"}, "bad-field"), ({"department": "x"}, "bad-field")):  # fmt: skip
            self.assertEqual((await self.ann.ask("POST", path, body)).slug, slug)

    async def test_lost(self) -> None:
        """Who has not been heard of for a minute is away; their conversations wait again, and both sides read why."""
        await self.online(self.ann)
        chat = await self.start()
        self.sql("update chat_desk set seen_at = now() - interval '2 minutes'")
        await self.application.shared[Routing].run()
        self.assertEqual(await self.assignees(), [None])
        self.assertEqual((await self.texts(chat))[-1], "lost")
        self.assertEqual(self.sql("select lost, state from chat_desk"), [(True, "online")])
        await self.online(self.ben)
        self.assertEqual(await self.assignees(), [self.ben.account])

    async def test_snooze_and_labels(self) -> None:
        """Put aside until the visitor writes, or until the time comes; labels are kept."""
        await self.online(self.ann)
        chat = await self.start()
        path = f"{CHATS}/{chat['chat']}"
        await self.ann.ask("POST", f"{path}/snooze", {"seconds": 3600})
        self.assertEqual(self.sql("select state from chat"), [("snoozed",)])
        await self.say(chat, "Still there?")
        self.assertEqual(self.sql("select state from chat"), [("open",)])
        await self.ann.ask("POST", f"{path}/snooze", {"seconds": 3600})
        self.sql("update chat set snoozed_until = now() - interval '1 second'")
        await self.application.shared[Routing].run()
        self.assertEqual(self.sql("select state, snoozed_until from chat"), [("open", None)])
        await self.ann.ask("POST", f"{path}/labels", {"labels": ["b", "a", "b"]})
        self.assertEqual((await self.ann.ask("GET", CHATS)).json()["chats"][0]["labels"], ["a", "b"])

    async def test_list(self) -> None:
        """Lists by state, search, and cursors that reach everything once."""
        for n in range(5):
            await self.start(key=f"l{n}", text=f"word{n}", name=f"Name{n}")
        found: list[str] = []
        cursor = ""
        while True:
            page = (await self.ann.ask("GET", f"{CHATS}?state=offline&size=2&cursor={cursor}")).json()
            found += [one["visitor"]["name"] for one in page["chats"]]
            cursor = page["cursor"]
            if not cursor:
                break
        self.assertEqual(found, [f"Name{n}" for n in reversed(range(5))])
        for words, names in (("word3", ["Name3"]), ("name2", ["Name2"]), ("%25", []), ("", found)):
            page = (await self.ann.ask("GET", f"{CHATS}?q={words}")).json()
            self.assertEqual([one["visitor"]["name"] for one in page["chats"]], names, words)
        self.assertEqual((await self.ann.ask("GET", f"{CHATS}?cursor=x")).slug, "bad-field")

    async def test_live(self) -> None:
        """Operators are told of what changes, and of who looks; no words of visitors are in that."""
        place = (await self.ann.ask("GET", f"{CHATS}/live")).json()["position"]
        chat = await self.start(text="confidential")
        await self.ann.ask("POST", f"{CHATS}/desk/beat", {"viewing": chat["chat"]})
        channel = int(place.partition("/")[2].partition("@")[0])
        told = self.sql("select type, data from event where channel_id = %s order by seq", channel)
        self.assertEqual([kind for kind, _ in told], ["chat.queued", "chat.viewing", "desk.changed"])
        self.assertNotIn("confidential", "".join(data for _, data in told))
        self.assertIn("Ann", told[1][1])

    async def test_messages_lock_nothing_shared(self) -> None:
        """What is said is told in its conversation alone; how it stands is told to operators, with counts."""
        place = (await self.ann.ask("GET", f"{CHATS}/live")).json()["position"]
        channel = int(place.partition("/")[2].partition("@")[0])
        await self.online(self.ann, capacity=0)
        chat, other = await self.start(), await self.start(key="k2")
        path = f"{CHATS}/{chat['chat']}"
        self.assertEqual((await self.ann.ask("POST", f"{path}/take")).status, 200)
        staff = "select seq from channel where id = %s"
        before = self.sql(staff, channel)
        for answer in (
            await self.say(chat, "Well?"), await self.say(other, "Hello?"),
            await self.ann.ask("POST", f"{path}/messages", {"text": "Here"}),
            await self.by_visitor(chat, "PUT", "/visit", {"tags": ["vip"]}),
            await self.ann.ask("PUT", f"{path}/read", {"seq": 99}),
        ):  # fmt: skip
            self.assertLess(answer.status, 300, answer)
        self.assertEqual(self.sql(staff, channel), before)
        row = (await self.ann.ask("GET", f"{CHATS}?state=mine")).json()["chats"][0]
        ((seq,),) = self.sql("select seq from channel where id = %s", int(row["channel"]))
        self.assertEqual((row["told"], row["last"]["text"], row["unread"]), (seq, "Here", 0))
        # What is told of in one second is gathered; this is later.
        self.sql("update event set created_at = created_at - interval '2 seconds'")
        await self.ann.ask("POST", f"{path}/close")
        told = self.sql("select data from event where channel_id = %s and type = 'chat.changed' order by seq", channel)
        self.assertEqual(json.loads(told[-1][0])["counts"], {"waiting": 1, "open": 0})
        beat = (await self.ann.ask("POST", f"{CHATS}/desk/beat", {})).json()
        self.assertEqual(beat["seq"], self.sql(staff, channel)[0][0])


class FairnessTests(ChatCase):
    """Whatever operators and visitors do, in whatever order."""

    timeout = 300

    async def test_any_order(self) -> None:
        """Nobody has more than fits, what waits does so only while nobody has room, and each has one operator."""
        rng = Random(7)
        chats: list[dict[str, Any]] = []
        people = [self.ann, self.ben]
        room = {one.account: 0 for one in people}
        offered: dict[int, int] = {}
        for step in range(60):
            who, deed = rng.choice(people), rng.randrange(6)
            if deed <= 1 and len(chats) < 15:
                chats.append(await self.start(key=f"s{step}"))
            elif deed == 2:
                room[who.account] = rng.randrange(4)
                await self.online(who, capacity=room[who.account])
            elif chats and deed == 3:
                await self.by_visitor(rng.choice(chats), "POST", "/close")
            elif chats and deed == 4:
                await who.ask("POST", f"{CHATS}/{rng.choice(chats)['chat']}/leave")
            elif chats:
                await who.ask("POST", f"{CHATS}/{rng.choice(chats)['chat']}/take")
                await self.application.shared[Routing].run()
            # Who takes by hand may have more than their room; nobody is given more.
            self.sql("update chat_desk set seen_at = now()")
            had = dict(self.sql("select assignee, count(*) from chat where state = 'open' group by 1"))
            now = dict(self.sql("select id, assignee from chat where state = 'open' and offered_at is not null"))
            for account in {now[one] for one in now if offered.get(one) != now[one]}:
                self.assertLessEqual(had[account], room[account], (step, "given beyond the room"))
            offered = now
            online = {one for (one,) in self.sql("select account_id from chat_desk where state = 'online'")}
            ((waiting,),) = self.sql("select count(*) from chat where state = 'waiting'")
            if waiting and deed in (2, 5):
                free = [one for one in online if had.get(one, 0) < room[one]]
                self.assertEqual(free, [], (step, "waits though somebody has room"))
            self.assertEqual(self.sql("select count(*) from chat where state = 'open' and assignee is null"), [(0,)])
            self.assertEqual(self.sql("""select count(*) from chat
                where state = 'waiting' and (assignee is not null or waiting_since is null)"""), [(0,)])
