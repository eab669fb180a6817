"""What is said in many conversations at once: together in the database, each with its own answer, in order, once."""

from __future__ import annotations

from typing import Any

import psycopg2
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from cackled.database.errors import Busy
from cackled.database.query import Query
from cackled.database.routing import SiteDatabase
from cackled.database.testing import server
from cackled.domain.write_batching import WriteQueues
from cackled.products.chat import queries
from cackled.products.chat.saying import WAITING_EACH, Outgoing, Plain
from tests.api.common import Answer
from tests.products.chat.common import CHATS, ChatCase

clock: Any = reactor


class Slow:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.flights: list[tuple[list[int], Deferred[list[tuple[Any, ...]]]]] = []

    async def write(self, query: Query, site: int, only: bool, *columns: list[Any]) -> list[tuple[Any, ...]]:
        """One statement."""
        self.flights.append((columns[7], Deferred()))
        return await self.flights[-1][1]

    def answer(self, number: int) -> None:
        """All that was in a statement is written."""
        words, done = self.flights[number]
        done.callback([(word, 1, False, None) for word in words])


class TurnsTests(SynchronousTestCase):
    """What goes when."""

    def setUp(self) -> None:
        self.database = Slow()
        self.outgoing = Outgoing(WriteQueues(), 1, self.database)  # type: ignore[arg-type]

    def say(self, chat: int, word: str) -> Deferred[Any]:
        """A message on its way."""
        one = Plain(chat, 0, "visitor", None, "", None, "", word, "", None)
        return Deferred.fromCoroutine(self.outgoing.in_turn(chat, lambda: self.outgoing.say(one, False)))

    def test_in_order(self) -> None:
        """One of each conversation at a time, in the order in which they came; others go beside and together."""
        done = [self.say(chat, word) for chat, word in zip((1, 1, 2, 3, 4, 3), "abcdef", strict=True)]
        self.assertEqual([words for words, _ in self.database.flights], [["a"], ["c"]])
        self.database.answer(0)
        self.assertEqual(self.database.flights[2][0], ["d", "e"])
        self.assertEqual(self.successResultOf(done[0])[0], "a")
        self.database.answer(1)
        self.assertEqual(self.database.flights[3][0], ["b"])
        self.database.answer(2)
        self.assertEqual(self.database.flights[4][0], ["f"])
        self.database.answer(4)
        self.database.answer(3)
        self.assertEqual([self.successResultOf(one)[0] for one in done[1:]], list("bcdef"))

    def test_bound(self) -> None:
        """So many wait in one conversation; who comes then is told to come again, and others are not."""
        sent = [self.say(1, str(n)) for n in range(WAITING_EACH + 1)]
        self.failureResultOf(self.say(1, "x"), Busy)
        other = self.say(2, "y")
        self.database.answer(1)
        self.assertEqual(self.successResultOf(other)[0], "y")
        self.assertNoResult(sent[0])


