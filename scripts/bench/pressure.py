"""The soft cache where memory is short: far more passes through it than it may hold.

    python scripts/bench/pressure.py [--through 400] [--room 50] [--rate 20]

One process with the daemon's cache and governor on a real reactor. `--through` MiB of pages are loaded at `--rate` MiB
a second, while the governor aims at the resident size of the start plus `--room` MiB. Printed: how far the resident
size grew, how few entries there ever were once it was full, the longest turn of the reactor (wall and CPU), and how
often a key was loaded that 10,000 asked for at once.
"""

from __future__ import annotations

import argparse
import gc
import os
import time

MIB = 1024 * 1024
PAGE = 20_000


def resident() -> int:
    """Bytes, from /proc."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--through", type=int, default=400, help="MiB in all")
    parser.add_argument("--room", type=int, default=50, help="MiB above the resident size of the start")
    parser.add_argument("--rate", type=float, default=20.0, help="MiB a second")
    given = parser.parse_args()

    from cackled.clock import install_monotonic_reactor

    install_monotonic_reactor()
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.task import LoopingCall

    from cackled.cache.governor import Governor
    from cackled.cache.pressure import MemoryReader
    from cackled.cache.soft import SoftCache
    from cackled.cache.types import Loaded
    from cackled.config import Cache
    from cackled.metrics import Metrics

    metrics = Metrics()
    cache = SoftCache(clock=reactor, max_bytes=1024 * MIB, ttl=3600.0, metrics=metrics)
    gc.collect()
    began = resident()
    governor = Governor(
        [cache], clock=reactor, read_pressure=MemoryReader(), metrics=metrics, target_bytes=began + given.room * MIB,
        idle_seconds_per_free_mib=Cache().idle_seconds_per_free_mib,
    )
    seen = {"peak": began, "fewest": 1 << 60, "wall": 0.0, "cpu": 0.0, "number": 0, "loads": 0}
    last = [time.perf_counter(), time.thread_time()]

    async def load(fresh: bool) -> Loaded:
        seen["loads"] += 1
        return Loaded(os.urandom(PAGE), 1)

    def turn() -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        # A turn that sleeps between two of these has used no CPU: the pause is not the reactor's.
        seen["wall"] = max(seen["wall"], now - last[0] - pause)
        seen["cpu"] = max(seen["cpu"], cpu - last[1])
        last[:] = now, cpu
        size = resident()
        seen["peak"] = max(seen["peak"], size)
        if size - began > 0.8 * given.room * MIB:
            seen["full"] = True
        if seen.get("full"):
            seen["fewest"] = min(seen["fewest"], len(cache))

    each = max(1, int(given.rate * MIB / PAGE / 100))
    wanted = given.through * MIB // PAGE

    def feed() -> None:
        for _ in range(each):
            seen["number"] += 1
            cache.get((1, seen["number"] // 5), seen["number"], load)
        if seen["number"] >= wanted:
            feeder.stop()
            reactor.callLater(1.5, finish)

    def finish() -> None:
        passed = seen["loads"]
        slow: Deferred[Loaded] = Deferred()

        async def once(fresh: bool) -> Loaded:
            seen["loads"] += 1
            return await slow

        waiting = [cache.get((2, 2), "herd", once) for _ in range(10_000)]
        slow.callback(Loaded(b"x", 1))
        answered = sum(one.called for one in waiting)
        print(f"{passed * PAGE / MIB:.0f} MiB went through a room of {given.room} MiB at {given.rate:.0f} MiB a second")
        print(f"resident size grew by at most {(seen['peak'] - began) / MIB:.1f} MiB")
        fit = given.room * MIB // PAGE
        print(f"fewest entries once full {seen['fewest']}, of {fit} that fit; at the end {len(cache)}")
        print(f"longest turn {seen['wall'] * 1e3:.1f} ms, of CPU {seen['cpu'] * 1e3:.1f} ms")
        print(f"10,000 who ask for one key: {seen['loads'] - passed} load, {answered} answered")
        reactor.stop()

    pause = 0.001
    governor.start()
    LoopingCall(turn).start(pause)
    feeder = LoopingCall(feed)
    feeder.start(0.01)
    reactor.run()


if __name__ == "__main__":
    main()
