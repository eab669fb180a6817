"""The monotonic reactor, sleeping, and periodic jobs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Awaitable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.clock import Periodic, periodics, sleep


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


class ReactorTests(SynchronousTestCase):
    """Each in a process of its own: a process has one reactor for life."""

    def test_installed(self) -> None:
        """The reactor's clock is the monotonic one, and its timers fire though the wall clock stands an hour back."""
        self.assertEqual(
            python(
                "import time\n"
                "from cackled.clock import install_monotonic_reactor\n"
                "install_monotonic_reactor()\n"
                "from twisted.internet import reactor\n"
                "real = time.time\n"
                "def back():\n"
                "    time.time = lambda: real() - 3600\n"
                "    reactor.callLater(0.02, lambda: (print('fired'), reactor.stop()))\n"
                "reactor.callLater(0, back)\n"
                "reactor.run()\n"
                "print(abs(reactor.seconds() - time.monotonic()) < 1)\n"
            ),
            "fired\nTrue",
        )

    def test_chosen_reactor_is_kept(self) -> None:
        """A reactor that is there already stays, and is put on the monotonic clock while nothing waits on it."""
        self.assertEqual(
            python(
                "import time\n"
                "from twisted.internet import selectreactor; selectreactor.install()\n"
                "from cackled.clock import install_monotonic_reactor\n"
                "install_monotonic_reactor()\n"
                "from twisted.internet import reactor\n"
                "print(type(reactor).__name__, reactor.seconds is time.monotonic)\n"
            ),
            "SelectReactor True",
        )

    def test_turns_are_short(self) -> None:
        """Of many that are ready some are served in a turn, the others in the next ones, none twice before."""
        self.assertEqual(
            python(
                "import socket\n"
                "from cackled import clock\n"
                "clock.install_monotonic_reactor()\n"
                "from twisted.internet import reactor\n"
                "turns, keep = [], []\n"
                "class Reader:\n"
                "    def __init__(self):\n"
                "        self.socket, other = socket.socketpair()\n"
                "        other.send(b'1')\n"
                "        keep.append(other)\n"
                "    def fileno(self): return self.socket.fileno()\n"
                "    def logPrefix(self): return '-'\n"
                "    def doRead(self):\n"
                "        turns[-1].append(self)\n"
                "def turn():\n"
                "    if turns and sum(map(len, turns)) >= 3 * clock.TURN_EVENTS:\n"
                "        first = sum(turns, [])[:2 * clock.TURN_EVENTS + 50]\n"
                "        print(max(map(len, turns)) <= clock.TURN_EVENTS, len(set(first)) == len(first))\n"
                "        return reactor.stop()\n"
                "    turns.append([])\n"
                "    reactor.callLater(0, turn)\n"
                "for _ in range(2 * clock.TURN_EVENTS + 50):\n"
                "    reactor.addReader(Reader())\n"
                "reactor.callLater(0, turn)\n"
                "reactor.run()\n"
            ),
            "True True",
        )

    def test_long_turns(self) -> None:
        """Where each descriptor takes long, a turn serves few of them, and all get their turn equally often."""
        self.assertEqual(
            python(
                "import socket, time\n"
                "from cackled import clock\n"
                "clock.install_monotonic_reactor()\n"
                "from twisted.internet import reactor\n"
                "turns, keep, count = [], [], 256\n"
                "class Reader:\n"
                "    own_context = False\n"
                "    def __init__(self):\n"
                "        self.socket, other = socket.socketpair()\n"
                "        other.send(b'1')\n"
                "        keep.append(other)\n"
                "    def fileno(self): return self.socket.fileno()\n"
                "    def logPrefix(self): return '-'\n"
                "    def doRead(self):\n"
                "        turns[-1].append(self)\n"
                "        until = time.monotonic() + clock.TURN_SECONDS / 10\n"
                "        while time.monotonic() < until: pass\n"
                "def turn():\n"
                "    served = sum(turns, [])\n"
                "    if len(set(served)) == count or len(served) >= 40 * count:\n"
                "        print(max(map(len, turns)) <= 16, len(set(served)) == count)\n"
                "        return reactor.stop()\n"
                "    turns.append([])\n"
                "    reactor.callLater(0, turn)\n"
                "for _ in range(count):\n"
                "    reactor.addReader(Reader())\n"
                "reactor.callLater(0, turn)\n"
                "reactor.run()\n"
            ),
            "True True",
        )

    def test_served_directly(self) -> None:
        """A descriptor without a context of its own that fails is cut off and logged; everybody else goes on. One that
        leaves by itself is told of its end once, and one that stays is read again.
        """
        self.assertEqual(
            python(
                "import socket\n"
                "from cackled import clock\n"
                "clock.install_monotonic_reactor()\n"
                "from twisted.internet import reactor\n"
                "from twisted.internet.main import CONNECTION_DONE\n"
                "from twisted.logger import globalLogPublisher\n"
                "globalLogPublisher.addObserver(lambda e: 'log_failure' in e and told.append(e['log_failure'].type))\n"
                "told, keep = [], []\n"
                "class Reader:\n"
                "    own_context = False\n"
                "    def __init__(self, reads, alone):\n"
                "        self.socket, other = socket.socketpair()\n"
                "        other.send(b'12')\n"
                "        keep.append(other)\n"
                "        self.reads, self.leaves_by_itself = reads, alone\n"
                "        reactor.addReader(self)\n"
                "    def fileno(self): return self.socket.fileno()\n"
                "    def doRead(self): return self.reads(self)\n"
                "    def connectionLost(self, reason):\n"
                "        told.append(reason.type)\n"
                "        if self.leaves_by_itself: reactor.removeReader(self)\n"
                "def twice(reader):\n"
                "    told.append(reader.socket.recv(1))\n"
                "    if len([one for one in told if isinstance(one, bytes)]) == 2: return CONNECTION_DONE\n"
                "Reader(lambda reader: 1 / 0, False)\n"
                "Reader(lambda reader: CONNECTION_DONE, True)\n"
                "Reader(twice, False)\n"
                "reactor.callLater(0.2, reactor.stop)\n"
                "reactor.run()\n"
                "print(sorted(getattr(one, '__name__', one.__class__.__name__) for one in told))\n"
            ),
            "['ConnectionDone', 'ConnectionDone', 'ZeroDivisionError', 'ZeroDivisionError', 'bytes', 'bytes']",
        )

    def test_stopped_without_a_timer(self) -> None:
        """A reactor that is told to stop by what it reads, and has no timer at all, ends."""
        self.assertEqual(
            python(
                "import socket\n"
                "from cackled import clock\n"
                "clock.install_monotonic_reactor()\n"
                "from twisted.internet import reactor\n"
                "ours, other = socket.socketpair()\n"
                "other.send(b'1')\n"
                "class Reader:\n"
                "    own_context = False\n"
                "    def fileno(self): return ours.fileno()\n"
                "    def doRead(self):\n"
                "        ours.recv(1)\n"
                "        reactor.stop()\n"
                "    def connectionLost(self, reason): pass\n"
                "reactor.addReader(Reader())\n"
                "reactor.run()\n"
                "print('ended')\n"
            ),
            "ended",
        )

    def test_unknown_reactor(self) -> None:
        """A Twisted that names its parts otherwise is left to serve as it does, on the monotonic clock all the same."""
        for change in (
            "made = Reactor.__init__\n"
            "def init(self):\n"
            "    made(self)\n"
            "    self._other = self.__dict__.pop('_poller')\n"
            "Reactor.__init__ = init\n"
            "Reactor._add = Reactor._remove = lambda *_: None\n"
            "def poll(self, timeout):\n"
            "    served.append(len(self._other.poll(min(timeout, 0.01), 9)))\n"
            "Reactor.doPoll = Reactor.doIteration = poll\n",
            "from twisted.internet.posixbase import _PollLikeMixin\n"
            "del _PollLikeMixin._doReadOrWrite\n"
            "def poll(self, timeout):\n"
            "    served.append(0)\n"
            "Reactor.doPoll = Reactor.doIteration = poll\n",
        ):
            self.assertEqual(
                python(
                    "import time\n"
                    "from twisted.internet.epollreactor import EPollReactor as Reactor\n"
                    "served = []\n"
                    f"{change}"
                    "from cackled.clock import install_monotonic_reactor\n"
                    "install_monotonic_reactor()\n"
                    "from twisted.internet import reactor\n"
                    "end = lambda: (print(bool(served)), reactor.stop())\n"
                    # The second timer is not looked at before a poll, however slow the start was.
                    "reactor.callLater(0, lambda: reactor.callLater(0.02, end))\n"
                    "reactor.run()\n"
                    "print(reactor.seconds is time.monotonic)\n"
                ),
                "True\nTrue",
            )

    def test_running_timers_are_left_alone(self) -> None:
        """A reactor that has timers keeps its clock: they would all fire at once, or never."""
        self.assertEqual(
            python(
                "import time\n"
                "from twisted.internet import reactor\n"
                "reactor.callLater(5, print)\n"
                "from cackled.clock import install_monotonic_reactor\n"
                "install_monotonic_reactor()\n"
                "print(reactor.seconds is time.monotonic)\n"
            ),
            "False",
        )


