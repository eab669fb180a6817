"""Floors: what was announced is never forgotten too soon, nor kept for ever."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.cache.floors import Floors


class FloorsTests(SynchronousTestCase):
    """`cackled.cache.floors.Floors`."""

    def test_highest_wins(self) -> None:
        """Announcements may come twice and out of order."""
        floors = Floors(Clock().seconds)
        self.assertEqual(floors.of("a"), 0)
        for seq in (5, 9, 7, 0):
            floors.announce("a", seq)
        self.assertEqual(floors.of("a"), 9)

    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2**63 - 1), st.floats(0, 30)), max_size=40))
    @settings(max_examples=60, deadline=None, database=None)
    def test_never_below_what_was_announced(self, steps: list[tuple[int, int, float]]) -> None:
        """Within the time of memory the floor is at least what was announced, collisions or not."""
        clock = Clock()
        floors = Floors(clock.seconds, slots=8, memory=60.0)
        told: list[tuple[int, int, float]] = []
        for group, seq, wait in steps:
            floors.announce(group, seq)
            told.append((group, seq, clock.seconds()))
            clock.advance(wait)
            for other, least, when in told:
                if clock.seconds() - when < 60.0:
                    self.assertGreaterEqual(floors.of(other), least)

    def test_forgotten_in_the_end(self) -> None:
        """A slot that two groups share does not cost the quiet one double loads for ever."""
        clock = Clock()
        floors = Floors(clock.seconds, slots=1, memory=60.0)
        floors.announce("busy", 1_000_000)
        self.assertEqual(floors.of("quiet"), 1_000_000)
        clock.advance(61)
        self.assertEqual(floors.of("quiet"), 1_000_000)
        clock.advance(61)
        self.assertEqual(floors.of("quiet"), 0)
        floors.announce("busy", 5)
        clock.advance(1_000)
        self.assertEqual(floors.of("busy"), 0)

    def test_fixed_memory(self) -> None:
        """As many groups as one likes take no more than none did."""
        floors = Floors(Clock().seconds, slots=1024)
        before = sys.getsizeof(floors._new) + sys.getsizeof(floors._old)
        for group in range(20_000):
            floors.announce((1, group), group)
        self.assertEqual(sys.getsizeof(floors._new) + sys.getsizeof(floors._old), before)
