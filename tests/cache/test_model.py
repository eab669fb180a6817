"""The cache against its model, and the model against caches that are known to be wrong."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from twisted.trial.unittest import SynchronousTestCase

from cackled.cache.soft import SoftCache
from tests.cache.model import QUICK, run
from tests.cache.mutants import MUTANTS

# How often each thing must have happened for a pass to mean anything; most runs have ten times as many.
AT_LEAST = {
    "hits": 50, "joins": 100, "misses": 500, "reloads": 15, "failed": 25, "cancelled": 30, "abandoned": 20,
    "refused_evicted": 8, "refused_size": 10, "refused_older": 1, "evicted_size": 20, "evicted_soft": 50,
    "expired": 20, "invalidated": 100,
}  # fmt: skip
# Fixed histories: what is caught today is caught tomorrow. Take derandomize away to search for more.
FIXED = settings(QUICK, derandomize=True)


class ModelTests(SynchronousTestCase):
    """`cackled.cache.soft.SoftCache` in random histories."""

    def test_keeps_its_promises(self) -> None:
        """No history is found in which it breaks one, and the histories were not empty."""
        seen = run(SoftCache, FIXED)
        rare = {name: seen[name] for name, least in AT_LEAST.items() if seen[name] < least}
        self.assertEqual(rare, {}, f"the run proves nothing: {seen}")


class MutantTests(SynchronousTestCase):
    """The model test can fail: one test for each mutant."""

    def notice(self, kind: type[SoftCache]) -> None:
        found: Exception | None = None
        try:
            run(kind, settings(FIXED, max_examples=400))
        except AssertionError as error:
            found = error
        self.flushLoggedErrors()
        self.assertIsNotNone(found, "the model test passes a cache that is wrong")


def _test(kind: type[SoftCache]) -> Callable[[MutantTests], None]:
    def test(self: MutantTests) -> None:
        self.notice(kind)

    test.__doc__ = kind.__doc__ or "The model notices."
    return test


for _name, _kind in MUTANTS.items():
    setattr(MutantTests, f"test_{_name}", _test(_kind))
