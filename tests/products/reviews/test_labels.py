"""The label of reviews that their authors got something for: by an order, by the site's own server, by staff."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from cackled.domain.channels import ChannelRef
from cackled.domain.sessions import BY_SITE, Session
from cackled.products.reviews.answers import ChannelBody, PostBody
from tests.products.reviews.common import REVIEWS, ReviewCase

QUEUE = "/api/v1/sites/1/moderation"


class LabelTests(ReviewCase):
    """Everywhere the same, and counted alike."""

    async def labelled(self, review: str) -> bool:
        """What a stranger is told."""
        found: bool = (await self.ask("GET", f"{REVIEWS}/{review}")).json()["review"]["incentivized"]
        return found

    async def act(self, action: str, *reviews: str) -> Any:
        """What a moderator does."""
        body = {"items": [f"review:{one}" for one in reviews], "action": action}
        answer = await self.owner.ask("POST", f"{QUEUE}/actions", body)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    async def test_by_an_order(self) -> None:
        """The order says it, whoever asks for it; nobody can say it of themselves, or take it away."""
        order = {"order": "A", "products": [{"channel": "mug"}], "incentivized": True}
        token = (await self.owner.ask("POST", f"{REVIEWS}/orders", order)).json()["token"]
        # Noted again without it, it stays.
        await self.owner.ask("POST", f"{REVIEWS}/orders", order | {"incentivized": False})
        written = await self.post(await self.visitor(), 5, order=token, incentivized=False)
        self.assertIs(written.json()["review"]["incentivized"], True)
        plain = await self.made(star=4, incentivized=True)
        self.assertIs(await self.labelled(plain), False)
        csv = "order,channel,incentivized\nB,cup,yes\nC,pot,\n"
        self.assertEqual((await self.owner.ask("POST", f"{REVIEWS}/orders/csv", {"csv": csv})).json()["made"], 2)
        kept = self.sql("select ref, incentivized from review_order order by ref")
        self.assertEqual(kept, [("A", True), ("B", True), ("C", False)])
        codes = (await self.ask("GET", f"{REVIEWS}/checks")).json()["statements"]
        self.assertIn("incentivized", [one["code"] for one in codes])
        self.counts_agree()

    async def test_by_the_site(self) -> None:
        """Who the site's server puts in the group "incentivized" is labelled."""
        for number, groups in ((101, "{vip,incentivized}"), (102, "{vip}")):
            self.sql(
                "insert into person (site_id, visitor_id, name, skeleton, groups) "
                "values (1, %s, 'Ann', 'ann', %s::text[]) returning 1", number, groups,
            )  # fmt: skip
        await self.setting(questions=True)
        for visitor, kind, star, wanted in ((101, "review", 5, True), (102, "review", 5, False),
                                            (101, "question", None, False)):  # fmt: skip
            body = PostBody(channel=ChannelBody("mug"), star=star, text="tea", kind=kind)  # type: ignore[arg-type]
            written = await self.service.post(Session(1, visitor, level=BY_SITE), ChannelRef("mug"), body)
            self.assertIs(json.loads(written.review)["incentivized"], wanted)

    async def test_by_staff(self) -> None:
        """Set, seen live, in the feed and on the page, undone and taken away; stars and sums stay as they are."""
        await self.setting(feed="public")
        await self.owner.ask("PUT", "/api/v1/sites/1/products", {"channel": "mug", "url": "https://one.example/mug"})
        review = await self.made(star=2, text="tea")
        before = await self.summary()
        done = await self.act("incentivize", review)
        self.assertIs(await self.labelled(review), True)
        kind, told = self.events()[-1]
        self.assertEqual((kind, told["review"]["incentivized"]), ("review.updated", True))
        self.assertIs((await self.first())["page"]["reviews"][0]["incentivized"], True)
        feed = await self.ask("GET", "/feeds/1/reviews.xml", origin=None)
        self.assertEqual(len(list(ElementTree.fromstring(feed.body).iter("is_incentivized_review"))), 1)
        page = await self.ask("GET", "/threads/1?widget=Review&channel=mug", origin=None)
        self.assertIn(b"Got something for it", page.body)
        undone = await self.owner.ask("POST", f"{QUEUE}/actions/{done['id']}/undo")
        self.assertEqual((undone.status, await self.labelled(review)), (200, False), undone)
        await self.act("incentivize", review)
        await self.act("unincentivize", review)
        self.assertIs(await self.labelled(review), False)
        after = await self.summary()
        self.assertEqual({**before, "position": ""}, {**after, "position": ""})
        self.counts_agree()

    async def test_what_waits(self) -> None:
        """What is not shown yet can be labelled; no page is told. Answers and questions have no label."""
        await self.setting(questions=True)
        review = await self.made(star=2, text="tea")
        await self.act("hold", review)
        events = len(self.events())
        await self.act("incentivize", review)
        self.assertEqual(len(self.events()), events)
        await self.act("approve", review)
        self.assertIs(self.events()[-1][1]["review"]["incentivized"], True)
        asked = (await self.post(await self.visitor(), None, kind="question", text="Why?")).json()["review"]["id"]
        body = {"items": [f"review:{asked}"], "action": "incentivize"}
        self.assertEqual((await self.owner.ask("POST", f"{QUEUE}/actions", body)).slug, "gone")

    async def test_names(self) -> None:
        """The queue and statistics say what criteria and attributes are called."""
        await self.setting(criteria="q: Quality", attributes="fit: Fit = small, large")
        await self.made(star=2, criteria={"q": 3}, attributes={"fit": "small"})
        items = (await self.owner.ask("GET", f"{QUEUE}/items?state=all")).json()["items"]
        self.assertEqual(items[0]["facts"]["names"], {"q": "Quality", "fit": "Fit"})
        told = (await self.owner.ask("GET", f"{REVIEWS}/statistics")).json()
        self.assertEqual((told["names"], list(told["criteria"])), ({"q": "Quality"}, ["q"]))

    async def test_codes(self) -> None:
        """Links come as QR codes where asked for, each for one product; not too many, nor too long ones."""
        products = [{"channel": f"p{n}", "url": f"https://one.example/{n}"} for n in range(5)]
        long = {"channel": "long", "url": "https://one.example/" + "é" * 900}
        body: dict[str, Any] = {"order": "A", "products": products, "qr": True}
        made = (await self.owner.ask("POST", f"{REVIEWS}/orders", body)).json()
        self.assertEqual(set(made["qr"]), {f"p{n}" for n in range(5)})
        self.assertTrue(made["qr"]["p0"]["path"].startswith("M4 4h7v1h-7z"))
        answer = await self.owner.ask("POST", f"{REVIEWS}/orders", body | {"products": [*products, *products]})
        self.assertEqual((answer.status, answer.json()["field"]), (400, "qr"), answer)
        answer = await self.owner.ask("POST", f"{REVIEWS}/orders", body | {"order": "B", "products": [long]})
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual((await self.owner.ask("POST", f"{REVIEWS}/orders", body | {"qr": False})).json()["qr"], {})
