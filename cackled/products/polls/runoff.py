"""Instant run-off: the winner of ranked ballots, and the rounds that led there.

Each round counts the first option of each ballot that is still in. One with more than half of the ballots wins; else
one option is out, that with the fewest. Where several have the fewest, the last earlier round in which they differed
decides; where they never differed, a lot does: the order of the SHA-256 of a seed and the option, which everybody can
compute again. Ballots whose options are all out are exhausted, and no longer in the half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Literal

from msgspec import Struct

# How one of several with the fewest ballots was chosen.
Tie = Literal["", "earlier", "lot"]


class Round(Struct, frozen=True):
    """One round: ballots by option, in the order of the poll; ``out`` is who is out after it, ``""`` at the end.

    ``tied``: who had as few as ``out``, itself included, and ``by`` how it was chosen among them.
    """

    counts: list[tuple[str, int]]
    exhausted: int
    out: str = ""
    tied: tuple[str, ...] = ()
    by: Tie = ""


class Outcome(Struct, frozen=True):
    """The rounds, and the winner; ``""`` where nobody has voted."""

    winner: str
    rounds: list[Round]


def run_off(ballots: Iterable[tuple[Sequence[int], int]], options: Sequence[int], seed: str) -> Outcome:
    """Decide between *options*; *ballots* are options in order of preference, and how many such there are."""
    piles = [(tuple(ballot), count) for ballot, count in ballots if count > 0]
    left = list(options)
    history: list[Mapping[int, int]] = []
    rounds: list[Round] = []
    while left:
        counts = dict.fromkeys(left, 0)
        exhausted = 0
        for ballot, count in piles:
            first = next((one for one in ballot if one in counts), None)
            if first is None:
                exhausted += count
            else:
                counts[first] += count
        told = [(str(one), counts[one]) for one in left]
        total = sum(counts.values())
        best = max(left, key=counts.__getitem__)
        if not total or counts[best] * 2 > total or len(left) == 1:
            rounds.append(Round(told, exhausted))
            return Outcome(str(best) if total else "", rounds)
        fewest = min(counts.values())
        tied = [one for one in left if counts[one] == fewest]
        out, by = _choose(tied, history, seed)
        rounds.append(Round(told, exhausted, str(out), tuple(map(str, tied)) if len(tied) > 1 else (), by))
        history.append(counts)
        left.remove(out)
    return Outcome("", rounds)


def _choose(tied: list[int], history: list[Mapping[int, int]], seed: str) -> tuple[int, Tie]:
    """Who of several with the fewest ballots is out."""
    if len(tied) == 1:
        return tied[0], ""
    among = tied
    for counts in reversed(history):
        fewest = min(counts[one] for one in among)
        among = [one for one in among if counts[one] == fewest]
        if len(among) == 1:
            return among[0], "earlier"
    return min(among, key=lambda one: sha256(f"{seed}|{one}".encode()).digest()), "lot"
