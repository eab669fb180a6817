"""Nothing of one site's reviews reaches another site, by whatever call."""

from __future__ import annotations

from urllib.parse import quote

from tests.products.reviews.common import REVIEWS, ReviewCase
from tests.support.staff import sign_in

CANARY = "canarybird"


class TenantTests(ReviewCase):
    """Site 1 has words in everything; site 2 looks everywhere."""

    async def test_canary(self) -> None:
        """Answers of site 2 have none of the words, whoever asks, under the same keys and numbers."""
        await self.setting(questions=True, criteria=f"quality: {CANARY}", requests="customer")
        ann = await self.visitor()
        review = await self.made(ann, 1, title=CANARY, pros=CANARY, cons=CANARY, text=CANARY, name=CANARY)
        await self.post(await self.visitor(), None, kind="question", text=CANARY)
        await self.owner.ask("PUT", f"{REVIEWS}/{review}/reply", {"text": CANARY, "name": CANARY})
        facts = {"channel": "mug", "name": CANARY, "category": CANARY}
        await self.owner.ask("PUT", "/api/v1/sites/1/products", facts)
        order = {"order": CANARY, "email": f"{CANARY}@mail.example", "name": CANARY, "products": [{"channel": "mug"}]}
        token = (await self.owner.ask("POST", f"{REVIEWS}/orders", order)).json()["token"]
        other = await sign_in(self, "owner", site=2)
        bob = await self.visitor(2)
        base = "/api/v1/sites/2/reviews"
        pages = [
            f"{base}?channel=mug", f"{base}?channel=mug&q={CANARY}", f"{base}?channel=mug&kind=question",
            f"{base}/summary?channel=mug", f"{base}/ratings?channel=mug", f"{base}/top", f"{base}/checks",
            f"{base}/{review}", "/bootstrap?widget=Review&site=2&channel=mug", "/review/2/rating?len=1&0=mug",
            "/review/2/list?chan=mug", f"/review/2/comment/list?reviewId={review}",
        ]  # fmt: skip
        for path in pages:
            answer = await self.ask("GET", path, origin=None)
            self.assertNotIn(CANARY, answer.body.decode().replace(quote(CANARY), "") if "q=" in path else
                             answer.body.decode(), path)  # fmt: skip
        for path in (
            f"{base}/statistics", f"{base}/signals", f"{base}/export", f"{base}/requests", f"{base}/blocklist",
            "/api/v1/sites/2/products?channel=mug", "/api/v1/sites/2/moderation/items?state=all",
            f"/api/v1/sites/2/moderation/items/review:{review}",
        ):  # fmt: skip
            answer = await other.ask("GET", path)
            self.assertNotIn(CANARY, answer.body.decode(), path)
        for method, path, body in (
            ("PATCH", f"{base}/{review}", {"star": 5}), ("DELETE", f"{base}/{review}", None),
            ("PUT", f"{base}/{review}/vote", {"value": 1}), ("POST", f"{base}/{review}/flags", {}),
        ):  # fmt: skip
            answer = await self.ask(method, path, body, authorization=bob, origin="https://two.example")
            self.assertEqual(answer.status, 404, (method, path, answer))
        self.assertEqual((await other.ask("PUT", f"{base}/{review}/reply", {"text": "x"})).slug, "review")
        body = {"items": [f"review:{review}"], "action": "reject", "why": "offtopic"}
        self.assertEqual((await other.ask("POST", "/api/v1/sites/2/moderation/actions", body)).slug, "gone")
        self.assertEqual((await self.ask("POST", f"{base}/order", {"token": token})).slug, "order-token")
        self.assertEqual((await self.summary())["histogram"], [1, 0, 0, 0, 0])
        self.counts_agree()
