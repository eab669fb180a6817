"""Token buckets: so much a second, and a burst after a pause.

Base layer: imports nothing.
"""

from __future__ import annotations


def refilled(left: float, then: float, now: float, rate: float, burst: float) -> float:
    """The tokens of a bucket at *now* that had *left* of them at *then*; *rate* come in a second, up to *burst*."""
    return min(burst, left + (now - then) * rate)


class TokenBucket:
    """One bucket, full at first: *rate* tokens a second, at most *burst*. Times are seconds of one clock."""

    __slots__ = ("_at", "_burst", "_rate", "left")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = self.left = float(burst)
        self._at = now

    def take(self, now: float, count: float = 1.0) -> bool:
        """Take *count* tokens, if they are there; what is refused costs nothing."""
        self._refill(now)
        if self.left < count:
            return False
        self.left -= count
        return True

    def charge(self, now: float, count: float) -> bool:
        """Take *count* tokens even where they are not there; whether they were."""
        self._refill(now)
        self.left -= count
        return self.left >= 0

    def give(self, count: float) -> None:
        """Put *count* tokens in; they may be more than a burst until the next refill."""
        self.left += count

    def _refill(self, now: float) -> None:
        self.left = refilled(self.left, self._at, now, self._rate, self._burst)
        self._at = now
