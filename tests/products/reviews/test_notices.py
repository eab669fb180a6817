"""Mail to moderators about reviews: as much as the owner chose, once for what comes together, nothing that is gone."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

from cackled.domain.outbox import GiveUp, Retry, Work
from cackled.domain.signed_links import SignedLinks
from cackled.products.product import OutboxParts
from cackled.products.reviews.notices import ReviewNotices
from tests.products.reviews.common import REVIEWS, ReviewCase

RULES = "/api/v1/sites/1/rules"


class NoticeTests(ReviewCase):
    """From the review to the message."""

    async def setUp(self) -> None:
        await super().setUp()
        self.sent: list[tuple[str, EmailMessage]] = []
        self.fails: Exception | None = None
        await self.application.sites.change(1, "moderator_email", "mods@one.example")

    async def deliver(self) -> list[str]:
        """Work on what the outbox has of it; gives the subjects."""

        async def send(to: str, message: EmailMessage) -> None:
            if self.fails is not None:
                raise self.fails
            self.sent.append((to, message))

        async def secret(name: str) -> bytes:
            return b"s" * 32

        parts = OutboxParts(
            sites=self.application.sites, database=self.application.parts.database, send=send,
            sender="Reviews <reviews@cackle.example>", links=SignedLinks(secret, lambda: 0.0),
            own_url="https://cackle.example/",
        )  # fmt: skip
        self.sent = []
        rows = self.sql(
            "delete from outbox where kind = 'review-notice' returning id, body, extract(epoch from created_at)::float8"
        )
        for number, body, created in rows:
            await ReviewNotices(parts).deliver(Work(number, 1, "review-notice", body, 1, created))
        return [str(message["Subject"]) for _, message in self.sent]

    @property
    def text(self) -> str:
        """The last message."""
        return str(self.sent[-1][1].get_content())

    async def test_levels(self) -> None:
        """Off there is none; pending tells of what waits; low of low ratings too; all of everything."""
        await self.made(star=1)
        self.assertEqual(await self.deliver(), [])
        for level, wanted in (("pending", 0), ("low", 1), ("all", 3)):
            await self.setting(moderator_mail=level)
            for star in (5, 3, 2):
                await self.made(star=star, key=f"{level}-{star}", text=f"{level} {star}")
            subjects = await self.deliver()
            self.assertEqual(len(subjects), bool(wanted), level)
            if wanted:
                self.assertEqual(self.text.count("★"), 2 if wanted == 1 else 10, self.text)
        self.assertEqual(self.sent[0][0], "mods@one.example")
        self.assertEqual(str(self.sent[0][1]["Subject"]), "[One] 3 new reviews")
        self.assertIn("https://cackle.example/panel/sites/1/queue?state=all&product=reviews", self.text)

    async def test_pending(self) -> None:
        """New reviews and changes that wait are told, with their new words; what was decided meanwhile is not."""
        await self.setting(moderator_mail="pending")
        ann = await self.visitor()
        shown = await self.made(ann, 4, text="old words", title="T")
        await self.owner.ask("PUT", RULES, {"moderation": "pre"}, if_match='"0"')
        await self.ask("PATCH", f"{REVIEWS}/{shown}", {"text": "new words\n\n> forged"}, authorization=ann)
        self.assertEqual(await self.deliver(), ['[One] A review of "mug" waits for approval'])
        self.assertIn("new words", self.text)
        self.assertNotIn("old words", self.text)
        self.assertIn("state=pending", self.text)
        waits = (await self.post(await self.visitor(), 5, text="waits")).json()["review"]["id"]
        body = {"items": [f"review:{waits}"], "action": "approve"}
        await self.owner.ask("POST", "/api/v1/sites/1/moderation/actions", body)
        self.assertEqual(await self.deliver(), [])

    async def test_gathered(self) -> None:
        """What comes within a minute is one message, at most fifty reviews; a repeated post tells nothing twice."""
        await self.setting(moderator_mail="all")
        ann = await self.visitor()
        for _ in range(2):
            await self.post(ann, 1, text="x" * 3_000, idempotency_key="k")
        for n in range(3):
            await self.made(star=1, key=f"p{n}")
        self.assertEqual(self.sql("select count(*) from outbox where kind = 'review-notice'"), [(1,)])
        self.assertEqual(await self.deliver(), ["[One] 4 new reviews"])
        self.assertLess(self.text.count("x"), 1_200)

    async def test_failing(self) -> None:
        """A mail server that is away is tried again, one that refuses is not, and nothing goes without an address."""
        await self.setting(moderator_mail="all")
        for error, wanted in ((OSError("away"), Retry), (ValueError("never"), GiveUp)):
            await self.made(star=1, key=str(error))
            self.fails = error
            with self.assertRaises(wanted):
                await self.deliver()
        self.fails = None
        await self.made(star=1, key="last")
        await self.application.sites.change(1, "moderator_email", "")
        with self.assertRaises(GiveUp):
            await self.deliver()
        await self.made(star=1, key="silent")
        self.assertEqual(self.sql("select count(*) from outbox where kind = 'review-notice'"), [(0,)])

    async def test_hostile(self) -> None:
        """Names and titles with line ends or marks of direction make no headers and no lines of their own."""
        await self.setting(moderator_mail="all")
        channel = {"key": "mug", "title": "A\r\nBcc: x@y.example\u202e"}
        evil: Any = {"channel": channel, "name": "Eve\u202e\nX: 1", "star": 1, "text": "From: me"}
        answer = await self.ask("POST", REVIEWS, evil, authorization=await self.visitor())
        self.assertIn(answer.status, (201, 400, 422), answer)
        if answer.status == 201:
            await self.deliver()
            message = self.sent[-1][1]
            self.assertNotIn("Bcc", message)
            self.assertNotIn("\u202e", str(message["Subject"]) + self.text)
