"""Mail to moderators: what is reported and what is new, gathered, told once, and never what is gone by then."""

from __future__ import annotations

import re
import unicodedata
from email.message import EmailMessage
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock

from cackled.domain.mail_templates import MailTemplates, Template
from cackled.domain.outbox import Outbox
from cackled.domain.sessions import Session
from cackled.domain.signed_links import SignedLinks
from cackled.domain.site import Site
from cackled.metrics import Metrics
from cackled.moderation.verdict import Draft, Verdict
from cackled.products.comments.mail import KINDS, LONGEST, MOST, MOST_REASONS, ModeratorMail
from cackled.products.comments.permalink import permalink
from cackled.products.comments.service import ChannelRef, Comments
from tests.domain.common import ANN, BOB, CAT, DomainCase, the_id


class NoticeCase(DomainCase):
    """A mail server that keeps what it gets, or fails."""

    async def setUp(self) -> None:
        await super().setUp()
        self.mails: list[tuple[str, EmailMessage]] = []
        self.error: Exception | None = None
        self.send: Any = self.take
        self.links: SignedLinks | None = None

    async def take(self, to: str, message: EmailMessage) -> None:
        """Keep it."""
        if self.error is not None:
            raise self.error
        self.mails.append((to, message))

    async def work(self) -> list[str]:
        """Do what waits, whenever it is due; the errors noted meanwhile."""
        self.sql("update outbox set next_at = now() where done_at is null")
        base = "https://c.example/" if self.links else ""
        notices = ModeratorMail(self.sites, self.database, self.send, "us@cackled.example", self.links, base)
        await Outbox(self.database, Clock(), Random(1), Metrics(), {"mail": notices.deliver}).run()
        return [row[0] for row in self.sql("select error from outbox where done_at is null order by id")]

    def waiting(self) -> int:
        return int(self.sql("select count(*) from outbox where kind = 'mail' and done_at is null")[0][0])


