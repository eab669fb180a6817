"""Caches with one thing wrong each: the model must notice every one of them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.python.failure import Failure

from cackled.cache import flights
from cackled.cache.flights import Flight, Flights
from cackled.cache.sieve import Entry, Sieve
from cackled.cache.soft import SoftCache
from cackled.cache.types import Load, Loaded


def with_flight(kind: type[Flight]) -> type[SoftCache]:
    table = type("Table", (Flights,), {"flight": kind, "__slots__": ()})
    return type("Mutant", (SoftCache,), {"flights_factory": table})


class KeepsDoomed(Flight):
    """No generation check: what was loaded before an eviction is kept."""

    __slots__ = ()

    def _arrive(self, loaded: Loaded, ready: dict[Deferred[Loaded], Any]) -> None:
        self.over = True
        self.table.store(self.group, self.key, loaded, self.ttl, self.fresh)
        self.table.remove(self)
        flights._fire(ready, loaded)


class StaysJoinable(Flights):
    """An eviction marks the load, and new callers join it all the same."""

    __slots__ = ()

    def doom(self, group: Hashable) -> None:
        for held in self._by_group.get(group, {}).values():
            if held.current is not None:
                held.current.floor = -1

    class flight(Flight):
        __slots__ = ()

        def _arrive(self, loaded: Loaded, ready: dict[Deferred[Loaded], Any]) -> None:
            self.over = True
            if self.floor != -1:
                self.table.store(self.group, self.key, loaded, self.ttl, self.fresh)
            self.table.remove(self)
            flights._fire(ready, loaded)


class OneLeavesAllLeave(Flight):
    """A cancel is for all."""

    __slots__ = ()

    def _leave(self, waiter: Deferred[Loaded]) -> None:
        others = [other for other in self.waiters if other is not waiter]
        for other in others:
            self.waiters.pop(other)
        super()._leave(waiter)
        for other in others:
            if not other.called:
                other.errback(Failure(CancelledError()))


class LoadsForNobody(Flight):
    """The last one leaves and the load goes on."""

    __slots__ = ()

    def _leave(self, waiter: Deferred[Loaded]) -> None:
        if self.waiters.pop(waiter, None) is not None:
            self.table.counts.cancelled += 1


class SharesFailure(Flight):
    """All who wait get one Failure."""

    __slots__ = ()

    def _end_with(self, failure: Failure) -> None:
        self.over = True
        self.table.counts.failed += 1
        self.table.remove(self)
        for waiter in list(self.waiters):
            if not waiter.called:
                waiter.errback(failure)


class AnswersBeforeItKeeps(Flight):
    """Waiters are told before the value is stored: an eviction by one of them is undone."""

    __slots__ = ()

    def _arrive(self, loaded: Loaded, ready: dict[Deferred[Loaded], Any]) -> None:
        self.over = True
        doomed = self.doomed
        self.table.remove(self)
        flights._fire(ready, loaded)
        if not doomed:
            self.table.store(self.group, self.key, loaded, self.ttl, self.fresh)


class IgnoresAfter(Flight):
    """Who joins is given what comes, however old."""

    __slots__ = ()

    def wait(self, after: int) -> Deferred[Loaded]:
        return super().wait(0)


class NeverTrails(Flights):
    """The flight that waited on the ground is forgotten there."""

    __slots__ = ()

    def remove(self, flight: Flight) -> None:
        held = self._by_group[flight.group][flight.key]
        waiting = held.current
        if flight.doomed and waiting is not None and not waiting.begun:
            held.doomed.remove(flight)
        else:
            super().remove(flight)


class LoadsEachTime(Flights):
    """No trailing: each eviction adds a load."""

    __slots__ = ()

    def join(self, group: Hashable, key: Hashable, load: Load, after: int, ttl: float) -> Deferred[Loaded]:
        waiter = super().join(group, key, load, after, ttl)
        held = self._by_group.get(group, {}).get(key)
        if held is not None and held.current is not None and not held.current.begun:
            held.current.begin(False)
        return waiter


class LeavesTheHand(Sieve):
    """The hand stays on the entry that is removed."""

    __slots__ = ()

    def remove(self, entry: Entry) -> None:
        hand = self.hand
        super().remove(entry)
        self.hand = hand


class LeavesTheWalker(Sieve):
    """As above, for the hand of pausing walks."""

    __slots__ = ()

    def remove(self, entry: Entry) -> None:
        walker = self.walker
        super().remove(entry)
        self.walker = walker


class LeaksBytes(SoftCache):
    """Evicted bytes stay counted."""

    def evict(self, group: Hashable, floor: int = 0) -> None:
        before = self.nbytes
        super().evict(group, floor)
        self.nbytes = before


class KeepsFailures(SoftCache):
    """A failure is an answer like any other."""

    def get(self, group: Hashable, key: Hashable, load: Load, **more: Any) -> Deferred[Loaded]:
        bad: dict[Any, Failure] = self.__dict__.setdefault("bad", {})
        if (group, key) in bad:
            failure = bad[group, key]
            return fail(Failure(failure.value, failure.type))

        def note(failure: Failure) -> Failure:
            if not failure.check(CancelledError):
                bad[group, key] = failure
            return failure

        waiter = super().get(group, key, load, **more)
        waiter.addErrback(note)
        return waiter


class IgnoresTtl(SoftCache):
    """Entries live for ever."""

    def _store(self, group: Hashable, key: Hashable, loaded: Loaded, ttl: float, fresh: bool) -> None:
        super()._store(group, key, loaded, 1e9, fresh)


class IgnoresFloors(SoftCache):
    """A replica that lags may fill the cache with the past."""

    def evict(self, group: Hashable, floor: int = 0) -> None:
        super().evict(group, 0)


class GoesBack(SoftCache):
    """An older result replaces a newer one."""

    def _store(self, group: Hashable, key: Hashable, loaded: Loaded, ttl: float, fresh: bool) -> None:
        super()._store(group, key, loaded, ttl, True)


class Overflows(SoftCache):
    """Room is made for half of what comes."""

    def _store(self, group: Hashable, key: Hashable, loaded: Loaded, ttl: float, fresh: bool) -> None:
        bound = self.max_bytes
        self.max_bytes += 400
        super()._store(group, key, loaded, ttl, fresh)
        self.max_bytes = bound


class KeepsNothing(SoftCache):
    """Right in all it answers, and useless."""

    def _store(self, group: Hashable, key: Hashable, loaded: Loaded, ttl: float, fresh: bool) -> None:
        super()._store(group, key, loaded, 0, fresh)


def with_part(**parts: Any) -> type[SoftCache]:
    return type("Mutant", (SoftCache,), parts)


MUTANTS: dict[str, type[SoftCache]] = {
    "no_generation_check": with_flight(KeepsDoomed),
    "doomed_flight_joinable": with_part(flights_factory=StaysJoinable),
    "one_cancel_kills_all": with_flight(OneLeavesAllLeave),
    "last_cancel_leaves_load": with_flight(LoadsForNobody),
    "byte_leak": LeaksBytes,
    "failure_cached": KeepsFailures,
    "ttl_ignored": IgnoresTtl,
    "hand_left_on_removed": with_part(sieve_factory=LeavesTheHand),
    "walker_left_on_removed": with_part(sieve_factory=LeavesTheWalker),
    "failure_shared": with_flight(SharesFailure),
    "answers_before_it_keeps": with_flight(AnswersBeforeItKeeps),
    "after_of_joiner_ignored": with_flight(IgnoresAfter),
    "floor_ignored": IgnoresFloors,
    "older_replaces_newer": GoesBack,
    "trailing_load_forgotten": with_part(flights_factory=NeverTrails),
    "each_eviction_adds_a_load": with_part(flights_factory=LoadsEachTime),
    "bound_exceeded": Overflows,
    "keeps_nothing": KeepsNothing,
}
