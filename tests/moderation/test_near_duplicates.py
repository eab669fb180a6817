"""Texts that are nearly the same."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.moderation.features import words_of
from cackled.moderation.near_duplicates import MOST_ALIKE, MOST_SITES, MOST_TEXTS, SECONDS, Recent, sketch

FLOOD = (
    "Hello friends, I have earned {n} dollars this week from home with {w}, and you can do it as well: "
    "just look at the page of my teacher and write to {m} today, places are limited"
)
PLAIN = "the garden needs more water in a dry summer than most people would ever think of giving it my {w} says"


class RecentTests(SynchronousTestCase):
    def note(self, recent: Recent, text: str, author: int = 1, now: float = 0.0, site: int = 1) -> tuple[int, int]:
        found, _ = recent.note(site, author, sketch(words_of(text)), now)
        return found.own, found.others

    def test_floods(self) -> None:
        """A text with other numbers, names and addresses is the same; another text is not."""
        recent = Recent()
        for number in range(5):
            text = FLOOD.format(n=100 * number + 7, w=f"Site{number}.com", m=f"Mr{number}")
            self.assertEqual(self.note(recent, text, author=number), (0, number))
        self.assertEqual(self.note(recent, PLAIN.format(w="aunt"), author=9), (0, 0))
        self.assertEqual(self.note(recent, FLOOD.format(n=1, w="a.com", m="b").upper(), author=3), (1, 4))

    def test_disguise(self) -> None:
        """Invisible characters and look-alike letters change nothing."""
        recent = Recent()
        self.note(recent, FLOOD.format(n=1, w="x", m="y"))
        hidden = FLOOD.format(n=1, w="x", m="y").replace("earned", "ear\u200bned").replace("home", "hоme")
        self.assertEqual(self.note(recent, hidden, author=2), (0, 1))

    def test_short(self) -> None:
        """Short texts are written by many."""
        recent = Recent()
        for author in range(9):
            self.assertEqual(self.note(recent, "Many happy returns of the day!", author=author), (0, 0))

    def test_forgets(self) -> None:
        """After an hour, when somebody is erased, when a text was not taken, and other sites know nothing."""
        recent = Recent()
        text = PLAIN.format(w="aunt")
        self.assertEqual(self.note(recent, text, author=1), (0, 0))
        self.assertEqual(self.note(recent, text, author=2, site=2), (0, 0))
        self.assertEqual(self.note(recent, text, author=2, now=SECONDS + 1), (0, 0))
        recent.forget(2)
        self.assertEqual(self.note(recent, text, author=3, now=SECONDS + 2), (0, 0))
        _, number = recent.note(1, 4, sketch(words_of(text)), SECONDS + 3)
        recent.take_back(1, number)
        self.assertEqual(self.note(recent, text, author=5, now=SECONDS + 4), (0, 1))

    def test_bounded(self) -> None:
        """However much is written, on however many sites."""
        recent = Recent()
        chance = random.Random(1)
        for number in range(2 * MOST_TEXTS):
            words = [f"w{'abcdefghij'[chance.randrange(10)]}{'klmnop'[chance.randrange(6)]}" for _ in range(20)]
            recent.note(1, number, sketch(words), float(number) / 100)
        self.assertLessEqual(len(recent), MOST_TEXTS)
        self.assertLessEqual(recent.rate(1, 2 * MOST_TEXTS / 100), MOST_TEXTS)
        for site in range(2 * MOST_SITES):
            recent.note(site, 1, sketch(words_of(PLAIN)), 1000.0)
        self.assertLessEqual(len(recent._sites), MOST_SITES)
        texts = recent._sites[2 * MOST_SITES - 1]
        self.assertLessEqual({number for numbers in texts.index.values() for number in numbers}, set(texts.posts))

    @given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(0, 5000)), max_size=60))
    def test_index(self, steps: list[tuple[int, int, int]]) -> None:
        """The index holds what is remembered, and nothing else."""
        recent = Recent()
        now = 0.0
        for author, kind, later in steps:
            now += later
            self.note(recent, PLAIN.format(w="x") + " ".join("abcdefg"[kind] * n for n in range(20)), author, now)
        for texts in recent._sites.values():
            listed = {(one, number) for one, numbers in texts.index.items() for number in numbers}
            held = {(one, number) for number, post in texts.posts.items() for one in post[2]}
            self.assertLessEqual(listed, held)
            for one in {one for one, _ in held}:
                newest = sorted(number for other, number in held if other == one)[-MOST_ALIKE:]
                self.assertEqual(sorted(texts.index[one])[-len(newest):], newest)
