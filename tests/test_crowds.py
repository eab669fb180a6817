"""Ten thousand wait for one thing, and are resumed or give up: nowhere is one resumed inside the resuming of another.

A stack that grows with the number of those who wait ends in a RecursionError, and what its innards were to give back
is lost with it. Each waiter here comes back at once, as the most awkward of callers does.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from random import Random
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from cackled import config
from cackled.admin.gate import Gate
from cackled.admin.health import Health
from cackled.cache.soft import SoftCache
from cackled.cache.types import Loaded
from cackled.database.errors import Unavailable
from cackled.database.pool import Pool, PoolSettings
from cackled.database.query import Query
from cackled.domain.sites import SiteDirectory
from cackled.metrics import Metrics
from cackled.outbound.guard import resolver
from cackled.transport.microcache import Microcache
from cackled.transport.response import Response

CROWD = 10_000
# Frames that a waiter may find below itself beside those of the test.
DEEP = 60


def depth() -> int:
    """How many frames there are."""
    frame, count = sys._getframe(), 0
    while frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


class CrowdTests(SynchronousTestCase):
    """Everything that many may wait for."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.deepest = 0
        self.ended = 0

    def crowd(self, ask: Callable[[], Awaitable[Any]], count: int = CROWD) -> list[Deferred[Any]]:
        """So many who ask, note how deep they are resumed, and ask once more."""

        async def one() -> None:
            for _ in range(2):
                try:
                    await ask()
                except CancelledError:
                    return
                except (Unavailable, ValueError):
                    pass
                finally:
                    self.deepest = max(self.deepest, depth() - base)
            self.ended += 1

        base = depth()
        return [Deferred.fromCoroutine(one()) for _ in range(count)]

    def all_over(self, crowd: list[Deferred[Any]]) -> None:
        """Everyone was resumed, and none deep down."""
        self.assertEqual(self.ended, len(crowd))
        self.assertLess(self.deepest, DEEP)

    def all_leave(self, crowd: list[Deferred[Any]]) -> None:
        """All give up, the last first."""
        for one in reversed(crowd):
            one.cancel()
        self.assertEqual({one.called for one in crowd}, {True})
        self.assertLess(self.deepest, DEEP)

    def cache(self, load: Any) -> list[Deferred[Any]]:
        cache = SoftCache(clock=self.clock, max_bytes=1 << 20, ttl=60, metrics=Metrics())
        return self.crowd(lambda: cache.get("group", "key", load))

    def test_soft_cache(self) -> None:
        """A load that answers, and one that fails; a crowd that leaves."""
        for result in (Loaded(b"x", 1), Failure(ValueError())):
            self.setUp()
            flights: list[Deferred[Any]] = []

            def load(fresh: bool, flights: list[Deferred[Any]] = flights, result: Any = result) -> Deferred[Any]:
                flights.append(Deferred())
                if len(flights) > 1:
                    flights[-1].callback(result)
                return flights[-1]

            crowd = self.cache(load)
            flights[0].callback(result)
            self.all_over(crowd)
        self.setUp()
        self.all_leave(self.cache(lambda fresh: Deferred()))

    def test_microcache(self) -> None:
        """A handler that answers, privately or for all, or fails; more than may wait are told so."""
        for answer in (
            Response(body=b"x", headers=[(b"Cache-Control", b"public, max-age=60")]), Response(body=b"mine"),
            Response(status=503),
        ):  # fmt: skip
            self.setUp()
            cache = Microcache(self.clock, config.Microcache(), Metrics())
            flights: list[Deferred[Response]] = []

            def load(flights: list[Deferred[Response]] = flights, answer: Response = answer) -> Deferred[Response]:
                flights.append(Deferred())
                if len(flights) > 1:
                    flights[-1].callback(answer)
                return flights[-1]

            crowd = self.crowd(lambda cache=cache, load=load: cache.fetch((b"http", b"a", b"/"), 0, load))
            flights[0].callback(answer)
            self.all_over(crowd)

    def test_pool(self) -> None:
        """Queries that wait for a connection, when the pool closes or its server is found to hang."""
        for end in (Pool.stop, lambda pool: pool.break_off("it hangs")):
            self.setUp()
            pool = Pool(
                clock=self.clock, random=Random(1), dsn=lambda: "", metrics=Metrics(), name="p",
                settings=PoolSettings(connections=1, max_waiting=CROWD),
            )  # fmt: skip
            pool._running = True
            crowd = self.crowd(lambda pool=pool: pool.execute(Query("crowd", "select 1"), ()))
            end(pool)
            self.all_over(crowd)
        self.setUp()
        pool._running, pool._broken = True, ""
        self.all_leave(self.crowd(lambda: pool.execute(Query("crowd", "select 1"), ())))

    def test_catalog(self) -> None:
        """Whoever has the sites read anew, while the database refuses at once."""
        first: Deferred[None] = Deferred()
        asked = 0

        async def learn() -> None:
            nonlocal asked
            asked += 1
            if asked == 1:
                await first
            raise Unavailable(1.0, "no primary")

        database: Any = SimpleNamespace(learn=learn)
        crowd = self.crowd(SiteDirectory(database).refresh)
        first.callback(None)
        self.all_over(crowd)

    def test_console(self) -> None:
        """Passwords are looked at one after the other."""
        first: Deferred[bool] = Deferred()

        async def verify(password: str) -> bool:
            return await first if not first.called else True

        gate = Gate(self.clock, "admin", verify)
        crowd = self.crowd(lambda: gate.admit("admin", "right", "192.0.2.1"), 2_000)
        first.callback(True)
        self.all_over(crowd)

    def test_names(self) -> None:
        """A name that is being looked up."""
        threads: list[Deferred[Any]] = []

        def in_thread(*work: Any) -> Deferred[Any]:
            threads.append(Deferred())
            return threads[-1]

        resolve = resolver(in_thread)
        crowd = self.crowd(lambda: resolve("a.example"))
        # Those who wait are told in turns of the reactor; who comes meanwhile starts another look.
        self.patch(reactor, "callLater", self.clock.callLater)
        while threads or self.clock.getDelayedCalls():
            waiting, threads[:] = threads[:], []
            for one in waiting:
                one.callback(["192.0.2.1"])
            self.clock.advance(0)
        self.all_over(crowd)

    def test_health(self) -> None:
        """A crowd of probes waits for one look."""
        slow: Deferred[None] = Deferred()
        health = Health({"slow": lambda: slow}, self.clock, Metrics())
        crowd = self.crowd(health.look)
        slow.callback(None)
        self.all_over(crowd)
