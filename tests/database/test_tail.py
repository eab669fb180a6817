"""Following the event log of a real server."""

from __future__ import annotations

import random
import signal
from collections.abc import Collection
from typing import Any

import psycopg2
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.database import _tail_line
from cackled.database import tail as tail_module
from cackled.database.eventlog import load_events, load_seqs
from cackled.database.tail import Tail
from cackled.database.testing import database_for_test, fresh_dsn, server
from cackled.events import Event
from cackled.metrics import Metrics

clock: Any = reactor
DROP = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cackled tail'"


def writer(dsn: str) -> Any:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    return connection


def announce(connection: Any, site: int, channel: int, data: str = '{"n":1}', *, silent: bool = False) -> None:
    """One change of a channel, as a write function makes it; *silent*: without a notification."""
    with connection.cursor() as cursor:
        cursor.execute("select set_config('app.site', %s, false)", (str(site),))
        cursor.execute(
            "insert into channel (site_id, id, key, seq) values (%s, %s, %s, 1)"
            " on conflict (site_id, id) do update set seq = channel.seq + 1 returning seq",
            (site, channel, str(channel)),
        )
        seq = cursor.fetchone()[0]
        if silent:
            cursor.execute(
                "insert into event (site_id, channel_id, seq, type, data) values (%s, %s, %s, 'x', %s)",
                (site, channel, seq, data),
            )
        else:
            cursor.execute("select announce(%s, %s, %s, 'x', %s, false)", (site, channel, seq, data))


async def until(check: Any, seconds: float = 20.0) -> None:
    """Turn the reactor until *check* is true; the test fails after so long."""
    end = clock.seconds() + seconds
    while not check():
        if clock.seconds() > end:
            raise AssertionError("it never became true")
        await deferLater(clock, 0.005)


