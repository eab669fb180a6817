"""Figures of caches in the registry."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.metrics import Metrics
from tests.cache.common import loader, make_cache


class FiguresTests(SynchronousTestCase):
    """`cackled.cache.metrics`."""

    def test_two_caches(self) -> None:
        """Caches of one registry are told apart by name, and each family is there once."""
        metrics = Metrics()
        pages, _ = make_cache(metrics=metrics, name="pages")
        make_cache(metrics=metrics, name="counts", max_bytes=4096)
        self.successResultOf(pages.get("g", 1, loader()))
        self.assertEqual(metrics.value("cache_entries", cache="pages"), 1)
        self.assertEqual(metrics.value("cache_entries", cache="counts"), 0)
        self.assertEqual(metrics.value("cache_max_bytes", cache="counts"), 4096)
        text = metrics.render().decode()
        self.assertEqual(text.count("# TYPE cackled_cache_entries gauge"), 1)
        self.assertEqual(text.count("# TYPE cackled_cache_loads_total counter"), 1)
        self.assertIn('cackled_cache_refused_total{cache="pages",reason="size"} 0.0', text)

    def test_same_name(self) -> None:
        """A cache made anew takes the place of the one before it."""
        metrics = Metrics()
        old, _ = make_cache(metrics=metrics)
        self.successResultOf(old.get("g", 1, loader()))
        make_cache(metrics=metrics)
        self.assertEqual(metrics.value("cache_entries", cache="soft"), 0)
