"""Locks: which conversations of a site are for people who signed in, for those that its own server vouches for, or for
groups; to read, or only to write.

A lock goes by the key of a channel, whichever product has it. It is looked at wherever a private site's grants are: at
the first render, in the API, where clients listen, and where counts are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Literal, cast

from msgspec import Struct

from cackled.domain.errors import Forbidden, Refused, SignIn
from cackled.domain.sessions import BY_SITE, GUEST, SIGNED_IN, Session
from cackled.domain.settings import SiteSettings

MOST_LOCKS = 200
DEEDS = ("read", "write")
Deed = Literal["read", "write"]
_LEVELS = {"everyone": GUEST, "signed-in": SIGNED_IN, "sso": BY_SITE}
_RULE = re.compile(r"(\S+) +(read|write) +(\S+)")


class Rule(Struct, frozen=True):
    """Who passes: of ``level`` at least, and in one of ``groups`` where there are any."""

    level: int
    groups: frozenset[str] = frozenset()

    @property
    def open(self) -> bool:
        """Whether it is no rule at all."""
        return self.level == GUEST and not self.groups

    @property
    def word(self) -> str:
        """What it asks for: ``everyone``, ``signed-in``, ``sso`` or ``groups``."""
        return "groups" if self.groups else next((name for name, one in _LEVELS.items() if one == self.level), "sso")


OPEN = Rule(GUEST)


class Standing(Struct, frozen=True):
    """How a caller is known, and until when (seconds since 1970; 0: for good)."""

    level: int = GUEST
    groups: frozenset[str] = frozenset()
    until: float = 0

    def passes(self, rule: Rule) -> bool:
        """Whether *rule* lets the caller through."""
        return self.level >= rule.level and (not rule.groups or not rule.groups.isdisjoint(self.groups))

    @classmethod
    def of(cls, session: Session | None) -> Standing:
        """That of a session."""
        return NOBODY if session is None else cls(session.level, session.groups)


NOBODY = Standing()


class Lock(Struct, frozen=True):
    """What holds for the channels whose key fits ``pattern``: ``*`` stands for any signs."""

    pattern: str
    deed: Deed
    rule: Rule

    def fits(self, key: str) -> bool:
        """Whether the channel *key* is meant."""
        return _matcher(self.pattern)(key)


class Locks(Struct, frozen=True):
    """All locks of a site."""

    readers: Rule = OPEN
    writers: Rule = OPEN
    some: tuple[Lock, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is one at all."""
        return bool(self.some) or not (self.readers.open and self.writers.open)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All of them."""
        return (self.readers, self.writers, *(lock.rule for lock in self.some))

    def rule(self, key: str | None, deed: Deed) -> Rule:
        """What takes *deed* in the channel *key*; in one that is not known (None), the strictest there is."""
        everywhere = self.readers if deed == "read" else self.writers
        if key is None:
            rules = [everywhere, *(lock.rule for lock in self.some if lock.deed == deed)]
            return Rule(max(rule.level for rule in rules), frozenset().union(*(rule.groups for rule in rules)))
        return next((lock.rule for lock in self.some if lock.deed == deed and lock.fits(key)), everywhere)

    def refused(self, key: str | None, deed: Deed, standing: Standing) -> Refused | None:
        """Why a caller may not read, or write, in the channel *key*; None where they may. Who writes has to read."""
        for one in DEEDS[: DEEDS.index(deed) + 1]:
            rule = self.rule(key, cast(Deed, one))
            if not standing.passes(rule):
                return _refusal(rule, cast(Deed, one), standing)
        return None


def _refusal(rule: Rule, deed: Deed, standing: Standing) -> Refused:
    what = "read this conversation" if deed == "read" else "take part in this conversation"
    made: Refused
    if standing.level < rule.level or standing.level == GUEST:
        made = SignIn(f"Sign in to {what}.")
    else:
        made = Forbidden(f"Your account is in none of the groups that may {what}.", slug="not-in-group")
    made.extra = {"needs": rule.word, "deed": deed}
    return made


def locks_of(settings: SiteSettings) -> Locks:
    """The locks that *settings* say; what can't be read of them locks its channels for everybody."""
    return _locks(settings.readers, settings.writers, settings.locks)


@lru_cache(maxsize=4096)
def _locks(readers: str, writers: str, text: str) -> Locks:
    if not text and readers == writers == "everyone":
        return _NONE
    try:
        return Locks(Rule(_LEVELS[readers]), Rule(_LEVELS[writers]), tuple(read_locks(text)))
    except ValueError:
        return Locks(_NOBODY, _NOBODY)


_NONE = Locks()
_NOBODY = Rule(BY_SITE + 1)


def read_locks(text: str) -> Iterable[Lock]:
    """The locks in the setting ``locks``.

    Raises:
        ValueError: it can't be read; the message says where.
    """
    found = []
    for part in filter(None, (one.strip() for one in text.split(";"))):
        match = _RULE.fullmatch(part)
        if match is None:
            raise ValueError(f"{part[:80]!r}: write PATTERN read RULE, or PATTERN write RULE")
        level, groups = GUEST, set()
        for word in match[3].split(","):
            if word.startswith("group:") and len(word) > 6:
                groups.add(word[6:])
            elif word in _LEVELS and match[3] == word:
                level = _LEVELS[word]
            else:
                raise ValueError(f"{word[:80]!r}: a rule is everyone, signed-in, sso, or group:NAME,group:NAME")
        found.append(Lock(match[1], cast(Deed, match[2]), Rule(BY_SITE if groups else level, frozenset(groups))))
    if len(found) > MOST_LOCKS:
        raise ValueError(f"there are more than {MOST_LOCKS}")
    return found


@lru_cache(maxsize=4096)
def _matcher(pattern: str) -> Callable[[str], bool]:
    """Linear in the key's length times the number of stars: pieces are looked for one after the other."""
    first, *rest = pattern.split("*")

    def fits(key: str) -> bool:
        if not rest:
            return key == first
        if not key.startswith(first) or len(key) < len(first) + len(rest[-1]) or not key.endswith(rest[-1]):
            return False
        at, end = len(first), len(key) - len(rest[-1])
        for piece in rest[:-1]:
            found = key.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    return fits
