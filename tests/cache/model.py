"""A model of the cache, of a primary and of a replica behind it, driven at random by hypothesis.

The machine knows what was committed, what the replica has, what was announced, and what must be in the cache. It ends
loads in any order, long after their group was evicted, with callbacks that come back to the cache.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.python.failure import Failure

from cackled.cache.soft import LARGEST, OVERHEAD, SoftCache
from cackled.cache.types import Loaded
from tests.cache.common import check, make_cache

TTL = 10.0
LARGEST_VALUE = 60
MAX_BYTES = LARGEST * (OVERHEAD + LARGEST_VALUE)

Name = tuple[int, int]
KEYS = 6
# Uneven: most happens to one key, and all of them together do not fit.
groups = st.sampled_from([0, 0, 0, 1])
keys = st.sampled_from([0, 0, 0, 0, *range(1, KEYS)])
sizes = st.sampled_from([20, 40, LARGEST_VALUE, LARGEST_VALUE, LARGEST_VALUE + 1])
picks = st.integers(0, 1_000)


class Broken(Exception):
    """What a load fails with; each is another."""


@dataclass(eq=False)
class Source:
    """The loader of one flight: the generation of its group, and its floor, when it was first called."""

    name: Name
    generation: int | None = None
    floor: int = 0


@dataclass(eq=False)
class Running:
    """One call of a loader, and what its snapshot saw."""

    source: Source
    fresh: bool
    seq: int
    deferred: Deferred[Loaded]
    cancelled: bool = False


@dataclass(eq=False)
class Waiter:
    """One call of get."""

    name: Name
    least: int
    deferred: Deferred[Any]
    outcome: list[Any] = field(default_factory=list)
    cancelled: bool = False


class CacheMachine(RuleBasedStateMachine):
    """See the module."""

    kind: type[SoftCache] = SoftCache
    seen: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.cache, self.clock = make_cache(self.kind, max_bytes=MAX_BYTES, ttl=TTL)
        self.truth: dict[int, int] = defaultdict(int)
        self.replica: dict[int, int] = defaultdict(int)
        self.announced: dict[int, int] = defaultdict(int)
        self.generation: dict[int, int] = defaultdict(int)
        self.running: list[Running] = []
        self.waiters: list[Waiter] = []
        # What must be in the cache unless it was counted out.
        self.shadow: dict[Name, tuple[Loaded, float]] = {}
        self.lost = 0
        self.failures: list[Failure] = []
        self.failing = False
        self.errors: list[BaseException] = []

    # --- the world

    @rule(group=groups)
    def write(self, group: int) -> None:
        self.truth[group] += 1

    @rule(group=groups)
    def replicate(self, group: int) -> None:
        self.replica[group] = self.truth[group]

    @rule(group=groups)
    def announce(self, group: int) -> None:
        self.reconcile()
        self.announced[group] = self.truth[group]
        self.generation[group] += 1
        for name in [name for name in self.shadow if name[0] == group]:
            del self.shadow[name]
        self.cache.evict(group, self.truth[group])

    @rule(group=groups)
    def write_and_announce(self, group: int) -> None:
        self.write(group)
        self.announce(group)

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0, TTL]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # --- callers

    def source(self, name: Name) -> Callable[[bool], Deferred[Loaded]]:
        source = Source(name)

        def load(fresh: bool) -> Deferred[Loaded]:
            if source.generation is None:
                source.generation = self.generation[name[0]]
                source.floor = self.announced[name[0]]
            deferred: Deferred[Loaded] = Deferred(lambda d: setattr(running, "cancelled", True))
            seq = (self.truth if fresh else self.replica)[name[0]]
            running = Running(source, fresh, seq, deferred)
            self.running.append(running)
            return deferred

        return load

    @rule(group=groups, key=keys, demand=st.sampled_from(["none", "none", "replica", "truth"]),
          then=st.sampled_from([None, None, None, "get", "announce", "cancel"]))  # fmt: skip
    def get(self, group: int, key: int, demand: str = "none", then: str | None = None) -> None:
        name = (group, key)
        after = {"none": 0, "replica": self.replica[group], "truth": self.truth[group]}[demand]
        there = self.alive(name)
        calls = len(self.running)
        waiter = Waiter(name, max(after, self.announced[group]), Deferred())
        waiter.deferred = self.cache.get(group, key, self.source(name), after=after)
        if then is not None:
            waiter.deferred.addCallback(self.come_back, waiter, then)
        waiter.deferred.addBoth(waiter.outcome.append)
        if waiter.outcome:
            assert waiter.outcome[0] == there, "an answer from memory that is not in memory"
            assert len(self.running) == calls or then, "a load though the answer was there"
        self.waiters.append(waiter)

    @rule(group=groups, key=keys, number=st.integers(2, 5), demand=st.sampled_from(["none", "truth"]))
    def crowd(self, group: int, key: int, number: int, demand: str) -> None:
        for each in range(number):
            self.get(group, key, demand if each % 2 else "none", "cancel" if each == 1 else None)

    @rule(group=groups, key=keys)
    def write_and_read(self, group: int, key: int) -> None:
        """A caller whose own write is not announced yet, beside an entry newer than the replica."""
        self.write(group)
        self.put(group, key, LARGEST_VALUE)
        self.write(group)
        self.get(group, key, "truth")

    def come_back(self, loaded: Loaded, waiter: Waiter, then: str) -> Loaded:
        try:
            if then == "get":
                self.get(*waiter.name)
            elif then == "announce":
                self.announce(waiter.name[0])
            else:
                for other in self.waiters:
                    if other.name == waiter.name and other is not waiter and not other.outcome:
                        self.leave(other)
                        break
        except BaseException as error:
            self.errors.append(error)
        return loaded

    @rule(group=groups, key=keys, size=sizes)
    def put(self, group: int, key: int, size: int) -> None:
        """A load that answers at once, where none is under way."""
        name = (group, key)
        if self.alive(name) or any(waiter.name == name and not waiter.outcome for waiter in self.waiters):
            return
        loaded = self.value(name, self.truth[group], size)
        # Counts out what has expired, as get will do.
        self.peek(group, key)
        self.keep(name, loaded, fresh=True)
        found: list[Loaded] = []
        self.cache.get(group, key, lambda fresh: succeed(loaded)).addCallback(found.append)
        assert found == [loaded]

    @rule(group=groups)
    def fill(self, group: int) -> None:
        for key in range(KEYS):
            self.put(group, key, LARGEST_VALUE)

    @rule(group=groups, key=keys)
    def peek(self, group: int, key: int) -> None:
        there = self.alive((group, key))
        found = self.cache.peek(group, key)
        assert found is None or found == there, "peek gives what should not be there"

    @precondition(lambda self: self.waiting())
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        waiting = self.waiting()
        self.leave(waiting[pick % len(waiting)])

    def leave(self, waiter: Waiter) -> None:
        waiter.cancelled = True
        waiter.deferred.cancel()
        assert waiter.outcome, "who leaves is not told"

    # --- loads end

    def open(self) -> list[Running]:
        return [each for each in self.running if not each.deferred.called and not each.cancelled]

    @precondition(lambda self: self.open())
    @rule(pick=picks, size=sizes)
    def finish(self, pick: int, size: int) -> None:
        loads = self.open()
        load = loads[pick % len(loads)]
        name = load.source.name
        loaded = self.value(name, load.seq, size)
        doomed = load.source.generation != self.generation[name[0]]
        if not doomed and (load.fresh or load.seq >= load.source.floor):
            self.keep(name, loaded, load.fresh)
        load.deferred.callback(loaded)

    @precondition(lambda self: self.open())
    @rule(pick=picks)
    def fail(self, pick: int) -> None:
        loads = self.open()
        self.failing = True
        loads[pick % len(loads)].deferred.errback(Broken())
        self.failing = False

    # --- memory

    @rule(nbytes=st.integers(1, 2_000))
    def shrink(self, nbytes: int) -> None:
        before = self.cache.nbytes
        freed = self.cache.shrink(nbytes)
        assert freed == before - self.cache.nbytes and (freed >= nbytes or not len(self.cache))

    @rule(idle=st.sampled_from([0.5, 5.0]), count=st.integers(1, 8))
    def sweep(self, idle: float, count: int) -> None:
        before = self.cache.nbytes
        freed, _ = self.cache.sweep(idle, count)
        assert freed == before - self.cache.nbytes

    @rule(really=st.integers(0, 9))
    def clear(self, really: int) -> None:
        if really == 0:
            self.reconcile()
            self.shadow.clear()
            for group in range(2):
                self.generation[group] += 1
            self.cache.clear()

    # --- what the model expects

    def value(self, name: Name, seq: int, size: int) -> Loaded:
        return Loaded(f"{name[0]}/{name[1]}@{seq} ".encode().ljust(size, b"."), seq)

    def alive(self, name: Name) -> Loaded | None:
        loaded, expires = self.shadow.get(name, (None, 0.0))
        return loaded if expires > self.clock.seconds() else None

    def keep(self, name: Name, loaded: Loaded, fresh: bool) -> None:
        """The rules of keeping, said once more in other words."""
        # What is in the way of the new one must be counted out before it is replaced.
        self.reconcile()
        there = self.alive(name)
        if there is not None and there.seq > loaded.seq and not fresh:
            return
        self.shadow.pop(name, None)
        if len(loaded.value) <= LARGEST_VALUE:
            self.shadow[name] = (loaded, self.clock.seconds() + TTL)

    def waiting(self) -> list[Waiter]:
        return [waiter for waiter in self.waiters if not waiter.outcome]

    def reconcile(self) -> None:
        actual = {(entry.group, entry.key): entry.loaded for entry in self.cache}
        for name in [name for name in self.shadow if name not in actual]:
            del self.shadow[name]
            self.lost += 1
        assert actual == {name: loaded for name, (loaded, _) in self.shadow.items()}, "kept what should not be kept"

    @invariant()
    def callbacks_were_well(self) -> None:
        for error in self.errors:
            raise error

    @invariant()
    def structure(self) -> None:
        check(self.cache)
        self.reconcile()
        stats = self.cache.stats()
        gone = stats.evicted_size + stats.evicted_soft + stats.expired
        assert self.lost == gone, f"{self.lost} entries are gone, {gone} were counted"

    @invariant()
    def nothing_stale(self) -> None:
        for entry in self.cache:
            assert entry.loaded.seq >= self.announced[entry.group], "older than what was announced"

    @invariant()
    def flights(self) -> None:
        loads = Counter(load.source.name for load in self.open())
        joinable = Counter(
            load.source.name for load in self.open()
            if load.source.generation == self.generation[load.source.name[0]]
        )  # fmt: skip
        waiting = Counter(waiter.name for waiter in self.waiting())
        for name, number in loads.items():
            assert number <= 2, "more than one running and one trailing load"
            assert joinable[name] <= 1, "two loads for one key"
            assert number <= waiting[name], "a load nobody waits for"
        for name in waiting:
            assert loads[name], "a caller waits and nothing is loaded"
        assert self.cache.stats().waiters == sum(waiting.values())

    @invariant()
    def answers(self) -> None:
        for waiter in [waiter for waiter in self.waiters if waiter.outcome]:
            self.waiters.remove(waiter)
            (result,) = waiter.outcome
            if isinstance(result, Failure):
                if waiter.cancelled:
                    assert result.check(CancelledError), result
                else:
                    assert result.check(Broken), result
                    assert not any(result is other for other in self.failures), "one Failure for two"
                    assert not any(result.value is error for error in self.told_before), "a failure was kept"
                    self.failures.append(result)
            else:
                assert not waiter.cancelled, "a value for one that left"
                group, key = waiter.name
                assert result.value.startswith(b"%d/%d@%d " % (group, key, result.seq)), "the value of another"
                assert result.seq >= waiter.least, "older than asked for"
        self.told_before = {failure.value for failure in self.failures}

    told_before: set[Any] = set()

    def teardown(self) -> None:
        stats = self.cache.stats()
        self.seen.update({name: getattr(stats, name) for name in stats.__struct_fields__})


QUICK = settings(
    max_examples=200,
    stateful_step_count=80,
    # No shrinking: the tests want the verdict, and a person can turn it on.
    phases=(Phase.generate,),
    report_multiple_bugs=False,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def run(kind: type[SoftCache], how: settings = QUICK) -> Counter[str]:
    """Drive *kind* at random; raises what the model finds wrong, gives what happened on the way."""
    counted: Counter[str] = Counter()
    machine = type("Machine", (CacheMachine,), {"kind": kind, "seen": counted})
    run_state_machine_as_test(machine, settings=how)
    return counted
