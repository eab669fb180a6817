"""To be forgotten: nothing of a visitor is left, everybody is told, and an older backup does not bring it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg2
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock, deferLater

from cackled.database.errors import ConnectionLost
from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.database.testing import database_for_test, server
from cackled.domain import erasure
from cackled.domain.erasure import Erasures
from cackled.domain.sessions import Session
from cackled.products.comments.erasure import ERASABLE, ERASE_COMMENTS
from tests.domain.common import ANN, BOB, CAT, DomainCase, clock, the_id

NAME, WORDS = "Zygmunt-canary", "the canary sings"


class ErasureTests(DomainCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.journal = Path(self.mktemp())
        self.erasures = self.make()

    def make(self) -> Erasures:
        def in_thread(call: Any, *args: Any) -> Any:
            return succeed(call(*args))

        return Erasures(self.database, Clock(), self.journal, self.evicted.append, in_thread, [ERASABLE])

    async def fill(self) -> tuple[int, int]:
        """Comments, votes and the rest of ANN among others'."""
        root = the_id(await self.post(WORDS, name=NAME, address="192.0.2.55"))
        await self.post("an answer", by=BOB, parent=root)
        other = the_id(await self.post("of somebody else", by=CAT, key="elsewhere"))
        await self.post(WORDS, name=NAME, key="elsewhere", idempotency_key="k")
        for visitor in (ANN, BOB):
            await self.comments.vote(Session(1, visitor), other, 1)
        await self.comment_moderation.flag(Session(1, ANN), other, "bad")
        await self.blocks.block(Session(1, ANN), BOB)
        return root, other

    def everything(self) -> str:
        """All rows of all tables as text."""
        names = self.sql(
            "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
        )
        return "\n".join(str(self.sql(f"select t::text from {name} t")) for (name,) in names)

    async def test_nothing_is_left(self) -> None:
        """Text, name, address, votes, flags, blocks, keys and log; answers of others stay, on a tombstone."""
        _, other = await self.fill()
        self.assertIn(NAME, self.everything())
        told = await self.erasures.erase(1, ANN)
        left = self.everything()
        for word in (NAME, WORDS, "192.0.2.55"):
            self.assertNotIn(word, left)
        self.assertEqual(self.sql("select up, n_flags from comment where id = %s", other), [(1, 0)])
        self.assertEqual(self.sql("select count(*) from vote where visitor_id = %s", ANN), [(0,)])
        self.assertEqual(self.sql("select count(*) from visitor where id = %s", ANN), [(0,)])
        page = (await self.comments.page("page", wanted())).value
        self.assertIn(b"an answer", page)
        self.assertIn(b'"author":null', page)
        self.assertEqual(told, 3)
        self.assertEqual([kind for _, kind, _ in self.events()][-1], "comment.deleted")
        for key in ("page", "elsewhere"):
            seqs = [seq for seq, _, _ in self.events(self.site.channel("comments", key))]
            self.assertEqual(seqs, list(range(1, len(seqs) + 1)))
            self.assertEqual(self.channel(key)[0], seqs[-1])
        pages = {self.site.channel("comments", "page"), self.site.channel("comments", "elsewhere")}
        self.assertEqual({one.channel for one in self.evicted[-told:]}, pages)
        self.assertEqual(await self.erasures.erase(1, ANN), 0)

    async def test_many(self) -> None:
        """More than goes into one transaction."""
        self.patch(erasure, "BATCH", 3)
        comments = [the_id(await self.post(f"{WORDS} {n}", name=NAME)) for n in range(8)]
        for one in [the_id(await self.post("x", by=BOB)) for _ in range(4)]:
            await self.comments.vote(Session(1, ANN), one, -1)
        self.assertEqual(await self.erasures.erase(1, ANN), 12)
        self.assertNotIn(NAME, self.everything())
        self.assertEqual(self.sql("select count(*) from comment where down <> 0"), [(0,)])
        self.assertEqual(len(comments), 8)

    async def test_other_site(self) -> None:
        """The same number on another site is another visitor."""
        two = await self.sites.add("Two", ["two.example"], site_id=2)
        assert two is not None
        await self.post(WORDS, name=NAME)
        await self.erasures.erase(2, ANN)
        self.assertIn(NAME, self.everything())

    async def test_restored(self) -> None:
        """After an older copy of the database is put back, the journal has it forgotten again."""
        await self.fill()
        await self.erasures.erase(1, ANN)
        # The older copy: what was there, and no word of an erasure.
        self.sql("delete from erasure")
        self.sql(
            "update comment set status = 1, shown = true, author_name = %s, src = %s, html = %s where visitor_id = %s",
            NAME, WORDS, WORDS, ANN,
        )  # fmt: skip
        self.assertIn(NAME, self.everything())
        self.assertEqual(await self.make().sync(), 1)
        self.assertNotIn(NAME, self.everything())
        self.assertEqual(await self.make().sync(), 0)

    async def test_new_node(self) -> None:
        """A journal that lacks what the database knows learns it."""
        await self.erasures.erase(1, ANN)
        self.journal.unlink()
        self.assertEqual(await self.make().sync(), 0)
        self.assertEqual(self.journal.read_text(), f"1 {ANN}\n")

    async def test_cut_off(self) -> None:
        """An erasure that a crash ended between two of its transactions is brought to its end."""
        self.patch(erasure, "BATCH", 3)
        for number in range(8):
            await self.post(f"{WORDS} {number}", name=NAME)
        whole, calls = self.database.site, 0

        class Dies:
            """The database, until it is gone."""

            async def write(self, query: Query, *args: Any) -> Any:
                nonlocal calls
                calls += query is ERASE_COMMENTS
                if calls == 2:
                    raise ConnectionLost()
                return await whole(1).write(query, *args)

            async def read(self, query: Query, *args: Any, **more: Any) -> Any:
                return await whole(1).read(query, *args, **more)

        patch = self.patch(self.database, "site", lambda site: Dies())
        await self.assertFailure(Deferred.fromCoroutine(self.erasures.erase(1, ANN)), ConnectionLost)
        patch.restore()
        self.assertIn(NAME, self.everything())
        self.assertEqual(await self.make().sync(), 1)
        self.assertNotIn(NAME, self.everything())
        self.assertEqual(await self.make().sync(), 0)

    async def meanwhile(self, sql: str, *args: Any) -> None:
        """Erase ANN, who holds the page at that moment, and does *sql* before anybody else is let in."""
        other = psycopg2.connect(server().dsn(self.name))
        self.addCleanup(other.close)
        with other.cursor() as cursor:
            cursor.execute("select from channel where site_id = 1 for no key update")
            erasing = Deferred.fromCoroutine(self.erasures.erase(1, ANN))
            waits = "select from pg_stat_activity where datname = %s and wait_event_type = 'Lock'"
            while not self.sql(waits, self.name):
                await deferLater(clock, 0.005)
            cursor.execute(sql, args)
            other.commit()
        await erasing

    async def test_deletes_meanwhile(self) -> None:
        """A comment that its visitor deletes at that moment stops nothing."""
        first, *_ = [the_id(await self.post(f"{WORDS} {number}", name=NAME)) for number in range(3)]
        await self.meanwhile("select delete_comment(1, %s, %s)", first, ANN)
        self.assertNotIn(NAME, self.everything())
        self.assertEqual(self.channel()[1:], (0, 0))

    async def test_votes_meanwhile(self) -> None:
        """A vote that its visitor takes back at that moment is not taken back twice."""
        one = the_id(await self.post("x", by=BOB))
        await self.comments.vote(Session(1, ANN), one, 1)
        await self.meanwhile("select vote_comments(1, %s, array[%s::bigint], array[0])", one, ANN)
        self.assertEqual(self.sql("select up, down from comment"), [(0, 0)])

    async def test_moved_site(self) -> None:
        """A shard that the site left keeps no words of theirs either, nor loses a number; others' events stay."""
        dsns: list[str] = []
        left = await database_for_test(self, prepare=dsns.append)
        name = dsns[0].split("dbname=")[1].split()[0]
        for seq, visitor in ((1, ANN), (2, BOB)):
            data = f'{{"comment":{{"id":"1","author":{{"id":"{visitor}","name":"{NAME}"}}}}}}'
            server().execute(
                "insert into event (site_id, channel_id, seq, type, data) values (1, 5, %s, 'comment.created', %s)",
                seq, data, database=name,
            )  # fmt: skip
        self.patch(Database, "parts", [self.database, left])
        await self.erasures.erase(1, ANN)
        rows = server().execute("select seq, strpos(data, %s) > 0 from event order by seq", NAME, database=name)
        self.assertEqual(rows, [(1, False), (2, True)])

    async def test_banned(self) -> None:
        """Who is banned is forgotten too, with votes and flags."""
        one = the_id(await self.post("x", by=BOB))
        await self.comments.vote(Session(1, ANN), one, -1)
        await self.comment_moderation.flag(Session(1, ANN), one, "")
        await self.bans.ban("visitor", str(ANN))
        self.assertEqual(await self.erasures.erase(1, ANN), 1)
        self.assertEqual(self.sql("select up, down, n_flags from comment"), [(0, 0, 0)])
        self.assertEqual(self.sql("select from vote") + self.sql("select from flag"), [])

    def test_journal(self) -> None:
        """What a crash cut short, and what is no number, is left out; what was begun and not ended is told."""
        self.journal.write_text("1 11\n2 22\nx y\n3\n99999999999999999999999 1\n1 11 begun\n1 11 what\n1 33")
        self.assertEqual(erasure.read(self.journal), ({(1, 11), (2, 22), (1, 33)}, {(1, 11)}))
        erasure.append(self.journal, [(1, 11)], erasure.DONE)
        erasure.append(self.journal, [(4, 44), (5, 55)])
        self.assertEqual(erasure.read(self.journal), ({(1, 11), (2, 22), (1, 33), (4, 44), (5, 55)}, set()))
        self.assertEqual(erasure.read(Path(self.mktemp())), (set(), set()))


def wanted() -> Any:
    from cackled.products.comments.pages import Wanted

    return Wanted()
