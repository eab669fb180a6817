"""Reviews in the moderators' queue: found, decided, undone; honest by construction."""

from __future__ import annotations

from typing import Any

from cackled.accounts.store import People
from cackled.domain.channels import ChannelRef
from cackled.domain.sessions import Session
from cackled.moderation.verdict import Verdict
from cackled.products.reviews.answers import ChannelBody, PostBody
from cackled.products.reviews.moderated import ReviewItems
from cackled.products.reviews.reasons import REASONS
from tests.api.common import TABLE
from tests.products.reviews.common import REVIEWS, ReviewCase
from tests.support.staff import sign_in

QUEUE = "/api/v1/sites/1/moderation"


class QueueTests(ReviewCase):
    """What moderators see and do."""

    async def items(self, query: str = "state=all") -> list[Any]:
        """What the queue has."""
        answer = await self.owner.ask("GET", f"{QUEUE}/items?{query}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["items"]

    async def act(self, action: str, *reviews: str, why: str = "") -> Any:
        """Decide on reviews."""
        body = {"items": [f"review:{one}" for one in reviews], "action": action, "why": why}
        return await self.owner.ask("POST", f"{QUEUE}/actions", body)

    async def test_listed(self) -> None:
        """Stars and all else that is known are there; words, authors and stars' pages are found."""
        one = await self.made(star=2, title="Leaks", pros="blue", text="It leaks tea")
        await self.made(star=5, key="cup", text="fine")
        item = (await self.items("state=all&q=leaks"))[0]
        self.assertEqual((item["id"], item["product"], item["facts"]["star"]), (f"review:{one}", "reviews", 2))
        self.assertEqual(item["text"], "Leaks\n\nblue\n\nIt leaks tea")
        self.assertEqual(len(await self.items("state=approved&product=reviews")), 2)
        self.assertEqual(len(await self.items("state=all&channel=cup")), 1)
        self.assertEqual(len(await self.items("state=all&author=ann")), 2)
        detail = await self.owner.ask("GET", f"{QUEUE}/items/review:{one}")
        self.assertEqual((detail.status, detail.json()["item"]["facts"]["title"]), (200, "Leaks"))

    async def test_live_within_sections(self) -> None:
        """Moderators of sections hear of reviews in those, when they wait and when they are decided; of no others."""
        await self.owner.ask("GET", f"{QUEUE}/live")
        sam = await sign_in(self, "moderator", name="Sam")
        await self.application.shared[People].appoint(1, sam.account, "moderator", ("/sport",))
        live = (await sam.ask("GET", f"{QUEUE}/live")).json()
        ball, book = await self.made(star=4, key="/sport/ball"), await self.made(star=2, key="/news/book")
        for review in (book, ball):
            self.assertEqual((await self.act("hold", review)).status, 200)
        self.sql("select tell_review_queued(r) from review r where r.site_id = 1")
        heard = await self.ask("GET", f"/rt/poll?sub={live['position']}&token={live['token']}&wait=1")
        told = [(one["type"], one["data"]["item"]) for one in heard.json()["events"]]
        self.assertEqual(told, [("item.decided", f"review:{ball}"), ("item.queued", f"review:{ball}")])
        self.assertEqual([one["id"] for one in (await sam.ask("GET", f"{QUEUE}/items")).json()["items"]],
                         [f"review:{ball}"])  # fmt: skip

    async def test_neutral_reason(self) -> None:
        """What hides a review says why in neutral words; its author is told; undone, it is as it was."""
        ann = await self.visitor()
        review = await self.made(ann, 1, text="terrible")
        for why in ("", "we don't like it", "one star", "Offtopic"):
            self.assertEqual((await self.act("reject", review, why=why)).slug, "reason", why)
            self.assertEqual((await self.act("delete", review, why=why)).slug, "reason", why)
        self.assertEqual((await self.summary())["count"], 1)
        for action in ("reject", "delete"):
            done = await self.act(action, review, why="offtopic: about the courier")
            self.assertEqual(done.status, 200, done)
            self.assertEqual((await self.summary())["count"], 0)
            self.assertNotIn("terrible", str(self.events()))
            self.counts_agree()
            undone = await self.owner.ask("POST", f"{QUEUE}/actions/{done.json()['id']}/undo")
            self.assertEqual(undone.status, 200, undone)
            self.assertEqual((await self.summary())["histogram"], [1, 0, 0, 0, 0])
        await self.act("reject", review, why="offtopic: about the courier")
        own = (await self.ask("GET", f"{REVIEWS}/{review}", authorization=ann)).json()["review"]
        self.assertEqual((own["state"], own["reason"]), ("rejected", "offtopic"))
        self.assertEqual((await self.ask("GET", f"{REVIEWS}/{review}")).slug, "not-found")
        why = self.sql("select why from review_change where deed = 'reject' order by id desc limit 1")[0][0]
        self.assertEqual(why, "offtopic: about the courier")
        self.assertEqual(self.sql("select src from review"), [("terrible",)])
        self.assertEqual(len(REASONS), len(set(REASONS)))

    async def test_no_route_changes_what_was_said(self) -> None:
        """Nothing that staff may call takes stars or words of a review."""
        for route in TABLE.routes:
            if "/reviews/{review}" in route.path and route.for_own_pages:
                self.assertIn(route.name, ("replyReview", "unreplyReview"))
        self.assertFalse({"edit", "star"} & ReviewItems.actions)

    async def test_stars_are_not_judged(self) -> None:
        """What is judged holds words alone: one star and five are the same to every rule."""
        drafts = []

        async def judge(site: Any, draft: Any) -> Verdict:
            drafts.append(draft)
            return Verdict("approved")

        service = self.service
        service._judge = judge
        for star in (1, 5):
            body = PostBody(channel=ChannelBody("mug"), name="Ann", star=star, text="tea")
            await service.post(Session(1, 100 + star), ChannelRef("mug"), body)
        self.assertEqual(
            [(one.text, one.html, one.kind) for one in drafts], [("tea", "<p>tea</p>", "review")] * 2
        )

    async def test_pending_and_revision(self) -> None:
        """Where all waits, a new review waits, and so does a change, while the old text stays."""
        ann = await self.visitor()
        shown = await self.made(ann, 4, text="old words")
        rules = "/api/v1/sites/1/rules"
        changed = await self.owner.ask("PUT", rules, {"moderation": "pre"}, if_match='"0"')
        self.assertEqual(changed.status, 200, changed)
        bob = await self.visitor()
        waits = await self.post(bob, 1, text="waits")
        self.assertEqual((waits.status, waits.json()["review"]["state"]), (201, "pending"))
        edit = await self.ask("PATCH", f"{REVIEWS}/{shown}", {"star": 1, "text": "new words"}, authorization=ann)
        self.assertEqual(edit.json()["review"]["revision"]["star"], 1, edit)
        page = await self.page()
        self.assertEqual([(one["star"], one["html"]) for one in page["page"]["reviews"]], [(4, "<p>old words</p>")])
        self.assertEqual(len(await self.items("state=pending")), 2)
        for query in ("q=old+words", "q=new", "q=%22new+words%22", "q=%22old+words%22"):
            self.assertEqual(len(await self.items(f"state=pending&{query}")), 1, query)
        done = await self.act("approve", shown)
        self.assertEqual((await self.summary())["histogram"], [1, 0, 0, 0, 0], done)
        await self.owner.ask("POST", f"{QUEUE}/actions/{done.json()['id']}/undo")
        self.assertEqual((await self.summary())["histogram"], [0, 0, 0, 1, 0])
        await self.act("reject", shown, why="offensive")
        self.assertEqual((await self.page())["page"]["reviews"][0]["html"], "<p>old words</p>")
        await self.act("approve", waits.json()["review"]["id"])
        self.assertEqual((await self.summary())["count"], 2)
        self.counts_agree()