class TailTests(TestCase):
    """`Tail` against a real server."""

    dsn = ""

    async def setUp(self) -> None:
        self.dsn = await fresh_dsn(self)
        self.events: list[Event] = []
        self.gaps = 0
        self.lost: list[set[tuple[int, int]] | None] = []
        self.catalog = 0
        self.metrics = Metrics()
        self.writer = writer(self.dsn)
        self.addCleanup(lambda: self.writer.close())

    async def tail(self, **more: Any) -> Tail:
        def gap(channels: Collection[tuple[int, int]] | None) -> None:
            self.gaps += 1
            self.lost.append(channels if channels is None else set(channels))

        def catalog() -> None:
            self.catalog += 1

        made = Tail(
            clock=clock, random=random.Random(1), dsn=lambda: self.dsn, on_event=self.events.append, on_gap=gap,
            metrics=self.metrics, on_catalog=catalog, **more,
        )
        self.addCleanup(made.stop)
        await made.start()
        self.assertTrue(made.connected)
        return made

    def seqs(self, channel: int = 42) -> list[int]:
        return [event.seq for event in self.events if event.channel == channel]

    def drop_connections(self) -> None:
        server().execute(DROP)

    async def test_events(self) -> None:
        """Events come whole and in order, and not those from before the start."""
        announce(self.writer, 17, 42)
        await self.tail()
        for n in range(5):
            announce(self.writer, 17, 42, f'{{"n":{n}}}')
        await until(lambda: len(self.events) == 5)
        self.assertEqual(self.events[0], Event(17, 42, 2, "x", b'{"n":0}'))
        self.assertEqual(self.seqs(), [2, 3, 4, 5, 6])
        self.assertEqual(self.metrics.value("tail_events_total"), 5)

    async def test_large(self) -> None:
        """An event too large for a notification is fetched, and the small one behind it waits for it."""
        await self.tail()
        large = '{"t":"%s"}' % ("ж" * 20_000)
        announce(self.writer, 17, 42, large)
        announce(self.writer, 17, 42)
        announce(self.writer, 17, 43)
        await until(lambda: len(self.events) == 3)
        self.assertEqual(self.seqs(), [1, 2])
        self.assertIn(large.encode(), [event.data for event in self.events])

    async def test_reconnect(self) -> None:
        """What was written while the connection was lost arrives once and in order, and LISTEN holds again."""
        await self.tail()
        announce(self.writer, 17, 42)
        await until(lambda: len(self.events) == 1)
        self.drop_connections()
        for channel in (42, 43, 42, 44, 42):
            announce(self.writer, 17, channel)
        await until(lambda: len(self.events) == 6)
        announce(self.writer, 17, 42)
        await until(lambda: len(self.events) == 7)
        self.assertEqual((self.seqs(42), self.seqs(43), self.seqs(44)), ([1, 2, 3, 4, 5], [1], [1]))
        self.assertEqual((self.gaps, self.metrics.value("tail_reconnects_total")), (0, 1))

    async def test_server_killed(self) -> None:
        """A server killed and started again: nothing that was acknowledged is missing."""
        tail = await self.tail()
        for _ in range(3):
            announce(self.writer, 17, 42)
        await until(lambda: len(self.events) == 3)
        server().kill()
        await until(lambda: not tail.connected)
        server().start()
        self.writer = writer(self.dsn)
        announce(self.writer, 17, 42)
        await until(lambda: len(self.events) == 4)
        self.assertEqual(self.seqs(), [1, 2, 3, 4])
        self.assertEqual(self.gaps, 0)

    async def test_moved_while_it_connects(self) -> None:
        """Another primary is found while a connection is being made: that one is given up without a word of fault."""
        tail = await self.tail()
        self.drop_connections()
        server().signal(signal.SIGSTOP)
        try:
            await until(lambda: not tail.connected)
            for _ in range(20):
                tail.moved()
                await deferLater(clock, 0.02)
        finally:
            server().signal(signal.SIGCONT)
        announce(self.writer, 17, 42)
        await until(lambda: len(self.events) == 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_hung_server(self) -> None:
        """A tail whose server hangs says so and comes back; the reactor is never blocked."""
        self.patch(_tail_line, "ANSWER", 0.3)
        tail = await self.tail(sweep=0.1)
        server().signal(signal.SIGSTOP)
        try:
            await until(lambda: not tail.connected)
        finally:
            server().signal(signal.SIGCONT)
        announce(self.writer, 17, 42)
        await until(lambda: len(self.events) == 1)

    async def test_never_announced(self) -> None:
        """The sweep finds events whose notification never came; one that follows shows the hole at once."""
        await self.tail(sweep=0.1)
        announce(self.writer, 17, 42, silent=True)
        await until(lambda: self.seqs() == [1])
        announce(self.writer, 17, 42, silent=True)
        announce(self.writer, 17, 42)
        await until(lambda: len(self.events) == 3)
        self.assertEqual(self.seqs(), [1, 2, 3])

    async def test_log_lacks_events(self) -> None:
        """A hole that the log can't fill is a gap of its channel, not a skip in silence; other channels go on."""
        await self.tail()
        announce(self.writer, 17, 42)
        announce(self.writer, 17, 43)
        await until(lambda: len(self.events) == 2)
        with self.writer.cursor() as cursor:
            cursor.execute("update channel set seq = seq + 1 where id = 42")
        announce(self.writer, 17, 42)
        announce(self.writer, 17, 43)
        await until(lambda: self.gaps == 1)
        self.assertEqual(self.lost, [{(17, 42)}])
        announce(self.writer, 17, 42)
        announce(self.writer, 17, 43)
        await until(lambda: self.seqs()[-1] == 4 and len(self.events) == 5)
        self.assertEqual((self.seqs(), self.seqs(43), self.gaps), ([1, 4], [1, 2, 3], 1))

    async def test_other_database(self) -> None:
        """Another database under the name, as after a restore, is a gap."""
        await self.tail()
        other = await fresh_dsn(self)
        self.dsn = other
        self.drop_connections()
        await until(lambda: self.gaps == 1)
        self.assertEqual(self.lost, [None])

    async def test_too_long_away(self) -> None:
        """Away for longer than the log is kept: a gap."""
        await self.tail(retention=0.0)
        self.drop_connections()
        await until(lambda: self.gaps == 1)
        self.assertEqual(self.lost, [None])

    async def test_many_in_an_outage(self) -> None:
        """More events than one reading holds, over more channels than one reading asks for, all arrive in order."""
        await self.tail(channels=50)
        with self.writer.cursor() as cursor:
            cursor.execute(DROP)
            cursor.execute(
                "insert into event (site_id, channel_id, seq, type, data)"
                " select 1, c, s, 'x', '{}' from generate_series(1, 150) c, generate_series(1, 7) s"
            )
        await until(lambda: len(self.events) == 1050)
        for channel in range(1, 151):
            self.assertEqual(self.seqs(channel), [1, 2, 3, 4, 5, 6, 7])

    async def test_garbage(self) -> None:
        """Notifications of others do no harm, and changes of the catalog are told."""
        await self.tail()
        self.assertEqual(self.catalog, 1)
        with self.writer.cursor() as cursor:
            huge = f'{{"s":1,"c":"{2**63}","q":1,"t":"x"}}'
            small = '{"s":0,"c":"1","q":1,"t":"x"}'
            for payload in ("", "[]", '{"s":1}', '{"s":1,"c":"x","q":1,"t":"x"}', small, huge):
                cursor.execute("select pg_notify('cackled_event', %s)", (payload,))
            cursor.execute("insert into catalog.site (id, name) values (99, 'x')")
        announce(self.writer, 17, 42)
        await until(lambda: len(self.events) == 1)
        self.assertEqual(self.catalog, 2)

    async def test_handler_fails(self) -> None:
        """A handler's error is logged and the next event comes."""

        class Broken(Exception):
            pass

        seen = []

        def handler(event: Event) -> None:
            seen.append(event.seq)
            raise Broken

        await self.tail()
        tail = Tail(
            clock=clock, random=random.Random(1), dsn=lambda: self.dsn, on_event=handler, on_gap=lambda channels: None,
            metrics=Metrics(),
        )
        self.addCleanup(tail.stop)
        await tail.start()
        announce(self.writer, 17, 42)
        announce(self.writer, 17, 42)
        await until(lambda: len(seen) == 2)
        self.assertEqual(len(self.flushLoggedErrors(Broken)), 2)


class FakeLog:
    """A connection to a log in memory, which answers what `Tail` asks at once."""

    alive = True

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, str, str]] = []

    def run(self, sql: str, params: Any = None) -> Deferred[list[tuple[Any, ...]]]:
        if "unnest" in sql:
            sites, channels, after, limit = params
            start = dict(zip(zip(sites, channels, strict=True), after, strict=True))
            found = sorted(row for row in self.rows if row[2] > start.get(row[:2], 1 << 62))
            return succeed(found[:limit])
        if "h.xmin" in sql:
            touched: dict[tuple[int, int], list[int]] = {}
            for site, channel, seq, _, _ in self.rows:
                touched.setdefault((site, channel), []).append(seq)
            rows = [("9", *key, min(seqs), max(seqs)) for key, seqs in touched.items()]
            return succeed(rows or [("9", None, None, None, None)])
        return succeed([("9",)])

    def close(self) -> None:
        self.alive = False


