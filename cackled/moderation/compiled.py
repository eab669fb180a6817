"""A site's rules, made ready: what texts are held against, in time linear in their length.

Patterns run in RE2 (no backtracking) with a bounded program. Words are looked up as words, in folded text, with letters
that look like others read as those.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby
from typing import Any

import re2
from msgspec import Struct

from cackled.domain.errors import BadField
from cackled.domain.word_matching import fold, visible
from cackled.moderation.confusable import mixed, skeleton, skeletons
from cackled.moderation.features import domains_of, links_of, words_of
from cackled.moderation.languages import fits
from cackled.moderation.rules import ACTIONS, Action, Rules, Where
from cackled.moderation.verdict import Draft

# Bytes that the program of one pattern may take, and of all words with signs for further letters together.
MOST_PROGRAM = 1 << 18
MOST_WORDS_PROGRAM = 1 << 23
MOST_SET_PROGRAM = 1 << 25
# Characters of a text that patterns look at.
MOST_TEXT = 20_000
LONGEST_SHOWN = 60
# A text with fewer letters may be all capitals ("OK").
LEAST_LETTERS = 12

# Single letters with something between: "c.a.s.i.n.o".
_SPELT = re.compile(r"(?<![^\W_])(?:[^\W_][\W_]{1,2}){3,40}[^\W_](?![^\W_])")
_RUN = re.compile(r"(\S)\1{2,}")
_BETWEEN = re.compile(r"[\W_]+")
# Markdown's signs, which may stand within a word and show nothing.
_SIGN = re.compile(r"[*_~`\\]")
_SIGNS = str.maketrans("", "", "*_~`\\")
_SIGN_INSIDE = re.compile(r"[0-9@$!|]")


# Where words begin and end, and what may stand between those of a phrase.
_EDGE_BEFORE, _EDGE_AFTER = r"(?:^|[^\pL\pN])", r"(?:$|[^\pL\pN])"
_APART = "[ -/:-@\\[-`{-~\u2000-\u206f]+"


class Finding(Struct, frozen=True):
    """A rule that a text matches: what it does, the mark that it leaves, and the word that matched, if one did."""

    action: Action
    mark: str
    word: str = ""


class _Matcher(Struct, frozen=True):
    """Something that is searched for with RE2."""

    pattern: Any
    action: Action
    where: Where
    mark: str


def _options(most: int) -> Any:
    options = re2.Options()
    options.max_mem = most
    options.case_sensitive = False
    options.log_errors = False
    return options


def compile_pattern(text: str, field: str, most: int = MOST_PROGRAM) -> Any:
    """A pattern.

    Raises:
        BadField: it is none, or its program would be too large.
    """
    try:
        return re2.compile(text, _options(most))
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise BadField(f"This pattern can't be used: {words[:200]}", field=field) from None


class Compiled:
    """*rules*, ready.

    Raises:
        BadField: a word or pattern can't be used.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.trusted = frozenset(int(one) for one in rules.trusted)
        self._domains = tuple(one.lower().removeprefix("*.").strip(".") for one in rules.link_domains)
        self._names = {made for one in rules.names if (made := skeleton(one))}
        # By word: the action and where.
        self._words: dict[str, list[tuple[Action, Where, str]]] = {}
        self._disguised: dict[str, list[tuple[Action, Where, str]]] = {}
        self._matchers: list[_Matcher] = []
        phrases: dict[tuple[Action, Where, str, str], list[str]] = {}
        for number, word in enumerate(rules.words):
            folded = fold(word.text)
            if not folded.strip("* "):
                raise BadField("There is no letter in this word.", field=f"words[{number}].text")
            if words_of(folded) == [folded]:
                self._words.setdefault(folded, []).append((word.action, word.where, word.text))
                self._disguised.setdefault(skeleton(folded), []).append((word.action, word.where, word.text))
            else:
                begin = "" if folded.startswith("*") else _EDGE_BEFORE
                end = "" if folded.endswith("*") else _EDGE_AFTER
                phrases.setdefault((word.action, word.where, begin, end), []).append(_phrase(folded))
        for (action, where, begin, end), texts in phrases.items():
            # One program for all of them: a text is gone through once.
            made = compile_pattern(f"{begin}(?:{'|'.join(texts)}){end}", "words", MOST_WORDS_PROGRAM)
            self._matchers.append(_Matcher(made, action, where, "word"))
        for number, one in enumerate(rules.patterns):
            made = compile_pattern(one.pattern, f"patterns[{number}].pattern")
            self._matchers.append(_Matcher(made, one.action, one.where, "pattern"))
        self._any = re2.Set.SearchSet(_options(MOST_SET_PROGRAM))
        for matcher in self._matchers:
            self._any.Add(matcher.pattern.pattern)
        if self._matchers:
            try:
                self._any.Compile()
            except re2.error:
                raise BadField("These patterns and words are too many together.", field="patterns") from None
        self.judges_text = bool(
            self._words or self._matchers or rules.links is not None or rules.languages or rules.capitals
            or rules.repeats or self._names
        )  # fmt: skip

    def findings(self, draft: Draft, words: list[str] | None = None) -> list[Finding]:
        """The rules that the text and the name of *draft* match, by themselves; *words* are those of the text."""
        if not self.judges_text:
            return []
        rules = self.rules
        text = visible(draft.html) if "<" in draft.html else draft.text
        words = words_of(text) if words is None else words
        found: list[Finding] = []
        if self._names and not draft.known:
            self._imitated(draft.name, found)
        links = links_of(draft.html)
        if rules.links is not None and sum(not self._allowed(link) for link in links) > rules.links:
            found.append(Finding(rules.links_action, "link"))
        if self._words:
            self._look_up(text, words, draft.name, links, found)
        if self._matchers:
            self._search(text, draft.name, links, found)
        if rules.languages and not fits(text[:MOST_TEXT], words, rules.languages):
            found.append(Finding("hold", "language"))
        if rules.capitals and _shouted(text, rules.capitals):
            found.append(Finding("hold", "caps"))
        if rules.repeats and _repeated(text, words, rules.repeats):
            found.append(Finding("hold", "repeat"))
        return found

    def _allowed(self, link: str) -> bool:
        domain = "".join(domains_of([link]))
        return any(domain == one or domain.endswith("." + one) for one in self._domains)

    def _imitated(self, name: str, found: list[Finding]) -> None:
        if not self._names.isdisjoint(_skeletons(name)):
            found.append(Finding(self.rules.names_action, "name", name[:LONGEST_SHOWN]))

    def _look_up(self, text: str, words: list[str], name: str, links: list[str], found: list[Finding]) -> None:
        begin = text[:MOST_TEXT]
        bare = words_of(begin.translate(_SIGNS)) if _SIGN.search(begin) is not None else []
        places: tuple[tuple[Where, list[str], str], ...] = (
            ("text", [*words, *bare], text), ("name", words_of(name), name),
            ("links", [word for link in links for word in words_of(link)], ""),
        )  # fmt: skip
        for place, some, whole in places:
            # Most texts have none of the words: one look at all of them.
            hits = self._words.keys() & set(some)
            for hit in hits:
                for action, where, shown in self._words[hit]:
                    if where in ("all", place):
                        found.append(Finding(action, "word", shown))
            for hit in self._disguised.keys() & set(_disguised(whole)):
                for action, where, shown in self._disguised[hit]:
                    if where in ("all", place) and not any(one.word == shown for one in found):
                        found.append(Finding(action, "word", shown))

    def _search(self, text: str, name: str, links: list[str], found: list[Finding]) -> None:
        folded = {"text": fold(text[:MOST_TEXT]), "name": fold(name), "links": "\n".join(links)[:MOST_TEXT]}
        # All of them at once: most texts match none.
        if not any(some and self._any.Match(some) for some in folded.values()):
            return
        for matcher in self._matchers:
            for place, some in folded.items():
                if matcher.where not in ("all", place) or not some:
                    continue
                match = matcher.pattern.search(some)
                if match is not None:
                    found.append(Finding(matcher.action, matcher.mark, match[0].strip()[:LONGEST_SHOWN]))
                    break


