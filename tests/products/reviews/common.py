"""Reviews over the API, with somebody of the staff."""

from __future__ import annotations

import json
from typing import Any

from cackled.events import channel_id
from cackled.products.reviews.service import Reviews
from tests.api.common import Answer, ApiCase
from tests.support.staff import StaffClient, sign_in

REVIEWS = "/api/v1/sites/1/reviews"


class ReviewCase(ApiCase):
    """Site 1 with an owner."""

    async def setUp(self) -> None:
        await super().setUp()
        self.owner: StaffClient = await sign_in(self)

    async def setting(self, **values: Any) -> None:
        """Choose settings of reviews of site 1."""
        for name, value in values.items():
            await self.application.sites.change(1, f"reviews.{name}", value)

    async def post(self, auth: str | None, star: int | None = 5, key: str = "mug", **more: Any) -> Answer:
        """Write a review."""
        headers = {name: more.pop(name) for name in ("idempotency_key",) if name in more}
        body = {"channel": {"key": key}, "name": "Ann", "star": star, **more}
        return await self.ask("POST", REVIEWS, body, authorization=auth, **headers)

    async def made(self, auth: str | None = None, star: int = 5, key: str = "mug", **more: Any) -> str:
        """A review that is shown; gives its id."""
        answer = await self.post(auth or await self.visitor(), star, key, **more)
        self.assertEqual(answer.status, 201, answer)
        return answer.json()["review"]["id"]

    async def page(self, key: str = "mug", query: str = "", auth: str | None = None) -> Any:
        """A page of reviews."""
        answer = await self.ask("GET", f"{REVIEWS}?channel={key}{query}", authorization=auth)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    async def first(self, key: str = "mug", query: str = "") -> Any:
        """The first render."""
        answer = await self.ask("GET", f"/bootstrap?widget=Review&site=1&channel={key}{query}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    async def summary(self, key: str = "mug") -> Any:
        """What a page has of reviews."""
        answer = await self.ask("GET", f"{REVIEWS}/summary?channel={key}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    @property
    def service(self) -> Reviews:
        """The service of site 1."""
        return Reviews(self.application.parts, self.site)

    def events(self, key: str = "mug") -> list[tuple[str, Any]]:
        """What the log has of a page."""
        rows = self.sql(
            "select type, data from event where site_id = 1 and channel_id = %s order by seq",
            channel_id("reviews", key),
        )
        return [(kind, json.loads(data)) for kind, data in rows]

    def counts_agree(self, key: str = "mug") -> None:
        """What is kept of a page is what its reviews say."""
        channel = channel_id("reviews", key)
        kept, counted = self.sql(
            "select kept_review_counts(1, %s), counted_reviews(1, %s)", channel, channel
        )[0]
        # Nothing is kept of a page before its first review.
        self.assertEqual(kept or "[0, 0, [0, 0, 0, 0, 0], 0, 0, 0, 0, 0, 0, 0, 0, 0, null]", counted)
