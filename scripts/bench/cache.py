"""The soft cache beside its peers: CPU per operation, and hit ratio on synthetic traces.

    python scripts/bench/cache.py [--quick] [--json] [--strict]

Times are CPU (process time), the best of seven rounds, the cost of the loop included ("empty call" is that alone).
Peers that are not installed are left out; none is a dependency. With --strict a missed
target is exit code 1; on a machine that is busy with other things the times mean little, the ratios still do.
"""
# ruff: noqa: E402

from __future__ import annotations

import sys

# A neighbour in this folder bears the name of a package of the standard library.
sys.path[:] = [path for path in sys.path if not path.endswith("bench")]

import argparse
import functools
import gc
import importlib
import json
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred, succeed

from cackled.cache.soft import OVERHEAD, SoftCache
from cackled.cache.types import Loaded
from cackled.metrics import Metrics

PAGES = 5
TARGETS = {"hit": 600.0, "evict": 25_000.0}

Name = tuple[tuple[int, int], int]


class Monotonic:
    seconds = staticmethod(time.monotonic)


class OrderedLru:
    """The usual answer: an OrderedDict in order of use, a time to live, an index of groups."""

    def __init__(self, size: int, ttl: float = 300.0) -> None:
        self.size = size
        self.ttl = ttl
        self.entries: OrderedDict[Any, tuple[Any, float]] = OrderedDict()
        self.groups: dict[Any, set[Any]] = {}

    def get(self, group: Any, key: Any) -> Any:
        name = (group, key)
        found = self.entries.get(name)
        if found is None or found[1] <= time.monotonic():
            return None
        self.entries.move_to_end(name)
        return found[0]

    def put(self, group: Any, key: Any, value: Any) -> None:
        name = (group, key)
        self.entries[name] = (value, time.monotonic() + self.ttl)
        self.groups.setdefault(group, set()).add(key)
        if len(self.entries) > self.size:
            (group, key), _ = self.entries.popitem(last=False)
            self._forget(group, key)

    def _forget(self, group: Any, key: Any) -> None:
        keys = self.groups[group]
        keys.discard(key)
        if not keys:
            del self.groups[group]

    def evict(self, group: Any) -> None:
        for key in self.groups.pop(group, ()):
            del self.entries[group, key]


