"""Texts that are nearly the same, remembered for a while: bottom-k sketches of pairs of words, in bounded memory.

A text's sketch is the `K` least hashes of its pairs of words; two texts that share most of their pairs share most of
those (Broder, "On the resemblance and containment of documents", 1997). What floods vary from text to text counts for
nothing: numbers, addresses of links, invisible and look-alike letters. Found by an index from hash to texts, so that
looking costs the same however many are remembered. Nothing but hashes is kept.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from itertools import pairwise
from zlib import crc32

from msgspec import Struct

K = 16
# So much of two sketches in common is one text.
ALIKE = 0.6
# A shorter text is like another only when it is the same.
SHORT = 6
# Texts with fewer words say nothing: "Many happy returns!" is written by many. Of those with a link fewer do.
LEAST_WORDS, LEAST_WITH_LINK = 12, 4
# Texts remembered for a site, for so many seconds, and sites at all.
MOST_TEXTS = 500
SECONDS = 3_600.0
MOST_SITES = 500
# Texts with the same hash that are looked at, the newest: enough to notice a flood, and a bound for the work.
MOST_ALIKE = 40

_NUMBER = re.compile(r"\d+")


def sketch(words: Sequence[str], linked: bool = False) -> frozenset[int]:
    """The sketch of a text of these words, as `cackled.moderation.features.words_of` gives them; empty if too short.

    *linked*: there is a link in it.
    """
    if len(words) < (LEAST_WITH_LINK if linked else LEAST_WORDS):
        return frozenset()
    sums = [crc32(_NUMBER.sub("0", word).encode()) if not word.isalpha() else crc32(word.encode()) for word in words]
    if len(words) < SHORT:
        return frozenset((hash(tuple(sums)) & 0xFFFFFFFF,))
    return frozenset(sorted({((first * 33) ^ (second << 1)) & 0xFFFFFFFF for first, second in pairwise(sums)})[:K])


class Likeness(Struct, frozen=True):
    """How many of the remembered texts are like one: of the same author, and of ``others`` (different ones)."""

    own: int = 0
    others: int = 0


class _Texts:
    """Those of one site."""

    __slots__ = ("index", "posts", "times")

    def __init__(self) -> None:
        # (time, author, sketch), the oldest first; index: hash -> numbers of posts that have it.
        self.posts: OrderedDict[int, tuple[float, int, frozenset[int]]] = OrderedDict()
        self.index: dict[int, deque[int]] = {}
        self.times: deque[float] = deque(maxlen=MOST_TEXTS)

    def remove(self, number: int) -> None:
        found = self.posts.pop(number, None)
        for one in found[2] if found is not None else ():
            left = self.index.get(one)
            if left is not None and number in left:
                left.remove(number)
                if not left:
                    del self.index[one]

    def drop(self, before: float) -> None:
        while self.posts:
            number, (at, _, _) = next(iter(self.posts.items()))
            if at >= before and len(self.posts) < MOST_TEXTS:
                return
            self.remove(number)


class Recent:
    """What was written lately, by site."""

    def __init__(self) -> None:
        self._sites: OrderedDict[int, _Texts] = OrderedDict()
        self._number = 0

    def _of(self, site: int) -> _Texts:
        found = self._sites.get(site)
        if found is None:
            found = self._sites[site] = _Texts()
            if len(self._sites) > MOST_SITES:
                self._sites.popitem(last=False)
        else:
            self._sites.move_to_end(site)
        return found

    def note(self, site: int, author: int, made: frozenset[int], now: float) -> tuple[Likeness, int]:
        """Remember a text by its sketch; gives how many before it were like it, and its number for `take_back`.

        *now* is in seconds, never falling.
        """
        texts = self._of(site)
        texts.times.append(now)
        texts.drop(now - SECONDS)
        if not made:
            return Likeness(), 0
        shared: Counter[int] = Counter()
        for one in made:
            shared.update(texts.index.get(one, ()))
        own, others = 0, set()
        least = ALIKE * len(made)
        for number, common in shared.items():
            if common < least:
                continue
            _, by, theirs = texts.posts[number]
            if common >= ALIKE * len(theirs):
                if by == author:
                    own += 1
                else:
                    others.add(by)
        self._number += 1
        texts.posts[self._number] = (now, author, made)
        for one in made:
            texts.index.setdefault(one, deque(maxlen=MOST_ALIKE)).append(self._number)
        return Likeness(own, len(others)), self._number

    def take_back(self, site: int, number: int) -> None:
        """Forget a text that was not written in the end."""
        texts = self._sites.get(site)
        if texts is not None:
            texts.remove(number)
            if texts.times:
                texts.times.pop()

    def rate(self, site: int, now: float, seconds: float = 60.0) -> int:
        """How much was written on a site in the last *seconds*; no more than `MOST_TEXTS` are counted."""
        texts = self._sites.get(site)
        if texts is None:
            return 0
        # What other processes tell of is not in order.
        return sum(at >= now - seconds for at in texts.times)

    def forget(self, author: int) -> None:
        """Remember nothing of an author any more."""
        for texts in self._sites.values():
            for number in [key for key, post in texts.posts.items() if post[1] == author]:
                texts.remove(number)

    def __len__(self) -> int:
        return sum(len(texts.posts) for texts in self._sites.values())
