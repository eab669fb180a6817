"""Reviews and polls move between shards whole: rows, sums, numbers, keys of posts."""

from __future__ import annotations

import json
from typing import Any

from tests.support.moving import MovingCase

CHANNEL = 4711


class MovingTests(MovingCase):
    """Two databases of one server."""

    def post(self, shard: int, visitor: int, star: int, key: str) -> tuple[int, bool, Any]:
        """A review of site 1; gives the channel's number, whether it was replayed, and the review."""
        said = {"star": star, "title": "T", "text": "words", "html": "<p>words</p>", "criteria": {"q": star}}
        data = json.dumps(said)
        rows = self.sql(
            shard,
            "select seq, replayed, review from post_review(1, %s, 'mug', '', '', %s, 'Ann', '192.0.2.1', %s, 0, null, "
            "%s, '', '', false, null, true, null)",
            CHANNEL, visitor, key, data,
        )  # fmt: skip
        seq, replayed, review = rows[0]
        return seq, replayed, json.loads(review)

    def state(self, shard: int) -> list[tuple[Any, ...]]:
        """All that is shown and kept of the page."""
        return self.sql(
            shard,
            "select review_summary_json(1, %s), kept_review_counts(1, %s), counted_reviews(1, %s), "
            "(select array_agg(review_json(r) order by r.id) from review r where r.site_id = 1 and r.channel_id = %s), "
            "review_versions(1, (select min(id) from review where site_id = 1 and channel_id = %s), 0, 20)",
            *[CHANNEL] * 5,
        )  # fmt: skip

    async def test_whole(self) -> None:
        """After a move, and back, all is as it was; the next review has the next number and a higher id."""
        first = [self.post(0, 100 + star, star, f"k{star}") for star in range(1, 6)]
        number = int(first[0][2]["id"])
        change = json.dumps({"star": 5, "html": "<p>new</p>"})
        self.sql(0, "select 1 from edit_review(1, %s, 101, null, %s, '', true, null)", number, change)
        votes = "select 1 from vote_reviews(1, %s, array[102, 103], array[1, 1], array[null, null]::text[])"
        self.sql(0, votes, number)
        before = self.state(0)
        kept, counted = before[0][1:3]
        self.assertEqual(kept, counted)
        self.assertIn('"histogram":[0,1,1,1,2]', before[0][0].replace(" ", ""))
        last = self.sql(0, "select seq from channel where site_id = 1 and id = %s", CHANNEL)[0][0]
        await self.mover().move([1], 1)
        self.assertEqual(self.state(1), before)
        self.assertEqual(self.sql(0, "select count(*) from review where site_id = 1"), [(0,)])
        again = self.post(1, 105, 5, "k5")
        self.assertEqual((again[1], again[2]["id"]), (True, first[4][2]["id"]))
        seq, replayed, review = self.post(1, 200, 3, "later")
        self.assertEqual((seq, replayed), (last + 1, False))
        self.assertGreater(int(review["id"]), max(int(one[2]["id"]) for one in first))
        after = self.state(1)
        await self.mover().move([1], 0)
        self.assertEqual(self.state(0), after)
        self.assertEqual(self.sql(1, "select count(*) from review where site_id = 1"), [(0,)])

    async def test_polls(self) -> None:
        """Ballots count once, also when the voter goes on where the poll came to."""
        poll = {
            "kind": "single", "question": "Which?", "identity": "session", "results": "always", "quota": 0, "burst": 0,
            "changeable": True, "description": "", "explanation": "", "least": 1, "most": 1, "voters_shown": False,
            "write_in": False,
            "options": [{"text": one, "image": "", "video": "", "value": None, "correct": False} for one in "AB"],
        }  # fmt: skip
        self.sql(
            0, "select 1 from save_poll(1, 77, 4712, 'poll', 0, false, %s, 'account:1', true)", json.dumps(poll)
        )

        def vote(shard: int, visitor: int, option: int) -> None:
            refused = self.sql(
                shard, "select refused from vote_poll(1, 77, array[%s], array[0], array['192.0.2.1'], array[''], "
                "array[%s], true)", visitor, str(option),
            )  # fmt: skip
            self.assertEqual(refused, [(None,)])

        def counts(shard: int) -> list[tuple[Any, ...]]:
            of_poll = "select number, votes from poll_option where site_id = 1 and poll_id = 77 order by number"
            return self.sql(shard, of_poll)

        for visitor in range(300, 306):
            vote(0, visitor, 1)
        before = counts(0)
        self.assertEqual(before, [(1, 6), (2, 0)])
        await self.mover().move([1], 1)
        self.assertEqual(counts(1), before)
        vote(1, 300, 1)
        vote(1, 301, 2)
        vote(1, 400, 2)
        self.assertEqual(counts(1), [(1, 5), (2, 2)])
