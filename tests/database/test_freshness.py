"""How old a replica may be, told from positions of the log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.database.freshness import SAMPLES, Freshness


class FreshnessTests(SynchronousTestCase):
    """`Freshness.as_of`."""

    def test_samples(self) -> None:
        """A replica is as fresh as the newest position it has replayed; before the first nothing is known."""
        made = Freshness()
        self.assertIsNone(made.as_of(100))
        made.primary_at(100, 1.0)
        made.primary_at(200, 2.0)
        self.assertIsNone(made.as_of(99))
        self.assertEqual([made.as_of(n) for n in (100, 199, 200, 999)], [1.0, 1.0, 2.0, 2.0])
        made.clear()
        self.assertIsNone(made.as_of(999))

    def test_idle(self) -> None:
        """While the primary stands still, what has replayed all of it stays fresh."""
        made = Freshness()
        for moment in range(10):
            made.primary_at(100, float(moment))
        self.assertEqual(made.as_of(100), 9.0)

    def test_bound(self) -> None:
        """What is too long ago is forgotten."""
        made = Freshness()
        for n in range(SAMPLES + 5):
            made.primary_at(n * 10, float(n))
        self.assertIsNone(made.as_of(40))
        self.assertEqual(made.as_of(50), 5.0)

    @given(st.lists(st.tuples(st.integers(0, 50), st.floats(0.01, 5)), max_size=60), st.integers(0, 2000))
    def test_never_too_fresh(self, steps: list[tuple[int, float]], replayed: int) -> None:
        """The primary stood no further than *replayed* at the time that is told."""
        made, lsn, now = Freshness(), 0, 0.0
        stood: list[tuple[float, int]] = []
        for more, seconds in steps:
            lsn, now = lsn + more, now + seconds
            made.primary_at(lsn, now)
            stood.append((now, lsn))
        told = made.as_of(replayed)
        if told is not None:
            self.assertLessEqual(dict(stood)[told], replayed)
