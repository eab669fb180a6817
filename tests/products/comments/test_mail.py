"""Mail to moderators: what is reported and what is new, gathered, told once, and never what is gone by then."""

from __future__ import annotations

from email.message import EmailMessage
from random import Random
from typing import Any

from twisted.internet.task import Clock

from cackled.domain.outbox import Outbox
from cackled.domain.sessions import Session
from cackled.metrics import Metrics
from cackled.products.comments.mail import LONGEST, MOST, ModeratorMail
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id


class NoticeCase(DomainCase):
    """A mail server that keeps what it gets, or fails."""

    async def setUp(self) -> None:
        await super().setUp()
        self.mails: list[tuple[str, EmailMessage]] = []
        self.error: Exception | None = None
        self.send: Any = self.take

    async def take(self, to: str, message: EmailMessage) -> None:
        """Keep it."""
        if self.error is not None:
            raise self.error
        self.mails.append((to, message))

    async def work(self) -> list[str]:
        """Do what waits, whenever it is due; the errors noted meanwhile."""
        self.sql("update outbox set next_at = now() where done_at is null")
        notices = ModeratorMail(self.sites, self.database, self.send, "us@cackled.example")
        await Outbox(self.database, Clock(), Random(1), Metrics(), {"mail": notices.deliver}).run()
        return [row[0] for row in self.sql("select error from outbox where done_at is null order by id")]

    def waiting(self) -> int:
        return int(self.sql("select count(*) from outbox where kind = 'mail' and done_at is null")[0][0])


class FlagTests(NoticeCase):
    """What is reported, which is what a site with an address hears of by default."""

    settings = {"moderator_email": "mod@one.example"}

    async def test_told(self) -> None:
        """Each visitor's first report is told, with the words, the reason and the place; new comments are not."""
        comment = the_id(await self.post("bad words\nin lines", name="Eve"))
        self.assertEqual(self.waiting(), 0)
        for visitor, reason in ((BOB, "rude\r\nBcc: x@y.example"), (BOB, "again"), (CAT, "")):
            await self.moderation.flag(Session(1, visitor), comment, reason)
        self.assertEqual(self.waiting(), 2)
        self.assertEqual(await self.work(), [])
        self.assertEqual({to for to, _ in self.mails}, {"mod@one.example"})
        mails = [message for _, message in self.mails]
        for mail in mails:
            self.assertEqual(mail["Subject"], "[One] reported 2 times: a comment on page")
            self.assertIn("    bad words\n    in lines\n", mail.get_content())
            self.assertIn("Eve on page", mail.get_content())
            self.assertNotIn("Bcc", mail)
        self.assertEqual(sum("Reason given: rude" in mail.get_content() for mail in mails), 1)
        self.assertEqual(len({mail["Message-ID"] for mail in mails}), 2)
        self.assertTrue(all(mail["Auto-Submitted"] and mail["Date"] for mail in mails))

    async def test_gone(self) -> None:
        """What was deleted meanwhile is not mailed, and the outbox never held its words."""
        comment = the_id(await self.post("bad words"))
        await self.moderation.flag(Session(1, BOB), comment, "")
        self.assertNotIn("bad words", self.sql("select body from outbox")[0][0])
        await self.comments.delete(Session(1, ANN), comment)
        self.assertEqual((await self.work(), self.mails, self.waiting()), ([], [], 0))

    async def test_failures(self) -> None:
        """Not now is tried again, never is given up; so is mail without a server, and a site without an address."""
        comment = the_id(await self.post())
        await self.moderation.flag(Session(1, BOB), comment, "")
        self.error = OSError("away")
        self.assertEqual(await self.work(), ["away"])
        self.error = None
        await self.work()
        self.assertEqual(len(self.mails), 1)
        for error, send, address, words in (
            (ValueError("550"), self.take, "mod@one.example", "550"),
            (None, None, "mod@one.example", "there is no [mail] host"),
            (None, self.take, "", "the site has no moderators' address any more"),
        ):
            self.error, self.send = error, send
            self.sql("delete from flag")
            self.sql("delete from outbox")
            await self.moderation.flag(Session(1, BOB), comment, "")
            await self.sites.change(1, "moderator_email", address)
            self.assertEqual(await self.work(), [words])
            self.assertEqual(self.sql("select dead_at is not null from outbox where kind = 'mail'"), [(True,)])
        self.assertEqual(len(self.mails), 1)


class CommentTests(NoticeCase):
    """New comments."""

    settings = {"moderator_email": "mod@one.example", "notify": "all"}

    async def test_gathered(self) -> None:
        """One message for all that came in a minute; the next begins after it, and nothing is left out."""
        for n in range(3):
            await self.post(f"number {n}", by=ANN + n, key=f"page-{n}")
        self.assertEqual(self.waiting(), 1)
        self.assertEqual(self.sql("select next_at > now() + interval '50 seconds' from outbox"), [(True,)])
        await self.work()
        ((_, mail),) = self.mails
        self.assertEqual(mail["Subject"], "[One] 3 new comments")
        for n in range(3):
            self.assertIn(f"Ann on page-{n}", mail.get_content())
            self.assertIn(f"    number {n}\n", mail.get_content())
        await self.post("later " + "x" * 2 * LONGEST)
        await self.work()
        mail = self.mails[1][1]
        self.assertEqual(mail["Subject"], "[One] a new comment on page")
        self.assertLess(len(mail.get_content()), LONGEST + 200)

    async def test_many_at_once(self) -> None:
        """Comments that are written together are one message too, bounded; one posted again is none."""
        from twisted.internet.defer import Deferred

        begun = [Deferred.fromCoroutine(self.post(f"n{n}", by=n + 1, idempotency_key="k")) for n in range(MOST + 5)]
        for one in begun:
            await one
        await self.work()
        self.assertLessEqual(len(self.mails), 2)
        self.assertIn(f"{MOST} new comments", self.mails[0][1]["Subject"])
        self.assertIn("There may be more", self.mails[0][1].get_content())
        count = len(self.mails)
        await self.post("n0", by=1, idempotency_key="k")
        self.assertEqual(self.waiting(), 0)
        await self.work()
        self.assertEqual(len(self.mails), count)
