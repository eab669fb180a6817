"""Names as they look, where the table of look-alike letters changed."""

from __future__ import annotations

from twisted.internet.task import Clock

from cackled.domain.names import REVISION, skeleton
from cackled.identity.skeletons import Skeletons
from tests.identity.common import IdentityCase


class SkeletonTests(IdentityCase):
    """Stored ones."""

    async def test_made_anew(self) -> None:
        """What an older table made is replaced, for all sites, once; what is current is left alone."""
        await self.signed_in(sub="u1", name="Ann")
        await self.signed_in(sub="u2", name="\u0411ob \u0545")
        self.sql("update person set skeleton = 'old', skeleton_rev = 0")
        self.sql("insert into person (site_id, visitor_id, name, skeleton) values (2, 7, 'Zo\u00eb', 'older')")
        job = Skeletons(self.application.database, Clock())
        self.assertEqual(await job.renew(), 3)
        rows = self.sql("select name, skeleton, skeleton_rev from person")
        self.assertEqual(rows, [(name, skeleton(name), REVISION) for name, _, _ in rows])
        self.assertEqual(await job.renew(), 0)

    def test_one_table(self) -> None:
        """Letters of the standard's table, and those that are only like one at a glance."""
        alike = (("admin", "\u0430dm\u0456n"), ("admin", "4DM1N"), ("bob", "\u0432o\u0432"), ("modern", "mode\u0433n"),
                 ("q", "\u0566"), ("Rafa\u0142", "rafai"), ("w", "vv"))  # fmt: skip
        for one, other in alike:
            self.assertEqual(skeleton(one), skeleton(other), (one, other))
        for one, other in (("Clara", "Dara"), ("Ann", "Anna"), ("\u042f\u043d\u0430", "Ann")):
            self.assertNotEqual(skeleton(one), skeleton(other), (one, other))
