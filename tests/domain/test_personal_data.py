"""Everything that is held of a visitor is declared, given out to them, and to nobody else."""

from __future__ import annotations

import json

from cackled.domain import personal_data
from cackled.domain.personal_data import CORE, collect
from cackled.features import registry
from tests.domain.common import ANN, BOB, DomainCase

# Columns that say whose a row is.
NAMES = ("visitor_id", "author_id", "proposer_id", "voter")
# Names a visitor, and nothing else that is theirs: what another person keeps of them, or what goes within a day.
ELSEWHERE = {
    "hushed": "which of their comments and reports an unnoticed ban took out",
}


class HeldTests(DomainCase):
    """The declarations, and what follows from them."""

    async def test_every_table(self) -> None:
        """A table that names a visitor is declared by whoever has it, and each declaration is of a table there is."""
        rows = self.sql(
            """
            select c.relname, a.attname from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            """
        )
        declared = {one.table for one in (*CORE, *registry().held)} | set(ELSEWHERE)
        naming = {table for table, column in rows if column in NAMES}
        self.assertEqual(sorted(naming - declared), [])
        columns = set(rows)
        for one in (*CORE, *registry().held):
            if one.source:
                continue
            for column in (one.column, "site_id", *one.secret):
                self.assertIn((one.table, column), columns)

    async def test_given_out(self) -> None:
        """Of every table what is theirs, of no other visitor and no other site; nothing for who is unknown."""
        await self.post("mine", by=ANN)
        await self.post("another's", by=BOB, name="Bob")
        other = await self.sites.add("Two", ["two.example"], site_id=2)
        assert other is not None
        given = await self.given(1, ANN)
        self.assertEqual(set(given["held"]), {"visitor", "comment"})
        comment, = given["held"]["comment"]["rows"]  # fmt: skip
        self.assertEqual((comment["src"], comment["author_name"]), ("mine", "Ann"))
        self.assertNotIn("another", json.dumps(given))
        self.assertEqual((await self.given(1, 99))["held"], {})
        self.assertEqual((await self.given(2, ANN))["held"], {})

    async def test_cut(self) -> None:
        """Of a table that has too many rows for one answer as many as fit, and that there are more."""
        self.patch(personal_data, "MOST", 2)
        for number in (2, 3):
            await self.post(f"no. {number}", by=ANN)
            held = (await self.given(1, ANN))["held"]["comment"]
            self.assertEqual((len(held["rows"]), held.get("cut")), (min(number - 1, 2), None))
        await self.post("one more", by=ANN)
        held = (await self.given(1, ANN))["held"]["comment"]
        self.assertEqual((len(held["rows"]), held.get("cut")), (2, True))

    async def given(self, site: int, visitor: int) -> dict[str, dict[str, dict[str, list[dict[str, str]]]]]:
        """What is given out."""
        pieces = [piece async for piece in collect(self.database, site, visitor, registry().held)]
        return json.loads(b"".join(pieces))
