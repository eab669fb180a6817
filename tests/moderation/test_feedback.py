"""An Akismet-compatible service is told where it was wrong."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec

from cackled.domain.outbox import GiveUp, Work
from cackled.moderation.feedback import AkismetFeedback
from cackled.moderation.queue import Queue
from cackled.outbound.post import Answer
from cackled.products.comments.moderated import make
from tests.domain.common import ANN, the_id
from tests.moderation.case import ModerationCase
from tests.moderation.test_decisions import EVE

SERVICE = {"url": "https://rest.example/", "key": "k", "blog": "https://one.example"}


class FeedbackTests(ModerationCase):
    """Decisions of moderators, and the outbox."""

    async def setUp(self) -> None:
        await super().setUp()
        self.queue = Queue(self.site, self.database, {"comment": make})
        self.handler = AkismetFeedback(self.sites, self.database, {"comment": make}, self.answered)

    def works(self) -> list[Work]:
        """What waits in the outbox."""
        rows = self.sql("select id, site_id, kind, body from outbox where kind = 'akismet' order by id")
        self.sql("delete from outbox")
        return [Work(id, site, kind, body, 1, 0.0) for id, site, kind, body in rows]

    async def told(self, action: str, comment: int) -> list[tuple[str, dict[str, Any]]]:
        """What the service is sent after a decision."""
        self.requests.clear()
        await self.queue.decide(EVE, action, [f"comment:{comment}"])
        for work in self.works():
            self.answers = [Answer(200, {}, b"Thanks for making the web a better place.")]
            await self.handler.deliver(work)
        return [(url, parse_qs(body.decode())) for url, _, body, _ in self.requests]

    async def test_where_it_was_wrong(self) -> None:
        """Spam that it did not find, and what it took for spam; nothing where it was right."""
        await self.rules(akismet=SERVICE)
        self.answers = [Answer(200, {}, b"false")]
        missed = the_id(await self.post("buy now", by=ANN))
        (url, sent), = await self.told("spam", missed)  # fmt: skip
        self.assertEqual(url, "https://rest.example/1.1/submit-spam")
        self.assertEqual((sent["comment_content"], sent["comment_author"]), (["buy now"], ["Ann"]))
        self.assertEqual(await self.told("approve", missed), [])
        self.answers = [Answer(200, {}, b"true")]
        taken = the_id(await self.post("a good word", by=ANN))
        self.assertEqual(self.state(taken), (2, ["hook"]))
        (url, sent), = await self.told("approve", taken)  # fmt: skip
        self.assertEqual((url, sent["comment_content"]), ("https://rest.example/1.1/submit-ham", ["a good word"]))
        self.assertEqual(await self.told("spam", taken), [])

    async def test_not_told(self) -> None:
        """Without a service nothing waits; what was decided otherwise since is not sent; failures are tried again."""
        made = the_id(await self.post("words", by=ANN))
        await self.queue.decide(EVE, "spam", [f"comment:{made}"])
        self.assertEqual(self.works(), [])
        await self.rules(akismet=SERVICE)
        await self.queue.decide(EVE, "approve", [f"comment:{made}"])
        await self.queue.decide(EVE, "spam", [f"comment:{made}"])
        first, second = self.works()
        self.requests.clear()
        await self.handler.deliver(first)
        self.assertEqual(self.requests, [])
        self.answers = [Answer(500, {}, b"")]
        with self.assertRaises(OSError):
            await self.handler.deliver(second)
        for status, work in ((403, second), (200, Work(1, 9, "akismet", second.body, 1, 0.0))):
            self.answers = [Answer(status, {}, b"")]
            with self.assertRaises(GiveUp):
                await self.handler.deliver(work)
        await self.rules(akismet={})
        with self.assertRaises(GiveUp):
            await self.handler.deliver(second)
        self.assertEqual(msgspec.json.decode(second.body), {"kind": "comment", "item": made, "spam": True})
