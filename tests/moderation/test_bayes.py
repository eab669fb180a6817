"""The filter's arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.moderation.bayes import LEAST_SEEN, MOST_COUNT, Filter, Prior
from cackled.moderation.features import BUCKETS, features
from tests.moderation.common import draft

places = st.frozensets(st.integers(0, BUCKETS - 1), min_size=1, max_size=12)
lessons = st.lists(st.tuples(places, st.booleans()), max_size=25)


def trained() -> Filter:
    """A filter that has seen gardeners and casinos."""
    made = Filter()
    for number in range(2 * LEAST_SEEN):
        made.learn(features(draft(f"the tomatoes in my garden need water {number}")).places, False)
        made.learn(features(draft(f"free casino bonus, visit https://win.example/{number} now")).places, True)
    return made


class FilterTests(SynchronousTestCase):
    def test_says_nothing(self) -> None:
        """With too little of either kind it says nothing, and takes no room."""
        made = Filter()
        self.assertIsNone(made.score([1, 2]))
        self.assertEqual(made.size, 0)
        for _ in range(LEAST_SEEN):
            made.learn([1], True)
        self.assertIsNone(made.score([1]))
        for _ in range(LEAST_SEEN):
            made.learn([2], False)
        score = made.score([1])
        assert score is not None
        self.assertGreater(score, 0.5)

    def test_tells_apart(self) -> None:
        """What it has seen, and new texts of the same words; it says why."""
        made = trained()
        spam = features(draft("A new casino bonus for you: https://win.example/x"))
        ham = features(draft("My garden needs more water this year"))
        new = features(draft("Quarterly figures exceeded expectations"))
        self.assertGreater(made.score(spam.places) or 0, 0.95)
        self.assertLess(made.score(ham.places) or 1, 0.05)
        self.assertLess(made.score(new.places) or 0, 0.5)
        self.assertIn("casino", made.explain(spam, True))
        self.assertIn("garden", made.explain(ham, False))
        self.assertEqual(made.explain(new, True), ())

    @given(lessons, lessons)
    def test_untraining(
        self, first: list[tuple[frozenset[int], bool]], more: list[tuple[frozenset[int], bool]]
    ) -> None:
        """What is learnt and taken back again leaves no trace, in whatever order."""
        plain, changed = Filter(), Filter()
        for found, spam in first:
            plain.learn(found, spam)
            changed.learn(found, spam)
        for found, spam in more:
            changed.learn(found, spam)
        for found, spam in reversed(more):
            changed.learn(found, spam, -1)
        self.assertEqual((plain.spam, plain.ham), (changed.spam, changed.ham))
        every = {place for found, _ in (*first, *more) for place in found}
        self.assertEqual([plain.seen(one) for one in every], [changed.seen(one) for one in every])
        self.assertEqual(plain.score(sorted(every)), changed.score(sorted(every)))

    @given(lessons, places)
    def test_bounds(self, some: list[tuple[frozenset[int], bool]], asked: frozenset[int]) -> None:
        """A score is from 0 to 1, and probabilities lie within."""
        made = Filter()
        for found, spam in some * 5:
            made.learn(found, spam)
        score = made.score(asked)
        self.assertTrue(score is None or 0.0 <= score <= 1.0)
        self.assertTrue(all(0.0 < made.probability(one) < 1.0 for one in asked))

    def test_extremes(self) -> None:
        """Counts stop at their limits, and so many features don't overflow."""
        made = Filter()
        made.set([(one, 10**6, 0) for one in range(3000)], 10**6, 10**6, 5)
        self.assertEqual(made.seen(1), (MOST_COUNT, 0))
        self.assertGreater(made.score(range(3000)) or 0, 0.99)
        made.learn([1], True, -(10**7))
        self.assertEqual(made.seen(1), (0, 0))

    def test_prior(self) -> None:
        """A filter that has seen nothing goes by the shared prior; its own decisions outweigh it."""
        made = Filter()
        made.use(Prior([(1, 0.95), (2, 0.05)], 1))
        self.assertGreater(made.score([1]) or 0, 0.7)
        for _ in range(3 * LEAST_SEEN):
            made.learn([1], False)
            made.learn([3], True)
        self.assertLess(made.score([1]) or 1, 0.3)