class OrderTests(SynchronousTestCase):
    """The order of events, whatever happens to their notifications."""

    @given(
        st.lists(
            st.tuples(st.integers(1, 3), st.sampled_from(["sent", "sent", "large", "lost", "twice"]), st.booleans()),
            max_size=40,
        ),
        st.integers(1, 5),
    )
    def test_each_once_in_order(self, story: list[tuple[int, str, bool]], limit: int) -> None:
        """Lost, repeated and oversize notifications: every event is told once, in its channel's order."""
        clock = Clock()
        told: list[Event] = []
        gaps: list[None] = []
        tail = Tail(
            clock=clock, random=random.Random(1), dsn=lambda: "", on_event=told.append,
            on_gap=lambda channels: gaps.append(None), metrics=Metrics(), sweep=1.0,
        )
        log = FakeLog()
        tail._line.connection = log  # type: ignore[assignment]
        self.patch(tail_module, "FETCH_ROWS", limit)
        staying = Deferred.fromCoroutine(tail._stay())
        heads: dict[int, int] = {}

        def happen(channel: int, fate: str) -> None:
            seq = heads[channel] = heads.get(channel, 0) + 1
            log.rows.append((1, channel, seq, "x", str(seq)))
            data = "" if fate == "large" else f',"d":{seq}'
            for _ in range({"lost": 0, "twice": 2}.get(fate, 1)):
                tail._notified("cackled_event", f'{{"s":1,"c":"{channel}","q":{seq},"t":"x"{data}}}')

        for channel in (1, 2, 3):
            happen(channel, "sent")
        for channel, fate, pause in story:
            happen(channel, fate)
            if pause:
                clock.advance(0.001)
        clock.pump([0.01] * 300)
        for channel, head in heads.items():
            events = [event for event in told if event.channel == channel]
            self.assertEqual([event.seq for event in events], list(range(1, head + 1)))
            self.assertEqual([int(event.data) for event in events], list(range(1, head + 1)))
        self.assertEqual(gaps, [])
        staying.addErrback(lambda f: None)
        staying.cancel()


class LoadEventsTests(TestCase):
    """`load_events` against a real server."""

    async def test_load(self) -> None:
        """Whole histories are given, others are None; an unknown channel stands at 0."""
        dsn = await fresh_dsn(self)
        db = await database_for_test(self, dsn=dsn)
        connection = writer(dsn)
        self.addCleanup(connection.close)
        for n in range(4):
            announce(connection, 17, 42, f'{{"n":{n}}}')
        self.assertEqual(await load_events(db, 17, 1, 0, 10), (0, []))
        current, events = await load_events(db, 17, 42, 2, 10)
        self.assertEqual((current, events), (4, [Event(17, 42, 3, "x", b'{"n":2}'), Event(17, 42, 4, "x", b'{"n":3}')]))
        self.assertEqual(await load_events(db, 17, 42, 4, 10), (4, []))
        self.assertEqual(await load_events(db, 17, 42, 9, 10), (4, None))
        self.assertEqual(await load_events(db, 17, 42, 1, 2), (4, None))
        self.assertEqual(await load_events(db, 18, 42, 0, 10), (0, []))
        # Many in one statement; another site's channel is not seen.
        self.assertEqual(await load_seqs(db, 17, [1, 42, *range(100, 290), 2**62]), {42: (4, None, None)})
        self.assertEqual(await load_seqs(db, 18, [1, 42]), {})
        with connection.cursor() as cursor:
            cursor.execute("delete from event where seq = 2")
        self.assertEqual(await load_events(db, 17, 42, 0, 10), (4, None))
