"""Statistics: counted as things happen, and equal to what is there."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

from cackled.database.query import ReadPreference
from cackled.domain.read_options import Reading
from cackled.domain.sessions import Session
from cackled.moderation.statistics import MOST_KEYS, READERS_SECONDS, Counting, Statistics
from cackled.products.comments.service import Comments
from tests.api.common import ApiCase
from tests.api.test_openapi import check
from tests.domain.common import the_id
from tests.moderation.case import ModerationCase
from tests.support.staff import sign_in


class StatisticsTests(ModerationCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.now = datetime.now(UTC).timestamp()
        self.readers: list[tuple[int, int, int]] = []
        self.counting = Counting(self.database, self.clock, lambda: self.now, lambda: self.readers)
        self.comments = Comments(
            self.site, self.database, self.cache, self.evicted.append, judge=self.moderation.judge,
            wrote=self.counting.wrote,
        )  # fmt: skip

    async def statistics(self, days: int = 30) -> Statistics:
        return await self.counting.statistics(self.site, days, Reading.of(ReadPreference.PRIMARY))

    def act(self, number: int, deed: str, who: str = "account:1") -> int:
        rows = self.sql(
            "insert into moderation_action (site_id, who, action) values (1, %s, %s) returning id", who, deed
        )
        action = int(rows[0][0])
        self.sql("select decide_comment(1, %s, null, %s, %s, %s, 'Ann', '', false)", number, deed, action, who)
        return action

    def there(self) -> dict[str, int]:
        """What is in the table of comments."""
        names = "(array['pending', 'approved', 'spam', 'rejected', 'deleted'])[status + 1]"
        return dict(self.sql(f"select {names}, count(*) from comment where site_id = 1 group by 1"))

    async def test_counted(self) -> None:
        """After any posts and decisions the counts are those of the comments; a repeated post is one."""
        await self.rules(words=[{"text": "wait"}, {"text": "bad", "action": "spam"}])
        chance = random.Random(3)
        numbers = []
        for number in range(12):
            text = chance.choice(["hello", "please wait", "bad thing"])
            numbers.append(the_id(await self.post(text, by=number + 1, key=chance.choice("ab"))))
        await self.post("hello", by=77, idempotency_key="k")
        await self.post("hello", by=77, idempotency_key="k")
        actions = []
        for _ in range(20):
            deed = chance.choice(["approve", "spam", "reject", "delete", "restore"])
            actions.append((chance.choice(numbers), deed))
            self.act(*actions[-1])
        await self.comments.delete(Session(1, 77), self.sql("select max(id) from comment")[0][0])
        await self.counting.flush()
        await self.counting.flush()
        found = await self.statistics()
        told = {
            state: sum(getattr(day, state) for day in found.days)
            for state in ("pending", "approved", "spam", "rejected", "deleted")
        }
        self.assertEqual({state: count for state, count in told.items() if count}, self.there())
        written = {page.key: page.count for page in found.written}
        self.assertEqual(sum(written.values()), 13 - self.spam())

    def spam(self) -> int:
        """How many were spam when they came: those are on no page's account."""
        return self.sql("select count(*) from comment_mark where mark = 'word' and words = '{bad}'")[0][0]

    async def test_moderators(self) -> None:
        """Decisions by who made them, and how long what waited had waited."""
        await self.rules(moderation="pre")
        numbers = [the_id(await self.post("hello", by=number + 1)) for number in range(3)]
        for number in numbers:
            self.act(number, "approve")
        self.act(numbers[0], "spam", "account:2")
        found = await self.statistics()
        by_who = {one.who: one for one in found.moderators}
        self.assertEqual((by_who["account:1"].decisions, by_who["account:1"].waited), ({"approve": 3}, 3))
        self.assertEqual((by_who["account:2"].decisions, by_who["account:2"].waited), ({"spam": 1}, 0))
        self.assertLess(by_who["account:1"].seconds or 0, 60)
        self.assertIsNone(by_who["account:2"].seconds)
        self.assertEqual(found.slots, [3, 0, 0, 0, 0, 0])

    async def test_readers(self) -> None:
        """Who reads now, and where most do; of this site alone, and not counted anew at every call."""
        await self.post("hello", key="busy")
        busy = self.site.channel("comments", "busy")
        self.readers = [(1, busy, 7), (1, 5, 2), (2, busy, 100), (1, 6, 0)]
        found = await self.statistics()
        self.assertEqual((found.readers, [(page.key, page.count) for page in found.read]), (9, [("busy", 7)]))
        self.readers = []
        self.assertEqual((await self.statistics()).readers, 9)
        self.clock.advance(READERS_SECONDS)
        self.assertEqual((await self.statistics()).readers, 0)

    async def test_days(self) -> None:
        """Days end at midnight UTC; older ones than were asked for are left out."""
        self.sql("insert into state_day (site_id, day, kind, approved) values (1, current_date - 40, 'comment', 5)")
        self.now = 1_790_035_199.0
        self.counting.wrote(1, "comment", 5, "approved")
        self.now += 3600
        self.counting.wrote(1, "comment", 5, "approved")
        await self.counting.flush()
        days = self.sql("select day::text, approved from state_day order by day desc limit 2")
        self.assertEqual(len({day for day, _ in days}), 2)
        old = (datetime.now(UTC).date() - datetime.fromtimestamp(self.now, UTC).date()).days
        self.assertNotIn(40, [old])
        self.assertFalse([day for day in (await self.statistics(30)).days if day.approved == 5])

    async def test_bounded(self) -> None:
        """What is counted in memory is bounded."""
        for number in range(MOST_KEYS + 10):
            self.counting.wrote(1, "comment", number, "approved")
        self.assertEqual(len(self.counting._written), MOST_KEYS)
        self.counting._written.clear()

    async def test_tenants(self) -> None:
        """Nothing of another site is in it."""
        two = await self.sites.add("Two", [], site_id=2)
        assert two is not None
        for site in (1, 2):
            self.counting.wrote(site, "comment", 5, "approved")
        row = "(2, current_date, 'x', 'spam', 'Canary')"
        self.sql(f"insert into moderator_day (site_id, day, who, deed, name) values {row}")
        self.sql("insert into channel (site_id, id, key, title) values (2, 5, 'canary', 'Canary')")
        await self.counting.flush()
        found = await self.statistics()
        self.assertEqual((sum(day.approved for day in found.days), found.moderators, found.written), (1, [], []))


