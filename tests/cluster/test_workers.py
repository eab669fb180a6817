"""Worker processes under a clock: who accepts what, who is replaced, who is killed."""

from __future__ import annotations

import signal
from collections.abc import Callable
from errno import EMFILE
from random import Random
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.control import (
    Answer,
    Ask,
    Beat,
    ClusterChanged,
    Configure,
    Failed,
    Leaving,
    PeerJoined,
    PeerLeft,
    Pipe,
    Ready,
    Retire,
    Serve,
    Serving,
    ToParent,
    ToWorker,
)
from cackled.cluster.sockets import Bound
from cackled.cluster.view import Server, View
from cackled.cluster.workers import HUNG, Pool, WorkerError
from cackled.config import Config, ConfigError, Redis
from cackled.metrics import Metrics


class FakeChild:
    """A process that does as a worker does, unless told to hang."""

    def __init__(self, pid: int, heard: Callable[[Any], None], ended: Callable[[str], None]) -> None:
        self.pid = pid
        self.heard = heard
        self.ended = ended
        self.told: list[Any] = []
        self.slots: list[int] = []
        self.hangs = False
        self.dead = False

    def tell(self, message: Any) -> None:
        self.told.append(message)
        if self.hangs or self.dead:
            return
        match message:
            case Serve(slots):
                self.slots = slots
                self.heard(Serving(slots))
            case Ask(number, what):
                if what == "fail":
                    self.heard(Answer(number, error="no"))
                elif what != "silence":
                    self.heard(Answer(number, msgspec.Raw(msgspec.json.encode([self.pid, what]))))

    def signal(self, number: int) -> None:
        if number == signal.SIGKILL:
            self.die("signal 9")

    def die(self, how: str = "exit code 1") -> None:
        """End."""
        if not self.dead:
            self.dead = True
            self.slots = []
            self.ended(how)

    def beat(self) -> None:
        """Say that it lives."""
        if not self.hangs and not self.dead:
            self.heard(Beat(3, 100, 2, 1000, 0.0))


