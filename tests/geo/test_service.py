"""The service around the index: builds in a process, keeps what works, and takes a new file when one is there."""

from __future__ import annotations

import os
from errno import EAGAIN
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from cackled.config import Geo, Node
from cackled.geo.index import Index
from cackled.geo.service import BUILD_SECONDS, Builder, BuildFailed, GeoService
from cackled.metrics import Metrics
from tests.support.geo import BERLIN, BOSTON, NODES, write_mmdb


class GeoServiceTests(TestCase):
    """With the real builder, on small files."""

    def setUp(self) -> None:
        self.state = self.mktemp()
        self.file = write_mmdb(self.mktemp(), {"81.0.0.0/8": BERLIN}, 4)
        self.clock = Clock()
        self.metrics = Metrics()
        self.service = self.make()
        self.seen: list[Index] = []
        self.service.watch(self.seen.append)

    def make(self, nodes: tuple[Node, ...] = NODES) -> GeoService:
        service = GeoService(reactor, Geo(files=(self.file,)), nodes, self.state, self.clock, self.metrics)
        self.addCleanup(service.stop)
        return service

    def nearest(self, service: GeoService, address: str = "81.1.1.1") -> str | None:
        number, _, order = service.lookup_text(address)
        return order[0][0] if number else None

    def replace(self, networks: dict[str, Any] | None) -> None:
        """Put another file in the place of the old one; None: rubbish."""
        fresh = self.mktemp()
        if networks is None:
            Path(fresh).write_bytes(b"rubbish")
        else:
            write_mmdb(fresh, networks, 4)
        os.utime(fresh, ns=(0, len(self.seen) + 7))
        os.replace(fresh, self.file)

    def ended(self) -> Deferred[None]:
        """Fires when the builder that runs now is gone."""
        builder = self.service._builder
        assert builder is not None
        ended: Deferred[None] = Deferred()
        before = builder.processEnded
        builder.processEnded = lambda reason: (before(reason), ended.callback(None))  # type: ignore[assignment,func-returns-value]
        return ended

    async def test_life(self) -> None:
        """Built, swapped, left alone, renewed, kept when the next file is rubbish, recovered."""
        self.assertIsNone(self.nearest(self.service))
        self.assertTrue(await self.service.check())
        self.assertEqual((self.nearest(self.service), len(self.seen)), ("eu", 1))
        self.assertFalse(await self.service.check())
        self.assertTrue(await self.service.check(force=True))

        self.replace({"81.0.0.0/8": BOSTON})
        self.assertTrue(await self.service.check())
        self.assertEqual(self.nearest(self.service), "us")

        self.replace(None)
        self.assertFalse(await self.service.check())
        self.assertEqual((self.nearest(self.service), self.metrics.value("geo_broken")), ("us", 1))
        self.assertFalse(await self.service.check())
        self.assertEqual(self.metrics.value("geo_build_failures_total"), 1, "a file that failed is not tried again")

        os.unlink(self.file)
        self.assertFalse(await self.service.check())
        self.assertFalse(await self.service.check())
        self.assertEqual(self.metrics.value("geo_build_failures_total"), 2)
        self.assertEqual(self.nearest(self.service), "us")

        write_mmdb(self.file, {"81.0.0.0/8": BERLIN}, 4)
        self.assertTrue(await self.service.check())
        self.assertEqual((self.nearest(self.service), self.metrics.value("geo_broken")), ("eu", 0))
        # A second service, as after a restart, has it at once.
        again = self.make()
        again._poll.start = lambda now: None  # type: ignore[assignment,misc]
        again.start()
        self.assertEqual(self.nearest(again), "eu")
        self.assertFalse(await again.check())
        # With other nodes what was built is of no use.
        other = self.make(NODES[:2])
        other._poll.start = lambda now: None  # type: ignore[assignment,misc]
        other.start()
        self.assertIsNone(self.nearest(other))

    async def test_other_nodes_meanwhile(self) -> None:
        """Nodes change while an index is built: it is built for the new ones, or not at all where they need none, and
        nothing has failed."""
        building = Deferred.fromCoroutine(self.service.check())
        ended = self.ended()
        self.service.change(NODES[:2])
        self.assertTrue(await building)
        await ended
        self.assertEqual([set(sum(each.classes, ())) for each in self.seen], [{("eu",), ("us",), ("eu", "us")}])
        building = Deferred.fromCoroutine(self.service.check(force=True))
        ended = self.ended()
        self.service.change(NODES[:1])
        self.assertFalse(await building)
        await ended
        self.assertEqual((len(self.seen), self.seen[1].header), (2, None))
        self.assertEqual([self.metrics.value(f"geo_{name}") for name in ("build_failures_total", "broken")], [0, 0])

    async def test_stop_ends_the_builder(self) -> None:
        """A build that runs is ended with the service, and that is no failure."""
        waiting = Deferred.fromCoroutine(self.service.check())
        ended = self.ended()
        self.service.stop()
        self.assertFalse(await waiting)
        await ended
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.metrics.value("geo_build_failures_total"), 0)


