"""The worker processes of a node: starts, monitors and replaces them.

A `Launch` creates the processes (`cackled.cluster.launch`), so that tests need none. There are as many slots as
workers; each slot has a listening socket of every ``[[listen]]``. A slot belongs to its own worker while that is
healthy, else to another worker, else to the parent itself, which asks visitors to wait. When a slot changes hands, the
new owner accepts first and the old one stops after that, so there is no gap.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled.clock import Periodic, sleep
from cackled.cluster.balance import Balance
from cackled.cluster.control import (
    Answer,
    Ask,
    Beat,
    ClusterChanged,
    Configure,
    Failed,
    Leaving,
    Message,
    PeerJoined,
    PeerLeft,
    Ready,
    Retire,
    Serve,
    Serving,
)
from cackled.cluster.view import View
from cackled.config import Config
from cackled.metrics import Metrics

# Seconds of silence after which a worker gets no new connections, and after which it is killed.
SILENT = 3.0
HUNG = 10.0
# Seconds from the start of a process until it must be ready.
START = 60.0
BACKOFF_FIRST = 0.1
BACKOFF_MOST = 10.0
# If a worker ran for at least this many seconds, it is restarted without delay.
GOOD_LIFE = 30.0
ASK_SECONDS = 5.0
SILENT_ASK_SECONDS = 1.0
# Seconds beyond its time after which a retiring worker is killed.
RETIRE_GRACE = 3.0
STOP_GRACE = 0.8
# If this process was blocked for longer than this, silence of workers was its own fault.
STALL = 2.0

STARTING, READY, RETIRING, GONE = "starting", "ready", "retiring", "gone"

log = Logger()


class WorkerError(Exception):
    """A worker can't start, or does not answer; one line."""


class Child(Protocol):
    """A worker process, as its parent uses it."""

    pid: int | None

    def tell(self, message: Message) -> None:
        """Send *message* through the pipe."""

    def signal(self, number: int) -> None:
        """Signal it, if it is there."""


class Launch(Protocol):
    """Makes worker processes. *heard* gets their messages; *ended* is called once, with how, when one is over."""

    # The listeners as a worker knows them: see `Begin`.
    files: list[list[int]]

    def __call__(self, heard: Callable[[Any], None], ended: Callable[[str], None]) -> Child:
        """Start one."""


class Worker:
    """One process, from its start to its end."""

    def __init__(self, slot: int, source: str, now: float) -> None:
        self.slot = slot
        self.source = source
        self.state = STARTING
        self.began = self.heard_at = now
        self.child: Child | None = None
        self.beat: Beat | None = None
        # The slots it was told to accept, and the slots it has confirmed.
        self.told: frozenset[int] = frozenset()
        self.serving: frozenset[int] = frozenset()
        self.dies_at: float | None = None
        self.retired = False
        self.inherits = False  # its predecessor crashed, whose clients are with the others
        # Why it could not start.
        self.failed = ""
        self.ready: Deferred[None] = Deferred()
        self.asked: dict[int, Deferred[Any]] = {}

    @property
    def pid(self) -> int | None:
        """Its process, once it is known."""
        return self.child.pid if self.child is not None else None

    def tell(self, message: Message) -> None:
        """Send *message*, if it lives."""
        if self.child is not None and self.state != GONE:
            self.child.tell(message)


