"""What goes out of polls, reviews and follows: all of a site, in order, step by step, and nothing of another's."""

from __future__ import annotations

import json
from typing import Any

from cackled.importing import exports
from cackled.products.comments.follows_export import write_follows
from cackled.products.polls.exporting import write_jsonl as write_polls
from cackled.products.reviews.exporting import write_jsonl as write_reviews
from tests.api.common import ApiCase


class WholeSiteTests(ApiCase):
    """Two sites, with rows of both in every table."""

    async def lines(self, write: Any, site: int = 1) -> list[Any]:
        """An export, read again."""
        made = [part async for part in write(self.application.database, self.application.sites.get(site))]
        found = [json.loads(line) for line in b"".join(made).splitlines()]
        # Each is signed.
        self.assertEqual({len(one.pop("mac")) for one in found}, {40})
        return found

    async def test_polls(self) -> None:
        """Questions, options and ballots, without what leads to a voter's machine."""
        self.patch(exports, "STEP", 2)
        for site in (1, 2):
            self.sql("insert into channel (site_id, id, product, key) values (%s, 5, 'polls', 'p')", site)
            for number in (1, 2, 3):
                self.sql(
                    "insert into poll (site_id, id, channel_id, kind, question) values (%s, %s, 5, 'single', %s)",
                    site, number, f"Question {number} of {site}?",
                )  # fmt: skip
            for place in (1, 2):
                self.sql(
                    "insert into poll_option (site_id, poll_id, number, place, text) values (%s, 1, %s, %s, %s)",
                    site, place, 3 - place, f"Option {place}",
                )  # fmt: skip
            for voter in ("a b", "b", "c"):
                self.sql(
                    "insert into ballot (site_id, poll_id, voter, visitor_id, options, network) "
                    "values (%s, 1, %s, 7, '{2,1}', '192.0.2.0/24')", site, voter,
                )  # fmt: skip
        self.assertEqual((await self.lines(write_polls))[4]["visitor"], None, "a secret ballot stays secret")
        self.sql("update poll set voters_shown = true, identity = 'account'")
        found = await self.lines(write_polls)
        self.assertEqual([one["type"] for one in found], ["export", *["poll"] * 3, *["ballot"] * 3])
        self.assertEqual(found[0], {"type": "export", "version": 1, "product": "polls", "site": 1, "name": "One"})
        self.assertEqual([one["question"] for one in found[1:4]], [f"Question {n} of 1?" for n in (1, 2, 3)])
        self.assertEqual([one["text"] for one in found[1]["options"]], ["Option 2", "Option 1"])
        ballot = found[4]
        self.assertEqual((ballot["poll"], ballot["visitor"], ballot["options"]), ("1", "7", [2, 1]))
        self.assertEqual(ballot["state"], "counted")
        self.assertNotIn("192.0.2", str(found))

    async def test_reviews(self) -> None:
        """With the owner's answer and votes; not what nobody but its author sees."""
        self.patch(exports, "STEP", 2)
        for site in (1, 2):
            self.sql("insert into channel (site_id, id, product, key) values (%s, 6, 'reviews', 'mug')", site)
            for number, shadow in ((1, False), (2, True), (3, False), (4, False)):
                self.sql(
                    "insert into review (site_id, id, channel_id, visitor_id, star, src, kind, shadow) "
                    "values (%s, %s, 6, %s, 4, %s, %s, %s)",
                    site, number, number, f"Text {number} of {site}", int(number == 4), shadow,
                )  # fmt: skip
            self.sql(
                "insert into review_reply (site_id, review_id, src, html, name, who) "
                "values (%s, 1, 'Thanks', '', 'Shop', 'account:1')", site,
            )  # fmt: skip
            self.sql("insert into review_vote values (%s, 6, 9, 1, 1, true), (%s, 6, 10, 1, -1, false)", site, site)
        found = await self.lines(write_reviews)
        self.assertEqual([one["type"] for one in found], ["export", "review", "review", "question"])
        first = found[1]
        self.assertEqual((first["id"], first["page"], first["star"], first["text"]), ("1", "mug", 4, "Text 1 of 1"))
        self.assertEqual((first["reply"]["text"], first["votes"], first["state"]), ("Thanks", [["9", 1]], "approved"))
        self.assertNotIn("of 2", str(found))

    async def test_follows(self) -> None:
        """Who follows which page or person; addresses only where mail may be sent to them."""
        for site in (1, 2):
            self.sql("insert into channel (site_id, id, product, key) values (%s, 8, 'comments', %s)", site, f"k{site}")
            for visitor, state in ((1, "confirmed"), (2, "asked"), (3, "bounced")):
                self.sql(
                    "insert into follower (site_id, visitor_id, channel_id, email, email_state) "
                    "values (%s, %s, 99, %s, %s)", site, visitor, f"v{visitor}@site{site}.example", state,
                )  # fmt: skip
            self.sql("insert into follow (site_id, visitor_id, kind, target) values (%s, 1, 1, 8), (%s, 1, 2, 3)",
                     site, site)  # fmt: skip
        found = await self.lines(write_follows)
        self.assertEqual([one["visitor"] for one in found[1:]], ["1", "2", "3"])
        self.assertEqual([one["email"] for one in found[1:]], ["v1@site1.example", "", ""])
        made = [one.pop("created") for one in found[1]["follows"]]
        self.assertEqual(found[1]["follows"], [{"visitor": "3"}, {"page": "k1", "url": ""}])
        self.assertRegex(made[0], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertNotIn("site2", str(found))