class ScheduleTests(SynchronousTestCase):
    def test_no_files(self) -> None:
        """Without files, or with one place, nothing is done and everybody is in one class."""
        for geo, nodes in ((Geo(), NODES), (Geo(files=("x.mmdb",)), NODES[:1])):
            clock = Clock()
            service = GeoService(None, geo, nodes, self.mktemp(), clock, Metrics())
            service.start()
            self.assertEqual((clock.getDelayedCalls(), len(service.index.classes)), ([], 1))
            service.stop()

    def test_other_nodes(self) -> None:
        """With other nodes an index is made anew; where they are in one place, everybody is in one class at once."""
        clock = Clock()
        service = GeoService(None, Geo(files=("x.mmdb",)), NODES, self.mktemp(), clock, Metrics())
        told: list[object] = []
        service.watch(told.append)
        service.change(NODES)
        self.assertEqual((clock.getDelayedCalls(), told), ([], []))
        service.change(NODES[:1])
        self.assertEqual((service.wanted, len(told), len(service.index.classes)), (False, 1, 1))
        service.change(NODES[:2])
        clock.advance(0)
        self.assertTrue(service.wanted and service._poll._loop.running)
        service.stop()

    def test_too_long(self) -> None:
        """A builder that hangs is killed."""
        killed: list[str] = []

        class Transport:
            def write(self, data: bytes) -> None:
                pass

            def closeStdin(self) -> None:
                pass

            def signalProcess(self, name: str) -> None:
                killed.append(name)

        class Reactor:
            def spawnProcess(self, protocol: Builder, *rest: object, env: object = None) -> None:
                protocol.makeConnection(Transport())  # type: ignore[arg-type]

        clock = Clock()
        path = write_mmdb(self.mktemp(), {"81.0.0.0/8": BERLIN}, 4)
        service = GeoService(Reactor(), Geo(files=(path,)), NODES, self.mktemp(), clock, Metrics())
        done = Deferred.fromCoroutine(service.check())
        clock.advance(BUILD_SECONDS)
        self.assertFalse(self.successResultOf(done))
        self.assertEqual(killed, ["KILL"])

    def test_no_room(self) -> None:
        """Where the system has no room for a builder, or the state folder can't be written, that is a failure like any
        other: it is tried again."""

        class Reactor:
            def spawnProcess(self, *arguments: object, env: object = None) -> None:
                raise OSError(EAGAIN, "Resource temporarily unavailable")

        path = write_mmdb(self.mktemp(), {"81.0.0.0/8": BERLIN}, 4)
        metrics = Metrics()
        for number, state in enumerate((self.mktemp(), path), 1):
            service = GeoService(Reactor(), Geo(files=(path,)), NODES, state, Clock(), metrics)
            for _ in range(2):
                self.assertFalse(self.successResultOf(Deferred.fromCoroutine(service.check(force=True))))
            self.assertIsNone(service._builder)
            self.assertEqual(metrics.value("geo_build_failures_total"), 2 * number)

    def test_errors_are_one_line(self) -> None:
        """What a builder says is kept short, its last line is the reason."""
        from twisted.internet.error import ProcessTerminated
        from twisted.python.failure import Failure

        builder = Builder(b"")
        builder.errReceived(b"x" * 100_000 + b"\nthe reason\n")
        self.assertLess(len(builder._said), 5000)
        builder.processEnded(Failure(ProcessTerminated(1)))
        self.assertEqual(str(self.failureResultOf(builder.done, BuildFailed).value), "the reason")


