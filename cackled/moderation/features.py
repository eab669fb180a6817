"""What of a draft the spam filter looks at: words, pairs of words, links, name, and how it is written.

Each feature has a short name, so that a decision can be explained; the filter itself keeps numbers of buckets alone.
Work is bounded by the numbers of words and links looked at, whatever is sent.
"""

from __future__ import annotations

import re
from bisect import bisect_right as bisect
from functools import lru_cache
from itertools import pairwise
from urllib.parse import urlsplit
from zlib import crc32

from cackled.domain.word_matching import fold, visible
from cackled.moderation.confusable import latin, mixed
from cackled.moderation.languages import FUNCTION_WORDS
from cackled.moderation.verdict import Draft

# So many words of a text are looked at, and so many links.
MOST_WORDS = 250
MOST_LINKS = 20
# Buckets of a filter: a site's words share them where there are more.
BUCKETS = 1 << 17
MASK = BUCKETS - 1
LONGEST = 30

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_ASCII_WORD = re.compile("[a-z0-9'-]*[a-z0-9]")
_DIGIT = re.compile("[0-9]")
_LINKS, _LENGTHS, _DAYS = (1, 2, 3, 6), (30, 100, 300, 1000, 3000), (1, 7, 30, 365)
_CAPITALS = re.compile("[A-ZÀ-ÖØ-ÞА-ЯЁΑ-Ω]")
_HREF = re.compile(r'<a [^>]*?href="([^"]{1,2000})"')
# What is written without spaces between words.
_UNSPACED = re.compile("[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e01-\u0e4e]+")
_TEXT_OF_LINKS = re.compile(r"<a [^>]*>(.*?)</a>", re.DOTALL)


def words_of(text: str) -> list[str]:
    """The folded words of a text, in order, at most `MOST_WORDS`; of scripts without spaces, pairs of characters."""
    # Longer than that many words can be: what follows is not even folded.
    text = text[: MOST_WORDS * LONGEST]
    if text.isascii():
        found = _ASCII_WORD.findall(text.lower())
    else:
        found = []
        for word in _WORD.findall(fold(text)):
            if word.isascii():
                found.append(word)
            elif _UNSPACED.search(word) is not None:
                found += _pairs(word)
            else:
                found.append(latin(word) if mixed(word) else word)
    found = found[:MOST_WORDS]
    if found and max(map(len, found)) > LONGEST:
        found = [word[:LONGEST] for word in found]
    return found


def _pairs(run: str) -> list[str]:
    run = run[: MOST_WORDS + 1]
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def links_of(html: str) -> list[str]:
    """The addresses of the links that are shown, at most `MOST_LINKS`."""
    if "<a " not in html:
        return []
    found: list[str] = []
    for match in _HREF.finditer(html):
        found.append(match[1])
        if len(found) >= MOST_LINKS:
            break
    return found


def domains_of(links: list[str]) -> list[str]:
    """Host names of links, without ``www.``."""
    found = []
    for link in links:
        try:
            host = urlsplit(link.replace("&amp;", "&")).hostname or ""
        except ValueError:
            continue
        if host:
            found.append(host.removeprefix("www."))
    return list(dict.fromkeys(found))


@lru_cache(maxsize=2_000)
def _subject(title: str) -> frozenset[str]:
    """The words of a page's title that say what it is about."""
    return frozenset(words_of(title)) - FUNCTION_WORDS


def _step(value: float, *steps: float) -> int:
    return sum(value >= one for one in steps)


class Features:
    """What was found in a text: its ``words`` in order, and ``others``, that begin with what they are of: ``link:``."""

    __slots__ = ("_places", "others", "words")

    def __init__(self, words: list[str], others: list[str]) -> None:
        self.words = words
        self.others = others
        self._places: frozenset[int] | None = None

    @property
    def places(self) -> frozenset[int]:
        """The buckets of all of them, pairs of words included: the same in every process and release."""
        if self._places is None:
            sums = [crc32(word.encode()) for word in self.words]
            found = {(first * 33 + second) & MASK for first, second in pairwise(sums)}
            found.update([one & MASK for one in sums])
            found.update([crc32(one.encode()) & MASK for one in self.others])
            self._places = frozenset(found)
        return self._places

    def named(self) -> dict[str, int]:
        """The bucket of each, by name; a pair of words is called by both, with a space between."""
        found = {word: crc32(word.encode()) & MASK for word in (*self.words, *self.others)}
        for first, second in pairwise(self.words):
            found[f"{first} {second}"] = (crc32(first.encode()) * 33 + crc32(second.encode())) & MASK
        return found


def features(draft: Draft) -> Features:
    """The features of *draft*."""
    text = visible(draft.html) if "<" in draft.html else draft.text
    words = words_of(text)
    others = [f"name:{word}" for word in words_of(draft.name)[:6]]
    links = links_of(draft.html)
    if links:
        for domain in domains_of(links):
            others.append(f"link:{domain}")
            others.append(f"link:.{'.'.join(domain.split('.')[-2:])}")
        linked = sum(map(len, _TEXT_OF_LINKS.findall(draft.html)))
        others.append(f"how:links in text {_step(linked / max(1, len(text)), 0.2, 0.5, 0.9)}")
    others.append(f"how:links {bisect(_LINKS, len(links))}")
    others.append(f"how:length {bisect(_LENGTHS, len(text))}")
    begin = text[:200]
    others.append(f"how:capitals {_step(len(_CAPITALS.findall(begin)) / max(1, len(begin)), 0.1, 0.3, 0.6)}")
    if len(words) >= 8:
        plain = len(list(filter(FUNCTION_WORDS.__contains__, words))) / len(words)
        others.append(f"how:function words {_step(plain, 0.1, 0.25, 0.4)}")
    if not text.isascii() and any(mixed(word) for word in _WORD.findall(text[:2000])):
        others.append("how:letters in disguise")
    if _DIGIT.search(draft.name) is not None:
        others.append("how:digits in name")
    if draft.title:
        about = _subject(draft.title)
        if about:
            others.append(f"how:words of the title {min(2, len(about.intersection(words)))}")
    if draft.since is not None and draft.at is not None:
        others.append(f"how:days of the page {bisect(_DAYS, (draft.at - draft.since) / 86_400)}")
    if draft.seconds is not None:
        others.append(f"how:seconds {_step(draft.seconds, 3, 10, 60, 600)}")
    return Features(words, others)
