"""A reactor that stands still is seen from another thread, with the request that made it."""

from __future__ import annotations

import sys
import threading
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.lag import LagMonitor
from cackled.admin.stalls import LONG, SHOWN, Standstill, describe
from cackled.metrics import Metrics
from cackled.transport.resources import AsyncResource
from cackled.transport.response import Response
from tests.support.answers import Server, get


class StandstillTests(SynchronousTestCase):
    """The watch."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.lag = LagMonitor(self.clock, self.metrics)
        self.watch = Standstill(self.lag, self.metrics, lambda: {threading.get_ident(): sys._getframe()})
        self.lag.start()
        self.addCleanup(self.lag.stop)

    def test_nothing(self) -> None:
        """While turns come in time, or nearly, nothing is said."""
        with capturedLogs() as events:
            for _ in range(50):
                self.clock.advance(0.1)
                self.watch.look()
            self.clock.rightNow += LONG - 0.05
            self.watch.look()
            self.clock.advance(0)
        self.assertEqual((events, self.watch.wrong()), ([], ""))

    def test_long_turn(self) -> None:
        """Told once while it lasts, once with its length when it is over; shown to operators for a while."""
        with capturedLogs() as events:
            self.clock.rightNow += LONG + 0.5
            for _ in range(3):
                self.watch.look()
            self.assertEqual(len(events), 1)
            self.assertIn("test_long_turn", events[0]["what"])
            self.clock.rightNow += 2
            self.clock.advance(0)
        self.assertEqual([round(event["seconds"], 1) for event in events], [1.4, 3.4])
        self.assertEqual(self.metrics.value("reactor_standstills_total"), 1)
        self.assertIn("3.4 s", self.watch.wrong())
        self.assertIn("test_long_turn", self.watch.wrong())
        for _ in range(int(SHOWN) + 1):
            self.clock.advance(1)
            self.clock.advance(0)
        self.assertNotIn("3.4 s", self.watch.wrong())

    def test_nobody_saw(self) -> None:
        """A process that was stopped as a whole says that much."""
        self.clock.rightNow += 5
        self.clock.advance(0)
        self.assertIn("whole process", self.watch.wrong())

    def test_thread(self) -> None:
        """The thread looks, and ends."""
        looked = threading.Event()
        self.patch(self.watch, "look", looked.set)
        self.watch.start()
        self.assertTrue(looked.wait(30))
        self.watch.stop()
        assert self.watch._thread is not None
        self.watch._thread.join(30)
        self.assertFalse(self.watch._thread.is_alive())


class DescribeTests(SynchronousTestCase):
    """What a request that holds everybody up looks like."""

    def test_request(self) -> None:
        """Method, address without its secrets, the client, and the functions; in the handler and deep below it."""
        said: list[str] = []

        def deep(depth: int) -> None:
            if depth:
                deep(depth - 1)
            else:
                said.append(describe(sys._getframe()))

        async def handler(request: Any) -> Response:
            deep(20)
            return Response()

        server = Server({b"slow": AsyncResource(handler)})
        server.send(get("/slow?token=geheim&x=1"), host="192.0.2.7")
        self.assertEqual(len(said), 1)
        self.assertIn("GET /slow?token=-&x=1 from 192.0.2.7, in ", said[0])
        self.assertIn("test_stalls", said[0])
        self.assertNotIn("geheim", said[0])

    def test_nothing_known(self) -> None:
        """No request, or a thread that is gone."""
        self.assertIn("no request", describe(None))

    def test_broken(self) -> None:
        """Something that can't say what it does is passed over."""

        class Bad:
            def doing(self) -> str:
                raise ValueError

        class Good:
            def doing(self) -> str:
                return "good work"

        bad, good = Bad(), Good()
        self.assertIn("good work", describe(sys._getframe()), (bad, good))