class Pool:
    """All workers of this node.

    Args:
        config: what workers are configured with; asked at each start, because a database may have moved.
        view: how the cluster looks now.
        stand_in, departed: told which slots the parent itself has to accept, and each worker that is no more.
    """

    def __init__(
        self,
        *,
        count: int,
        clock: IReactorTime,
        random: Random,
        launch: Launch,
        config: Callable[[], Config],
        view: Callable[[], View],
        stand_in: Callable[[frozenset[int]], None],
        metrics: Metrics,
        departed: Callable[[Worker], None] = lambda worker: None,
    ) -> None:
        self.count = count
        self._clock = clock
        self._random = random
        self._launch = launch
        self._config = config
        self._view = view
        self._stand_in = stand_in
        self._all: list[Worker] = []
        # Of each slot the worker that holds it or will.
        self._current: dict[int, Worker] = {}
        self._failures = dict.fromkeys(range(count), 0)
        self._later: dict[int, Any] = {}
        self._number = 0
        self._stopping = False
        self._reloading = False
        self._looked = 0.0
        self._standing: frozenset[int] = frozenset()
        self._balance: Balance[Worker] = Balance(clock)
        self._departed = departed
        self._restarts = metrics.counter("worker_ends", "Worker processes that ended.", ["reason"])
        metrics.watch("workers", "Worker processes that serve.", lambda: float(len(self.workers())))
        self._job = Periodic(clock, 0.5, self._look, "workers")

    # Life

    async def start(self) -> None:
        """Start all; returns when each can serve.

        Raises:
            WorkerError: the first one that can't start, in its own words.
        """
        self._looked = self._clock.seconds()
        self._job.start()
        self._assign()
        first = [self._spawn(slot) for slot in range(self.count)]
        for worker in first:
            await self._ready(worker)

    async def stop(self, seconds: float) -> None:
        """Have all finish within *seconds*, and kill who does not."""
        self._stopping = True
        for call in self._later.values():
            call.cancel()
        self._later.clear()
        for worker in list(self._all):
            if worker.state == STARTING:
                self._kill(worker, "stopped")
            else:
                self._retire(worker, seconds)
        end = self._clock.seconds() + seconds
        while self._all and self._clock.seconds() < end + STOP_GRACE:
            await sleep(self._clock, 0.02)
        self._job.stop()
        for worker in list(self._all):
            self._kill(worker, "did not stop in time")

    async def restart(self) -> int:
        """Replace every worker, one after another, without losing a connection; gives how many were replaced.

        Raises:
            WorkerError: a new one does not start: the old ones stay. Or this is being done already.
        """
        if self._reloading or self._stopping:
            raise WorkerError("the workers are being replaced already" if self._reloading else "this node is stopping")
        self._reloading = True
        try:
            for slot in range(self.count):
                await self._replace(slot)
        finally:
            self._reloading = False
        return self.count

    async def _replace(self, slot: int) -> None:
        old = self._current.get(slot)
        call = self._later.pop(slot, None)
        if call is not None:
            call.cancel()
        new = self._spawn(slot, instead_of=old)
        await self._ready(new)
        self._current[slot] = new
        if old is not None and old.state == READY:
            old.state = RETIRING
        # The old one hears of its retirement as soon as its successor accepts. The next slot waits until it is gone:
        # memory and database connections are there for one process more, not for twice as many.
        self._assign()
        while old in self._all and not self._stopping:
            await sleep(self._clock, 0.05)

    @staticmethod
    async def _ready(worker: Worker) -> None:
        await worker.ready
        if worker.failed:
            raise WorkerError(worker.failed)

    # What others ask

    def workers(self) -> list[Worker]:
        """Those that serve."""
        return [worker for worker in self._all if worker.state == READY]

    def everyone(self) -> list[Worker]:
        """Those that start or retire too."""
        return list(self._all)

    def trouble(self) -> str:
        """Why this node can't serve; empty: it can."""
        now = self._clock.seconds()
        return "" if any(self._well(worker, now) for worker in self._all) else "no worker serves"

    def load(self) -> tuple[int, int]:
        """Connections of all workers, and how many there may be."""
        beats = [worker.beat for worker in self._all if worker.beat is not None]
        capacity = sum(worker.beat.capacity for worker in self.workers() if worker.beat is not None)
        return sum(beat.connections for beat in beats), capacity

    def tell(self, message: Message) -> None:
        """Send *message* to every worker."""
        for worker in self._all:
            worker.tell(message)

    def see(self) -> None:
        """The cluster has changed: tell all workers."""
        self.tell(ClusterChanged(self._view()))

    def ask(self, worker: Worker, what: str, *words: Any, seconds: float = ASK_SECONDS) -> Deferred[Any]:
        """Have *worker* do something; fires with what it answers.

        Fails with `WorkerError`: it said no, it is gone, or silent for *seconds*.
        """
        self._number += 1
        number = self._number
        answer: Deferred[Any] = Deferred()
        if worker.state == GONE:
            answer.errback(WorkerError(f"worker {worker.slot} is gone"))
            return answer
        if self._clock.seconds() - worker.heard_at > SILENT:
            # A worker that hangs is skipped, so that a question to all workers is answered soon.
            seconds = min(seconds, SILENT_ASK_SECONDS)
        worker.asked[number] = answer
        worker.tell(Ask(number, what, list(words)))
        answer.addTimeout(seconds, self._clock, lambda _, late: self._no_answer(worker, late))
        answer.addBoth(self._answered, worker, number)
        return answer

    @staticmethod
    def _no_answer(worker: Worker, late: float) -> Failure:
        return Failure(WorkerError(f"worker {worker.slot} does not answer for {late:g} s"))

    @staticmethod
    def _answered(result: Any, worker: Worker, number: int) -> Any:
        worker.asked.pop(number, None)
        return result

    async def ask_all(self, what: str, *words: Any, seconds: float = ASK_SECONDS) -> list[tuple[Worker, Any]]:
        """Ask all workers that serve or retire at the same time; the answer of one that fails is a `WorkerError`."""
        asked = [worker for worker in self._all if worker.state in (READY, RETIRING)]
        running = [self.ask(worker, what, *words, seconds=seconds) for worker in asked]
        answers: list[tuple[Worker, Any]] = []
        for worker, answer in zip(asked, running, strict=True):
            try:
                answers.append((worker, await answer))
            except WorkerError as error:
                answers.append((worker, error))
        return answers

    # Processes

    def _spawn(self, slot: int, instead_of: Worker | None = None) -> Worker:
        source = f"w{slot}.{self._random.getrandbits(48):012x}"
        worker = Worker(slot, source, self._clock.seconds())
        self._all.append(worker)
        if instead_of is None:
            self._current[slot] = worker
        try:
            worker.child = self._launch(
                lambda message: self._heard(worker, message), lambda how: self._ended(worker, how)
            )
        except OSError as error:
            self._ended(worker, f"it can't be started: {error.strerror or error}")
            return worker
        worker.tell(Configure(slot, source, self._config(), self._launch.files, self._view()))
        log.info("worker {slot} begins, process {pid}", slot=slot, pid=worker.pid)
        return worker

    def _heard(self, worker: Worker, message: Any) -> None:
        worker.heard_at = self._clock.seconds()
        match message:
            case Beat():
                worker.beat = message
            case Ready():
                self._is_ready(worker)
            case Serving(slots):
                worker.serving = frozenset(slots)
                self._assign()
            case Answer(number, data, error):
                self._is_answer(worker, number, data, error)
            case Leaving():
                self._let_go(worker)
            case Failed(reason):
                log.error("worker {slot} can't start: {reason}", slot=worker.slot, reason=reason)
                self._fail(worker, reason)

    def _is_ready(self, worker: Worker) -> None:
        if worker.state != STARTING:
            return
        worker.state = READY
        log.info("worker {slot} is ready, process {pid}", slot=worker.slot, pid=worker.pid)
        if worker.inherits:
            self._balance.began(worker)
        for other in self._all:
            if other is not worker:
                other.tell(PeerJoined(worker.source))
        if not worker.ready.called:
            worker.ready.callback(None)
        self._assign()

    @staticmethod
    def _is_answer(worker: Worker, number: int, data: Any, error: str) -> None:
        asked = worker.asked.get(number)
        if asked is None or asked.called:
            return
        if error:
            asked.errback(WorkerError(error))
        else:
            asked.callback(msgspec.json.decode(data))

    @staticmethod
    def _fail(worker: Worker, reason: str) -> None:
        if not worker.ready.called:
            worker.failed = reason
            worker.ready.callback(None)

    def _let_go(self, worker: Worker) -> None:
        """A worker was asked to end from outside: replace it in order, unless that happens anyway."""
        if self._stopping or worker.state != READY or self._current.get(worker.slot) is not worker or self._reloading:
            return
        work = Deferred.fromCoroutine(self._replace(worker.slot))
        work.addErrback(lambda f: log.error("worker not replaced: {reason}", reason=f.getErrorMessage()))

    def _retire(self, worker: Worker, seconds: float) -> None:
        if worker.retired:
            return
        worker.retired = True
        worker.state = RETIRING
        worker.dies_at = self._clock.seconds() + seconds + RETIRE_GRACE
        worker.tell(Retire(seconds))

    def _kill(self, worker: Worker, why: str) -> None:
        if worker.child is not None and worker.state != GONE:
            if why != "stopped":
                log.error("worker {slot} is killed: {why}", slot=worker.slot, why=why)
            worker.child.signal(signal.SIGKILL)

    def _ended(self, worker: Worker, how: str) -> None:
        if worker.state == GONE:
            return
        was, worker.state = worker.state, GONE
        worker.serving = worker.told = frozenset()
        self._all.remove(worker)
        in_order = was == RETIRING or self._stopping
        self._restarts.labels("retired" if in_order else "crashed").inc()
        note = log.info if in_order else log.error
        note("worker {slot}, process {pid}, has ended: {how}", slot=worker.slot, pid=worker.pid, how=how)
        for asked in list(worker.asked.values()):
            if not asked.called:
                asked.errback(WorkerError(f"worker {worker.slot} has ended"))
        self._fail(worker, f"worker {worker.slot} ended while it started: {how}")
        self._departed(worker)
        self.tell(PeerLeft(worker.source))
        if self._current.get(worker.slot) is worker:
            del self._current[worker.slot]
            successor = next(
                (other for other in self._all if other.slot == worker.slot and other.state in (STARTING, READY)), None
            )
            if successor is not None:
                self._current[worker.slot] = successor
            elif not self._stopping:
                self._again(worker)
        self._assign()

    def _again(self, worker: Worker) -> None:
        slot = worker.slot
        if self._clock.seconds() - worker.began >= GOOD_LIFE:
            self._failures[slot] = 0
        delay = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(self._failures[slot], 16))
        self._failures[slot] += 1

        def begin() -> None:
            self._later.pop(slot, None)
            self._spawn(slot).inherits = True

        self._later[slot] = self._clock.callLater(delay, begin)

    # Sockets

    def _well(self, worker: Worker, now: float) -> bool:
        return worker.state == READY and now - worker.heard_at < SILENT

    def _assign(self) -> None:
        """Tell everybody what to accept, as things are now."""
        if self._stopping:
            return
        now = self._clock.seconds()
        for worker in self._all:
            if worker.state == READY and self._current.get(worker.slot) is not worker:
                # It was still starting, or about to be replaced, when another worker took its slot.
                worker.state = RETIRING
        well = [worker for worker in self._all if self._well(worker, now)]
        owners: dict[int, Worker | None] = {}
        for slot in range(self.count):
            own = self._balance.favoured or self._current.get(slot)
            if own in well:
                owners[slot] = own
            else:
                owners[slot] = well[slot % len(well)] if well else None
        for worker in list(self._all):
            if worker.state not in (READY, RETIRING) or worker.retired:
                continue
            wanted = frozenset(
                slot
                for slot, owner in owners.items()
                if owner is worker or (slot in worker.told and owner is not None and slot not in owner.serving)
            )
            if wanted != worker.told:
                worker.told = wanted
                worker.tell(Serve(sorted(wanted)))
            elif worker.state == RETIRING and not wanted and not worker.serving:
                self._retire(worker, self._config().shutdown_timeout)
        attended = {slot for worker in self._all for slot in worker.serving & worker.told}
        # Until a new owner confirms, visitors wait in the socket's queue; answering them "later" here would be worse.
        # But what the parent accepts already, it keeps accepting until another owner does.
        alone = {slot for slot, owner in owners.items() if owner is None}
        self._standing = frozenset(alone | (self._standing - attended))
        self._stand_in(self._standing)

    def _look(self) -> None:
        now = self._clock.seconds()
        stalled = now - self._looked > STALL
        self._looked = now
        for worker in list(self._all):
            if stalled:
                worker.heard_at = now
            silent = now - worker.heard_at
            if worker.dies_at is not None and now >= worker.dies_at:
                self._kill(worker, "did not end in its time")
            elif worker.state == STARTING and now - worker.began > START:
                self._kill(worker, f"not ready in {START:g} s")
            elif worker.state in (READY, RETIRING) and silent > HUNG:
                self._kill(worker, f"silent for {silent:.0f} s")
        seconds = self._config().realtime.drain_seconds
        for worker, count in self._balance.look([one for one in self._all if self._well(one, now)], seconds):
            log.info("worker {slot} sends {count} clients to one that began anew", slot=worker.slot, count=count)
            self.ask(worker, "share", count, seconds=seconds + ASK_SECONDS).addErrback(lambda failure: None)
        self._assign()