class TreeLru:
    """As Synapse has it: nodes in a ring, the last used first, and a tree of dicts from which a branch can be cut."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        self.tree: dict[Any, dict[Any, list[Any]]] = {}
        # A node is [before, after, group, key, value].
        root: list[Any] = [None, None, None, None, None]
        root[0] = root[1] = root
        self.root = root

    def get(self, group: Any, key: Any) -> Any:
        node = self.tree.get(group, {}).get(key)
        if node is None:
            return None
        self._cut(node)
        self._first(node)
        return node[4]

    def put(self, group: Any, key: Any, value: Any) -> None:
        node = [None, None, group, key, value]
        self.tree.setdefault(group, {})[key] = node
        self._first(node)
        self.count += 1
        if self.count > self.size:
            last = self.root[0]
            self._cut(last)
            self.count -= 1
            branch = self.tree[last[2]]
            del branch[last[3]]
            if not branch:
                del self.tree[last[2]]

    def evict(self, group: Any) -> None:
        for node in self.tree.pop(group, {}).values():
            self._cut(node)
            self.count -= 1

    def _first(self, node: list[Any]) -> None:
        root = self.root
        after = root[1]
        node[0], node[1] = root, after
        root[1] = after[0] = node

    @staticmethod
    def _cut(node: list[Any]) -> None:
        before, after = node[0], node[1]
        before[1], after[0] = after, before


def soft(max_bytes: int = 1 << 40) -> SoftCache:
    return SoftCache(clock=Monotonic(), max_bytes=max_bytes, ttl=300.0, metrics=Metrics())  # type: ignore[arg-type]


# --- CPU per operation


def per_op(run: Callable[[], object], number: int, rounds: int = 7) -> float:
    """Nanoseconds of CPU per operation, the best of *rounds*: what else runs here only ever adds."""
    found = []
    for _ in range(rounds):
        began = time.process_time_ns()
        run()
        found.append((time.process_time_ns() - began) / number)
    return min(found)


def once(run: Callable[[], object], number: int) -> float:
    return per_op(run, number, 1)


def zipf(count: int, exponent: float, rng: random.Random) -> Iterator[int]:
    weights = [1 / (rank + 1) ** exponent for rank in range(count)]
    names = list(range(count))
    rng.shuffle(names)
    while True:
        yield from rng.choices(names, weights, k=10_000)


def names_of(count: int, reads: int) -> tuple[list[Name], list[Name]]:
    rng = random.Random(1)
    every = [((1, number // PAGES), number % PAGES) for number in range(count)]
    return every, [every[number] for number in islice(zipf(count, 1.0, rng), reads)]


def loop(call: Callable[[Any, Any], object], names: list[Name]) -> Callable[[], None]:
    def run() -> None:
        for group, key in names:
            call(group, key)

    return run


def time_soft(every: list[Name], reads: list[Name]) -> Iterator[tuple[str, dict[str, float]]]:
    value = Loaded(b"x" * 1_000, 1)

    def load(fresh: bool) -> Deferred[Loaded]:
        return succeed(value)

    cache = soft()
    insert = once(loop(lambda group, key: cache.get(group, key, load), every), len(every))
    hit = per_op(loop(cache.peek, reads), len(reads))
    get = per_op(loop(lambda group, key: cache.get(group, key, load), reads), len(reads))
    groups = [group for group, key in every if key == 0]
    random.Random(2).shuffle(groups)
    some = groups[: len(groups) // 4]
    evict = once(lambda: [cache.evict(group, 1) for group in some], len(some))
    yield "SoftCache peek / load+store", {"hit": hit, "insert": insert, "evict": evict}
    yield "SoftCache get (Deferred)", {"hit": get}


def time_peers(every: list[Name], reads: list[Name]) -> Iterator[tuple[str, dict[str, float]]]:
    value = Loaded(b"x" * 1_000, 1)
    size = len(every) + 1

    owns: dict[str, Any] = {
        "OrderedDict LRU + ttl + groups": OrderedLru(size),
        "Synapse's way: ring and tree": TreeLru(size),
    }
    for label, own in owns.items():
        insert = once(loop(lambda group, key, own=own: own.put(group, key, value), every), len(every))
        hit = per_op(loop(own.get, reads), len(reads))
        some = [group for group, key in every if key == 0][: len(every) // PAGES // 4]
        evict = once(lambda own=own, some=some: [own.evict(group) for group in some], len(some))
        yield label, {"hit": hit, "insert": insert, "evict": evict}

    @functools.lru_cache(size)
    def cached(group: Any, key: Any) -> Loaded:
        return value

    insert = once(loop(cached, every), len(every))
    yield "functools.lru_cache", {"hit": per_op(loop(cached, reads), len(reads)), "insert": insert}

    for label, make in third_parties():
        peer = make(size)
        if peer is None:
            continue
        get, put = peer
        insert = once(loop(lambda group, key, put=put: put((group, key), value), every), len(every))
        hit = per_op(loop(lambda group, key, get=get: get((group, key)), reads), len(reads))
        yield label, {"hit": hit, "insert": insert}

    yield "empty call", {"hit": per_op(loop(lambda group, key: None, reads), len(reads))}


Peer = tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]


def third_parties() -> Iterator[tuple[str, Callable[[int], Peer | None]]]:
    def optional(module: str, build: Callable[[Any, int], Peer]) -> Callable[[int], Peer | None]:
        def make(size: int) -> Peer | None:
            try:
                return build(importlib.import_module(module), size)
            except ImportError:
                return None

        return make

    def mapping(cache: Any) -> Peer:
        return cache.get, cache.__setitem__

    def theine(module: Any, size: int) -> Peer:
        from datetime import timedelta

        try:
            cache = module.Cache(size)
        except TypeError:
            cache = module.Cache("tlfu", size)
        ttl = timedelta(seconds=300)
        return cache.get, lambda key, value: cache.set(key, value, ttl)

    def moka(module: Any, size: int) -> Peer:
        cache = module.Moka(size, ttl=300)
        return cache.get, cache.set

    yield "cachetools LRUCache", optional("cachetools", lambda module, size: mapping(module.LRUCache(size)))
    yield "cachetools TTLCache", optional("cachetools", lambda module, size: mapping(module.TTLCache(size, 300)))
    yield "cachebox LRUCache", optional("cachebox", lambda module, size: mapping(module.LRUCache(size)))
    yield "theine (ttl)", optional("theine", theine)
    yield "moka-py (ttl)", optional("moka_py", moka)


def time_waiters(number: int) -> dict[str, float]:
    """Microseconds: to join one load, to answer all in one turn (each), to cancel (each)."""
    cache = soft()
    running: list[Deferred[Loaded]] = []

    def load(fresh: bool) -> Deferred[Loaded]:
        running.append(Deferred())
        return running[-1]

    waiters: list[Deferred[Any]] = []
    join = once(lambda: [waiters.append(cache.get("g", 1, load)) for _ in range(number)], number)
    answer = once(lambda: running[0].callback(Loaded(b"x", 1)), number)
    cache.evict("g")
    waiters = [cache.get("g", 1, load).addErrback(lambda failure: None) for _ in range(number)]
    cancel = once(lambda: [waiter.cancel() for waiter in waiters], number)
    return {"loads": len(running) - 1, "join us": join / 1e3, "answer all ms": answer * number / 1e6,
            "cancel us": cancel / 1e3}  # fmt: skip


def time_worst() -> dict[str, float]:
    """Milliseconds for what happens in one turn: the eviction of a large group, clear, one store among all visited."""
    cache = soft()
    fill(cache, ((("big", 0), key) for key in range(10_000)))
    evict = once(lambda: cache.evict(("big", 0), 1), 1) / 1e6
    fill(cache, (((1, number), 0) for number in range(100_000)))
    for number in range(100_000):
        cache.peek((1, number), 0)
    cache.max_bytes = cache.nbytes
    store = once(lambda: fill(cache, [((2, 0), 0)]), 1) / 1e6
    clear = once(cache.clear, 1) / 1e6
    return {"evict 10k pages": evict, "store, all visited": store, "clear 100k": clear}


def fill(cache: SoftCache, names: Iterable[tuple[Any, Any]]) -> None:
    value = Loaded(b"x", 1)
    for group, key in names:
        cache.get(group, key, lambda fresh: succeed(value))


# --- hit ratio


def traces(reads: int) -> Iterator[tuple[str, int, list[int]]]:
    """(name, capacity in entries, keys)."""
    count = 20_000
    for exponent in (0.8, 1.0):
        trace = list(islice(zipf(count, exponent, random.Random(3)), reads))
        for part in (100, 10):
            yield f"zipf {exponent}, {100 // part}%", count // part, trace
    trace = list(islice(scans(count, random.Random(4)), reads))
    for part in (100, 10):
        yield f"zipf 1.0 + scans, {100 // part}%", count // part, trace
    trace = list(islice(drift(random.Random(5)), reads))
    for capacity in (200, 2_000):
        yield f"drifting threads, {capacity}", capacity, trace


def scans(count: int, rng: random.Random) -> Iterator[int]:
    """Crawlers: now and then a run of keys that nobody asks for again."""
    normal = zipf(count, 1.0, rng)
    once_only = count
    while True:
        yield from islice(normal, 5_000)
        yield from range(once_only, once_only + 2_000)
        once_only += 2_000


def drift(rng: random.Random) -> Iterator[int]:
    """News: what is hot moves on; each thread has some pages, the first of them most wanted."""
    newest = 4_000
    number = 0
    while True:
        number += 1
        if number % 50 == 0:
            newest += 1
        thread = newest - min(int(rng.paretovariate(0.35)) - 1, 3_999)
        yield thread * PAGES + min(int(rng.expovariate(1.2)), PAGES - 1)


def ratio_soft(capacity: int, trace: list[int]) -> float:
    cache = soft(capacity * (OVERHEAD + 8))
    value = Loaded(b"12345678", 1)
    hits = 0
    for name in trace:
        if cache.peek(name // PAGES, name % PAGES) is not None:
            hits += 1
        else:
            cache.get(name // PAGES, name % PAGES, lambda fresh: succeed(value))
    return 100 * hits / len(trace)


def ratio_lru(capacity: int, trace: list[int]) -> float:
    entries: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for name in trace:
        if name in entries:
            hits += 1
            entries.move_to_end(name)
        else:
            entries[name] = None
            if len(entries) > capacity:
                entries.popitem(last=False)
    return 100 * hits / len(trace)


def ratio_of(make: Callable[[int], Peer | None], capacity: int, trace: list[int]) -> float | None:
    """Of a library, where it is installed."""
    peer = make(capacity)
    if peer is None:
        return None
    get, put = peer
    hits = 0
    for name in trace:
        found = get(name)
        # One library gives a pair: the value, and whether there is one.
        if found[1] if isinstance(found, tuple) else found is not None:
            hits += 1
        else:
            put(name, b"")
    return 100 * hits / len(trace)


# --- report


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="a tenth of the work")
    options.add_argument("--json", action="store_true", help="figures as JSON")
    options.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    chosen = options.parse_args()
    scale = 10 if chosen.quick else 1
    every, reads = names_of(100_000 // scale, 200_000 // scale)
    gc.collect()
    costs = dict(time_soft(every, reads))
    costs.update(time_peers(every, reads))
    waiters = time_waiters(10_000 // scale)
    worst = time_worst()
    ratios = {
        name: {
            "SIEVE (ours)": ratio_soft(capacity, trace), "LRU": ratio_lru(capacity, trace),
            **{
                label.split()[0]: found for label, make in third_parties()
                if label.endswith("(ttl)") and (found := ratio_of(make, capacity, trace)) is not None
            },
        }
        for name, capacity, trace in traces(200_000 // scale)
    }
    ours = next(iter(costs.values()))
    missed = [name for name, most in TARGETS.items() if ours[name] > most]
    if chosen.json:
        print(json.dumps({"ns": costs, "waiters": waiters, "worst_ms": worst, "hit_ratio": ratios, "missed": missed}))
        return int(chosen.strict and bool(missed))
    print(f"{len(every):,} entries, groups of {PAGES}, zipf 1.0 reads; ns of CPU per operation")
    print(f"{'':34}{'hit':>8}{'insert':>9}{'evict group':>13}{'hit/ours':>10}")
    for name, row in costs.items():
        cells = [f"{row[column]:,.0f}" if column in row else "-" for column in ("hit", "insert", "evict")]
        print(f"{name:34}{cells[0]:>8}{cells[1]:>9}{cells[2]:>13}{row['hit'] / ours['hit']:>10.2f}")
    print(f"\n{10_000 // scale:,} waiters on one key: " + ", ".join(f"{k} {v:,.1f}" for k, v in waiters.items()))
    print("one turn, ms: " + ", ".join(f"{name} {ms:,.2f}" for name, ms in worst.items()))
    columns = [name.removeprefix("SIEVE (").rstrip(")") for name in next(iter(ratios.values()))]
    print(f"\n{'hit ratio %':34}" + "".join(f"{name:>9}" for name in columns))
    for name, each in ratios.items():
        print(f"{name:34}" + "".join(f"{one:>9.1f}" for one in each.values()))
    for name in missed:
        print(f"TARGET MISSED: {name} {ours[name]:,.0f} ns, at most {TARGETS[name]:,.0f}")
    return int(chosen.strict and bool(missed))


if __name__ == "__main__":
    sys.exit(main())
