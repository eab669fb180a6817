"""What a conversation's visitor did elsewhere on the site: what everybody may see, and no more."""

from __future__ import annotations

from typing import Any

from cackled.products import PRODUCTS
from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import StaffClient, sign_in

API = "/api/v1/sites/1"


class ActivityTests(ChatCase):
    """A visitor who wrote a comment and a review, and is in a conversation."""

    async def setUp(self) -> None:
        await super().setUp()
        self.auth = await self.visitor()
        self.comment_id = (await self.post(self.auth, "A fine lamp"))["comment"]["id"]
        await self.post(await self.visitor(), "another's canary")
        review = {"channel": {"key": "lamp", "url": "https://one.example/lamp", "title": "Lamp"}, "star": 4,
                  "title": "Bright", "text": "It is bright", "name": "Vi"}  # fmt: skip
        answer = await self.ask("POST", f"{API}/reviews", review, authorization=self.auth)
        self.assertEqual(answer.status, 201, answer)
        self.review_id = answer.json()["review"]["id"]
        self.chat = await self.start(auth=self.auth)

    async def done(self, by: StaffClient | None = None) -> dict[str, Any]:
        """What an operator is given, by product."""
        answer = await (by or self.ann).ask("GET", f"{CHATS}/{self.chat['chat']}/activity")
        self.assertEqual(answer.status, 200, answer)
        return {one["product"]: one for one in answer.json()["products"]}

    async def test_shown(self) -> None:
        """Counts, words and links, of this visitor alone; what is hidden is left out."""
        found = await self.done()
        self.assertEqual(set(found), {"comments", "reviews"})
        comment, review = found["comments"]["last"][0], found["reviews"]["last"][0]
        self.assertEqual((found["comments"]["count"], comment["text"]), (1, "A fine lamp"))
        self.assertEqual(comment["url"], f"https://one.example/x#mc-{self.comment_id}")
        self.assertEqual((review["text"], review["url"]),
                         ("★★★★ Bright", f"https://one.example/lamp#cr-{self.review_id}"))  # fmt: skip
        for number in range(6):
            await self.post(self.auth, f"no. {number}")
        found = await self.done()
        self.assertEqual((found["comments"]["count"], len(found["comments"]["last"])), (7, 5))
        self.assertEqual(found["comments"]["last"][0]["text"], "no. 5")
        for hidden in ("status = 0", "status = 2", "status = 1, shadow = true"):
            self.sql(f"update comment set {hidden}")
            self.sql(f"update review set {hidden}")
            self.assertEqual(await self.done(), {}, hidden)

    async def test_poll(self) -> None:
        """A vote is told where its poll shows voters, and never what it was."""
        self.sql(
            """
            insert into channel (site_id, id, key, url, product) values (1, 77, '7', 'https://one.example/p', 'polls');
            insert into poll (site_id, id, channel_id, kind, question) values (1, 7, 77, 'one', 'Tea or coffee?');
            """
        )
        self.sql(f"insert into ballot (site_id, poll_id, voter, visitor_id, options) "
                 f"values (1, 7, 'v', {self.visitor_of(self.auth)}, '{{1}}')")  # fmt: skip
        self.assertNotIn("polls", await self.done())
        self.sql("update poll set voters_shown = true")
        found = (await self.done())["polls"]
        self.assertEqual([(one["text"], one["url"]) for one in found["last"]],
                         [("Tea or coffee?", "https://one.example/p")])  # fmt: skip

    async def test_rights(self) -> None:
        """Where not everybody may read all, words are for those who moderate the site; a stranger gets nothing."""
        boss = await sign_in(self, "admin")
        visitor = self.visitor_of(self.auth)
        for turn, back in (
            (("locks", "/members/* read sso"), ("locks", "")), (("private", True), ("private", False)),
        ):  # fmt: skip
            await self.application.sites.change(1, *turn)
            found = await self.done()
            self.assertEqual([(one["count"], one["last"]) for one in found.values()], [(1, []), (1, [])], turn)
            self.assertEqual((await self.done(boss))["comments"]["last"][0]["text"], "A fine lamp")
            await self.application.sites.change(1, *back)
        self.sql(f"insert into person (site_id, visitor_id, name, skeleton, private) "
                 f"values (1, {visitor}, 'Vi', 'vi', true)")  # fmt: skip
        self.assertEqual((await self.done())["comments"]["last"], [])
        path = f"{CHATS}/{self.chat['chat']}/activity"
        self.assertEqual((await self.by_visitor(self.chat, "GET", "/activity")).status, 401)
        self.assertEqual((await (await sign_in(self, "analyst")).ask("GET", path)).status, 403)
        self.assertEqual((await self.ann.ask("GET", f"{CHATS}/7/activity")).slug, "chat")

    def test_declared(self) -> None:
        """Every product that has things of visitors says so; chat itself is what it is shown beside."""
        self.assertEqual([one.name for one in PRODUCTS if one.activity is None], ["chat"])