class FlagTests(NoticeCase):
    """What is reported, which is what a site with an address hears of by default."""

    settings = {"moderator_email": "mod@one.example"}

    async def test_told(self) -> None:
        """Reports of a comment within a minute are one message, with words, reasons, place; comments are not told."""
        comment = the_id(await self.post("bad words\nin lines", name="Eve"))
        self.assertEqual(self.waiting(), 0)
        for visitor, reason in ((BOB, "rude\r\nBcc: x@y.example"), (BOB, "again"), (CAT, "")):
            await self.comment_moderation.flag(Session(1, visitor), comment, reason)
        self.assertEqual(self.waiting(), 1)
        self.assertEqual(self.sql("select next_at > now() + interval '50 seconds' from outbox"), [(True,)])
        self.assertEqual(await self.work(), [])
        ((to, mail),) = self.mails
        self.assertEqual(to, "mod@one.example")
        self.assertEqual(mail["Subject"], '[One] reported 2 times: a comment on "page"')
        # In the owner's words, where there are some.
        template = Template("Look at {page}", "Colleagues,", "Night shift")
        await MailTemplates(self.site, self.database).put(KINDS[0], "en", template, 0)
        await self.comment_moderation.flag(Session(1, BOB), the_id(await self.post("worse")), "")
        await self.work()
        said = self.mails.pop()[1]
        self.assertEqual(said["Subject"], "Look at page")
        self.assertTrue(said.get_content().startswith("Colleagues,\n"))
        self.assertTrue(said.get_content().rstrip().endswith("Night shift"))
        await MailTemplates(self.site, self.database).reset(KINDS[0], "en")
        told = mail.get_content()
        self.assertIn("    bad words\n    in lines\n", told)
        self.assertIn('"Eve" on "page"', told)
        self.assertNotIn("Bcc", mail)
        self.assertIn('Reasons given:\n    "rude Bcc: x@y.example"\n', told)
        for line in (f"Comment {comment} of site 1, by visitor {ANN}\n", f"remove 1 {comment}\n",
                     f"ban 1 visitor {ANN}\n"):  # fmt: skip
            self.assertIn(line, told)
        self.assertTrue(mail["Auto-Submitted"] and mail["Date"] and mail["Message-ID"])
        # What is reported from now on is another message.
        await self.comment_moderation.flag(Session(1, 44), comment, "")
        await self.work()
        self.assertEqual(self.mails[1][1]["Subject"], '[One] reported 3 times: a comment on "page"')

    async def test_once(self) -> None:
        """One is not many."""
        comment = the_id(await self.post())
        await self.comment_moderation.flag(Session(1, BOB), comment, "")
        await self.work()
        self.assertEqual(self.mails[0][1]["Subject"], '[One] reported 1 time: a comment on "page"')
        self.assertNotIn("Reasons", self.mails[0][1].get_content())

    async def test_many_at_once(self) -> None:
        """However many visitors report it at the same moment, by however many connections."""
        comment = the_id(await self.post())
        flag = self.comment_moderation.flag
        works = [Deferred.fromCoroutine(flag(Session(1, 100 + n), comment, f"r{n}")) for n in range(42)]
        await gatherResults(works)
        self.assertEqual(self.waiting(), 1)
        await self.work()
        self.assertEqual(len(self.mails), 1)
        self.assertIn("reported 42 times", self.mails[0][1]["Subject"])
        self.assertEqual(self.mails[0][1].get_content().count('    "r'), MOST_REASONS)

    async def test_of_an_older_release(self) -> None:
        """A message that an older release queued, its reason with it, is sent as well."""
        comment = the_id(await self.post())
        self.sql("insert into outbox (site_id, kind, body) values (1, 'mail', %s)",
                 f'{{"about":"flag","id":"{comment}","reason":"rude"}}')  # fmt: skip
        self.assertEqual((await self.work(), len(self.mails)), ([], 1))

    async def test_strangers(self) -> None:
        """Nothing of strangers is a link, begins a line, turns one around or hides; links lead to the site alone."""
        nasty = (
            'x\r\nBcc: a@b.example\x1b[2J\u202eevil\u2066\u200b https://evil.example/ www.evil.example '
            'mailto:e@evil.example "q"'
        )
        as_key = "".join(one for one in nasty if one not in "\r\n\x1b")
        for key, title, url in (
            ("plain", nasty, "https://evil.example/"), (as_key, "", ""),
            ("k1", "", "https://one.example@evil.example/"), ("k2", "", "https://one.example.evil.example/x"),
            ("k3", "", "http://evil.example/https://one.example/"),
            ("k4", nasty, "https://one.example/a\u202eb?x=\u2066y#z"),
            ("k5", "", "https://one.example\\@evil.example/"),
        ):  # fmt: skip
            written = await self.comments.post(Session(1, ANN), ChannelRef(key, url, title), nasty, nasty[:60])
            comment = the_id(written)
            await self.comment_moderation.flag(Session(1, BOB), comment, nasty)
            await self.work()
            _, mail = self.mails.pop()
            told = mail.get_content()
            links = re.findall(r"\S+://\S+", told)
            wanted = [f"https://one.example/a%E2%80%AEb?x=%E2%81%A6y#mc-{comment}"] if key == "k4" else []
            self.assertEqual(links, wanted, key)
            self.assertNotIn("www.evil", told)
            self.assertNotIn("mailto:", told)
            for text in (told, mail["Subject"]):
                self.assertEqual([one for one in text if one != "\n" and unicodedata.category(one) in ("Cc", "Cf")], [])
            self.assertNotIn("Bcc", mail)
            ours = ("Comment ", "On the console:", "Reasons given:", '"', "    ", "https://one.example/")
            for line in told.splitlines():
                self.assertTrue(not line or line.startswith(ours), line)

    async def test_permalinks(self) -> None:
        """Only to pages of the site's origins, whole, at the comment."""
        for url, made in (
            ("https://one.example/a/b?c=d&e=%20f#g", "https://one.example/a/b?c=d&e=%20f#mc-7"),
            ("https://ONE.example", "https://one.example#mc-7"), ("https://one.example:444/", ""),
            ("https://two.example/", ""), ("https://one.example@two.example/", ""), ("//one.example/", ""),
            ("javascript:alert(1)//one.example", ""), ("https://[::1", ""), ("https://one.example:99999999/", ""),
            ("", ""),
            ("https://one.example/\"<b>'", "https://one.example/%22%3Cb%3E'#mc-7"),
        ):  # fmt: skip
            self.assertEqual(permalink(self.site, url, 7), made, url)

    async def test_language(self) -> None:
        """The message is in the language of the site's moderators, its plural forms too; commands and names stay."""
        self.links = SignedLinks(self.sites.secret, lambda: self.now)
        self.now = 1_000_000.0
        comment = the_id(await self.post("плохие слова", name="Ева"))
        russian = ('"Ева", страница "page"', "Указанные причины:", "В консоли:")
        hebrew = ('"Ева" בדף "page"', "הסיבות שצוינו:", "במסוף:")
        for language, subject, lines in (
            ("he", '[One] שני דיווחים על תגובה בדף "page"', hebrew),
            # Two more.
            ("ru", '[One] 4 жалобы на комментарий: "page"', russian),
        ):
            await self.sites.change(1, "language", language)
            self.sql("delete from flag")
            for visitor in (BOB, CAT):
                await self.comment_moderation.flag(Session(1, visitor), comment, "rude")
            await self.work()
            mail = self.mails.pop()[1]
            self.assertEqual((mail["Subject"], mail["Content-Language"]), (subject, language))
            told = mail.get_content().splitlines()
            for line in (*lines, "    плохие слова", f"    remove 1 {comment}", f"    ban 1 visitor {ANN}"):
                self.assertIn(line, told)
            self.assertFalse([line for line in told if line.startswith(("Comment", "Reasons", "On the", "Each"))])

    async def test_address(self) -> None:
        """The author's address is there where the site allows it, and only there."""
        comment = the_id(await self.post(address="192.0.2.55"))
        for allowed in (False, True):
            await self.sites.change(1, "mail_address", allowed)
            self.sql("delete from flag")
            await self.comment_moderation.flag(Session(1, BOB), comment, "")
            await self.work()
            self.assertEqual("192.0.2.55" in self.mails.pop()[1].get_content(), allowed)

    async def test_links(self) -> None:
        """Links to remove and ban are genuine, for a week, the same use for a message that is sent twice."""
        self.links = SignedLinks(self.sites.secret, lambda: self.now)
        self.now = 1_000_000.0
        comment = the_id(await self.post())
        await self.comment_moderation.flag(Session(1, BOB), comment, "")
        self.error = OSError("away")
        await self.work()
        self.error = None
        await self.work()
        told = self.mails[0][1].get_content()
        found = re.findall(r"https://c\.example/moderate\?token=(\S+)", told)
        self.assertIn("until 1970-01-19 13:46 UTC", told)
        read = [await self.links.read(token) for token in found]
        self.assertEqual([(one.site, one.deed, one.target) for one in read if one],
                         [(1, "remove", comment), (1, "ban", ANN)])  # fmt: skip
        again = await self.links.token(1, "remove", comment, self.sql("select id from outbox")[0][0])
        self.assertEqual(await self.links.read(again[0]), read[0])
        self.now += 7 * 86_400
        self.assertEqual([await self.links.read(token) for token in found], [None, None])
        for token in ("", "x", found[0][:-2], found[0] + "x", "é", "a" * 2_000, found[0].replace(".", "")):
            self.now = 1_000_000.0
            self.assertIsNone(await self.links.read(token), token)

    async def test_gone(self) -> None:
        """What was deleted meanwhile is not mailed, and the outbox never held its words."""
        comment = the_id(await self.post("bad words"))
        await self.comment_moderation.flag(Session(1, BOB), comment, "")
        self.assertNotIn("bad words", self.sql("select body from outbox")[0][0])
        await self.comments.delete(Session(1, ANN), comment)
        self.assertEqual((await self.work(), self.mails, self.waiting()), ([], [], 0))

    async def test_failures(self) -> None:
        """Not now is tried again, never is given up; so is mail without a server, and a site without an address."""
        comment = the_id(await self.post())
        await self.comment_moderation.flag(Session(1, BOB), comment, "")
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
            await self.comment_moderation.flag(Session(1, BOB), comment, "")
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
            self.assertIn(f'"Ann" on "page-{n}"', mail.get_content())
            self.assertIn(f"    number {n}\n", mail.get_content())
        await self.post("later " + "x" * 2 * LONGEST)
        await self.work()
        mail = self.mails[1][1]
        self.assertEqual(mail["Subject"], '[One] a new comment on "page"')
        self.assertLess(len(mail.get_content()), LONGEST + 400)

    async def test_many_at_once(self) -> None:
        """Comments that are written together are one message too, bounded; one posted again is none."""
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


