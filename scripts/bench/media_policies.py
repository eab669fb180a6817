"""Hit ratios of rules for a disk cache, on a trace of visitors (Zipf, drifting) and crawlers (everything, once).

    python scripts/bench/media_policies.py [REQUESTS]
"""

from __future__ import annotations

import random
import sys
from bisect import bisect
from collections import OrderedDict
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cackled.media.eviction import Entry, SeenBefore, sieve

OBJECTS = 20_000
# Share of the room that is made free at once.
SHARE = 0.05


def trace(requests: int, crawlers: float, seed: int = 1) -> list[int]:
    """Objects as they are asked for: *crawlers* is the share of requests of those who take one after the other."""
    rng = random.Random(seed)
    weights = list(accumulate((rank + 1) ** -0.9 for rank in range(OBJECTS)))
    order = list(range(OBJECTS))
    rng.shuffle(order)
    made, at = [], 0
    for number in range(requests):
        if number % 20_000 == 19_999:
            # What is popular changes: a tenth of the ranks.
            for _ in range(OBJECTS // 20):
                one, other = rng.randrange(OBJECTS), rng.randrange(OBJECTS)
                order[one], order[other] = order[other], order[one]
        if rng.random() < crawlers:
            made.append(at)
            at = (at + 1) % OBJECTS
        else:
            made.append(order[bisect(weights, rng.random() * weights[-1])])
    return made


class Lru:
    """The least recently used goes."""

    def __init__(self, room: int, seen: bool = False) -> None:
        self.room, self.size, self.writes = room, 0, 0
        self.kept: OrderedDict[int, int] = OrderedDict()
        self.seen = SeenBefore(OBJECTS // 4) if seen else None

    def ask(self, key: int, size: int) -> bool:
        """Whether it was there."""
        if key in self.kept:
            self.kept.move_to_end(key)
            return True
        again = self.seen is None or self.seen.ask(key)
        if again or self.size + size <= self.room * 0.9:
            self.writes += size
            self.kept[key] = size
            self.size += size
            while self.size > self.room:
                self.size -= self.kept.popitem(last=False)[1]
        return False


class Sieve:
    """SIEVE as the cache does it: a share of the room at once."""

    def __init__(self, room: int, seen: bool = False, share: float = SHARE) -> None:
        self.room, self.size, self.writes, self.hand, self.clock = room, 0, 0, 0, 0
        self.kept: dict[int, list[int]] = {}
        self.share = share
        self.seen = SeenBefore(OBJECTS // 4) if seen else None

    def ask(self, key: int, size: int) -> bool:
        """Whether it was there."""
        found = self.kept.get(key)
        if found is not None:
            found[2] = 1
            return True
        again = self.seen is None or self.seen.ask(key)
        if not again and self.size + size > self.room * 0.9:
            return False
        if self.size + size > self.room:
            entries = [Entry(str(name), one[0], one[1], bool(one[2])) for name, one in self.kept.items()]
            chosen = sieve(entries, self.hand, max(size, int(self.room * self.share)), 0)
            for entry in chosen.removed:
                self.size -= entry.size
                del self.kept[int(entry.name)]
            for entry in chosen.cleared:
                self.kept[int(entry.name)][2] = 0
            self.hand = chosen.hand
        self.clock += 1
        self.kept[key] = [size, self.clock, 0]
        self.size += size
        self.writes += size
        return False


class TinyLfu:
    """W-TinyLFU: a window of 1 %, then an LRU that a newcomer enters only if it is asked for more often."""

    def __init__(self, room: int) -> None:
        self.room, self.writes = room, 0
        self.window: OrderedDict[int, int] = OrderedDict()
        self.main: OrderedDict[int, int] = OrderedDict()
        self.sizes = [0, 0]
        # Exact counts, halved now and then: an upper bound of what a sketch can know.
        self.counts: dict[int, int] = {}
        self.asked = 0

    def ask(self, key: int, size: int) -> bool:
        """Whether it was there."""
        self.counts[key] = min(15, self.counts.get(key, 0) + 1)
        self.asked += 1
        if self.asked % (OBJECTS * 2) == 0:
            self.counts = {one: count // 2 for one, count in self.counts.items() if count > 1}
        for kept in (self.window, self.main):
            if key in kept:
                kept.move_to_end(key)
                return True
        self.window[key] = size
        self.sizes[0] += size
        self.writes += size
        while self.sizes[0] > self.room * 0.01:
            one, its = self.window.popitem(last=False)
            self.sizes[0] -= its
            self._admit(one, its)
        return False

    def _admit(self, key: int, size: int) -> None:
        while self.sizes[1] + size > self.room * 0.99:
            victim = next(iter(self.main))
            if self.counts.get(key, 0) <= self.counts.get(victim, 0):
                return
            self.sizes[1] -= self.main.pop(victim)
        self.main[key] = size
        self.sizes[1] += size


def main() -> None:
    """Print the table."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    rng = random.Random(2)
    sizes = [int(min(2_000_000, rng.lognormvariate(10.8, 0.9))) for _ in range(OBJECTS)]
    total = sum(sizes)
    print(f"{OBJECTS:,} files of {total / OBJECTS / 1000:.0f} KB, {requests:,} requests")
    print("hits of the second half in % (bytes written, in % of those asked for)")
    rules: dict[str, Callable[[int], Any]] = {
        "LRU": Lru, "LRU, second request": lambda room: Lru(room, True), "SIEVE": Sieve,
        "SIEVE, second request": lambda room: Sieve(room, True),
        "SIEVE one at a time": lambda room: Sieve(room, False, 0.0), "W-TinyLFU": TinyLfu,
    }  # fmt: skip
    for crawlers in (0.0, 0.3):
        asked = trace(requests, crawlers)
        for share in (0.02, 0.10):
            cells = []
            for name, make in rules.items():
                if name == "SIEVE one at a time" and share > 0.02:
                    continue
                cache = make(int(total * share))
                for key in asked[: requests // 2]:
                    cache.ask(key, sizes[key])
                hits = sum(cache.ask(key, sizes[key]) for key in asked[requests // 2 :])
                written = cache.writes / sum(sizes[key] for key in asked)
                cells.append(f"{name} {200 * hits / requests:.1f} ({100 * written:.0f})")
            print(f"crawlers {crawlers:.0%}, room {share:.0%}: " + "; ".join(cells), flush=True)


if __name__ == "__main__":
    main()
