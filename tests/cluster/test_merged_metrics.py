"""Figures of several processes on one page."""

from __future__ import annotations

import msgspec
from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from cackled.cluster.merged_metrics import Gathered, figures_of, read
from cackled.metrics import Metrics


def process(requests: int, open: float) -> Metrics:
    """A process with some figures."""
    metrics = Metrics()
    metrics.counter("requests", "Requests.", ["status"]).labels("2xx").inc(requests)
    metrics.gauge("open", "Open.").set(open)
    metrics.histogram("seconds", "Took.", buckets=(0.1, 1.0)).observe(0.5)
    return metrics


class GatheredTests(SynchronousTestCase):
    def samples(self, gathered: Gathered, own: Metrics, workers: dict[str, str]) -> dict[tuple[str, str], float]:
        """Every sample of the page by name and labels; the page is whole."""
        page = gathered.render(own.registry.collect(), workers).decode()
        found = {}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                key = (sample.name, ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items())))
                self.assertNotIn(key, found)
                found[key] = sample.value
        return found

    def take(self, gathered: Gathered, source: str, metrics: Metrics) -> None:
        """As it comes through the pipe."""
        gathered.took(source, read(msgspec.json.decode(msgspec.json.encode(figures_of(metrics.registry)))))

    def test_sums(self) -> None:
        """Counters and histograms are added up, gauges stand side by side."""
        gathered = Gathered()
        self.take(gathered, "a", process(3, 10))
        self.take(gathered, "b", process(4, float("inf")))
        found = self.samples(gathered, process(1, 7), {"a": "0", "b": "1"})
        self.assertEqual(found["cackled_requests_total", "status=2xx"], 8)
        self.assertEqual(found["cackled_seconds_count", ""], 3)
        self.assertEqual(found["cackled_seconds_bucket", "le=1.0"], 3)
        self.assertEqual(found["cackled_seconds_bucket", "le=0.1"], 0)
        self.assertEqual(found["cackled_open", ""], 7)
        self.assertEqual(found["cackled_open", "worker=0"], 10)
        self.assertEqual(found["cackled_open", "worker=1"], float("inf"))

    def test_never_falls(self) -> None:
        """What a worker counted stays counted when it ends; its gauges go."""
        gathered = Gathered()
        own = Metrics()
        self.take(gathered, "a", process(3, 10))
        self.take(gathered, "b", process(4, 11))
        gathered.departed("a")
        gathered.departed("nobody")
        found = self.samples(gathered, own, {"b": "1"})
        self.assertEqual(found["cackled_requests_total", "status=2xx"], 7)
        self.assertEqual(found["cackled_seconds_bucket", "le=+Inf"], 2)
        self.assertNotIn(("cackled_open", "worker=0"), found)
        self.take(gathered, "c", process(1, 1))
        self.assertEqual(
            self.samples(gathered, own, {"b": "1", "c": "0"})["cackled_requests_total", "status=2xx"], 8
        )
