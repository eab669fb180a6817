"""Reading and writing through `Database`."""

from __future__ import annotations

from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from cackled.database.errors import QueryFailed
from cackled.database.query import Query
from cackled.database.routing import Database, ReadPreference
from cackled.database.testing import database_for_test

ECHO = Query("test_echo", "select $1::int, current_user::text, current_setting('app.site')", ("int",))
CONTEXT = Query("test_context", "select current_user::text, nullif(current_setting('app.site', true), '')")
PRIMARY = ReadPreference.PRIMARY


class DatabaseTests(TestCase):
    """Against a real server."""

    db: Database

    async def setUp(self) -> None:
        self.db = await database_for_test(self)

    async def test_site(self) -> None:
        """A site's query runs in the app's role and with the site set."""
        rows = await self.db.site(17).read(ECHO, 5, preference=PRIMARY)
        self.assertEqual(rows.rows, [(5, "cackled_app", "17")])
        self.assertEqual((rows.server, rows.staleness, rows.primary), ("test", 0.0, True))

    async def test_context_never_leaks(self) -> None:
        """No query sees the site of the one before it on the same connection, also when that one failed."""
        for argument in (5, "bad"):
            ask = [Deferred.fromCoroutine(self.db.site(n).write(ECHO, argument)) for n in range(1, 20)]
            for d in ask:
                d.addErrback(lambda f: f.trap(QueryFailed))
            await gatherResults(ask)
            rows = await gatherResults([self.db.servers[0].app.execute(CONTEXT, ()) for _ in range(10)])
            self.assertEqual({row for one in rows for row in one}, {("cackled_app", None)})
