"""Parts of a conversation by themselves, and who may be meant by a name."""

from __future__ import annotations

import json

from cackled.database.routing import ReadPreference
from cackled.domain.sessions import Session
from cackled.products.comments.picked import Picked
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id

PRIMARY = ReadPreference.PRIMARY
LAST = 2**63 - 1


class FilterTests(DomainCase):
    async def test_own(self) -> None:
        """One's own of that channel, also what waits, page by page; nobody else's."""
        mine = [the_id(await self.post(f"n{n}")) for n in range(5)]
        await self.post("theirs", by=BOB)
        await self.post("elsewhere", key="other")
        self.sql("update comment set status = 0, shown = false where id = %s", mine[2])
        self.sql("update comment set status = 4, shown = false where id = %s", mine[0])
        first, after = await Picked(self.site, self.database).filtered("page", ANN, LAST, 2, PRIMARY)
        assert after is not None
        rest, end = await Picked(self.site, self.database).filtered("page", ANN, after, 10, PRIMARY)
        found = [json.loads(one) for one in first + rest]
        self.assertEqual([int(one["id"]) for one in found], mine[:0:-1])
        self.assertEqual([one.get("state") for one in found], [None, None, "pending", None])
        self.assertIsNone(end)

    async def test_staff(self) -> None:
        """What staff wrote, roots and answers, that everybody sees."""
        root = the_id(await self.post("root"))
        one = the_id(await self.post("by the house", by=BOB, parent=root))
        two = the_id(await self.post("again", by=BOB))
        hidden = the_id(await self.post("hidden", by=BOB))
        extra = ',"avatar":null,"badges":["staff"]'
        self.sql("update comment set author_extra = %s where visitor_id = %s", extra, BOB)
        self.sql("update comment set status = 0, shown = false where id = %s", hidden)
        found, after = await Picked(self.site, self.database).filtered("page", None, LAST, 10, PRIMARY)
        self.assertEqual([int(json.loads(each)["id"]) for each in found], [two, one])
        self.assertIsNone(after)


class MentionTests(DomainCase):
    async def names(self, start: str, by: int = CAT, key: str = "page") -> list[str]:
        return [name for _, name in await Picked(self.site, self.database).mentionable(Session(1, by), key, start)]

    async def test_names(self) -> None:
        """Who wrote there first, the latest first, by any of their words; then people of the site; never oneself."""
        root = the_id(await self.post(name="Anna Lee"))
        await self.post(by=BOB, name="Lee Ann", parent=root)
        await self.post(by=CAT, name="Anselm")
        await self.post(by=44, name="Antje", key="other")
        for visitor, name, private in ((55, "Andi", False), (66, "Anke", True)):
            self.sql(
                "insert into person (site_id, visitor_id, name, skeleton, private) values (1, %s, %s, %s, %s)",
                visitor, name, name.lower(), private,
            )  # fmt: skip
        self.assertEqual(await self.names("an"), ["Lee Ann", "Anna Lee", "Andi"])
        self.assertEqual(await self.names("LEE"), ["Lee Ann", "Anna Lee"])
        self.assertEqual(await self.names("lee an"), ["Lee Ann"])
        self.assertEqual(await self.names("an", by=99), ["Anselm", "Lee Ann", "Anna Lee", "Andi"])

    async def test_hostile(self) -> None:
        """Signs of patterns are signs; what is nothing finds nobody."""
        await self.post(name="100% \\sure_")
        for start, found in (("%", []), ("_", []), ("100%", ["100% \\sure_"]),
                             ("\\sure_", ["100% \\sure_"]), ("\\", ["100% \\sure_"]),
                             ("\u200b", []), ("'", []), ("\U0010ffff", []), ("\ud800", [])):  # fmt: skip
            self.assertEqual(await self.names(start), found, repr(start))
