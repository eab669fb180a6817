"""The spam filter's arithmetic: in how much spam and how much else each feature was seen, and what that says of a text.

The probability of a feature is Robinson's estimate: its share of spam, drawn towards what the shared prior says (0.5
where that knows nothing) as long as it was seen seldom. Those of a text are put together by Fisher's method, as
bogofilter does: two sums of logarithms, each held against a chi-squared distribution, one for spam and one against.
So features that contradict each other give 0.5 and not a coin's toss.
(G. Robinson, "A Statistical Approach to the Spam Problem", Linux Journal 107, 2003.)
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from math import exp, log, prod

from cackled.moderation.features import BUCKETS, Features

# How many sightings the prior is worth, without and with a shared one that knows the feature.
STRENGTH = 0.5
SHARED_STRENGTH = 2.0
# A feature closer to the middle says nothing; of the others the clearest are put together.
LEAST_DISTANCE = 0.1
MOST_FEATURES = 70
# A filter that has seen less of either kind says nothing.
LEAST_SEEN = 10
# Counts stop here: what was seen so often will not be forgotten by one lesson.
MOST_COUNT = 65_535
MOST_EXPLAINED = 8

_TELLING, _TELLING_NOT = 0.5 + LEAST_DISTANCE, 0.5 - LEAST_DISTANCE


class Prior:
    """What sites that share teach each other: the probability of each bucket, negative where too few sites know it."""

    def __init__(self, values: Iterable[tuple[int, float]] = (), version: int = 0) -> None:
        self.version = version
        self._values: array[float] | None = None
        for place, value in values:
            if self._values is None:
                self._values = array("f", [-1.0]) * BUCKETS
            if 0 <= place < BUCKETS:
                self._values[place] = value

    def __bool__(self) -> bool:
        return self._values is not None

    def get(self, place: int) -> float:
        """The probability of a bucket, negative where it is not known."""
        return -1.0 if self._values is None else self._values[place]


NO_PRIOR = Prior()


class Filter:
    """The counts of one site; ``spam`` and ``ham`` are how many texts of each kind it has seen."""

    __slots__ = ("_ham", "_known", "_prior", "_spam", "ham", "spam", "version")

    def __init__(self, prior: Prior = NO_PRIOR) -> None:
        self.spam = 0
        self.ham = 0
        self.version = 0
        # Empty until the first lesson: most sites never have one.
        self._spam: array[int] = array("H")
        self._ham: array[int] = array("H")
        self._known: array[float] = array("f")
        self._prior = prior

    @property
    def ready(self) -> bool:
        """Whether it has seen enough to say anything."""
        return (self.spam >= LEAST_SEEN and self.ham >= LEAST_SEEN) or bool(self._prior)

    @property
    def size(self) -> int:
        """Bytes of its counts."""
        return sum(len(one) * one.itemsize for one in (self._spam, self._ham, self._known))

    def use(self, prior: Prior) -> None:
        """Go by another shared prior."""
        self._prior = prior
        self._forget()

    def learn(self, places: Iterable[int], spam: bool, by: int = 1) -> None:
        """See a text with features in these buckets; *by* -1 takes back what was seen before."""
        if spam:
            self.spam = max(0, self.spam + by)
        else:
            self.ham = max(0, self.ham + by)
        counts = self._counts()[0 if spam else 1]
        for place in set(places):
            counts[place] = min(MOST_COUNT, max(0, counts[place] + by))
        self._forget()

    def set(self, counts: Iterable[tuple[int, int, int]], spam: int, ham: int, version: int) -> None:
        """Take over counts (bucket, spam, ham) and sums as they are kept, those of other buckets staying."""
        self.spam, self.ham, self.version = spam, ham, version
        mine, others = self._counts()
        for place, of_spam, of_ham in counts:
            if 0 <= place < BUCKETS:
                mine[place] = min(MOST_COUNT, max(0, of_spam))
                others[place] = min(MOST_COUNT, max(0, of_ham))
        self._forget()

    def seen(self, place: int) -> tuple[int, int]:
        """In how much spam and how much else a bucket was seen."""
        return (self._spam[place], self._ham[place]) if self._spam else (0, 0)

    def _counts(self) -> tuple[array[int], array[int]]:
        if not self._spam:
            self._spam = array("H", [0]) * BUCKETS
            self._ham = array("H", [0]) * BUCKETS
        return self._spam, self._ham

    def _forget(self) -> None:
        self._known = array("f")

    def probability(self, place: int) -> float:
        """How likely a text with a feature in that bucket is spam."""
        if not self._known:
            self._known = array("f", [-1.0]) * BUCKETS
        found = self._known[place]
        if found < 0.0:
            found = self._known[place] = self._probability(place)
        return found

    def _probability(self, place: int) -> float:
        shared = self._prior.get(place)
        middle, strength = (0.5, STRENGTH) if shared < 0.0 else (shared, SHARED_STRENGTH)
        of_spam, of_ham = self.seen(place)
        share_spam = of_spam / self.spam if self.spam else 0.0
        share_ham = of_ham / self.ham if self.ham else 0.0
        seen = of_spam + of_ham
        if share_spam + share_ham <= 0.0:
            return middle
        # Kept from 0 and 1 themselves: their logarithms are none.
        estimate = share_spam / (share_spam + share_ham)
        return min(0.9999, max(0.0001, (strength * middle + seen * estimate) / (strength + seen)))

    def score(self, places: Iterable[int]) -> float | None:
        """From 0 to 1 (certainly spam), what it says of a text with features in these buckets, each given once.

        None: it knows too little.
        """
        if not self.ready:
            return None
        if not self._known:
            self._known = array("f", [-1.0]) * BUCKETS
        known, missing = self._known, self.probability
        telling = []
        for place in places:
            one = known[place]
            if one < 0.0:
                one = missing(place)
            if one > _TELLING or one < _TELLING_NOT:
                telling.append(one)
        if not telling:
            return 0.5
        if len(telling) > MOST_FEATURES:
            telling.sort(key=_distance, reverse=True)
            del telling[MOST_FEATURES:]
        # No product of so many gets near to the least that a float can hold: none is below 0.0001.
        spam = 1.0 - _chi(-2.0 * log(prod([1.0 - one for one in telling])), len(telling))
        ham = 1.0 - _chi(-2.0 * log(prod(telling)), len(telling))
        return (1.0 + spam - ham) / 2.0

    def explain(self, found: Features, spam: bool) -> tuple[str, ...]:
        """The features that say most for spam, or against it."""
        sign = 1.0 if spam else -1.0
        said = [(sign * (self.probability(place) - 0.5), name) for name, place in found.named().items()]
        said = [one for one in said if one[0] > LEAST_DISTANCE]
        # The clearest first, and of equals the shorter.
        said.sort(key=lambda one: (-round(one[0], 3), len(one[1]), one[1]))
        return tuple(name for _, name in said[:MOST_EXPLAINED])


def _distance(probability: float) -> float:
    return abs(probability - 0.5)


def _chi(value: float, pairs: int) -> float:
    """The probability that chi-squared with 2 * *pairs* degrees of freedom is at least *value*."""
    half = value / 2.0
    term = total = exp(-half) if half < 700.0 else 0.0
    if term == 0.0:
        return 0.0
    for step in range(1, pairs):
        term *= half / step
        total += term
    return min(1.0, total)
