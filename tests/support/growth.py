"""Whether work grows as its input does, or as the square of it: told by two sizes, on a machine of any speed."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

# Seconds of CPU that are noise, and how much more four times the input may take: its square is 16 times.
NOISE, MOST = 0.2, 10.0


def check_growth(case: SynchronousTestCase, work: Callable[[int], Any], size: int, what: str = "") -> None:
    """Fail *case* where *work* of *size* takes the square of what a quarter of it does, in seconds of CPU."""

    def spent(given: int) -> float:
        begun = process_time()
        work(given)
        return process_time() - begun

    small = min(spent(size // 4) for _ in range(3))
    large = spent(size)
    if large > MOST * small + NOISE:
        # Once more: something else of this process may have come between.
        large = min(large, spent(size))
    case.assertLessEqual(large, MOST * small + NOISE, what)
