"""What pages show that were rendered at some moment and follow the events from there, whatever happens meanwhile."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from cackled.domain.erasure import Erasures
from cackled.domain.sessions import Session
from cackled.events import Event
from cackled.products.comments.erasure import ERASABLE
from cackled.products.comments.events import EVENTS
from cackled.products.comments.pages import Wanted
from cackled.realtime.history import History, HistoryStore
from cackled.realtime.messages import DurableMessages
from tests.domain.common import DomainCase, the_id

durable = DurableMessages(EVENTS)


class Client:
    """A page: what was rendered, and what came after. It counts by itself (as widgets of old do) and as it is told."""

    def __init__(self, page: dict[str, Any]) -> None:
        self.seq: int = page["channel"]["seq"]
        self.counted: int = page["channel"]["comments"]
        self.told: int = self.counted
        self.html: dict[str, str] = {}
        self.read: list[str] = []
        self._walk(page["page"]["comments"])

    def _walk(self, comments: list[Any]) -> None:
        for one in comments:
            self.html[one["id"]] = one["html"]
            self._walk(one["replies"])

    def event(self, seq: int, kind: str, data: Any) -> None:
        """The next event."""
        assert seq == self.seq + 1
        self.seq = seq
        self.told = data.get("comments", self.told)
        if kind == "comment.created":
            self.counted += 1
            self.html[data["comment"]["id"]] = data["comment"]["html"]
        elif kind == "comment.updated":
            self.html[data["comment"]["id"]] = data["comment"]["html"]
        elif kind == "comment.deleted":
            assert data["id"] != "0"
            self.counted -= 1
            self.html[data["id"]] = ""
            for one in data["removed"] + ([] if data["tombstone"] else [data["id"]]):
                self.html.pop(one, None)
        elif kind == "channel.updated":
            self.counted = data.get("comments", self.counted)


class LiveModelTests(DomainCase):
    """Random operations; pages rendered in between catch up by the log, by a live history, or by both."""

    settings = {"level": 3}

    async def page(self) -> dict[str, Any]:
        found = await self.comments.page("page", Wanted("old", 100), after=self.channel()[0] if self.there() else 0)
        made: dict[str, Any] = json.loads(b"{" + found.value + b"}")
        return made

    def there(self) -> bool:
        return bool(self.sql("select 1 from channel"))

    def log(self) -> list[Any]:
        rows = self.sql("select seq, type, data from event order by seq")
        return [durable(Event(1, 5, seq, kind, data.encode())) for seq, kind, data in rows]

    async def run_seed(self, seed: int) -> None:
        rng = random.Random(seed)
        erasures = Erasures(
            self.database, Clock(), self.journal, self.evicted.append, lambda call, *args: succeed(call(*args)),
            [ERASABLE],
        )
        alive: dict[int, tuple[int, str]] = {}
        forgotten: set[str] = set()
        clients = [Client(await self.page())]
        live = HistoryStore(10_000, 1e9, 1 << 30)
        history = History()
        live.restart(history, 0)
        for step in range(60):
            by, said = rng.randint(1, 4), f"word{seed}x{step}y"
            action = rng.choice(["post", "reply", "reply", "edit", "delete", "vote", "erase"])
            one = rng.choice(list(alive)) if alive else 0
            if action == "post" or not alive:
                alive[the_id(await self.post(said, by=by))] = by, said
            elif action == "reply":
                try:
                    alive[the_id(await self.post(said, by=by, parent=one))] = by, said
                except Exception as error:
                    self.assertEqual(getattr(error, "slug", ""), "depth")
            elif action == "edit":
                forgotten.add(alive[one][1])
                alive[one] = alive[one][0], said
                await self.comments.edit(Session(1, alive[one][0]), one, said)
            elif action == "delete":
                forgotten.add(alive[one][1])
                await self.comments.delete(Session(1, alive.pop(one)[0]), one)
            elif action == "vote":
                await self.comments.vote(Session(1, by), one, rng.choice([1, -1, 0]))
            elif rng.random() < 0.3:
                await erasures.erase(1, by)
                for gone in [id for id, (author, _) in alive.items() if author == by]:
                    forgotten.add(alive.pop(gone)[1])
            # As a server that is up hears of it.
            for message in self.log()[history.seq :]:
                live.append(history, message)
            if rng.random() < 0.3:
                clients.append(Client(await self.page()))
        await self.check(clients, live, history, {str(id): said for id, (_, said) in alive.items()}, forgotten)

    async def check(self, clients: list[Client], live: HistoryStore, history: History, alive: dict[str, str],
                    forgotten: set[str]) -> None:  # fmt: skip
        fresh = Client(await self.page())
        log = self.log()
        self.assertEqual([message.seq for message in log], list(range(1, fresh.seq + 1)))
        # A server that came up in the middle loads the rest from the log.
        late, middle = History(), len(log) // 2
        live.restart(late, middle)
        for message in log[middle:]:
            live.append(late, message)
        if middle:
            live.prepend(late, log[:middle])
        for messages in (log, history.after(0), late.after(0)):
            told = b"".join(message.body for message in messages).decode()
            for words in forgotten:
                self.assertNotIn(f"{words}<", told)
            for start in clients:
                client = Client({"channel": {"seq": start.seq, "comments": start.counted}, "page": {"comments": []}})
                client.html = dict(start.html)
                for message in messages[start.seq :]:
                    body = json.loads(message.body)
                    client.event(body["seq"], body["type"], body["data"])
                self.assertEqual((client.counted, client.told), (len(alive), len(alive)))
                self.assertEqual(client.html, fresh.html)
        self.assertEqual({id: html for id, html in fresh.html.items() if html},
                         {id: f"<p>{said}</p>" for id, said in alive.items()})  # fmt: skip

    async def test_random(self) -> None:
        """Every page ends with what a page that is rendered now shows, and nothing that was taken back is told."""
        for seed in range(4):
            self.journal = Path(self.mktemp())
            await self.run_seed(seed)
            self.sql("truncate channel, comment, vote, event, post_key, visitor, erasure")
            self.cache.clear()
            self.cache._floors = type(self.cache._floors)(self.cache._seconds)
