"""Comments of a whole site: the latest and the best, of that site alone, where the reader sees them."""

from __future__ import annotations

import json

from cackled.domain.channels import ChannelRef
from cackled.domain.sessions import Session
from cackled.products.comments.lately import Lately
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id


class LatelyTests(DomainCase):
    async def asked(self, size: int = 20, days: int = 0, hidden: str = "") -> list[int]:
        """The ids that are found, without anything kept."""
        self.cache.clear()
        found = await Lately(self.site, self.database, self.cache).find(size, days, lambda key: key != hidden)
        return [int(json.loads(one.json)["id"]) for one in found]

    async def test_latest(self) -> None:
        """The latest first, over all conversations; nothing that waits, is gone, of another site, or not to be seen."""
        ids = [the_id(await self.post(f"n{n}", key="ab"[n % 2])) for n in range(6)]
        other = await self.sites.add("Two", ["two.example"], site_id=2)
        assert other is not None
        await self.of(other).post(Session(2, ANN), ChannelRef("page"), "x", "Ann")
        self.sql("update comment set status = 0, shown = false where id = %s", ids[5])
        await self.comments.delete(Session(1, ANN), ids[4])
        self.sql("update comment set modified_at = now() where id = %s", ids[0])
        self.assertEqual(await self.asked(), ids[3::-1])
        self.assertEqual(await self.asked(2), [ids[3], ids[2]])
        self.assertEqual(await self.asked(hidden="b"), [ids[2], ids[0]])

    async def test_best(self) -> None:
        """The best voted of so many days; what nobody liked is not among them."""
        one, two, three, old = [the_id(await self.post(f"n{n}")) for n in range(4)]
        for comment, voters in ((one, (BOB,)), (two, (BOB, CAT)), (old, (BOB, CAT))):
            for by in voters:
                await self.comments.vote(Session(1, by), comment, 1)
        self.sql("update comment set created_at = now() - interval '9 days' where id = %s", old)
        self.assertEqual(await self.asked(days=7), [two, one])
        self.assertEqual(await self.asked(days=30), [two, old, one])
        self.assertNotIn(three, await self.asked(days=30))

    async def test_place(self) -> None:
        """Each says where it stands; it is kept for a while."""
        await self.comments.post(
            Session(1, ANN), ChannelRef("p", "https://one.example/p?x=1", "Title"), "hello", "Ann"
        )
        lately = Lately(self.site, self.database, self.cache)
        (found,) = await lately.find(5, 0, lambda key: True)
        self.assertEqual((found.key, found.title), ("p", "Title"))
        self.assertRegex(found.permalink, r"\Ahttps://one\.example/p\?x=1#mc-\d+\Z")
        await self.post("another")
        self.assertEqual(await lately.find(5, 0, lambda key: True), [found])
