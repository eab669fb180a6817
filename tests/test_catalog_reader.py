"""The sites are read anew when the catalog changes, and no more once that was stopped."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.daemon.catalog import CatalogReader
from cackled.database.errors import Unavailable


class CatalogReaderTests(SynchronousTestCase):
    """On a clock, with a directory of sites that is told whether the database answers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.reads = 0
        self.away = False

        async def refresh(preference: Any) -> None:
            self.reads += 1
            if self.away:
                raise Unavailable("away")

        sites: Any = SimpleNamespace(refresh=refresh)
        database: Any = SimpleNamespace(writable=True)
        self.reader = CatalogReader(sites, database, self.clock, None)

    def test_again(self) -> None:
        """Until it is known, for nobody tells of it again."""
        self.away = True
        self.reader.changed()
        self.away = False
        self.clock.advance(60)
        self.assertEqual(self.reads, 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped(self) -> None:
        """What is told later, by a log that is followed a moment longer, leaves nothing behind."""
        self.away = True
        self.reader.changed()
        self.reader.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.reader.changed()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.reads, 1)