class SleepTests(SynchronousTestCase):
    def test_sleep(self) -> None:
        """It lasts as long as was said, and a cancel leaves no timer."""
        clock = Clock()
        asleep = Deferred.fromCoroutine(sleep(clock, 3))
        clock.advance(2.9)
        self.assertNoResult(asleep)
        clock.advance(0.1)
        self.successResultOf(asleep)
        asleep = Deferred.fromCoroutine(sleep(clock, 3))
        asleep.addErrback(lambda failure: None)
        asleep.cancel()
        self.assertEqual(clock.getDelayedCalls(), [])


class PeriodicTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.runs: list[float] = []
        self.outcome: Any = None

    def job(self) -> Awaitable[Any] | None:
        self.runs.append(self.clock.seconds())
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def start(self, *, now: bool = False) -> Periodic:
        periodic = Periodic(self.clock, 10, self.job, "test")
        periodic.start(now=now)
        return periodic

    def test_runs(self) -> None:
        """After each interval; at once when asked to; starting twice is once."""
        self.start().start()
        self.clock.pump([10] * 3)
        self.assertEqual(self.runs, [10, 20, 30])
        self.runs.clear()
        self.start(now=True)
        self.assertEqual(self.runs, [30])

    def test_outlives_errors(self) -> None:
        """An error is logged with the job's name, and the next run comes in its turn."""
        self.start()
        self.outcome = ValueError("broken")
        self.clock.pump([10, 10])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
        self.outcome = None
        self.clock.advance(10)
        self.assertEqual(self.runs, [10, 20, 30])

    def test_no_overlap(self) -> None:
        """A run that takes long delays the next one; a coroutine is waited for like a Deferred."""
        slow: Deferred[None] = Deferred()

        async def work() -> None:
            await slow

        self.outcome = work()
        self.start()
        self.clock.pump([10] * 3)
        self.assertEqual(self.runs, [10])
        self.outcome = None
        slow.callback(None)
        self.clock.advance(10)
        self.assertEqual(len(self.runs), 2)

    def test_stop(self) -> None:
        """No run comes after stop, no timer stays, and it can be started again."""
        periodic = self.start()
        periodic.stop()
        periodic.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(50)
        self.assertEqual(self.runs, [])
        periodic.start()
        self.clock.advance(10)
        self.assertEqual(len(self.runs), 1)

    def test_stop_during_a_run(self) -> None:
        """A run under way ends by itself and is the last."""
        slow: Deferred[None] = Deferred()
        self.outcome = slow
        periodic = self.start()
        self.clock.advance(10)
        periodic.stop()
        slow.callback(None)
        self.clock.advance(50)
        self.assertEqual(self.runs, [10])


class BusyTests(SynchronousTestCase):
    """A run that does not end is seen."""

    def test_busy(self) -> None:
        """For how long the run under way has been; the list knows the jobs of a clock alone."""
        clock, other = Clock(), Clock()
        ends: list[Deferred[None]] = []

        def job() -> Deferred[None]:
            ends.append(Deferred())
            return ends[-1]

        job_of = Periodic(clock, 5, job, "slow")
        elsewhere = Periodic(other, 5, lambda: None, "other")
        self.assertEqual((periodics(clock), periodics(other)), ([job_of], [elsewhere]))
        job_of.start(now=True)
        clock.advance(60)
        self.assertEqual((job_of.busy(), job_of.name, job_of.interval), (60, "slow", 5))
        ends[0].callback(None)
        self.assertEqual(job_of.busy(), 0)
        clock.advance(5)
        ends[1].errback(ValueError())
        self.assertEqual((job_of.busy(), len(self.flushLoggedErrors(ValueError))), (0, 1))
        job_of.stop()
