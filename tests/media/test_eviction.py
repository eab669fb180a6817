"""SIEVE many at a time: enough goes, no more than is needed; what is asked for stays as long as others can go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.media.eviction import Entry, SeenBefore, sieve

ENTRIES = st.lists(
    st.tuples(st.integers(1, 50), st.booleans(), st.integers(0, 30)), max_size=20
).map(lambda rows: [Entry(str(number), size, came, seen) for number, (size, seen, came) in enumerate(rows)])


class SieveTests(SynchronousTestCase):
    """What goes."""

    @given(ENTRIES, st.integers(-1, 31), st.integers(0, 400), st.integers(0, 25))
    def test_enough_goes(self, entries: list[Entry], hand: int, size: int, files: int) -> None:
        """Enough, or everything; no file twice; one less would not be enough; what goes is not marked too."""
        chosen = sieve(entries, hand, size, files)
        names = [one.name for one in chosen.removed]
        self.assertEqual(len(names), len(set(names)))
        freed = sum(one.size for one in chosen.removed)
        if len(names) < len(entries):
            self.assertTrue(freed >= size and len(names) >= files)
        if names:
            self.assertTrue(freed - chosen.removed[-1].size < size or len(names) - 1 < files)
        self.assertFalse(set(names) & {one.name for one in chosen.cleared})
        self.assertTrue(all(one.visited for one in chosen.cleared))
        kept = [one for one in entries if one.name not in names and not one.visited]
        if any(one.visited for one in chosen.removed):
            # Only when nothing else was left to go.
            self.assertEqual(kept, [])

    def test_goes_around(self) -> None:
        """The hand goes on where it stood: the oldest first, then the next; asked for ones stay once."""
        entries = [Entry(name, 1, came, name in "bd") for came, name in enumerate("abcde")]
        first = sieve(entries, -1, 2, 0)
        self.assertEqual(([one.name for one in first.removed], first.hand), (["a", "c"], 2))
        self.assertEqual([one.name for one in first.cleared], ["b"])
        left = [Entry(one.name, 1, one.came, one.name == "d") for one in entries if one.name in "bde"]
        second = sieve(left, first.hand, 2, 0)
        self.assertEqual([one.name for one in second.removed], ["e", "b"])


class SeenTests(SynchronousTestCase):
    """Whether something was asked for before."""

    def test_forgets(self) -> None:
        """What was asked for of late is known; after many others it is not; never more than two bounds are kept."""
        seen = SeenBefore(10)
        self.assertEqual([seen.ask(1), seen.ask(1), seen.ask(2)], [False, True, False])
        for other in range(100, 125):
            seen.ask(other)
        self.assertFalse(seen.ask(1))
        self.assertLessEqual(len(seen._new) + len(seen._old), 20)
