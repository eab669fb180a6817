"""The tail of the log over a promotion: it goes on where nothing is lost, and says so where something is."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

from psycopg2 import extensions as conninfo
from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.protocols.portforward import ProxyClientFactory, ProxyServer
from twisted.trial.unittest import TestCase

from cackled.database.dsn import ServerSettings
from cackled.database.eventlog import load_events
from cackled.database.recent_events import Recent
from cackled.database.routing import Database
from cackled.database.tail import Tail
from cackled.database.testing import TestServer
from cackled.events import Event
from cackled.metrics import Metrics
from tests.database.test_tail import announce, until, writer

clock: Any = reactor


class PromotionCase(TestCase):
    """A primary, a replica, and a tail of whichever is the primary."""

    async def setUp(self) -> None:
        from cackled.database.migrate import migrate

        self.one = TestServer()
        self.addCleanup(self.one.stop)
        self.one.execute("create database cackled")
        await migrate(self.one.dsn("cackled"), clock=clock)
        self.two = TestServer(replica_of=self.one, slot="two")
        self.addCleanup(self.two.stop)
        self.events: list[Event] = []
        self.gaps = 0
        metrics = Metrics()
        way = await self.lay_way(self.one)
        self.db = Database(
            [ServerSettings("one", way), ServerSettings("two", self.two.dsn("cackled"))],
            clock=clock, random=random.Random(1), metrics=metrics,
        )  # fmt: skip

        self.lost: list[set[tuple[int, int]] | None] = []

        def gap(channels: Collection[tuple[int, int]] | None) -> None:
            self.gaps += 1
            self.lost.append(channels if channels is None else set(channels))

        self.tail = Tail(
            clock=clock, random=random.Random(1), dsn=self.db.primary_dsn, on_event=self.events.append, on_gap=gap,
            metrics=metrics, standby=self.db.standby_dsn,
        )  # fmt: skip
        self.db.on_primary(self.tail.moved)
        self.addCleanup(self.db.stop)
        self.addCleanup(self.tail.stop)
        await self.db.start()
        await self.tail.start()
        first = writer(self.one.dsn("cackled"))
        for channel in (42, 43, 42, 42):
            announce(first, 17, channel)
        await until(lambda: len(self.events) == 4)
        self.first = first

    async def lay_way(self, one: TestServer) -> str:
        """How our `Database` reaches the primary: a DSN."""
        return one.dsn("cackled")

    def replicated(self) -> bool:
        (position,) = self.one.execute("select pg_current_wal_flush_lsn()")[0]
        return bool(self.two.execute("select pg_last_wal_replay_lsn() >= %s", position)[0][0])

    async def promote(self) -> Any:
        self.one.kill()
        self.two.promote()
        second = writer(self.two.dsn("cackled"))
        self.addCleanup(second.close)
        return second

    def seqs(self, channel: int = 42) -> list[int]:
        return [event.seq for event in self.events if event.channel == channel]


class PromotionTests(PromotionCase):
    """A replica is promoted."""

    async def test_nothing_lost(self) -> None:
        """Everything was replicated: the tail goes on without a gap, and has what was written before it came too."""
        await until(self.replicated)
        second = await self.promote()
        announce(second, 17, 42)
        announce(second, 17, 44)
        await until(lambda: len(self.events) == 6)
        await until(lambda: self.tail.connected)
        announce(second, 17, 42)
        await until(lambda: len(self.events) == 7)
        self.assertEqual((self.seqs(), self.seqs(43), self.seqs(44)), ([1, 2, 3, 4, 5], [1], [1]))
        self.assertEqual(self.gaps, 0)

    async def test_lost(self) -> None:
        """Events that were told but not replicated are missed, though others stand in their places by then."""
        await until(self.replicated)
        self.two.execute("alter system set primary_conninfo = ''")
        self.two.execute("select pg_reload_conf()")
        await until(lambda: not self.two.execute("select 1 from pg_stat_wal_receiver where pid is not null"))
        announce(self.first, 17, 42, '{"lost":1}')
        await until(lambda: len(self.events) == 5)
        second = await self.promote()
        announce(second, 17, 42, '{"other":1}')
        await until(lambda: self.gaps == 1)
        await until(lambda: self.tail.connected)
        announce(second, 17, 42, '{"n":6}')
        await until(lambda: len(self.events) >= 6)
        self.assertEqual(self.events[-1].data, b'{"n":6}')
        self.assertEqual((self.gaps, self.lost), (1, [{(17, 42)}]), "the other channels lost nothing")

    async def test_two_live_primaries(self) -> None:
        """The old primary lives on: writes and tail are with the promoted one."""
        await until(self.replicated)
        self.two.promote()
        await until(lambda: self.db.primary is not None and self.db.primary.name == "two")
        await until(lambda: self.tail.connected and self.tail._timeline == "00000002")
        announce(self.first, 17, 42, '{"old":1}')  # into the wrong one: nobody hears of it
        second = writer(self.two.dsn("cackled"))
        self.addCleanup(second.close)
        announce(second, 17, 42, '{"new":1}')
        await until(lambda: len(self.events) == 5)
        self.assertEqual(self.events[-1].data, b'{"new":1}')
        self.assertEqual(self.gaps, 0)


class CutTests(PromotionCase):
    """The way to the primary leads through a relay that can be cut: the primary lives on, and others write there."""

    async def lay_way(self, one: TestServer) -> str:
        given = conninfo.parse_dsn(one.dsn("cackled"))
        path = f"{given['host']}/.s.PGSQL.{given['port']}"
        self.ends: list[Any] = []
        ends = self.ends

        class Way(ProxyServer):
            def connectionMade(self) -> None:
                ends.append(self)
                self.transport.pauseProducing()
                far = ProxyClientFactory()
                far.noisy = False
                far.setServer(self)
                clock.connectUNIX(path, far)

        self.relay = Factory.forProtocol(Way)
        self.relay.noisy = False
        self.port = clock.listenTCP(0, self.relay, interface="127.0.0.1")
        self.number = self.port.getHost().port
        self.addCleanup(self.cut)
        return conninfo.make_dsn(**{**given, "host": "127.0.0.1", "port": self.number})

    async def cut(self) -> None:
        """Nothing comes through."""
        port, self.port = self.port, None
        if port is not None:
            await port.stopListening()
        for end in self.ends:
            if end.transport is not None and end.transport.connected:
                end.transport.abortConnection()
        self.ends.clear()

    async def test_through_the_replica(self) -> None:
        """While this process alone can't reach the primary, events go on coming through the replica: each once."""
        await until(self.replicated)
        await self.cut()
        await until(lambda: self.tail.copying)
        self.assertFalse(self.tail.connected)
        read = self.tail.followed()[1]
        for channel in (42, 45, 42):
            announce(self.first, 17, channel, silent=channel == 45)
        await until(lambda: len(self.events) == 7)
        self.assertEqual((self.seqs(), self.seqs(45)), ([1, 2, 3, 4, 5], [1]))
        self.assertEqual(self.tail.followed()[1], read, "the primary's log was not read meanwhile")
        current, events = await load_events(self.db, 17, 42, 2, 10)
        self.assertEqual((current, [event.seq for event in events or ()]), (5, [3, 4, 5]), "newcomers are told too")
        self.port = clock.listenTCP(self.number, self.relay, interface="127.0.0.1")
        await until(lambda: self.tail.connected)
        self.assertFalse(self.tail.copying)
        announce(self.first, 17, 42)
        await until(lambda: len(self.events) == 8)
        self.assertEqual((self.seqs(), self.gaps), ([1, 2, 3, 4, 5, 6], 0))

    async def test_replica_that_lags(self) -> None:
        """What the primary had announced and the replica has not got yet is waited for, and nobody is told of a gap."""
        await until(self.replicated)
        self.two.execute("select pg_wal_replay_pause()")
        self.tail._notified("cackled_event", '{"s":17,"c":"42","q":4,"t":"x"}')
        announce(self.first, 17, 43)
        await until(lambda: 2 in self.seqs(43))
        await self.cut()
        await until(lambda: self.tail.copying)
        announce(self.first, 17, 42)
        await until(lambda: self.tail._wanted or 4 in self.seqs())
        self.two.execute("select pg_wal_replay_resume()")
        await until(lambda: 4 in self.seqs())
        self.assertEqual((self.seqs(), self.seqs(43), self.gaps), ([1, 2, 3, 4], [1, 2], 0))


