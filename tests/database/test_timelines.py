"""What is remembered of promotions."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from cackled.database.timelines import Timelines


class TimelinesTests(SynchronousTestCase):
    def test_kept(self) -> None:
        """The highest of each database, over restarts; without a file for the process's life."""
        path = Path(self.mktemp())
        for where in (path, None):
            made = Timelines(where)
            for cluster, timeline in ((7, 1), (7, 3), (7, 2), (2**63 + 5, 4)):
                made.saw(cluster, timeline)
            again = Timelines(where)
            kept = (3, 4) if where else (0, 0)
            self.assertEqual((made.of(7), made.of(2**63 + 5), made.of(8)), (3, 4, 0))
            self.assertEqual((again.of(7), again.of(2**63 + 5)), kept)
        self.assertEqual([one.name for one in path.parent.glob(path.name + "*")], [path.name])

    def test_broken(self) -> None:
        """A file that can't be read or written is told of, and stops nobody."""
        path = Path(self.mktemp())
        for damaged in (b"{", b'{"\xff": 1}'):
            path.write_bytes(damaged)
            made = Timelines(path)
            made.saw(7, 2)
            self.assertEqual(Timelines(path).of(7), 2)
        made = Timelines(path / "below")
        made.saw(7, 5)
        self.assertEqual(made.of(7), 5)
