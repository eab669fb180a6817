"""Time: a reactor on the monotonic clock, sleeping, and periodic jobs.

Twisted's reactor reads the wall clock: if that is set back by an hour, every timer stops for an hour. The monotonic
clock is not affected.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from select import EPOLLIN, EPOLLOUT
from typing import Any
from weakref import WeakSet

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.log import callWithLogger

# At most so many descriptors are served in one turn of the reactor; the kernel reports the others next time. So timers
# and work that is done in slices wait for a few milliseconds only, even when thousands of connections send at once.
TURN_EVENTS = 128
# And for so many seconds at most, then the others wait for the next turn: 128 readers of large files are slower to
# serve than 128 hits of a cache. FEWEST are asked for even then.
TURN_SECONDS, FEWEST = 0.004, 8
_EITHER = EPOLLIN | EPOLLOUT
_ENDS = {ConnectionDone: Failure(ConnectionDone()), ConnectionLost: Failure(ConnectionLost())}

log = Logger()


def install_monotonic_reactor() -> None:
    """Install an epoll reactor on the monotonic clock, unless a reactor was chosen already.

    A reactor that is installed already (``--reactor``, a test runner) gets the monotonic clock if nothing is scheduled
    on it yet; else it is not changed.
    """
    if "twisted.internet.reactor" in sys.modules:
        reactor: Any = sys.modules["twisted.internet.reactor"]
        if hasattr(reactor, "getDelayedCalls") and not reactor.getDelayedCalls():
            reactor.seconds = time.monotonic
        return
    from twisted.internet.epollreactor import EPollReactor
    from twisted.internet.main import installReactor

    class MonotonicReactor(EPollReactor):
        """The epoll reactor on the monotonic clock, with a short path for descriptors that ask for it.

        A descriptor with ``own_context = False`` is served without a logging context of its own. When it is only
        readable, Twisted's checks for closed descriptors are left out too. This saves 3 us an event, a fifth of a
        microcache hit. A descriptor with ``leaves_by_itself = True`` removes itself from the reactor: at its end only
        its ``connectionLost`` is called. The short path uses private names of Twisted; it is left out if they are
        missing.
        """

        seconds = staticmethod(time.monotonic)
        # How many descriptors the kernel is asked for. What it reports goes to the end of its queue, so those that a
        # turn had no time for would come after all others; few are asked for until turns are short again.
        _most = TURN_EVENTS

        def runUntilCurrent(self) -> None:
            """Call Twisted's method, but only if a timer or a call from a thread is due, or the reactor is to stop."""
            mine: Any = self
            if mine.threadCallQueue or mine._newTimedCalls or mine._justStopped or mine._cancellations > 50:
                super().runUntilCurrent()
            else:
                pending = self._pendingTimedCalls
                if pending and pending[0].time <= time.monotonic():
                    super().runUntilCurrent()

        def doPoll(self, timeout: float | None) -> None:
            """Wait for events, and serve at most `TURN_EVENTS` descriptors, for `TURN_SECONDS` or one of them."""
            try:
                events = self._poller.poll(-1 if timeout is None else timeout, self._most)
            except InterruptedError:
                return
            selectables, serve, now = self._selectables, self._doReadOrWrite, time.monotonic
            until, served = now() + TURN_SECONDS, 0
            for fd, event in events:
                # Fewer are never served: whoever is asked for is, or always the same might be left over.
                if served >= FEWEST and now() > until:
                    self._most = max(FEWEST, served * 3 // 4)
                    return
                served += 1
                selectable = selectables.get(fd)
                if selectable is None:
                    continue
                if getattr(selectable, "own_context", True):
                    callWithLogger(selectable, serve, selectable, fd, event)
                elif event & _EITHER == EPOLLIN:
                    try:
                        why = selectable.doRead()
                    except BaseException as error:
                        # As in Twisted: a connection whose handler raises is closed, the others go on.
                        log.failure("reading")
                        why = error
                    if why is None:
                        continue
                    if getattr(selectable, "leaves_by_itself", False) and why.__class__ in _ENDS:
                        selectable.connectionLost(_ENDS[why.__class__])
                    else:
                        self._disconnectSelectable(selectable, why, True)
                else:
                    serve(selectable, fd, event)
            if self._most < TURN_EVENTS and now() < until - TURN_SECONDS / 2:
                self._most = min(TURN_EVENTS, self._most + FEWEST)

        doIteration = doPoll

    made = MonotonicReactor()
    known = all(
        hasattr(EPollReactor, name) for name in ("doPoll", "doIteration", "_doReadOrWrite", "_disconnectSelectable")
    )
    if not known or not all(hasattr(made, name) for name in ("_poller", "_selectables")):
        log.warn("this Twisted's reactor keeps its descriptors elsewhere: it is left as it is")
        del MonotonicReactor.doPoll, MonotonicReactor.doIteration
    timers = ("threadCallQueue", "_newTimedCalls", "_cancellations", "_pendingTimedCalls", "_justStopped")
    if not all(hasattr(made, name) for name in timers):
        log.warn("this Twisted's reactor keeps its timers elsewhere: it is left as it is")
        del MonotonicReactor.runUntilCurrent
    installReactor(made)


def wall_time() -> float:
    """Seconds since 1970, for times that are stored or shown; never for timers."""
    return time.time()


async def sleep(clock: IReactorTime, seconds: float) -> None:
    """Wait *seconds* on *clock*."""
    await deferLater(clock, seconds)


_PERIODICS: WeakSet[Periodic] = WeakSet()


def periodics(clock: IReactorTime) -> list[Periodic]:
    """All periodic jobs on *clock*."""
    return [one for one in _PERIODICS if one._clock is clock]


class Periodic:
    """A job that runs every *interval* seconds and outlives its own errors.

    The job may return an awaitable. Runs never overlap. An error is logged, and the next run comes at its usual time.
    """

    def __init__(
        self, clock: IReactorTime, interval: float, job: Callable[[], Awaitable[Any] | None], name: str
    ) -> None:
        self._job = job
        self._name = name
        self._interval = interval
        self._since: float | None = None
        self._loop = LoopingCall(self._run)
        self._clock = self._loop.clock = clock
        _PERIODICS.add(self)

    @property
    def name(self) -> str:
        """The name of the job in the log."""
        return self._name

    @property
    def interval(self) -> float:
        """Seconds from one run to the next."""
        return self._interval

    def busy(self) -> float:
        """How many seconds the current run has taken so far; 0 if none is running."""
        return 0.0 if self._since is None or not self._loop.running else self._clock.seconds() - self._since

    def start(self, *, now: bool = False) -> None:
        """Begin; the first run comes after one interval, or at once with *now*."""
        if not self._loop.running:
            self._loop.start(self._interval, now=now).addErrback(lambda f: None)

    def stop(self) -> None:
        """Stop. A run under way is not interrupted."""
        if self._loop.running:
            self._loop.stop()

    def _run(self) -> Deferred[Any]:
        self._since = self._clock.seconds()
        done = maybeDeferred(self._call)
        done.addErrback(lambda f: log.failure("periodic job {name} failed", f, name=self._name))
        done.addBoth(self._over)
        return done

    def _over(self, result: object) -> None:
        self._since = None

    def _call(self) -> Deferred[Any] | None:
        result = self._job()
        if result is None or isinstance(result, Deferred):
            return result
        return Deferred.fromCoroutine(result)  # type: ignore[arg-type]