class StatisticsRouteTests(ApiCase):
    async def test_route(self) -> None:
        """As the description says, for those who may read; the daemon counts what is written."""
        auth = await self.visitor()
        await self.post(auth, "hello")
        analyst = await sign_in(self, "analyst")
        path = "/api/v1/sites/1/moderation/statistics"
        from cackled.moderation.moderation import Moderation

        await self.application.shared[Moderation].counting.flush()
        answer = await analyst.ask("GET", path)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual([day["approved"] for day in answer.json()["days"]], [1])
        self.assertEqual([page["title"] for page in answer.json()["written"]], ["X"])
        document = (await self.ask("GET", "/api/v1/openapi.json")).json()
        described = document["paths"]["/sites/{site}/moderation/statistics"]["get"]["responses"]["200"]
        ((_, content),) = described["content"].items()
        self.assertEqual(check(document, content["schema"], answer.json()), [])
        for days in ("0", "367", "x", "-1"):
            self.assertEqual((await analyst.ask("GET", f"{path}?days={days}")).slug, "bad-field", days)
        operator = await sign_in(self, "operator")
        self.assertEqual((await operator.ask("GET", path)).status, 403)
        stranger: Any = await sign_in(self, "owner", site=2)
        self.assertEqual((await stranger.ask("GET", path)).status, 403)
        self.assertNotIn("canary", json.dumps(answer.json()))
