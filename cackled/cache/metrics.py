"""The metrics of caches for Prometheus: counted as plain integers, and converted at each scrape.

A counter of prometheus_client would cost as much as a whole cache hit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol
from weakref import WeakKeyDictionary

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cackled.cache.types import CacheStats
from cackled.metrics import Metrics

_GAUGES = {
    "entries": ("cache_entries", "Entries in the cache."),
    "bytes": ("cache_bytes", "Bytes of all entries, with what each takes beside its value."),
    "max_bytes": ("cache_max_bytes", "The bound of cache_bytes."),
    "flights": ("cache_flights", "Loads under way."),
    "waiters": ("cache_waiters", "Callers who wait for a load."),
}
_REASONS = {
    "refused_evicted": "evicted",
    "refused_size": "size",
    "refused_older": "older",
}
_GONE = {"evicted_size": "size", "evicted_soft": "soft", "expired": "ttl", "invalidated": "invalidated"}
_COUNTERS = {
    "hits": "Answers from memory.",
    "joins": "Callers who joined a load under way.",
    "misses": "Callers who began a load.",
    "loads": "Calls of a loader.",
    "reloads": "Loads that asked the primary because the answer before was too old.",
    "failed": "Flights that ended with an error.",
    "cancelled": "Callers who gave up waiting.",
    "abandoned": "Loads cancelled because nobody waited any more.",
}


class Measured(Protocol):
    """A cache with a name and figures."""

    name: str

    def stats(self) -> CacheStats:
        """The figures as they are now."""


class CacheCollector(Collector):
    """All caches of one registry; each is a value of the label ``cache``."""

    def __init__(self) -> None:
        self.caches: dict[str, Measured] = {}

    def describe(self) -> Iterator[Metric]:
        """An empty list: the registry need not ask the caches to learn their names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """All families, with one sample per cache (and reason)."""
        stats = {name: cache.stats() for name, cache in self.caches.items()}
        for field, (family, text) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"cackled_{family}", text, labels=["cache"])
            for name, figures in stats.items():
                gauge.add_metric([name], getattr(figures, field))
            yield gauge
        for field, text in _COUNTERS.items():
            counter = CounterMetricFamily(f"cackled_cache_{field}", text, labels=["cache"])
            for name, figures in stats.items():
                counter.add_metric([name], getattr(figures, field))
            yield counter
        yield _by_reason("cackled_cache_refused", "Results that were not kept.", _REASONS, stats)
        yield _by_reason("cackled_cache_removed", "Entries that went.", _GONE, stats)


def _by_reason(family: str, text: str, reasons: dict[str, str], stats: dict[str, CacheStats]) -> Metric:
    counter = CounterMetricFamily(family, text, labels=["cache", "reason"])
    for name, figures in stats.items():
        for field, reason in reasons.items():
            counter.add_metric([name, reason], getattr(figures, field))
    return counter


_collectors: WeakKeyDictionary[Metrics, CacheCollector] = WeakKeyDictionary()


def publish(metrics: Metrics, cache: Measured) -> Callable[[float], None]:
    """Export the metrics of *cache*. They replace those of an earlier cache of the same name.

    Returns a function that records how many seconds a load took.
    """
    collector = _collectors.get(metrics)
    if collector is None:
        collector = _collectors[metrics] = CacheCollector()
        metrics.registry.register(collector)
    collector.caches[cache.name] = cache
    seconds = metrics.histogram("cache_load_seconds", "Seconds per call of a loader.", ["cache"])
    return seconds.labels(cache.name).observe
