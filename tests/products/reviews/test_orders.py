"""Orders, tokens of them, and what is verified."""

from __future__ import annotations

from typing import Any

import jwt

from cackled.products.reviews.orders import Orders, mail_hash
from tests.products.reviews.common import REVIEWS, ReviewCase
from tests.support.staff import sign_in

ORDER = {
    "order": "A-1", "email": "Ann@mail.example", "name": "Ann", "language": "de", "at": "2025-10-01T12:00:00Z",
    "products": [{"channel": "mug", "url": "https://one.example/mug", "title": "Mug"}, {"channel": "cup"}],
}  # fmt: skip


class OrderTests(ReviewCase):
    """Verified is what comes with a token of ours."""

    async def note(self, **more: Any) -> Any:
        """Note an order."""
        answer = await self.owner.ask("POST", f"{REVIEWS}/orders", {**ORDER, **more})
        self.assertEqual(answer.status, 201, answer)
        return answer.json()

    async def test_verified(self) -> None:
        """With the token a review is a buyer's, once for each product; without it it is not."""
        noted = await self.note()
        self.assertEqual(noted["links"], {"mug": f"https://one.example/mug#mc-review={noted['token']}"})
        told = (await self.ask("POST", f"{REVIEWS}/order", {"token": noted["token"]})).json()
        self.assertEqual((told["name"], [one["used"] for one in told["products"]]), ("Ann", [False, False]))
        ann, bob = await self.visitor(), await self.visitor()
        first = await self.post(ann, 5, order=noted["token"])
        self.assertEqual((first.status, first.json()["review"]["verified"]), (201, "order"), first)
        self.assertEqual(first.json()["summary"]["verified"], 1)
        self.assertEqual((await self.post(bob, 1, order=noted["token"])).slug, "order-used")
        self.assertEqual((await self.post(bob, 1, "pot", order=noted["token"])).slug, "order-product")
        self.assertEqual((await self.post(bob, 3, "cup", order=noted["token"])).status, 201)
        self.assertIsNone((await self.post(bob, 3, "mug")).json()["review"]["verified"])
        # Deleted, it is used all the same.
        await self.ask("DELETE", f"{REVIEWS}/{first.json()['review']['id']}", authorization=ann)
        self.assertEqual((await self.post(ann, 5, order=noted["token"])).slug, "order-used")
        self.counts_agree()

    async def test_forged(self) -> None:
        """Tokens that are altered, another site's, or out of date are refused; so is what is no token."""
        noted = await self.note()
        head, claims, sign = noted["token"].split(".")
        other = Orders(self.application.parts, self.application.sites.get(2))
        late = Orders(self.application.parts, self.site, lambda: 1_000.0)
        channel = self.site.channel("reviews", "mug")
        wrong = (
            "x", "a.b.c", f"{head}.{claims}.{sign[:-2]}xx", f"{head}.{claims}.", noted["token"] + "x",
            await other.token(1, [channel], ""), await late.token(1, [channel], ""),
            jwt.encode({"aud": "review-order", "site": 1, "sub": "1"}, "k" * 32, algorithm="HS256"),
            jwt.encode({"aud": "review-order", "site": 1, "sub": "1"}, None, algorithm="none"), "é" * 20,
        )  # fmt: skip
        for token in wrong:
            self.assertEqual((await self.post(await self.visitor(), 5, order=token)).slug, "order-token", token)
            self.assertEqual((await self.ask("POST", f"{REVIEWS}/order", {"token": token})).slug, "order-token")
        self.assertEqual(self.sql("select count(*) from review"), [(0,)])

    async def test_buyers_only(self) -> None:
        """Where only buyers write, nobody does without a token."""
        await self.setting(writers="buyers")
        self.assertEqual((await self.post(await self.visitor(), 5)).slug, "buyers-only")
        noted = await self.note()
        self.assertEqual((await self.post(await self.visitor(), 5, order=noted["token"])).status, 201)

    async def test_requests_need_a_ground(self) -> None:
        """Without the site's word on the legal ground nothing is asked for, and no address is kept."""
        self.assertFalse((await self.note())["requested"])
        self.assertEqual(self.sql("select mail, mail_hash from review_order"), [("", mail_hash("ann@mail.example"))])
        self.assertEqual(self.sql("select count(*) from review_request"), [(0,)])
        await self.setting(requests="customer", request_days=3)
        self.assertTrue((await self.note(order="A-2", at=""))["requested"])
        waits = self.sql("select round(extract(epoch from due_at - now()) / 86400) from review_request")[0][0]
        self.assertEqual(waits, 3)
        listed = (await self.owner.ask("GET", f"{REVIEWS}/requests")).json()
        self.assertEqual((listed["requests"][0]["email"], listed["counts"]), ("A***@mail.example", {"waiting": 1}))
        self.assertEqual((await self.owner.ask("POST", f"{REVIEWS}/blocklist", {"email": "x"})).slug, "bad-field")
        await self.owner.ask("POST", f"{REVIEWS}/blocklist", {"email": "ann@MAIL.example"})
        listed = (await self.owner.ask("GET", f"{REVIEWS}/requests?state=stopped")).json()
        self.assertEqual(len(listed["requests"]), 1)
        blocked = (await self.owner.ask("GET", f"{REVIEWS}/blocklist")).json()["blocked"]
        self.assertEqual(blocked[0]["email"], "a***@MAIL.example")

    async def test_file(self) -> None:
        """A CSV file of orders: rows of one order are its products; what can't be used is told by row."""
        text = "\ufefforder;email;channel;title;event;at\r\n1;a@b.example;mug;Mug;delivered;2024-01-02\r\n1;;cup;;;\r\n"
        text += "2;nomail;mug;;;\r\n3;c@d.example;mug;;stolen;\r\n4;;mug;;;31/12/2024\r\n"
        answer = await self.owner.ask("POST", f"{REVIEWS}/orders/csv", {"csv": text})
        self.assertEqual(
            answer.json(),
            {"rows": 5, "made": 1, "refused": [
                {"row": 3, "reason": "email"}, {"row": 4, "reason": "event"}, {"row": 5, "reason": "at"}]},
        )  # fmt: skip
        self.assertEqual(self.sql("select count(*) from review_order_item"), [(2,)])
        self.assertEqual((await self.owner.ask("POST", f"{REVIEWS}/orders/csv", {"csv": "a,b\n"})).slug, "bad-field")

    async def test_tenants(self) -> None:
        """Another site's staff see none of it, and its tokens are none here."""
        await self.note()
        other = await sign_in(self, "owner", site=2)
        self.assertEqual((await other.ask("GET", f"{REVIEWS}/requests")).status, 403)
        listed = (await other.ask("GET", "/api/v1/sites/2/reviews/requests")).json()
        self.assertEqual(listed["requests"], [])