class SayingTests(ChatCase):
    """Site 1, whose statements are counted."""

    async def setUp(self) -> None:
        await super().setUp()
        self.sent: list[Query] = []
        write = SiteDatabase.write

        async def counted(face: SiteDatabase, query: Query, *args: Any) -> list[tuple[Any, ...]]:
            self.sent.append(query)
            return await write(face, query, *args)

        self.patch(SiteDatabase, "write", counted)

    async def many(self, count: int) -> list[dict[str, Any]]:
        """Conversations that Ann has."""
        chats = [await self.start(key=f"k{n}", name=f"V{n}") for n in range(count)]
        self.sql("update chat set state = 'open', assignee = %s, waiting_since = null, offered_at = null",
                 self.ann.account)  # fmt: skip
        return chats

    def later(self, chat: dict[str, Any], text: str, key: str = "") -> Deferred[Answer]:
        """A message that is on its way."""
        return Deferred.fromCoroutine(self.say(chat, text, key))

    async def said(self, chat: dict[str, Any]) -> list[str]:
        """The texts of a conversation after its first."""
        answer = await self.by_visitor(chat, "GET", "/messages?size=100")
        return [one["text"] for one in answer.json()["messages"]][1:]

    async def test_each_its_own(self) -> None:
        """Good and bad ones that come together: each is answered as if alone, and each good one is there once."""
        chats = await self.many(12)
        closed, banned, wrong, reused, raised, *good = chats
        self.sql("update chat set state = 'closed' where id = %s", int(closed["chat"]))
        self.sql("insert into ban (site_id, kind, value) select 1, 'visitor', visitor_id::text from chat where id = %s",
                 int(banned["chat"]))  # fmt: skip
        self.assertEqual((await self.say(reused, "First", "r1")).status, 201)
        self.sql("alter table chat_message add constraint no_boom check (text <> 'boom')")
        self.sent.clear()
        odd = [
            self.later(closed, "late"), self.later(banned, "no"),
            self.later({**wrong, "token": chats[0]["token"]}, "x"),
            self.later(reused, "Other", "r1"), self.later(raised, "boom"),
        ]  # fmt: skip
        fine = [self.later(chat, f"{n}", f"m{n}") for n in range(4) for chat in good]
        again = [self.later(chat, f"{n}", f"m{n}") for n in range(4) for chat in good]
        same = self.later(reused, "First", "r1")
        answers = await gatherResults(odd)
        self.assertEqual([one.status for one in answers[:4]], [409, 403, 404, 422])
        self.assertEqual([one.slug for one in answers[:4]], ["chat-closed", "banned", "chat", "key-reused"])
        self.assertEqual(answers[4].status, 500)
        self.flushLoggedErrors()
        first, second = await gatherResults(fine), await gatherResults(again)
        self.assertEqual({one.status for one in first + second}, {201})
        self.assertEqual([one.json()["seq"] for one in first], [one.json()["seq"] for one in second])
        self.assertEqual((await same).status, 201)
        for chat in good:
            self.assertEqual(await self.said(chat), ["0", "1", "2", "3"])
        self.assertEqual(await self.said(raised), [])
        # Of 62 messages many shared a statement.
        self.assertLess(self.sent.count(queries.SAY_SEVERAL), 55)
        events = self.sql("select channel_id, seq, count(*) from event where type = 'message.created' group by 1, 2")
        self.assertEqual([one for one in events if one[2] > 1], [])

    async def test_locked(self) -> None:
        """A conversation that somebody else writes in holds up nobody but itself."""
        slow, *others = await self.many(6)
        connection = psycopg2.connect(server().dsn(self.name))
        self.addCleanup(connection.close)
        with connection.cursor() as cursor:
            lock = "select from channel x, chat c where x.id = c.channel_id and c.id = %s for no key update of x"
            cursor.execute(lock, (int(slow["chat"]),))
            waiting = [self.later(slow, "1"), self.later(slow, "2")]
            while queries.SAY not in self.sent:
                await deferLater(clock, 0.005)
            for n in range(3):
                answers = await gatherResults([self.later(chat, f"{n}") for chat in others])
                self.assertEqual({one.status for one in answers}, {201})
            self.assertEqual([one.called for one in waiting], [False, False])
            connection.commit()
        self.assertEqual({one.status for one in await gatherResults(waiting)}, {201})
        self.assertEqual(await self.said(slow), ["1", "2"])

    async def test_seen(self) -> None:
        """Of answers that are sent at once from the same state, one is taken; the others learn that it is there."""
        chats = await self.many(4)
        seqs = [(await self.by_visitor(chat, "GET", "")).json()["seq"] for chat in chats]

        def answer(who: Any, n: int) -> Deferred[Answer]:
            body = {"text": who.name, "seen": seqs[n]}
            return Deferred.fromCoroutine(who.ask("POST", f"{CHATS}/{chats[n]['chat']}/messages", body))

        pairs = await gatherResults([
            gatherResults([answer(self.ann, n), answer(self.ben, n)]) for n in range(len(chats))
        ])  # fmt: skip
        for pair in pairs:
            self.assertEqual(sorted(one.status for one in pair), [201, 409])
            self.assertEqual([one.slug for one in pair if one.status == 409], ["newer-messages"])

    async def test_more_than_a_message(self) -> None:
        """An answer that takes a conversation, and a word that wakes one, are told to all operators as before."""
        await self.ann.ask("GET", f"{CHATS}/live")
        waits, sleeps = await self.start(key="a"), await self.start(key="b")
        self.sql("update chat set state = 'waiting', waiting_since = now()")
        self.sql("update chat set state = 'snoozed', assignee = %s, waiting_since = null, snoozed_until = now() + '1 h'"
                 " where id = %s", self.ann.account, int(sleeps["chat"]))  # fmt: skip
        taken = Deferred.fromCoroutine(self.ann.ask("POST", f"{CHATS}/{waits['chat']}/messages", {"text": "Mine"}))
        self.assertEqual([one.status for one in await gatherResults([taken, self.later(sleeps, "Hello?")])], [201, 201])
        self.assertEqual(self.sql("select state, assignee = %s from chat", self.ann.account), [("open", True)] * 2)
        self.assertEqual(len(self.sql("select from event where type = 'chat.changed'")), 2)
        self.assertEqual(await self.texts(waits), ["Hello", "joined", "Mine"])