class RecentTests(TestCase):
    """`Recent` by itself."""

    def test_lacking(self) -> None:
        """What is missing counts, and what says something else; an empty one lacks nothing."""
        made = Recent()
        self.assertEqual(made.lacking([]), set())
        self.assertEqual(made.question(), ([], [], [], []))
        for n in range(3):
            made.add(Event(1, 5, n, "x", b"%d" % n))
        self.assertEqual(made.question(), ([0, 1, 2], [1, 1, 1], [5, 5, 5], [0, 1, 2]))
        made.add(Event(1, 6, 1, "x", b"3"))
        made.add(Event(2, 6, 1, "x", b"4"))
        there = [(0, "x", "0"), (1, "x", "1"), (2, "x", "2"), (3, "x", "3"), (4, "x", "4")]
        self.assertEqual(made.lacking(there), set())
        self.assertEqual(made.lacking(there[:3]), {(1, 6), (2, 6)})
        self.assertEqual(made.lacking([*there[:2], (2, "y", "2"), (3, "x", "3")]), {(1, 5), (2, 6)})
        self.assertEqual(made.lacking(there[2:]), set(), "the first ones were dropped by their age")
        self.assertIsNone(made.lacking([]))
        made.drop({(1, 5)})
        self.assertEqual(made.question()[2], [6, 6])
