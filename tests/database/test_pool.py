"""The pool against a real server that is killed, stopped and slow."""

from __future__ import annotations

import random
import signal
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, DeferredList, gatherResults
from twisted.internet.task import LoopingCall, deferLater
from twisted.trial.unittest import TestCase

from cackled.database import pool as pool_module
from cackled.database.dsn import connection_dsn
from cackled.database.errors import Busy, ConnectionLost, QueryFailed, QueryTimeout, Unavailable
from cackled.database.pool import Pool, PoolSettings, PoolStats
from cackled.database.query import Query
from cackled.database.testing import fresh_dsn, server
from cackled.metrics import Metrics

clock: Any = reactor
ONE = Query("test_one", "select 1")
SLEEP = Query("test_sleep", "select pg_sleep($1)", ("float8",))
PID = Query("test_pid", "select pg_backend_pid()")
KINDS = Query(
    "test_kinds",
    "select $1, $2, $3, $4, $5, $6, $7, $8",
    ("bigint", "text", "bytea", "float8", "bool", "text[]", "jsonb", "bigint[]"),
)


class PoolTests(TestCase):
    """`Pool` over unix sockets, three connections."""

    dsn = ""

    async def setUp(self) -> None:
        self.dsn = await fresh_dsn(self, migrated=False)

    def pool(self, **more: Any) -> Pool:
        settings = PoolSettings(**{"connections": 3, "wait_timeout": 15.0, **more})
        dsn = connection_dsn(self.dsn, statement_timeout=settings.statement_timeout, application="pool test")
        self.metrics = Metrics()
        made = Pool(
            clock=clock, random=random.Random(1), dsn=lambda: dsn, settings=settings, metrics=self.metrics, name="p"
        )
        self.addCleanup(made.stop)
        made.start()
        return made

    async def until(self, check: Any, seconds: float = 20.0) -> None:
        end = clock.seconds() + seconds
        while not check():
            if clock.seconds() > end:
                raise AssertionError("it never became true")
            await deferLater(clock, 0.005)

    async def full(self, pool: Pool) -> None:
        await self.until(lambda: pool.stats().idle == 3)

    async def failing(self, d: Deferred[Any], *kinds: type[Exception]) -> Any:
        return await self.assertFailure(d, *kinds)

    async def test_before_connected(self) -> None:
        """A query given before anything is connected waits for the first connection."""
        self.assertEqual(await self.pool().execute(ONE, ()), [(1,)])

    async def test_kinds(self) -> None:
        """Every kind of argument arrives as what it is; JSON comes back as text, bytea as bytes."""
        given = (2**62, "a'b\\ж%s", b"\x00\xff'", 1.5, True, ["x", None, "y'"], {"a": [1, None]}, [])
        row = (await self.pool().execute(KINDS, given))[0]
        self.assertEqual(row, (*given[:6], '{"a": [1, null]}', []))
        row = (await self.pool().execute(KINDS, (None,) * 8))[0]
        self.assertEqual(row, (None,) * 8)

    async def test_bad_arguments(self) -> None:
        """What can't be sent or read fails cleanly, and the connection serves on."""
        pool = self.pool(connections=1)
        for bad, code in (("\0", "22021"), ("\ud800", "22021"), (object(), "42804")):
            error = await self.failing(pool.execute(KINDS, (1, bad, b"", 1.0, True, [], {}, [])), QueryFailed)
            self.assertEqual(error.sqlstate, code)
        error = await self.failing(pool.execute(KINDS, (2**64, "", b"", 1.0, True, [], {}, [])), QueryFailed)
        self.assertEqual(error.sqlstate, "22003")
        await self.failing(pool.execute(KINDS, (1,)), QueryFailed)
        self.assertEqual(await pool.execute(ONE, ()), [(1,)])
        self.assertEqual(self.metrics.value("database_lost_connections_total", pool="p"), 0)

    async def test_crowd_of_bad_arguments(self) -> None:
        """However many wait with what can't be sent, each is refused, and who waits behind them is answered."""
        pool = self.pool(connections=1)
        await pool.execute(KINDS, (1, "", b"", 1.0, True, [], {}, []))
        slow = pool.execute(SLEEP, (0.1,))
        bad = [pool.execute(KINDS, (1, "\0", b"", 1.0, True, [], {}, [])) for _ in range(500)]
        behind = pool.execute(ONE, ())
        for one in bad:
            await self.failing(one, QueryFailed)
        self.assertEqual(await behind, [(1,)])
        await slow
        self.assertEqual(pool.stats(), PoolStats(idle=1, busy=0, down=0, waiting=0))
        self.assertEqual(self.metrics.value("database_lost_connections_total", pool="p"), 0)

    async def test_refused_statement(self) -> None:
        """A statement that can't be prepared fails with the server's reason, again without asking it again."""
        pool = self.pool(connections=1)
        bad = Query("test_bad", "select nothing from nowhere")
        first = await self.failing(pool.execute(bad, ()), QueryFailed)
        server().execute("create table nowhere (nothing int)", database=self.dsn.split("dbname=")[1].split()[0])
        second = await self.failing(pool.execute(bad, ()), QueryFailed)
        self.assertEqual((first.sqlstate, second.sqlstate), ("42P01", "42P01"))

    async def test_changed_table(self) -> None:
        """A statement whose table got another shape is prepared again."""
        name = self.dsn.split("dbname=")[1].split()[0]
        server().execute("create table shape (a int); insert into shape values (1)", database=name)
        query = Query("test_shape", "select * from shape")
        pool = self.pool(connections=1)
        self.assertEqual(await pool.execute(query, ()), [(1,)])
        server().execute("alter table shape add b int default 2", database=name)
        self.assertEqual(await pool.execute(query, ()), [(1, 2)])
        server().execute("create function forget() returns void language sql as 'deallocate all'", database=name)
        # It forgets itself too.
        await self.failing(pool.execute(Query("test_forget", "select forget()"), ()), QueryFailed)
        self.assertEqual(await pool.execute(query, ()), [(1, 2)])

    async def test_statement_timeout(self) -> None:
        """The server's time limit is `QueryTimeout`, not a cancellation, and the connection lives on."""
        pool = self.pool(connections=1, statement_timeout=0.1)
        pid = await pool.execute(PID, ())
        await self.failing(pool.execute(SLEEP, (5.0,)), QueryTimeout)
        self.assertEqual(await pool.execute(PID, ()), pid)

    async def test_lacking(self) -> None:
        """A server whose disk is full can't now, and may later: that is no fault of the query."""
        name = self.dsn.split("dbname=")[1].split()[0]
        server().execute(
            "create function full_disk() returns int language plpgsql as "
            "$$ begin raise exception using errcode = '53100', message = 'No space left on device'; end $$",
            database=name,
        )
        pool = self.pool(connections=1)
        error = await self.failing(pool.execute(Query("test_full", "select full_disk()"), ()), Unavailable)
        self.assertIn("No space", str(error))
        self.assertEqual(await pool.execute(ONE, ()), [(1,)])

    async def test_cancelled_waiter(self) -> None:
        """Cancelling a query drops its waiter alone: no cancel goes to the server, nobody gets another's answer."""
        pool = self.pool(connections=1)
        pid = await pool.execute(PID, ())
        asked = pool.execute(SLEEP, (0.2,))
        queued = pool.execute(ONE, ())
        behind = pool.execute(PID, ())
        asked.cancel()
        queued.cancel()
        await self.failing(asked, CancelledError)
        await self.failing(queued, CancelledError)
        self.assertEqual(await behind, pid)

    async def test_queue_bound(self) -> None:
        """A full queue refuses at once; a wait that takes too long ends as `Busy`."""
        pool = self.pool(connections=1, max_waiting=2, wait_timeout=0.2)
        await self.until(lambda: pool.stats().idle == 1)
        slow = pool.execute(SLEEP, (1.0,))
        waiting = [pool.execute(ONE, ()) for _ in range(2)]
        await self.failing(pool.execute(ONE, ()), Busy)
        for one in waiting:
            await self.failing(one, Busy)
        await slow
        self.assertEqual(await pool.execute(ONE, ()), [(1,)])
        self.assertEqual(self.metrics.value("database_errors_total", pool="p", kind="Busy"), 3)

    async def test_killed_in_flight(self) -> None:
        """SIGKILL with queries in flight: they fail at once, later ones wait for the server's return."""
        pool = self.pool(wait_timeout=15.0)
        await self.full(pool)
        flying = [pool.execute(SLEEP, (30.0,)) for _ in range(2)]
        await deferLater(clock, 0.05)
        server().kill()
        for one in flying:
            await self.failing(one, ConnectionLost)
        await self.until(lambda: pool.stats().down == 3)
        waiting = [pool.execute(ONE, ()) for _ in range(10)]
        server().start()
        self.assertEqual(await gatherResults(waiting), [[(1,)]] * 10)
        await self.full(pool)

    async def test_partly_recovered(self) -> None:
        """With one of three connections dead and not to be had again, the living ones answer everything."""
        pool = self.pool()
        await self.full(pool)
        name = self.dsn.split("dbname=")[1].split()[0]
        pids = [pool.execute(PID, ()) for _ in range(3)]
        victim = (await gatherResults(pids))[0][0][0]
        server().execute(f"alter database {name} with allow_connections false")
        self.addCleanup(server().execute, f"alter database {name} with allow_connections true")
        server().execute("select pg_terminate_backend(%s)", victim)
        await self.until(lambda: pool.stats().down == 1)
        self.assertEqual(await gatherResults([pool.execute(ONE, ()) for _ in range(50)]), [[(1,)]] * 50)
        self.assertEqual(pool.stats().down, 1)

    async def test_idle_connection_ended(self) -> None:
        """An idle connection that the server ends is noticed without a query, and replaced."""
        pool = self.pool()
        await self.full(pool)
        server().execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pool test'")
        await self.until(lambda: self.metrics.value("database_lost_connections_total", pool="p") >= 3)
        await self.full(pool)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_hung_server(self) -> None:
        """A stopped server: queries end by their deadline, the reactor keeps ticking, and all is well afterwards."""
        pool = self.pool(statement_timeout=0.2, wait_timeout=0.3)
        self.patch(pool_module, "GRACE", 0.1)
        await self.full(pool)
        await gatherResults([pool.execute(ONE, ()) for _ in range(3)])
        ticks = 0

        def tick() -> None:
            nonlocal ticks
            ticks += 1

        ticking = LoopingCall(tick)
        ticking.start(0.01)
        self.addCleanup(ticking.stop)
        server().signal(signal.SIGSTOP)
        try:
            results = await DeferredList([pool.execute(ONE, ()) for _ in range(6)], consumeErrors=True)
        finally:
            server().signal(signal.SIGCONT)
        kinds = {type(failure.value) for ok, failure in results if not ok}
        self.assertEqual([ok for ok, _ in results], [False] * 6)
        self.assertTrue(kinds <= {QueryTimeout, Busy, Unavailable, ConnectionLost}, kinds)
        self.assertGreater(ticks, 5)
        await self.full(pool)
        self.assertEqual(await pool.execute(ONE, ()), [(1,)])

    async def test_breaker(self) -> None:
        """With the breaker open everything fails at once; mended, it serves."""
        pool = self.pool()
        await self.full(pool)
        flying = pool.execute(SLEEP, (30.0,))
        pool.break_off("it hangs")
        await self.failing(flying, Unavailable)
        await self.failing(pool.execute(ONE, ()), Unavailable)
        self.assertFalse(pool.healthy)
        pool.mend()
        self.assertEqual(await pool.execute(ONE, ()), [(1,)])

    async def test_stop(self) -> None:
        """Stopping fails what is under way and what waits, and refuses the rest."""
        pool = self.pool(connections=1)
        await self.until(lambda: pool.stats().idle == 1)
        flying, waiting = pool.execute(SLEEP, (30.0,)), pool.execute(ONE, ())
        pool.stop()
        for one in (flying, waiting, pool.execute(ONE, ())):
            await self.failing(one, Unavailable)
