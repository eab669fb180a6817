"""What consoles are told of conversations that they don't show: little, however many there are, and in the end all."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

from cackled.products.chat.upkeep import Gathering
from tests.products.chat.common import CHATS, ChatCase
from tests.products.chat.test_listening import Ear

# What one second has room for at once, and in what is gathered.
AT_ONCE = 8
GATHERED = 15


class TellingTests(ChatCase):
    """Ann's console, which shows nothing."""

    async def setUp(self) -> None:
        await super().setUp()
        self.gathering = self.application.shared[Gathering]
        place = (await self.ann.ask("GET", f"{CHATS}/live")).json()
        self.channel = place["position"].partition("@")[0]
        self.ear = Ear(f"/rt/sse?{urlencode({'sub': place['position'], 'token': place['token']})}")
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self.port), self.ear)
        self.addCleanup(lambda: self.ear.transport.abortConnection())  # type: ignore[union-attr]

    async def many(self, count: int, state: str = "open") -> list[dict[str, Any]]:
        """Conversations that a colleague has, of which nothing was told lately."""
        chats = []
        for n in range(count):
            chats.append(await self.start(key=f"k{n}"))
            # One address may have so many, no more.
            self.sql("update chat set address = null")
        self.sql("update chat set state = %s, assignee = %s, waiting_since = null, offered_at = null",
                 state, self.ben.account)  # fmt: skip
        await self.quiet()
        self.sql("delete from chat_untold")
        return chats

    async def quiet(self) -> None:
        """Time passes."""
        self.sql("update event set created_at = created_at - interval '2 seconds'")

    def told(self, since: int = 0) -> list[dict[str, Any]]:
        """What came of conversations."""
        return [one for one in self.ear.said if one["type"].startswith("chat.") and one.get("seq", 0) > since]

    async def caught_up(self) -> None:
        """Wait for all that was written."""
        ((seq,),) = self.sql("select seq from channel where id = %s", int(self.channel.partition("/")[2]))
        await self.ear.until(lambda: max(self.ear.seqs(self.channel), default=0) >= seq)

    async def test_fifty(self) -> None:
        """Fifty that change at once are eight events, and then one each second; the last is as the database has it."""
        chats = await self.many(50)
        await self.caught_up()
        ((before,),) = self.sql("select seq from channel where id = %s", int(self.channel.partition("/")[2]))
        # In one transaction: in one moment, however long the machine takes for it.
        self.sql("select label_chat(1, id, array['l' || id]) from chat")
        await self.caught_up()
        self.assertEqual(self.sql("select count(*) from chat_untold"), [(50 - AT_ONCE,)])
        size = len(self.ear.data)
        for _ in range(4):
            # Whoever comes sooner than after a second tells nothing.
            await self.gathering.run()
            await self.gathering.run()
            await self.quiet()
        await self.caught_up()
        heard = self.told(before)
        gathered = [one for one in heard if one["type"] == "chat.gathered"]
        self.assertEqual((len(heard) - len(gathered), len(gathered)), (AT_ONCE, 3))
        sizes = [GATHERED, GATHERED, 50 - AT_ONCE - 2 * GATHERED]
        self.assertEqual([len(one["data"]["rows"]) for one in gathered], sizes)
        self.assertLess(len(self.ear.data) - size, 50 * 1_000)
        rows: dict[str, Any] = {}
        for one in heard:
            for row in one["data"].get("rows", [one["data"]]):
                rows[row["id"]] = row["labels"]
        self.assertEqual(rows, {chat["chat"]: [f"l{chat['chat']}"] for chat in chats})
        self.assertEqual(heard[-1]["data"]["rows"][-1]["counts"], {"waiting": 0, "open": 50})
        self.assertEqual(self.sql("select count(*) from chat_untold"), [(0,)])
        # What is said there is not told at all.
        for chat in chats[:5]:
            await self.say(chat, "to a colleague")
        self.assertEqual(self.sql("select seq from channel where id = %s", int(self.channel.partition("/")[2])),
                         [(heard[-1]["seq"],)])  # fmt: skip

    async def test_bound(self) -> None:
        """One that changes a thousand times is told as often as others; of too many, only that it is so."""
        (chat,) = await self.many(1)
        number = int(chat["chat"])
        await self.caught_up()
        size, before = len(self.ear.data), len(self.told())
        self.sql("select label_chat(1, %s, array['x' || n]) from generate_series(1, 1000) n", number)
        await self.gathering.run()
        await self.caught_up()
        self.assertLessEqual(len(self.told()) - before, AT_ONCE + 1)
        self.assertEqual(self.told()[-1]["data"]["rows"][0]["labels"], ["x1000"])
        self.assertLess(len(self.ear.data) - size, 10_000)
        await self.quiet()
        self.sql("insert into chat_untold (site_id, chat_id) select 1, n from generate_series(1, 500) n")
        self.sql("insert into chat_untold (site_id, chat_id) values (1, %s)", number)
        await self.gathering.run()
        await self.caught_up()
        last = self.told()[-1]["data"]
        self.assertEqual(([row["id"] for row in last["rows"]], last["more"]), ([chat["chat"]], True))
        self.assertEqual(self.sql("select count(*) from chat_untold"), [(0,)])

    async def test_webhooks_hear_all(self) -> None:
        """A webhook that wants to know of each is told of each, also of what consoles are told later."""
        self.sql("""insert into webhook_endpoint (site_id, url, secret, types)
                 values (1, 'https://b.example/', 'x', '{chat.changed}')""")
        chats = await self.many(12)
        self.sql("delete from webhook_event")
        for chat in chats:
            await self.ben.ask("POST", f"{CHATS}/{chat['chat']}/labels", {"labels": ["l"]})
        rows = self.sql("select data from webhook_event where type = 'chat.changed'")
        self.assertEqual({json.loads(one)["id"] for (one,) in rows}, {chat["chat"] for chat in chats})

    async def test_no_console(self) -> None:
        """Of a site whose operators' channel is gone nothing is kept; other sites are told none the less."""
        (chat,) = await self.many(1)
        await self.caught_up()
        self.sql("insert into chat_untold (site_id, chat_id) values (0, 1), (1, %s)", int(chat["chat"]))
        await self.gathering.run()
        await self.caught_up()
        self.assertEqual(self.told()[-1]["type"], "chat.gathered")
        self.assertEqual(self.sql("select count(*) from chat_untold"), [(0,)])
