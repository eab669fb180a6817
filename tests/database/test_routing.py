"""Reading and writing through `Database`, and which server is asked."""

from __future__ import annotations

import random
import signal
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock, LoopingCall, deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.config import ConfigError, parse
from cackled.database.dsn import ServerSettings, connection_dsn, servers_of
from cackled.database.errors import QueryFailed, Unavailable
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.database.testing import TestServer, database_for_test, fresh_dsn, server
from cackled.metrics import Metrics

clock: Any = reactor
ECHO = Query("test_echo", "select $1::int, current_user::text, current_setting('app.site')", ("int",))
CONTEXT = Query("test_context", "select current_user::text, nullif(current_setting('app.site', true), '')")
WHO = Query("test_who", "select current_user::text")
CHANNELS = Query("test_channels", "select site_id from channel order by 1")
ADD = Query("test_add", "insert into channel (site_id, id, key) values ($1, 5, 'k')", ("int",))
PIDS = Query("test_pids", "select pg_backend_pid()")
PRIMARY = ReadPreference.PRIMARY


async def until(check: Any, seconds: float = 20.0) -> None:
    end = clock.seconds() + seconds
    while not check():
        if clock.seconds() > end:
            raise AssertionError("it never became true")
        await deferLater(clock, 0.005)


class DatabaseTests(TestCase):
    """Against a real server."""

    db: Database

    async def setUp(self) -> None:
        self.db = await database_for_test(self, hang=0.9)

    async def test_site(self) -> None:
        """A site's query runs in the app's role and with the site set."""
        rows = await self.db.site(17).read(ECHO, 5, preference=PRIMARY)
        self.assertEqual(rows.rows, [(5, "cackled_app", "17")])
        self.assertEqual((rows.server, rows.staleness, rows.primary), ("test", 0.0, True))
        self.assertEqual(await self.db.system.write(WHO), [("cackled_system",)])

    async def test_walls(self) -> None:
        """A site sees and writes its own rows only, and without a site there is nothing."""
        await self.db.site(17).write(ADD, 17)
        await self.db.site(18).write(ADD, 18)
        with self.assertRaises(QueryFailed):
            await self.db.site(18).write(ADD, 17)
        rows = await self.db.site(17).read(CHANNELS, preference=PRIMARY)
        self.assertEqual(rows.rows, [(17,)])
        self.assertEqual(await self.db.servers[0].app.execute(CHANNELS, ()), [])
        rows = await self.db.system.read(CHANNELS, preference=PRIMARY)
        self.assertEqual(rows.rows, [(17,), (18,)])

    async def test_context_never_leaks(self) -> None:
        """No query sees the site of the one before it on the same connection, also when that one failed."""
        for argument in (5, "bad"):
            ask = [Deferred.fromCoroutine(self.db.site(n).write(ECHO, argument)) for n in range(1, 20)]
            for d in ask:
                d.addErrback(lambda f: f.trap(QueryFailed))
            await gatherResults(ask)
            rows = await gatherResults([self.db.servers[0].app.execute(CONTEXT, ()) for _ in range(10)])
            self.assertEqual({row for one in rows for row in one}, {("cackled_app", None)})

    async def test_read_survives_a_lost_connection(self) -> None:
        """A read whose connection was ended goes to another one."""
        pid = (await self.db.site(1).read(PIDS, preference=PRIMARY)).rows[0][0]
        server().execute("select pg_terminate_backend(%s)", pid)
        rows = await self.db.site(1).read(ECHO, 1, preference=PRIMARY)
        self.assertEqual(rows.rows, [(1, "cackled_app", "1")])

    async def test_killed_server(self) -> None:
        """A dead primary is `Unavailable`; back again, it serves without anyone's doing."""
        server().kill()
        try:
            await until(lambda: not self.db.writable)
            for call in (self.db.site(1).write(ECHO, 1), self.db.site(1).read(ECHO, 1, preference=PRIMARY)):
                with self.assertRaises(Unavailable) as caught:
                    await call
                self.assertGreater(caught.exception.retry_after, 0)
            self.assertFalse(self.db.ready)
            self.assertIn("test: ", self.db.reason)
        finally:
            server().start()
        await until(lambda: self.db.writable)
        self.assertEqual(await self.db.site(1).write(ECHO, 1), [(1, "cackled_app", "1")])

    async def test_hung_server(self) -> None:
        """A stopped server: what is under way ends as `Unavailable`, then everything at once; the reactor ticks on."""
        ticks = 0

        def tick() -> None:
            nonlocal ticks
            ticks += 1

        ticking = LoopingCall(tick)
        ticking.start(0.01)
        self.addCleanup(ticking.stop)
        server().signal(signal.SIGSTOP)
        try:
            flying = [Deferred.fromCoroutine(self.db.site(1).write(ECHO, 1)) for _ in range(5)]
            for one in flying:
                await self.assertFailure(one, Unavailable)
            self.assertFalse(self.db.ready)
            self.assertGreater(ticks, 20)
            with self.assertRaises(Unavailable):
                await self.db.site(1).read(ECHO, 1, preference=ReadPreference.NEAREST)
        finally:
            server().signal(signal.SIGCONT)
        await until(lambda: self.db.writable)
        self.assertEqual(await self.db.site(1).write(ECHO, 1), [(1, "cackled_app", "1")])

    async def test_start_without_server(self) -> None:
        """Starting with no server there says why, and goes on trying."""
        made = Database(
            [ServerSettings("gone", "host=/nonexistent dbname=x")], clock=clock, random=random.Random(1),
            metrics=Metrics(),
        )
        self.addCleanup(made.stop)
        with self.assertRaises(Unavailable) as caught:
            await made.start(timeout=0.2)
        self.assertIn("gone: ", str(caught.exception))