@lru_cache(maxsize=2_000)
def _skeletons(name: str) -> frozenset[str]:
    return frozenset(skeletons(name))


def _phrase(folded: str) -> str:
    """A word with ``*``, or several words, as a pattern without its edges."""
    return _APART.join(re2.escape(part) for part in folded.strip("*").split())


def _disguised(text: str) -> list[str]:
    """The skeletons of words of *text* that may be others than they are written as."""
    found = []
    text = text[:MOST_TEXT]
    if _SIGN_INSIDE.search(text) is not None:
        some = [one for one in text.split() if len(one) <= LONGEST_SHOWN and _SIGN_INSIDE.search(one) is not None]
        found += [skeleton(one) for one in some[:100] if not one.isdigit()]
    if not text.isascii():
        found += [skeleton(word) for word in _BETWEEN.split(text)[:500] if not word.isascii() and mixed(fold(word))]
    for match in _SPELT.finditer(text):
        found.append(skeleton(_BETWEEN.sub("", match[0])))
        if len(found) >= 200:
            break
    return [one for one in found if len(one) >= 3]


def _shouted(text: str, most: int) -> bool:
    text = text[:MOST_TEXT]
    # Scripts without capitals never shout.
    capitals = sum(map(str.isupper, text))
    if capitals * 100 <= most * LEAST_LETTERS:
        return False
    letters = sum(map(str.isalpha, text))
    return letters >= LEAST_LETTERS and capitals * 100 > most * letters


def _repeated(text: str, words: list[str], most: int) -> bool:
    if any(len(match[0]) > most for match in _RUN.finditer(text[:MOST_TEXT])):
        return True
    return any(sum(1 for _ in run) > most for _, run in groupby(words))


def strongest(findings: list[Finding]) -> Action | None:
    """What the strongest of *findings* does."""
    return max((one.action for one in findings), key=ACTIONS.index, default=None)
