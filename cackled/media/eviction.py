"""Which files of a cache go when room is needed: SIEVE (Zhang et al., NSDI 2024), many at a time.

Files stand in the order in which they came. A hand goes from the oldest to the newest and around: it takes away what
was not asked for since it came by, and leaves the others in their places.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct


class Entry(Struct, frozen=True):
    """A file: its name, bytes, when it came, whether it was asked for since the hand came by."""

    name: str
    size: int
    came: int
    visited: bool


class Sieved(Struct, frozen=True):
    """What goes, what is to be marked as not asked for, and where the hand stands now."""

    removed: tuple[Entry, ...]
    cleared: tuple[Entry, ...]
    hand: int


def sieve(entries: Sequence[Entry], hand: int, too_many_bytes: int, too_many_files: int) -> Sieved:
    """Choose files of so many bytes, and so many files, at least.

    *hand*: ``came`` of the last file that was looked at.
    """
    ordered = sorted(entries, key=lambda entry: entry.came)
    begin = next((place for place, entry in enumerate(ordered) if entry.came > hand), 0)
    removed: list[Entry] = []
    cleared: dict[str, Entry] = {}
    freed = 0
    gone: set[str] = set()
    # In the second round nothing counts as asked for any more.
    for turn in range(2 * len(ordered)):
        if freed >= too_many_bytes and len(removed) >= too_many_files:
            break
        entry = ordered[(begin + turn) % len(ordered)]
        hand = entry.came
        if entry.name in gone:
            continue
        if entry.visited and entry.name not in cleared:
            cleared[entry.name] = entry
            continue
        gone.add(entry.name)
        cleared.pop(entry.name, None)
        removed.append(entry)
        freed += entry.size
    return Sieved(tuple(removed), tuple(cleared.values()), hand)


class SeenBefore:
    """Whether something was asked for before, of late: two generations of bounded sets.

    What is asked for once (by crawlers) need not push out what is asked for often.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._new: set[int] = set()
        self._old: set[int] = set()

    def ask(self, key: int) -> bool:
        """Note *key*; whether it was asked for before."""
        known = key in self._new or key in self._old
        self._new.add(key)
        if len(self._new) >= self._most:
            self._new, self._old = set(), self._new
        return known
