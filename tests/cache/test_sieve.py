"""The order of eviction."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.cache import sieve
from cackled.cache.sieve import Entry, Sieve
from cackled.cache.types import Loaded


def entry(name: str) -> Entry:
    return Entry(name, name, Loaded(b"", 0), 1, 0.0, 0.0)


def fill(queue: Sieve, names: str) -> dict[str, Entry]:
    made = {name: entry(name) for name in names}
    for each in made.values():
        queue.add(each)
    return made


def names(queue: Sieve) -> str:
    return "".join(str(each.key) for each in queue)


class SieveTests(SynchronousTestCase):
    """`cackled.cache.sieve.Sieve`."""

    def take(self, queue: Sieve) -> str:
        victim = queue.victim()
        assert victim is not None
        queue.remove(victim)
        return str(victim.key)

    def test_untouched_entries_go_in_order(self) -> None:
        """Without hits it is a first-in, first-out queue."""
        queue = Sieve()
        fill(queue, "abc")
        self.assertEqual([self.take(queue) for _ in range(3)], ["a", "b", "c"])
        self.assertIsNone(queue.victim())
        self.assertEqual(len(queue), 0)

    def test_visited_stay_where_they_are(self) -> None:
        """The hand takes the bit and leaves the entry in its place; it goes on from where it stopped."""
        queue = Sieve()
        made = fill(queue, "abcdefg")
        for name in "abg":
            made[name].visited = True
        self.assertEqual(self.take(queue), "c")
        fill(queue, "h")
        made["a"].visited = True
        made["d"].visited = True
        self.assertEqual(names(queue), "abdefgh")
        self.assertEqual(self.take(queue), "e")
        fill(queue, "i")
        made["b"].visited = True
        self.assertEqual(self.take(queue), "f")
        self.assertEqual(names(queue), "abdghi")

    def test_all_visited(self) -> None:
        """Where all were asked for, the hand goes round once and takes the oldest."""
        queue = Sieve()
        for each in fill(queue, "abc").values():
            each.visited = True
        self.assertEqual(self.take(queue), "a")

    def test_the_hand_has_a_reach(self) -> None:
        """A queue full of visited entries does not hold the reactor for a whole round."""
        self.patch(sieve, "REACH", 3)
        queue = Sieve()
        made = fill(queue, "abcdefg")
        for each in made.values():
            each.visited = True
        self.assertEqual(self.take(queue), "d")
        self.assertEqual([each.visited for each in made.values()], [False, False, False, True, True, True, True])

    def test_hand_on_a_removed_entry(self) -> None:
        """To remove the entry under the hand moves the hand on, never leaves it outside of the queue."""
        queue = Sieve()
        made = fill(queue, "abcd")
        made["a"].visited = True
        victim = queue.victim()
        self.assertIs(victim, made["b"])
        self.assertIs(queue.hand, made["b"])
        queue.remove(made["b"])
        self.assertIs(queue.hand, made["c"])
        queue.remove(made["c"])
        self.assertIs(queue.hand, made["d"])
        queue.remove(made["d"])
        self.assertIs(queue.hand, queue.root)
        self.assertEqual(self.take(queue), "a")

    def test_a_removed_entry_keeps_nothing_alive(self) -> None:
        """It has no way back into the queue."""
        queue = Sieve()
        made = fill(queue, "abc")
        queue.remove(made["b"])
        self.assertEqual((made["b"].newer, made["b"].older), (None, None))
        self.assertEqual(names(queue), "ac")

    def test_walk_outlives_removals(self) -> None:
        """A walk that pauses goes on though its next entry was removed, and sees each of the others once."""
        queue = Sieve()
        made = fill(queue, "abcde")
        seen = []
        for _ in range(2):
            step = queue.step()
            assert step is not None
            seen.append(step.key)
        queue.remove(made["c"])
        while not queue.walked:
            step = queue.step()
            assert step is not None
            seen.append(step.key)
        self.assertEqual("".join(map(str, seen)), "abde")
        first = queue.step()
        assert first is not None
        self.assertEqual(first.key, "a")

    def test_walk_of_nothing(self) -> None:
        """An empty queue is walked at once."""
        queue = Sieve()
        self.assertIsNone(queue.step())
        self.assertTrue(queue.walked)

    def test_clear_cuts_the_links(self) -> None:
        """No cycle is left behind for the garbage collector."""
        queue = Sieve()
        made = fill(queue, "abc")
        queue.victim()
        queue.clear()
        self.assertEqual(names(queue), "")
        self.assertEqual([(each.newer, each.older) for each in made.values()], [(None, None)] * 3)
        self.assertIs(queue.hand, queue.root)
        fill(queue, "x")
        self.assertEqual(self.take(queue), "x")
