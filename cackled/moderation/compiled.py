"""A site's rules, made ready: what texts are held against, in time linear in their length.

Patterns run in RE2 (no backtracking) with a bounded program. Words are looked up as words, in folded text, with letters
that look like others read as those.
"""

from __future__ import annotations

import re
from typing import Any

import re2
from msgspec import Struct

from cackled.domain.errors import BadField
from cackled.domain.words import fold, visible
from cackled.moderation.confusable import mixed, skeleton, skeletons
from cackled.moderation.features import domains_of, links_of, words_of
from cackled.moderation.languages import fits
from cackled.moderation.rules import ACTIONS, Action, Rules, Where
from cackled.moderation.verdict import Draft

# Bytes that the program of one pattern may take, and of all words with signs for further letters together.
MOST_PROGRAM = 1 << 18
MOST_WORDS_PROGRAM = 1 << 23
# Characters of a text that patterns look at.
MOST_TEXT = 20_000
LONGEST_SHOWN = 60
# A text with fewer letters may be all capitals ("OK").
LEAST_LETTERS = 12

# Single letters with something between: "c.a.s.i.n.o".
_SPELT = re.compile(r"(?<![^\W_])(?:[^\W_][\W_]{1,2}){3,40}[^\W_](?![^\W_])")
_BETWEEN = re.compile(r"[\W_]+")
# Markdown's signs, which may stand within a word and show nothing.
_SIGN = re.compile(r"[*_~`\\]")
_SIGNS = str.maketrans("", "", "*_~`\\")
_SIGN_INSIDE = re.compile(r"[^\W_]*[0-9@$!|][^\s]*")


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
        phrases: dict[tuple[Action, Where], list[str]] = {}
        for number, word in enumerate(rules.words):
            folded = fold(word.text)
            if not folded.strip("* "):
                raise BadField("There is no letter in this word.", field=f"words[{number}].text")
            if words_of(folded) == [folded]:
                self._words.setdefault(folded, []).append((word.action, word.where, word.text))
                self._disguised.setdefault(skeleton(folded), []).append((word.action, word.where, word.text))
            else:
                phrases.setdefault((word.action, word.where), []).append(_phrase(folded))
        for (action, where), texts in phrases.items():
            # One program for all of them: a text is gone through once.
            whole = "|".join(texts)
            made = compile_pattern(f"(?:{whole})", "words", MOST_WORDS_PROGRAM)
            self._matchers.append(_Matcher(made, action, where, "word"))
        for number, one in enumerate(rules.patterns):
            made = compile_pattern(one.pattern, f"patterns[{number}].pattern")
            self._matchers.append(_Matcher(made, one.action, one.where, "pattern"))
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
        if not self._names.isdisjoint(skeletons(name)):
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
        for matcher in self._matchers:
            for place, some in folded.items():
                if matcher.where not in ("all", place) or not some:
                    continue
                match = matcher.pattern.search(some)
                if match is not None:
                    found.append(Finding(matcher.action, matcher.mark, match[0].strip()[:LONGEST_SHOWN]))
                    break


def _phrase(folded: str) -> str:
    """A word with ``*``, or several words, as a pattern."""
    parts = [re2.escape(part) for part in folded.strip("*").split()]
    begin = r"(?:^|[^\pL\pN])" if not folded.startswith("*") else ""
    end = r"(?:$|[^\pL\pN])" if not folded.endswith("*") else ""
    return begin + r"[\s\pP]+".join(parts) + end


def _disguised(text: str) -> list[str]:
    """The skeletons of words of *text* that may be others than they are written as."""
    found = []
    text = text[:MOST_TEXT]
    for match in _SIGN_INSIDE.finditer(text):
        if not match[0].isdigit() and len(match[0]) <= LONGEST_SHOWN:
            found.append(skeleton(match[0]))
        if len(found) >= 100:
            break
    if not text.isascii():
        found += [skeleton(word) for word in _BETWEEN.split(text)[:500] if not word.isascii() and mixed(fold(word))]
    for match in _SPELT.finditer(text):
        found.append(skeleton(_BETWEEN.sub("", match[0])))
        if len(found) >= 200:
            break
    return [one for one in found if len(one) >= 3]


def _shouted(text: str, most: int) -> bool:
    letters = [one for one in text[:MOST_TEXT] if one.isalpha()]
    # Scripts without capitals never shout.
    capitals = sum(one.isupper() for one in letters)
    return len(letters) >= LEAST_LETTERS and capitals * 100 > most * len(letters)


def _repeated(text: str, words: list[str], most: int) -> bool:
    run = longest = 0
    before = ""
    for one in text[:MOST_TEXT]:
        run = run + 1 if one == before and not one.isspace() else 1
        before = one
        longest = max(longest, run)
    run, before = 0, ""
    for word in words:
        run = run + 1 if word == before else 1
        before = word
        longest = max(longest, run)
    return longest > most


def strongest(findings: list[Finding]) -> Action | None:
    """What the strongest of *findings* does."""
    return max((one.action for one in findings), key=ACTIONS.index, default=None)
