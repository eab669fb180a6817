"""What is said in a chat is for its visitor and the site's operators: nobody else reads it, by whatever way."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import quote

from twisted.logger import globalLogPublisher, textFileLogObserver

from tests.api.common import Answer
from tests.products.chat.common import CHATS, ChatCase
from tests.support.read_routes import read_all
from tests.support.staff import StaffClient, sign_in, site_key

# In every text that a visitor, an operator or the site can give; none of them is a part of another.
WORDS = (
    "name", "text", "later", "edited", "mail", "field", "attribute", "page", "title", "referrer", "answer", "quick",
    "note", "label", "reason", "opinion", "reply", "department",
)  # fmt: skip
CANARIES = {one: f"canary{n}{one}" for n, one in enumerate(WORDS)}
# Which of them everybody on a page of that site sees.
PUBLIC = {"department"}


class _Lines(io.StringIO):
    """Keeps what is written to a log."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def write(self, text: str) -> int:
        """Keep it."""
        self._lines.append(text)
        return len(text)


class CanaryTests(ChatCase):
    """A whole conversation of site 1, and everybody whom it does not concern."""

    timeout = 600

    async def fill(self) -> dict[str, Any]:
        """A conversation with a canary in all that it has."""
        say = CANARIES
        admin = await sign_in(self, "admin")
        made = await admin.ask("POST", f"{CHATS}/departments", {"name": say["department"]})
        await self.ann.ask("POST", f"{CHATS}/replies", {"short": "x", "text": say["reply"]})
        await self.online(self.ann)
        chat = await self.start(
            text=say["text"], name=say["name"], mail=f"{say['mail']}@example.org", fields={"f": say["field"]},
            attributes={"a": say["attribute"]}, department=made.json()["id"],
            page={"url": f"https://one.example/{say['page']}", "title": say["title"],
                  "referrer": f"https://ref.example/{say['referrer']}"},
        )  # fmt: skip
        path = f"{CHATS}/{chat['chat']}"
        later = (await self.say(chat, say["later"])).json()["message"]["id"]
        await self.by_visitor(chat, "PATCH", f"/messages/{later}", {"text": say["edited"]})
        await self.ann.ask("POST", f"{path}/messages", {"text": say["answer"], "quick": [say["quick"]]})
        await self.ann.ask("POST", f"{path}/note", {"text": say["note"]})
        await self.ann.ask("POST", f"{path}/labels", {"labels": [say["label"]]})
        await self.ann.ask("POST", f"{path}/close", {"reason": say["reason"]})
        await self.by_visitor(chat, "POST", "/rating", {"score": 2, "text": say["opinion"]})
        # It is all there, for who may see it.
        seen = b""
        for what in ("", "/messages"):
            seen += (await self.ann.ask("GET", path + what)).body
        for what in ("/replies", "/departments"):
            seen += (await self.ann.ask("GET", CHATS + what)).body
        missing = [one for one, canary in say.items() if canary.encode() not in seen]
        self.assertEqual(missing, ["later"])
        return chat

    def assert_none(self, answer: Answer, who: Any, *, apart: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """No canary is in an answer, except those *apart*."""
        found = {one for one, canary in CANARIES.items() if canary.encode() in answer.raw + answer.body}
        self.assertEqual(found - apart, set(), who)

    async def everything(self, client: StaffClient | None, site: int, chat: str, apart: set[str], auth: str) -> int:
        """Ask for all that can be read; gives how many answers there were that hold something."""
        ids = {"chat": chat, "message": "1", "department": "1", "reply": "1"}
        queries = ("", f"?q={quote('canary')}", "?state=all&size=100")
        done = 0
        async for path, answer in read_all(self, site, client=client, auth=auth, ids=ids, queries=queries):
            self.assertLess(answer.status, 500, (path, answer))
            self.assert_none(answer, (path, client and client.name), apart=apart)
            done += answer.status == 200
        return done

    async def test_outputs(self) -> None:
        """Every route that reads, as staff of another site, staff without the role, keys, and other visitors."""
        chat = await self.fill()
        number = chat["chat"]
        other = await sign_in(self, "owner", site=2)
        self.assertGreater(await self.everything(other, 2, number, set(), ""), 20)
        self.assertLess(await self.everything(other, 1, number, set(), ""), 20)
        for role in ("moderator", "analyst"):
            staff = await sign_in(self, role)
            self.assertGreater(await self.everything(staff, 1, number, set(), ""), 10)
        key = await site_key(self, ["read", "sync", "moderate", "sso"])
        # The board and reports name departments, as every page of the site does.
        self.assertGreater(await self.everything(key, 1, number, PUBLIC, ""), 3)
        for site in (1, 2):
            auth = await self.visitor(site)
            apart = PUBLIC if site == 1 else set()
            self.assertGreater(await self.everything(None, site, number, apart, auth), 5)
            for path in (f"/bootstrap?widget=Chat&site={site}", f"/bootstrap?widget=Comment&site={site}&channel=chat",
                         f"/threads/{site}?channel={number}", f"/threads/{site}?channel=chat",
                         f"/feeds/{site}/comments.atom", "/openapi.json"):  # fmt: skip
                self.assert_none(await self.ask("GET", path), path, apart=apart)

    async def test_kept(self) -> None:
        """Neither caches of other sites, nor what other people are given of theirs, nor what goes to hooks."""
        self.sql("""insert into webhook_endpoint (site_id, url, secret, types)
                 values (1, 'https://a.example/', 'x', '{}')""")
        self.sql("""insert into webhook_endpoint (site_id, url, secret, types)
                 values (2, 'https://b.example/', 'x', '{message.created,chat.closed,chat.queued,message.updated}')""")
        log: list[str] = []
        observer = textFileLogObserver(_Lines(log))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        chat = await self.fill()
        written = "".join(log)
        hidden = (*CANARIES.values(), chat["token"], chat["channel"])
        self.assertFalse([one for one in hidden if one in written])
        for site in (1, 2):
            await self.ask("GET", f"/bootstrap?widget=Chat&site={site}")
        for entry in self.infrastructure.cache:
            group: Any = entry.group
            if any(one.encode() in entry.loaded.value for one in CANARIES.values()):
                self.assertEqual(group[0], 1)
        for (_, _, target), kept in self.infrastructure.microcache.entries.items():
            words = [one for one, canary in CANARIES.items() if canary.encode() in kept.body]
            self.assertLessEqual(set(words), PUBLIC, target)
            self.assertTrue(not words or kept.owner == 1, target)
        told = self.sql("select count(*) from webhook_event where site_id = 2 or data like '%canary%'")
        self.assertEqual(told, [(0,)])
        self.assertEqual(self.sql("select count(*) from outbox where body like '%canary%'"), [(0,)])
        # What nobody but operators may know is told in no channel that its visitor hears.
        ((channel,),) = self.sql(f"select channel_id from chat where id = {chat['chat']}")
        for word in ("note", "label", "reason", "field", "attribute", "reply"):
            has = f"channel_id = {channel} and data like '%{CANARIES[word]}%'"
            self.assertEqual(self.sql(f"select count(*) from event where {has}"), [(0,)], word)
        # The operators' channel has no word of anybody.
        told = self.sql(f"select data from event where site_id = 1 and channel_id <> {channel}")
        for word in ("text", "later", "edited", "answer", "note", "opinion", "field"):
            self.assertFalse([one for (one,) in told if CANARIES[word] in one], word)