class HeldTests(NoticeCase):
    """What waits for a moderator."""

    settings = {"moderator_email": "mod@one.example"}

    def of(self, site: Site) -> Comments:
        """Comments of which some wait."""

        async def judge(site: Site, draft: Draft) -> Verdict:
            if "spam" in draft.text:
                return Verdict("spam", ("spam",), 0.99)
            return Verdict("pending", ("premoderation",)) if "wait" in draft.text else Verdict("approved")

        return Comments(site, self.database, self.cache, self.evicted.append, judge=judge)

    async def test_told(self) -> None:
        """One message of all that waits, with links made harmless; nothing of what the filter took."""
        self.links = SignedLinks(self.sites.secret, lambda: 1_000_000_000.0)
        await self.post("buy spam")
        self.assertEqual(self.waiting(), 0)
        held = the_id(await self.post("wait, see https://bad.example/x", name="Eve"))
        await self.post("wait again", by=BOB)
        self.assertEqual(self.waiting(), 1)
        await self.work()
        (to, message), = self.mails  # fmt: skip
        body = message.get_content()
        self.assertEqual((to, message["Subject"]), ("mod@one.example", '[One] waiting for approval: "page"'))
        self.assertIn("https[:]//bad.example/x", body)
        self.assertNotIn("https://bad", body)
        self.assertNotIn("spam.", body)
        deeds = [await self.links.read(token) for token in re.findall(r"token=(\S+)", body)]
        self.assertEqual([one and one.deed for one in deeds[:4]], ["approve", "reject", "spam", "answer"])
        self.assertEqual({one and (one.target, one.version) for one in deeds[:4]}, {(held, 0)})
        first = deeds[0]
        assert first is not None
        done, position = await self.comment_moderation.decide_by_link(first, "approve")
        self.assertEqual((done, position and position.seq), (True, 1))
        self.assertEqual(await self.comment_moderation.decide_by_link(first, "approve"), (False, None))
        late = deeds[1]
        assert late is not None
        self.assertEqual((await self.refused(self.comment_moderation.decide_by_link(late, "reject"))).status, 409)
        self.assertEqual(len(self.sql("select * from used_link")), 1)
        self.assertEqual(self.sql("select status from comment order by id"), [(2,), (1,), (0,)])

    async def test_paced(self) -> None:
        """As often as the site wants; not at all where it wants none."""
        for digest, seconds in (("soon", 60), ("hourly", 3_600), ("daily", 86_400), ("off", None)):
            await self.sites.change(1, "digest", digest)
            site = self.sites.find(1)
            assert site is not None
            self.sql("delete from outbox")
            self.comments = self.of(site)
            await self.post("wait")
            due = self.sql("select round(extract(epoch from next_at - now()) / 30)::int * 30 from outbox")
            self.assertEqual(due, [] if seconds is None else [(seconds,)])
