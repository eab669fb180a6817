from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.descriptors import ALWAYS, fit_connections


class Limits:
    """A process's limits, without a process."""

    RLIMIT_NOFILE = 7
    RLIM_INFINITY = -1

    def __init__(self, soft: int, hard: int, most: int = 1_000_000) -> None:
        self.pair = (soft, hard)
        self._most = most

    def getrlimit(self, which: int) -> tuple[int, int]:
        return self.pair

    def setrlimit(self, which: int, pair: tuple[int, int]) -> None:
        if pair[0] > self._most:
            raise ValueError("not allowed to raise maximum limit")
        self.pair = pair


class FitConnectionsTests(SynchronousTestCase):
    """Public connections stay below the limit of open files."""

    def test_enough(self) -> None:
        """Where there is room nothing is changed."""
        limits = Limits(20_000, 20_000)
        self.assertEqual(fit_connections(10_000, 50, limits), (10_000, 20_000))
        self.assertEqual(limits.pair, (20_000, 20_000))

    def test_soft_limit_is_raised(self) -> None:
        """The usual soft limit of 1,024 is raised as far as needed, not further."""
        for hard in (524_288, Limits.RLIM_INFINITY):
            limits = Limits(1_024, hard)
            self.assertEqual(fit_connections(10_000, 50, limits), (10_000, 10_050 + ALWAYS))
            self.assertEqual(limits.pair, (10_000 + 50 + ALWAYS, hard))

    def test_hard_limit(self) -> None:
        """Where the hard limit is too low the cap is lowered."""
        limits = Limits(1_024, 4_096)
        self.assertEqual(fit_connections(10_000, 50, limits), (4_096 - 50 - ALWAYS, 4_096))

    def test_tiny_limit(self) -> None:
        """Half of a tiny limit is left for everything else."""
        self.assertEqual(fit_connections(10_000, 250, Limits(200, 200))[0], 100)

    def test_not_allowed(self) -> None:
        """Where raising is refused, what is there must do."""
        limits = Limits(1_024, Limits.RLIM_INFINITY, most=1_024)
        self.assertEqual(fit_connections(10_000, 0, limits)[0], 1_024 - ALWAYS)

    def test_no_limit(self) -> None:
        """Without a limit there is nothing to keep below."""
        self.assertEqual(fit_connections(10_000, 50, Limits(-1, -1)), (10_000, 0))