class ReplicaTests(TestCase):
    """A primary and a streaming replica."""

    async def test_replica(self) -> None:
        """Reads go where the preference says, writes to the primary; without it the replica still answers."""
        dsn = await fresh_dsn(self)
        name = dsn.split("dbname=")[1].split()[0]
        primary = server()
        replica = TestServer(replica_of=primary)
        self.addCleanup(replica.stop)
        made = Database(
            [ServerSettings("one", dsn), ServerSettings("two", replica.dsn(name))], clock=clock,
            random=random.Random(1), metrics=Metrics(),
        )
        self.addCleanup(made.stop)
        await made.start()
        await until(lambda: all(one.alive and one.app.healthy for one in made.servers))
        self.assertEqual([one.primary for one in made.servers], [True, False])
        # Right after its start a replica may not know yet when what it holds was written.
        await until(lambda: made.servers[1].as_of is not None)
        site = made.site(17)
        await site.write(ADD, 17)
        rows = await site.read(ECHO, 1, preference=ReadPreference.SECONDARY)
        self.assertEqual((rows.server, rows.primary), ("two", False))
        self.assertLess(rows.staleness, 60)
        # What the replica has not heard of yet is asked of the primary.
        replica.execute("select pg_wal_replay_pause()")
        primary.execute("create table young as select 5 as a; grant select on young to cackled_app", database=name)
        young = Query("test_young", "select a from young")
        rows = await site.read(young, preference=ReadPreference.SECONDARY_PREFERRED)
        self.assertEqual((rows.rows, rows.server), ([(5,)], "one"))
        with self.assertRaises(QueryFailed):
            await site.read(young, preference=ReadPreference.SECONDARY)
        replica.execute("select pg_wal_replay_resume()")
        rows = await site.read(ECHO, 1, preference=PRIMARY)
        self.assertEqual(rows.server, "one")
        primary.kill()
        try:
            await until(lambda: not made.writable)
            rows = await site.read(ECHO, 1, preference=ReadPreference.NEAREST)
            self.assertEqual((rows.server, rows.primary), ("two", False))
            for preference in (ReadPreference.PRIMARY_PREFERRED, ReadPreference.SECONDARY_PREFERRED):
                self.assertEqual((await site.read(ECHO, 1, preference=preference)).server, "two")
            with self.assertRaises(Unavailable):
                await site.read(ECHO, 1, preference=PRIMARY)
            with self.assertRaises(Unavailable):
                await site.write(ECHO, 1)
            replica.execute("select pg_promote()")
            await until(lambda: made.writable)
            self.assertEqual(await site.write(CHANNELS), [(17,)])
            self.assertEqual(made.primary_dsn(), replica.dsn(name))
        finally:
            primary.start()


