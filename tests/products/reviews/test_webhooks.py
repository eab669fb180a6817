"""What a site's webhooks are told of reviews: what strangers may see, when they may see it."""

from __future__ import annotations

import json
from typing import Any

from tests.products.reviews.common import REVIEWS, ReviewCase

RULES = "/api/v1/sites/1/rules"


class WebhookTests(ReviewCase):
    """From the review to the outbox."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.application.sites.change(1, "webhook_url", "https://hooks.example/")
        await self.application.sites.change(1, "webhook_secret", "0123456789abcdef")

    def told(self) -> list[tuple[str, Any]]:
        """What is to be sent, in order."""
        rows = self.sql("select body from outbox where kind = 'webhook' and site_id = 1 order by id")
        return [(one["type"], one["data"]) for one in (json.loads(row[0]) for row in rows)]

    async def test_life(self) -> None:
        """Written, voted on, changed, answered, labelled, hidden, deleted: each once, with the sums of then."""
        ann = await self.visitor()
        review = await self.made(ann, 2, text="old words")
        await self.ask("PATCH", f"{REVIEWS}/{review}", {"star": 4, "text": "new"}, authorization=ann)
        await self.owner.ask("PUT", f"{REVIEWS}/{review}/reply", {"text": "Thanks", "name": "Shop"})
        for action, why in (("incentivize", ""), ("reject", "offtopic"), ("approve", "")):
            body = {"items": [f"review:{review}"], "action": action, "why": why}
            answer = await self.owner.ask("POST", "/api/v1/sites/1/moderation/actions", body)
            self.assertEqual(answer.status, 200, answer)
        await self.ask("DELETE", f"{REVIEWS}/{review}", authorization=ann)
        told = self.told()
        self.assertEqual(
            [kind.removeprefix("review.") for kind, _ in told],
            ["created", "updated", "updated", "updated", "deleted", "created", "deleted"],
        )
        self.assertEqual([one[1]["summary"]["count"] for one in told], [1, 1, 1, 1, 0, 1, 0])
        self.assertEqual([set(data) for kind, data in told if kind == "review.deleted"], [{"id", "summary"}] * 2)

    async def test_nothing_early(self) -> None:
        """What waits, a change that waits, and what a shadow ban hides are told to nobody."""
        ann = await self.visitor()
        shown = await self.made(ann, 4, text="shown")
        before = len(self.told())
        await self.owner.ask("PUT", RULES, {"moderation": "pre"}, if_match='"0"')
        await self.post(await self.visitor(), 1, text="secret canary")
        await self.ask("PATCH", f"{REVIEWS}/{shown}", {"text": "secret change"}, authorization=ann)
        self.assertEqual(len(self.told()), before)
        self.assertNotIn("secret", str(self.told()))
