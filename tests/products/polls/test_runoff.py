"""Instant run-off: rounds, ties, exhausted ballots."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.products.polls.runoff import Outcome, run_off


def decide(text: str, options: str = "1234", seed: str = "s") -> Outcome:
    """``"3:12 2:21"``: three ballots that prefer 1 to 2, two that prefer 2 to 1."""
    ballots = [(tuple(map(int, one.partition(":")[2])), int(one.partition(":")[0])) for one in text.split()]
    return run_off(ballots, [int(one) for one in options], seed)


def lot(seed: str, options: str) -> str:
    """Who of several is out by lot."""
    return min(options, key=lambda one: sha256(f"{seed}|{one}".encode()).digest())


class RoundTests(SynchronousTestCase):
    """Known elections."""

    def test_majority(self) -> None:
        """More than half at once: one round. Half is not enough."""
        made = decide("5:1 2:2 2:3", "123")
        self.assertEqual((made.winner, len(made.rounds), made.rounds[0].out), ("1", 1, ""))
        made = decide("2:1 1:2 1:3", "123")
        self.assertEqual((made.winner, len(made.rounds)), ("1", 3 - 1))

    def test_transfer(self) -> None:
        """Tennessee: the capital with the most first places does not win."""
        made = decide("42:1234 26:2341 15:3421 17:4321")
        self.assertEqual(made.winner, "4")
        self.assertEqual([one.out for one in made.rounds], ["3", "2", ""])
        self.assertEqual(made.rounds[-1].counts, [("1", 42), ("4", 58)])

    def test_exhausted(self) -> None:
        """Ballots whose options are all out are counted as such, and no longer for the half."""
        made = decide("4:1 3:2 2:3", "123")
        self.assertEqual([one.exhausted for one in made.rounds], [0, 2])
        self.assertEqual(made.winner, "1")

    def test_earlier_round(self) -> None:
        """A tie is decided by the last earlier round in which they differed."""
        made = decide("5:1 4:2 3:3 1:43", "1234")
        # 4 is out first; then 3 has 4, as 2 has: but 3 had fewer before.
        self.assertEqual((made.rounds[0].out, made.rounds[0].by), ("4", ""))
        self.assertEqual((made.rounds[1].out, made.rounds[1].tied, made.rounds[1].by), ("3", ("2", "3"), "earlier"))

    def test_lot(self) -> None:
        """Where they never differed a lot does, that everybody can draw again; it is said who was in it."""
        made = decide("3:1 2:2 2:3", "123", "poll 7")
        self.assertEqual((made.rounds[0].out, made.rounds[0].tied, made.rounds[0].by),
                         (lot("poll 7", "23"), ("2", "3"), "lot"))  # fmt: skip
        made = decide("1:1 1:2", "12", "x")
        self.assertEqual((made.rounds[0].by, made.rounds[0].out), ("lot", lot("x", "12")))
        self.assertNotEqual(made.winner, made.rounds[0].out)

    def test_nobody(self) -> None:
        """Without ballots there is no winner; options that are gone don't count."""
        self.assertEqual((decide("").winner, len(decide("").rounds)), ("", 1))
        self.assertEqual(decide("3:9 1:91", "12").winner, "1")
        self.assertEqual(run_off([], [], "s"), Outcome("", []))


BALLOTS = st.dictionaries(st.permutations(range(1, 5)).map(tuple), st.integers(1, 9), max_size=12)


class PropertyTests(SynchronousTestCase):
    """Any election."""

    @given(BALLOTS, st.integers(0, 4), st.text("ab", max_size=3))
    def test_rounds(self, ballots: dict[Any, int], cut: int, seed: str) -> None:
        """Every ballot is in each round once; one is out at a time, one of those with the fewest; the order in which
        ballots come changes nothing; who has more than half of the first places wins."""
        given_ = [(ballot[: cut or 4], count) for ballot, count in ballots.items()]
        made = run_off(given_, [1, 2, 3, 4], seed)
        total = sum(ballots.values())
        self.assertEqual(made, run_off(given_[::-1], [1, 2, 3, 4], seed))
        for number, one in enumerate(made.rounds):
            self.assertEqual(sum(count for _, count in one.counts) + one.exhausted, total)
            self.assertEqual(len(one.counts), 4 - number)
            if one.out:
                self.assertEqual(dict(one.counts)[one.out], min(dict(one.counts).values()))
                self.assertEqual(bool(one.tied), one.by != "")
        first: Counter[int] = Counter()
        for ballot, count in given_:
            first[ballot[0]] += count
        for option, count in first.items():
            if count * 2 > total:
                self.assertEqual(made.winner, str(option))
        self.assertEqual(bool(made.winner), total > 0)
