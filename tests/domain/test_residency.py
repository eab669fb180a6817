"""Residency: where a site lives by its number and by its pin, and that nothing of it gets in anywhere else."""

from __future__ import annotations

from typing import Any

import psycopg2
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Deployment
from cackled.domain.errors import BadField, Conflict, Misdirected, NotFound
from cackled.domain.residency import LAST, Residency
from cackled.domain.sites import SiteDirectory
from tests.domain.common import DomainCase

DEPLOYMENTS = (
    Deployment(name="global", url="https://c.example/", sites=(1, 999)),
    Deployment(name="eu", url="https://eu.c.example/", sites=(1000, 1999)),
)


class ResidencyTests(SynchronousTestCase):
    """Numbers and pins."""

    def test_alone(self) -> None:
        """Without other deployments every site is at home."""
        alone = Residency()
        self.assertEqual(alone.numbers, (1, LAST))
        self.assertTrue(alone.is_here(1) and alone.is_here(LAST))
        self.assertEqual(alone.url(5), "")
        alone.check(5)

    def test_numbers(self) -> None:
        """A number says where a site lives, at both ends of a range; one in no range may be here."""
        here = Residency("global", DEPLOYMENTS)
        for site, home in ((1, "global"), (999, "global"), (1000, "eu"), (1999, "eu"), (2000, "global")):
            self.assertEqual((here.home(site), here.is_here(site)), (home, home == "global"), site)
        self.assertEqual((here.url(999), here.url(1000)), ("", "https://eu.c.example"))
        with self.assertRaises(Misdirected) as caught:
            here.check(1500)
        self.assertEqual(caught.exception.extra, {"deployment": "eu", "url": "https://eu.c.example"})
        self.assertEqual(Residency("eu", DEPLOYMENTS).numbers, (1000, 1999))

    def test_pins(self) -> None:
        """A pin wins over the number, in both directions; one to where nobody knows the way has no address."""
        here = Residency("global", DEPLOYMENTS)
        here.pinned({5: "eu", 1500: "global", 6: "gone"})
        self.assertEqual([here.is_here(site) for site in (4, 5, 1500, 1501, 6)], [True, False, True, False, False])
        self.assertEqual((here.url(5), here.url(1500), here.url(6)), ("https://eu.c.example", "", ""))

    def test_names(self) -> None:
        """A site can be pinned to deployments that are configured."""
        here = Residency("global", DEPLOYMENTS)
        self.assertEqual((here.check_name("eu"), here.check_name("global")), ("eu", "global"))
        self.assertRaises(BadField, here.check_name, "us")


class DirectoryTests(DomainCase):
    """The catalog of one deployment."""

    async def setUp(self) -> None:
        await super().setUp()
        self.sql("select catalog.belongs('global')")
        self.sites = SiteDirectory(self.database, Residency("global", DEPLOYMENTS))
        await self.sites.refresh()

    async def raised(self, work: Any) -> Exception:
        try:
            await work
        except Exception as error:
            return error
        self.fail("nothing was raised")

    async def test_made_here_only(self) -> None:
        """A new site gets a number of this deployment; one with a number of another is refused before it is written."""
        made = await self.sites.add("Two", ["two.example"])
        self.assertEqual(getattr(made, "id", 0), 2)
        self.assertIsInstance(await self.raised(self.sites.add("Secret", ["x.example"], site_id=1200)), Misdirected)
        self.assertEqual(self.sql("select count(*) from catalog.site where id > 999")[0][0], 0)
        self.assertEqual(self.sql("select distinct deployment from catalog.site"), [("global",)])
        self.assertRaises(NotFound, self.sites.get, 77)
        self.assertRaises(Misdirected, self.sites.get, 1200)

    async def test_pins(self) -> None:
        """A pinned site is refused here and its number not given away; a stored one can't be pinned elsewhere."""
        await self.sites.pin(2, "eu")
        self.assertIsInstance(await self.raised(self.sites.add("X", ["x.example"], site_id=2)), Misdirected)
        made = await self.sites.add("Three", ["three.example"])
        self.assertEqual(getattr(made, "id", 0), 3)
        self.assertRaises(Misdirected, self.sites.get, 2)
        self.assertIsInstance(await self.raised(self.sites.pin(3, "eu")), Conflict)
        self.assertIsInstance(await self.raised(self.sites.pin(4, "mars")), BadField)
        await self.sites.pin(1200, "global")
        self.assertEqual(getattr(await self.sites.add("Moved", ["m.example"], site_id=1200), "id", 0), 1200)
        self.assertTrue(await self.sites.unpin(2))
        self.assertFalse(await self.sites.unpin(2))
        self.assertRaises(NotFound, self.sites.get, 2)

    async def test_database_refuses(self) -> None:
        """Rows of another deployment's site are refused by the database itself, whoever brings them."""
        for sql in (
            "insert into catalog.site (id, name, deployment) values (50, 'x', 'eu')",
            "update catalog.site set deployment = 'eu' where id = 1",
        ):
            with self.assertRaises(psycopg2.Error) as caught:
                self.sql(sql)
            self.assertEqual(caught.exception.pgcode, "CK421", sql)
        self.sql("insert into catalog.pin (site_id, deployment) values (51, 'eu')")
        with self.assertRaises(psycopg2.Error) as caught:
            self.sql("insert into catalog.site (id, name) values (51, 'x')")
        self.assertEqual(caught.exception.pgcode, "CK421")

    async def test_stored_and_elsewhere(self) -> None:
        """A site that is stored here against all rules (the number belongs to another) is not served."""
        self.sql("insert into catalog.site (id, name) values (1300, 'Stray')")
        await self.sites.refresh()
        self.assertEqual(self.sites.find(1300), None)
        self.assertRaises(Misdirected, self.sites.get, 1300)
        self.assertEqual([site.id for site in self.sites.all()], [1])