class PoolCase(SynchronousTestCase):
    """A pool of two fake workers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.children: list[FakeChild] = []
        self.no_room = False
        self.standing: frozenset[int] = frozenset()
        self.gaps: list[int] = []
        self.metrics = Metrics()
        self.view = View((Server("a", "", 1),))
        case = self

        class Launch:
            files = [[4], [5]]

            def __call__(self, heard: Any, ended: Any) -> FakeChild:
                if case.no_room:
                    raise OSError(EMFILE, "Too many open files")
                child = FakeChild(100 + len(case.children), heard, ended)
                case.children.append(child)
                return child

        self.pool = Pool(
            count=2, clock=self.clock, random=Random(1), launch=Launch(), view=lambda: self.view,
            config=lambda: Config(workers=2, redis=Redis(url="redis://a")), stand_in=self.stand_in,
            metrics=self.metrics,
        )  # fmt: skip

    def stand_in(self, slots: frozenset[int]) -> None:
        self.standing = slots

    def run_for(self, seconds: float) -> None:
        """Let time pass; who lives beats."""
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)
            for child in self.children:
                child.beat()
            self.check()

    def check(self) -> None:
        """Every slot is accepted by somebody, if it be the parent."""
        served = {slot for child in self.children for slot in child.slots} | self.standing
        self.assertEqual(served, {0, 1})

    def begin(self) -> None:
        """Start, with both ready."""
        started = Deferred.fromCoroutine(self.pool.start())
        self.assertEqual(self.standing, {0, 1})
        for child in self.children:
            child.heard(Ready())
            self.check()
        self.successResultOf(started)


class PoolTests(PoolCase):
    def test_start(self) -> None:
        """Each gets its slot; until the first is ready the parent stands in, then that one for both."""
        started = Deferred.fromCoroutine(self.pool.start())
        begin = self.children[0].told[0]
        self.assertIsInstance(begin, Configure)
        self.assertEqual((begin.slot, begin.files, begin.view), (0, [[4], [5]], self.view))
        self.assertEqual(self.pool.trouble(), "no worker serves")
        self.children[0].heard(Ready())
        self.assertEqual((self.children[0].slots, self.standing), ([0, 1], frozenset()))
        self.assertNoResult(started)
        self.children[1].heard(Ready())
        self.successResultOf(started)
        self.assertEqual([child.slots for child in self.children], [[0], [1]])
        self.assertEqual(self.pool.trouble(), "")

    def test_start_fails(self) -> None:
        """A worker that can't start fails the start, in its own words, whichever it is."""
        started = Deferred.fromCoroutine(self.pool.start())
        self.children[1].heard(Failed("the roof is on fire"))
        self.children[1].die()
        self.children[0].heard(Ready())
        self.assertIn("the roof is on fire", str(self.failureResultOf(started, WorkerError).value))

    def test_crash(self) -> None:
        """The other takes the slot at once; a new one comes after a moment, then later and later; others are told."""
        self.begin()
        self.children[0].die()
        self.check()
        self.assertEqual(self.children[1].slots, [0, 1])
        self.assertIn(PeerLeft, {type(message) for message in self.children[1].told})
        self.run_for(0.5)
        self.assertEqual(len(self.children), 3)
        self.children[2].heard(Ready())
        self.assertEqual((self.children[2].slots, self.children[1].slots), ([0], [1]))
        self.assertEqual([type(message) for message in self.children[1].told[-2:]], [PeerJoined, Serve])
        for expected in (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0):
            count = len(self.children)
            self.children[-1].die()
            self.clock.advance(expected * 0.98)
            self.assertEqual(len(self.children), count)
            self.clock.advance(expected * 0.04)
            self.assertEqual(len(self.children), count + 1)
        self.children[-1].heard(Ready())
        self.run_for(31)
        self.children[-1].die()
        self.clock.advance(0.11)
        self.assertEqual(self.metrics.value("worker_ends_total", reason="crashed"), 10)
        self.assertFalse(self.children[-1].dead)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_all_crash(self) -> None:
        """With none left the parent stands in, and the node is not fit to serve."""
        self.begin()
        for child in self.children[:2]:
            child.die()
        self.assertEqual(self.standing, {0, 1})
        self.assertEqual(self.pool.trouble(), "no worker serves")

    def test_no_room(self) -> None:
        """Where the system has no room for a process it is tried again, later and later; a replacement fails in words,
        and what was there stays."""
        self.begin()
        self.no_room = True
        self.children[0].die()
        self.run_for(2)
        self.assertEqual([len(self.children), self.children[1].slots], [2, [0, 1]])
        error = self.failureResultOf(Deferred.fromCoroutine(self.pool.restart()), WorkerError)
        self.assertIn("Too many open files", str(error.value))
        self.run_for(1)
        self.no_room = False
        self.run_for(10)
        self.assertEqual(len(self.children), 3)
        self.children[2].heard(Ready())
        self.assertEqual([child.slots for child in self.children], [[], [1], [0]])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_hang(self) -> None:
        """One that is silent loses its slot after three seconds and its life after ten."""
        self.begin()
        self.run_for(1)
        self.children[0].hangs = True
        self.run_for(4)
        self.assertEqual(self.children[1].slots, [0, 1])
        self.assertFalse(self.children[0].dead)
        self.run_for(HUNG - 3)
        self.assertTrue(self.children[0].dead)
        self.assertEqual(len(self.children), 3)

    def test_wakes_up(self) -> None:
        """One that is heard again in time gets its slot back."""
        self.begin()
        self.children[0].hangs = True
        self.run_for(5)
        self.children[0].hangs = False
        self.children[0].heard(Serving([0]))
        self.run_for(1)
        self.assertEqual(([0], [1]), (self.children[0].slots, self.children[1].slots))
        self.run_for(20)
        self.assertEqual(len(self.children), 2)

    def test_parent_stood_still(self) -> None:
        """When it was the parent that slept, nobody is killed for it."""
        self.begin()
        self.run_for(1)
        self.clock.advance(60)
        self.clock.advance(0.5)
        self.run_for(2)
        self.assertEqual(len(self.children), 2)
        self.assertFalse(self.children[0].dead)

    def test_never_ready(self) -> None:
        """A start that does not end is ended."""
        started = Deferred.fromCoroutine(self.pool.start())
        self.run_for(61)
        self.assertTrue(self.children[0].dead)
        self.failureResultOf(started, WorkerError)

    def test_restart(self) -> None:
        """One after another; at no moment is a slot unattended, and the parent never stands in."""
        self.begin()
        done = Deferred.fromCoroutine(self.pool.restart())
        for old, new in ((0, 2), (1, 3)):
            self.assertEqual(len(self.children), new + 1)
            self.assertEqual(self.children[old].slots, [old])
            self.children[new].heard(Ready())
            self.assertEqual((self.children[new].slots, self.children[old].slots), ([old], []))
            self.assertIsInstance(self.children[old].told[-1], Retire)
            self.assertEqual(self.standing, frozenset())
            self.assertNoResult(done)
            self.children[old].die("exit code 0")
            self.clock.advance(0.1)
        self.assertEqual(self.successResultOf(done), 2)
        self.assertEqual(self.metrics.value("worker_ends_total", reason="retired"), 2)
        self.run_for(5)
        self.assertEqual(len(self.children), 4)

    def test_restart_keeps_the_old(self) -> None:
        """Where the new one can't start the old one stays, and the restart fails."""
        self.begin()
        done = Deferred.fromCoroutine(self.pool.restart())
        self.children[2].heard(Failed("bad wind"))
        self.children[2].die()
        self.assertIn("bad wind", str(self.failureResultOf(done, WorkerError).value))
        self.run_for(5)
        self.assertEqual((len(self.children), self.children[0].slots), (3, [0]))

    def test_restart_twice(self) -> None:
        """One at a time."""
        self.begin()
        Deferred.fromCoroutine(self.pool.restart())
        self.failureResultOf(Deferred.fromCoroutine(self.pool.restart()), WorkerError)

    def test_old_dies_meanwhile(self) -> None:
        """The old one crashes while its successor starts: that one takes over, no third is made."""
        self.begin()
        done = Deferred.fromCoroutine(self.pool.restart())
        self.children[0].die()
        self.run_for(2)
        self.assertEqual(len(self.children), 3)
        self.children[2].heard(Ready())
        self.clock.advance(0.1)
        self.assertEqual(self.children[2].slots, [0])
        self.children[3].heard(Ready())
        self.children[1].die("exit code 0")
        self.clock.advance(0.1)
        self.assertEqual(self.successResultOf(done), 2)

    def test_restart_during_a_start(self) -> None:
        """A worker that crashed is starting anew as all are to be replaced: it goes as soon as it has come."""
        self.begin()
        self.children[0].die()
        self.run_for(0.5)
        done = Deferred.fromCoroutine(self.pool.restart())
        late, new = self.children[2:]
        new.heard(Ready())
        late.heard(Ready())
        self.assertEqual((late.slots, new.slots), ([], [0]))
        self.assertIsInstance(late.told[-1], Retire)
        late.die("exit code 0")
        self.run_for(1)
        self.children[4].heard(Ready())
        self.children[1].die("exit code 0")
        self.run_for(1)
        self.assertEqual(self.successResultOf(done), 2)
        self.assertEqual([child.dead for child in self.children], [True, True, True, False, False])

    def test_leaving_during_a_restart(self) -> None:
        """Two replacements of one worker: the later one stays."""
        self.begin()
        self.children[0].heard(Leaving())
        done = Deferred.fromCoroutine(self.pool.restart())
        for child in self.children[2:]:
            child.heard(Ready())
        self.assertEqual([child.slots for child in self.children], [[], [1], [], [0]])
        for child in (self.children[0], self.children[2]):
            self.assertIn(Retire, {type(message) for message in child.told})
            child.die("exit code 0")
        self.run_for(1)
        self.children[4].heard(Ready())
        self.children[1].die("exit code 0")
        self.run_for(1)
        self.assertEqual(self.successResultOf(done), 2)
        self.assertEqual(len(self.children), 5)

    def test_new_dies_while_the_old_ends(self) -> None:
        """The successor crashes before the one it replaced has ended: another is started at once."""
        self.begin()
        Deferred.fromCoroutine(self.pool.restart())
        self.children[2].heard(Ready())
        self.children[2].die()
        self.check()
        self.run_for(0.5)
        self.assertEqual(len(self.children), 4)
        self.assertFalse(self.children[0].dead)
        self.children[3].heard(Ready())
        self.assertEqual(self.children[3].slots, [0])

    def test_retiring_hangs(self) -> None:
        """One that does not end in its time is killed."""
        self.begin()
        Deferred.fromCoroutine(self.pool.restart())
        self.children[2].heard(Ready())
        self.run_for(10)
        self.assertFalse(self.children[0].dead)
        self.run_for(2)
        self.assertTrue(self.children[0].dead)

    def test_leaving(self) -> None:
        """A worker that was asked to end by somebody else is replaced in order."""
        self.begin()
        self.children[1].heard(Leaving())
        self.children[2].heard(Ready())
        self.assertEqual(self.children[2].slots, [1])
        self.assertIsInstance(self.children[1].told[-1], Retire)

    def test_ask(self) -> None:
        """Answers come by worker; refusals, silence and death are errors."""
        self.begin()
        answers = self.successResultOf(Deferred.fromCoroutine(self.pool.ask_all("name", 1)))
        self.assertEqual([told for _, told in answers], [[100, "name"], [101, "name"]])
        answers = self.successResultOf(Deferred.fromCoroutine(self.pool.ask_all("fail")))
        self.assertEqual([str(told) for _, told in answers], ["no", "no"])
        silent = Deferred.fromCoroutine(self.pool.ask_all("silence", seconds=2.0))
        self.children[0].die()
        self.clock.advance(2.0)
        told = [str(told) for _, told in self.successResultOf(silent)]
        self.assertEqual(told, ["worker 0 has ended", "worker 1 does not answer for 2 s"])

    def test_load_and_view(self) -> None:
        """Connections are summed; a changed view reaches all."""
        self.begin()
        self.run_for(1)
        self.assertEqual(self.pool.load(), (6, 200))
        self.view = View(trouble="cut off")
        self.pool.see()
        self.assertEqual([child.told[-1] for child in self.children], [ClusterChanged(self.view)] * 2)

    def test_stop(self) -> None:
        """All are told to retire; who stays is killed; nobody is started again."""
        self.begin()
        stopped = Deferred.fromCoroutine(self.pool.stop(4.0))
        self.assertIsInstance(self.children[0].told[-1], Retire)
        self.children[0].die("exit code 0")
        self.clock.pump([0.02] * 50)
        self.assertNoResult(stopped)
        self.clock.pump([0.1] * 40)
        self.successResultOf(stopped)
        self.assertTrue(self.children[1].dead)
        self.assertEqual(len(self.children), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class PipeTests(SynchronousTestCase):
    """The pipe's own rules."""

    def pipe(self, kind: Any) -> tuple[Pipe, list[Any], list[str], StringTransport]:
        heard: list[Any] = []
        lost: list[str] = []
        made = Pipe(kind, heard.append, lost.append)
        transport = StringTransport()
        transport.abortConnection = lambda: None  # type: ignore[method-assign]
        made.makeConnection(transport)
        return made, heard, lost, transport

    def test_there_and_back(self) -> None:
        """Every message comes out as it went in, however it is cut."""
        config = Config(workers=2, redis=Redis(url="redis://a"))
        down = [
            Configure(1, "w1.a", config, [[4], [5]], View()), Serve([0]), PeerLeft("x"), Ask(1, "evict", [1, 2]),
            Retire(2),
        ]  # fmt: skip
        up = [Ready(), Serving([1]), Beat(1, 2, 3, 4, 0.5), Answer(1, msgspec.Raw(b'{"a":[1]}')), Failed("x")]
        for kind, messages in ((ToWorker, down), (ToParent, up)):
            writer, _, _, transport = self.pipe(kind)
            for message in messages:
                writer.tell(message)
            reader, heard, lost, _ = self.pipe(kind)
            for byte in transport.value():
                reader.dataReceived(bytes([byte]))
            self.assertEqual(heard, messages)
            self.assertEqual(lost, [])

    def test_rubbish(self) -> None:
        """What is not understood, or too long, ends the pipe once."""
        for data in (b"\0\0\0\2{}", b"\0\0\0\1\xff", b"\x7f\xff\xff\xff"):
            reader, heard, lost, _ = self.pipe(ToWorker)
            reader.dataReceived(data)
            reader.connectionLost()
            self.assertEqual((heard, len(lost)), ([], 1))


class BoundTests(SynchronousTestCase):
    def test_kinds(self) -> None:
        """An endpoint that can't be shared is refused in one line."""
        error = self.assertRaises(ConfigError, Bound, object(), "unix:/x", 2)
        self.assertEqual(str(error), "[[listen]] 'unix:/x': workers listen on tcp: and cackletls: only")
