"""Floors: the highest ``seq`` announced per group, in a fixed amount of memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Hashable

SLOTS = 65_536
# Longer than any replica may lag: routing excludes a replica long before it lags this much.
MEMORY = 3_600.0


class Floors:
    """Answers "what is the lowest ``seq`` that may be kept for this group".

    The answer is never below what was announced within the last *memory* seconds. It may be higher, when two groups
    share a slot. That costs one read from the primary per load, until the slot is forgotten.

    There are two generations of *slots* numbers, 8 bytes each. Old ones are forgotten, because otherwise every quiet
    channel would sooner or later share its slot with a busy one.
    """

    __slots__ = ("_memory", "_new", "_old", "_seconds", "_since", "_slots")

    def __init__(self, seconds: Callable[[], float], slots: int = SLOTS, memory: float = MEMORY) -> None:
        self._seconds = seconds
        self._slots = slots
        self._memory = memory
        self._new = array("Q", bytes(8 * slots))
        self._old = array("Q", bytes(8 * slots))
        self._since = seconds()

    def announce(self, group: Hashable, seq: int) -> None:
        """Raise the floor of *group* to *seq*, if it is lower."""
        if seq <= 0:
            return
        self._turn()
        slot = hash(group) % self._slots
        if seq > self._new[slot]:
            self._new[slot] = seq

    def of(self, group: Hashable) -> int:
        """The floor of *group*, 0 where nothing was announced."""
        self._turn()
        slot = hash(group) % self._slots
        return max(self._new[slot], self._old[slot])

    def _turn(self) -> None:
        age = self._seconds() - self._since
        if age < self._memory:
            return
        blank = array("Q", bytes(8 * self._slots))
        self._old = self._new if age < 2 * self._memory else blank
        self._new = array("Q", bytes(8 * self._slots))
        self._since += age
