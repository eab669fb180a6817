"""Loads for the microcache: one at a time per key, however many requests wait, and what happens to the result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from cackled import config
from cackled.metrics import Metrics
from cackled.transport._entries import Entry, Key, ttl_of
from cackled.transport._head import OPEN
from cackled.transport._store import Store
from cackled.transport.problems import problem
from cackled.transport.response import Response

# Number of requests that may wait for one load, and seconds they wait; then 503.
MAX_WAITERS = 2000
WAIT_SECONDS = 5.0
# Seconds after which a load that is not finished no longer keeps others from trying.
ABANDON_SECONDS = 30.0
# Seconds for which requests for a key that turned out uncacheable don't queue behind each other.
PASS_SECONDS = 3.0
# Seconds after a failed load for which an expired answer is served without asking the handler again.
RETRY_SECONDS = 1.0
MAX_PASSES = 4096

Load = Callable[[], Awaitable[Response]]
log = Logger()


class Outcome:
    """How a request is to be answered: from *entry*, or with *response*, or (neither) by its own handler call."""

    __slots__ = ("entry", "response", "status")

    def __init__(self, status: bytes, entry: Entry | None = None, response: Response | None = None) -> None:
        self.status = status
        self.entry = entry
        self.response = response


class _Waiter:
    __slots__ = ("after", "done", "joined", "leads", "tries")

    def __init__(self, done: Deferred[Outcome | None], joined: int, after: int, leads: bool, tries: int) -> None:
        self.done = done
        self.joined = joined
        self.after = after
        self.leads = leads
        self.tries = tries


class _Flight:
    """One load in progress for one key."""

    __slots__ = ("after", "began", "begun", "late", "timer", "waiters")

    def __init__(self, begun: int, began: float, after: int) -> None:
        # The eviction number, and the time, at which the load began.
        self.begun = begun
        self.began = began
        self.after = after
        self.waiters: list[_Waiter] = []
        self.late = False
        self.timer: Any = None


class Loading(Store):
    """A store that loads missing entries."""

    def __init__(self, clock: IReactorTime, settings: config.Microcache, metrics: Metrics) -> None:
        super().__init__(clock, settings, metrics)
        self.hits = 0
        self._flights: dict[Key, _Flight] = {}
        self._passes: dict[Key, float] = {}
        self._results = metrics.counter("microcache_requests", "Requests to microcached routes.", ["result"])
        # Used at every miss, so the label is looked up only once.
        self._misses, self._collapsed = self._results.labels("miss"), self._results.labels("collapsed")

    def fetch(self, key: Key, after: int, load: Load) -> Deferred[Outcome]:
        """Decide how to answer a request for *key*: fires with an `Outcome`, never fails.

        *load* is called at most once at a time per key. A request that comes after an eviction is never answered by a
        load that began before it.
        """
        now = self.clock.seconds()
        entry = self.fresh(key, after, now)
        if entry is not None:
            self.hits += 1
            return succeed(Outcome(b"hit; ttl=%d" % entry.ttl(now), entry))
        passing = self._passes.get(key)
        if passing is not None:
            if now < passing:
                self._results.labels("pass").inc()
                return succeed(Outcome(b"fwd=miss"))
            del self._passes[key]
        stale = self.stale(key, after, now, self.settings.stale_if_error)
        if stale is not None and now < stale.retry_at:
            self._results.labels("stale").inc()
            return succeed(Outcome(b"fwd=stale; detail=failing", stale))
        if stale is not None and now < stale.fresh_until + self.settings.stale_while_revalidate:
            if key not in self._flights:
                self._begin(key, after, load)
                renewed = self.fresh(key, after, now)
                if renewed is not None:
                    self._misses.inc()
                    return succeed(Outcome(b"fwd=stale; stored", renewed))
                if self.entries.get(key) is not stale:
                    return self._wait(key, after, load, 0)
            self._results.labels("stale").inc()
            return succeed(Outcome(b"hit; ttl=%d; detail=revalidating" % -int(now - stale.fresh_until), stale))
        return self._wait(key, after, load, 0)

    def _wait(self, key: Key, after: int, load: Load, tries: int) -> Deferred[Outcome]:
        flight = self._flights.get(key)
        leads = flight is None
        if flight is None:
            self._misses.inc()
            flight = self._new_flight(key, after)
        else:
            self._collapsed.inc()
            if flight.late or len(flight.waiters) >= MAX_WAITERS:
                return succeed(self._overdue(key, after))
        done: Deferred[Outcome | None] = Deferred()
        waiter = _Waiter(done, self._epoch, after, leads, tries)
        flight.waiters.append(waiter)
        answered: Deferred[Outcome] = Deferred()
        done.addCallback(self._again, key, load, waiter).addCallback(answered.callback)
        if leads:
            self._start(key, flight, load)
        return answered

    def _again(self, outcome: Outcome | None, key: Key, load: Load, waiter: _Waiter) -> Any:
        """Returns None: what was waited for is too old for this waiter, so wait for another load."""
        return self._wait(key, waiter.after, load, waiter.tries + 1) if outcome is None else outcome

    def _overdue(self, key: Key, after: int) -> Outcome:
        stale = self.stale(key, after, self.clock.seconds(), self.settings.stale_if_error)
        if stale is not None:
            return Outcome(b"fwd=stale", stale)
        return Outcome(b"fwd=miss", None, problem(503, "overloaded", headers=[(b"Retry-After", b"1"), OPEN]))

    # Loading

    def _begin(self, key: Key, after: int, load: Load) -> None:
        self._start(key, self._new_flight(key, after), load)

    def _new_flight(self, key: Key, after: int) -> _Flight:
        flight = self._flights[key] = _Flight(self._epoch, self.clock.seconds(), after)
        flight.timer = self.clock.callLater(WAIT_SECONDS, self._late, key, flight)
        return flight

    def _start(self, key: Key, flight: _Flight, load: Load) -> None:
        done: Deferred[Response] = maybeDeferred(_call, load)
        done.addBoth(self._landed, key, flight)
        done.addErrback(lambda failure: log.failure("microcache", failure))

    def _late(self, key: Key, flight: _Flight) -> None:
        flight.late = True
        flight.timer = self.clock.callLater(ABANDON_SECONDS - WAIT_SECONDS, self._abandon, key, flight)
        waiters, flight.waiters = flight.waiters, []
        for waiter in waiters:
            waiter.done.callback(self._overdue(key, waiter.after))

    def _abandon(self, key: Key, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _landed(self, result: Response | Failure, key: Key, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if flight.timer.active():
            flight.timer.cancel()
        now = self.clock.seconds()
        if isinstance(result, Failure):
            log.failure("microcached route {target} failed", result, target=key[2][:200])
            result = problem(500, "internal", detail="Something went wrong on our side.", headers=[OPEN])
        if result.status >= 500:
            self._deliver_error(result, key, flight, now)
            return
        ttl = ttl_of(result, self.settings.ttl, self.settings.entry_bytes)
        if ttl <= 0:
            self._deliver_private(result, key, flight, now)
            return
        self._passes.pop(key, None)
        entry = Entry(key, result, now, ttl, flight.after)
        tainted = self._tainted(entry.tags, entry.seqs, flight.begun)
        stored = not tainted and self.store(entry)
        for waiter in flight.waiters:
            too_old = waiter.joined >= tainted > 0 or not entry.satisfies(waiter.after)
            if too_old and waiter.tries < 2:
                waiter.done.callback(None)
            else:
                status = b"fwd=miss; stored" if stored else b"fwd=miss"
                waiter.done.callback(Outcome(status if waiter.leads else status + b"; collapsed", entry))

    def _deliver_error(self, error: Response, key: Key, flight: _Flight, now: float) -> None:
        known = self.entries.get(key)
        if known is not None:
            known.retry_at = now + RETRY_SECONDS
        for waiter in flight.waiters:
            stale = self.stale(key, waiter.after, now, self.settings.stale_if_error)
            if stale is not None:
                self._results.labels("stale").inc()
                waiter.done.callback(Outcome(b"fwd=stale; fwd-status=%d" % error.status, stale))
            else:
                waiter.done.callback(Outcome(b"fwd=miss; fwd-status=%d" % error.status, None, error))

    def _deliver_private(self, response: Response, key: Key, flight: _Flight, now: float) -> None:
        """The answer must not be shared: the first request gets it, all others go to the handler at once."""
        if len(self._passes) >= MAX_PASSES:
            self._passes.clear()
        if response.status < 400:
            self._passes[key] = now + PASS_SECONDS
            self.forget(key)
        for waiter in flight.waiters:
            waiter.done.callback(Outcome(b"fwd=miss", None, response if waiter.leads else None))


def _call(load: Load) -> Any:
    result = load()
    return result if isinstance(result, Deferred) else Deferred.fromCoroutine(result)  # type: ignore[arg-type]