class CandidateTests(SynchronousTestCase):
    """`Database.candidates` on servers whose state is given."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.db = Database(
            [ServerSettings(name, "") for name in ("p", "near", "far", "late", "dead")], clock=self.clock,
            random=random.Random(1), metrics=Metrics(),
        )
        states = [(True, True, 0.040, 0.0), (True, False, 0.001, 1.0), (True, False, 0.100, 0.5),
                  (True, False, 0.001, 90.0), (False, False, 0.001, 0.0)]
        for one, (alive, primary, latency, lag) in zip(self.db.servers, states, strict=True):
            one._known, one.primary, one.latency, one.as_of = alive, primary, latency, -lag
        self.db._election.hold()

    def names(self, preference: ReadPreference, staleness: float | None = None) -> list[str]:
        return [one.name for one in self.db.candidates(preference, staleness)]

    def test_preferences(self) -> None:
        """Each preference asks its servers in its order; the near ones are mixed, too stale ones left out."""
        self.assertEqual(self.names(PRIMARY), ["p"])
        self.assertEqual(self.names(ReadPreference.SECONDARY, 10), ["near", "far"])
        self.assertEqual(self.names(ReadPreference.SECONDARY_PREFERRED, 10), ["near", "far", "p"])
        self.assertEqual(self.names(ReadPreference.NEAREST, 10), ["near", "p", "far"])
        self.assertEqual(self.names(ReadPreference.PRIMARY_PREFERRED, 10), ["p", "far", "near", "late"])
        self.assertEqual({self.names(ReadPreference.NEAREST, 100)[0] for _ in range(40)}, {"near", "late"})
        self.assertEqual({self.names(ReadPreference.NEAREST)[0] for _ in range(40)}, {"near"})

    def test_staleness_grows(self) -> None:
        """A replica that was not heard of for a while counts as that much staler."""
        self.clock.advance(9.2)
        self.assertEqual(self.names(ReadPreference.SECONDARY, 10), ["far"])

    def test_no_primary(self) -> None:
        """Without a primary: `primary` has none, the preferring ones take the freshest, however stale."""
        self.db.servers[0]._known = False
        self.db._election.hold()
        self.assertEqual(self.names(PRIMARY), [])
        self.assertEqual(self.names(ReadPreference.SECONDARY, 0.1), [])
        for name in ("NEAREST", "SECONDARY_PREFERRED", "PRIMARY_PREFERRED"):
            self.assertEqual(self.names(ReadPreference[name], 0.1)[0], "far")


class DsnTests(SynchronousTestCase):
    """Connection strings."""

    def test_servers(self) -> None:
        """The configuration's servers, or the embedded one; passwords come from a file."""
        path = self.mktemp()
        with open(path, "w") as out:
            out.write("geheim\n")
        self.assertEqual(servers_of(parse(b"").database, "host=/x"), (ServerSettings("embedded", "host=/x"),))
        given = parse(f'[database]\ndsn = "postgresql://u@db/x"\npassword_file = "{path}"'.encode())
        (one,) = servers_of(given.database)
        self.assertEqual(one.name, "primary")
        self.assertIn("password=geheim", one.dsn)
        many = parse(b'[[database.server]]\ndsn = "host=a"\n[[database.server]]\ndsn = "host=b"\nname = "b"')
        self.assertEqual([one.name for one in servers_of(many.database)], ["server1", "b"])

    def test_bad(self) -> None:
        """What can't be used is refused without quoting a password."""
        with self.assertRaises(ConfigError) as caught:
            servers_of(parse(b'[database]\ndsn = "password=geheim nonsense"').database)
        self.assertNotIn("geheim", str(caught.exception))
        self.assertRaises(ConfigError, servers_of, parse(b'[database]\npassword_file = "/nonexistent"').database)

    def test_additions(self) -> None:
        """Role, limits and keepalives are added; what the operator gave stays."""
        made = connection_dsn("host=a keepalives_idle=99 options='-c x.y=1'", role="r", statement_timeout=1.5)
        for part in ("keepalives_idle=99", "-c x.y=1", "-c role=r", "statement_timeout=1500", "tcp_user_timeout=15000"):
            self.assertIn(part, made)
