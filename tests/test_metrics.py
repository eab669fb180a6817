"""The registry of figures."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.metrics import Metrics


class MetricsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.metrics = Metrics()

    def test_kinds(self) -> None:
        """Each kind appears in the text format under the product's prefix."""
        self.metrics.counter("cache_hits", "Hits.", ["cache"]).labels("soft").inc(2)
        self.metrics.gauge("sessions", "Sessions.").set(5)
        self.metrics.watch("free_bytes", "Free.", lambda: 7)
        self.metrics.histogram("wait_seconds", "Waits.").observe(0.02)
        text = self.metrics.render().decode()
        for line in (
            'cackled_cache_hits_total{cache="soft"} 2.0',
            "cackled_sessions 5.0",
            "cackled_free_bytes 7.0",
            'cackled_wait_seconds_bucket{le="0.025"} 1.0',
            "cackled_wait_seconds_count 1.0",
            "# HELP cackled_sessions Sessions.",
        ):
            self.assertIn(line + "\n", text)

    def test_asking_twice(self) -> None:
        """Two parts that ask for one name share the figure; another kind of that name is a mistake."""
        self.metrics.counter("hits", "Hits.").inc()
        self.metrics.counter("hits", "Hits.").inc()
        self.assertEqual(self.metrics.value("hits_total"), 2)
        self.assertRaises(TypeError, self.metrics.gauge, "hits", "Hits.")

    def test_value(self) -> None:
        """A figure that was never touched, or never made, stands at nought."""
        self.metrics.counter("hits", "Hits.", ["cache"])
        self.assertEqual(self.metrics.value("hits_total", cache="soft"), 0)
        self.assertEqual(self.metrics.value("nothing"), 0)

    def test_watch_is_asked_at_each_scrape(self) -> None:
        """A watched figure is as fresh as the scrape."""
        figures = iter([1.0, 2.0])
        self.metrics.watch("age_seconds", "Age.", lambda: next(figures))
        self.assertEqual([self.metrics.value("age_seconds"), self.metrics.value("age_seconds")], [1.0, 2.0])

    def test_registries_are_apart(self) -> None:
        """Two daemons in one process (tests) do not meet."""
        self.metrics.counter("hits", "Hits.").inc()
        self.assertEqual(Metrics().value("hits_total"), 0)
