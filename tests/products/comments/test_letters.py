"""Letters to followers: who gets which, when, what is in them, how they end, and what brings them back."""

from __future__ import annotations

import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any
from urllib.parse import urlencode

from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.mail_templates import MailTemplates, Template
from cackled.domain.outbox import GiveUp, Work
from cackled.languages import LANGUAGES
from cackled.outbound.push import PushKeys
from cackled.products.comments.notices.delivery import Delivery
from cackled.products.comments.notices.letters import KINDS, WORDS, Item, Links, confirmation, letter
from cackled.products.comments.notices.links import NoticeLinks
from cackled.products.comments.notices.returned import MOST, read_report
from cackled.products.product import OutboxParts
from tests.products.comments.test_notices import NoticeCase
from tests.support.search_rules import Page

URL = "https://comments.example"


class LetterCase(NoticeCase):
    toml = (
        '[limits]\nexempt = ["127.0.0.0/8"]\n'
        f'[mail]\nhost = "127.0.0.1"\nport = 1\ntls = "none"\nurl = "{URL}"\nsender = "talk@mail.example"\n'
    )

    async def setUp(self) -> None:
        await super().setUp()
        # The test does the work of the outbox.
        self.application.outbox.stop()
        self.sent: list[tuple[str, EmailMessage]] = []
        self.refuse: Exception | None = None
        self.delivery = Delivery(
            OutboxParts(
                sites=self.application.sites, database=self.application.database, send=self.send_mail,
                sender="talk@mail.example", links=self.application.links, own_url=URL, http=None,
            ),
            self.application.shared[NoticeLinks], self.application.shared[PushKeys],
        )  # fmt: skip

    async def send_mail(self, to: str, message: EmailMessage) -> None:
        """Take a letter; it has to survive the wire."""
        if self.refuse is not None:
            raise self.refuse
        raw = message.as_bytes(policy=policy.SMTP)
        assert max(map(len, raw.split(b"\r\n"))) < 999
        parsed: Any = BytesParser(policy=policy.default).parsebytes(raw)
        self.sent.append((to, parsed))

    async def work(self, *, due: bool = True) -> list[EmailMessage]:
        """Do what is in the outbox; gives the letters that went out. *due*: only what is due within two minutes."""
        self.sent.clear()
        late = "and next_at < now() + interval '2 minutes'" if due else ""
        rows = self.sql(
            "update outbox set done_at = now() where done_at is null and kind in ('notice-mail', 'notice-confirm') "
            f"{late} returning id, site_id, kind, body, 1, extract(epoch from created_at)::float8"
        )
        for row in sorted(rows):
            work = Work(*row)
            await (self.delivery.mail if work.kind == "notice-mail" else self.delivery.confirm)(work)
        return [message for _, message in self.sent]

    async def subscribe(self, who: str, email: str = "Ann@mail.example") -> None:
        """Follow the conversation, and confirm an address for it."""
        await self.follow(who)
        await self.call("PATCH", "notices/settings", who, {"email": email})
        (asked,) = await self.work()
        got = await self.ask("POST", self.link(asked, "confirm"), b"", content_type="application/x-www-form-urlencoded")
        self.assertEqual(got.status, 200, got)

    @staticmethod
    def text(message: Any, kind: str = "plain") -> str:
        """The text of a letter."""
        body = message.get_body((kind,))
        return str(body.get_content())

    def link(self, message: Any, what: str) -> str:
        """A link of a letter, without the host."""
        found = re.search(rf"{URL}(/notices/1/{what}\?token=\S+)", self.text(message))
        assert found, self.text(message)
        return found[1]


class FollowerTests(LetterCase):
    async def test_owners_words(self) -> None:
        """What the owner says stands in the letters of that language; what is quoted stays quoted, in HTML too."""
        templates = MailTemplates(self.site, self.application.database)
        notices, confirm = KINDS
        words = Template("{n} for you: {page}", "Hi!\n\n<b>{name}</b>", "Bye & thanks")
        await templates.put(notices, "en", words, 0)
        await templates.put(confirm, "en", Template("Is it you? {site}", "", "Street 1"), 0)
        await templates.put(notices, "de", Template("Neues", "", ""), 0)
        await self.follow(self.ann)
        await self.call("PATCH", "notices/settings", self.ann, {"email": "ann@mail.example"})
        (asked,) = await self.work()
        self.assertEqual(asked["Subject"], "Is it you? One")
        self.assertIn("Street 1", self.text(asked))
        await self.ask("POST", self.link(asked, "confirm"), b"", content_type="application/x-www-form-urlencoded")
        await self.post(self.bob, "words", name="Bób {page} <x>")
        await self.gather()
        (one,) = await self.work()
        self.assertEqual(one["Subject"], "1 for you: X")
        lines = self.text(one).splitlines()
        self.assertEqual(lines[:3], ["Hi!", "", "<b>Bób {page} <x></b>"])
        self.assertIn("Bye & thanks", lines)
        html = self.text(one, "html")
        self.assertIn("&lt;b&gt;Bób {page} &lt;x&gt;&lt;/b&gt;", html)
        self.assertIn("Bye &amp; thanks", html)
        await templates.reset(notices, "en")
        await self.post(self.bob, "more words")
        await self.gather()
        (one,) = await self.work()
        self.assertNotIn("Hi!", self.text(one))

    async def test_confirmed_once(self) -> None:
        """No letter before the address says so; GET says nothing; another address is asked anew."""
        await self.follow(self.ann)
        wanted = {"email": "ann@mail.example", "language": "de"}
        settings = await self.call("PATCH", "notices/settings", self.ann, wanted)
        self.assertEqual((settings["state"], settings["digest"]), ("asked", "off"))
        await self.post(self.bob, "unheard")
        await self.gather()
        (asked,) = await self.work()
        self.assertEqual(self.sent[0][0], "ann@mail.example")
        self.assertIn("E-Mails von One?", asked["Subject"])
        self.assertNotIn("unheard", self.text(asked))
        link = self.link(asked, "confirm")
        got = await self.ask("GET", link, accept_language="fr")
        self.assertEqual((got.status, got.headers["content-language"]), (200, "fr"))
        self.assertEqual(got.headers["referrer-policy"], "no-referrer")
        self.assertEqual(Page(got.body.decode()).wrong, [])
        self.assertEqual((await self.call("GET", "notices/settings", self.ann))["state"], "asked")
        await self.call("PATCH", "notices/settings", self.ann, {"email": "ann@mail.example"})
        self.assertEqual(await self.work(), [], "one letter an hour")
        self.assertEqual((await self.ask("POST", link, b"")).status, 200)
        settings = await self.call("GET", "notices/settings", self.ann)
        self.assertEqual((settings["state"], settings["digest"]), ("confirmed", "soon"))
        self.sql("update follower set asked_at = now() - interval '2 hours'")
        await self.call("PATCH", "notices/settings", self.ann, {"email": "other@mail.example"})
        self.assertEqual((await self.ask("POST", link, b"")).status, 410, "the link is for the other address")
        for wrong in ("x", "", link.rpartition("=")[2][:-2], "a" * 2000):
            self.assertEqual((await self.ask("POST", f"/notices/1/confirm?token={wrong}", b"")).status, 410)
        self.assertEqual((await self.ask("POST", link.replace("/1/", "/2/"), b"")).status, 410)
        self.assertEqual((await self.ask("POST", link.replace("confirm", "stop"), b"")).status, 410)

    async def test_many_ask(self) -> None:
        """One address is not asked by more letters than three an hour, whoever wants it."""
        for _ in range(6):
            await self.call("PATCH", "notices/settings", await self.visitor(), {"email": "victim@mail.example"})
        self.assertLessEqual(len(await self.work()), 3)

    async def test_letter(self) -> None:
        """What is new since, in the reader's language, as text and HTML; grouped in the mail program; never twice."""
        await self.subscribe(self.ann)
        first = await self.post(self.ann, "mine")
        answer = 'See [this](https://evil.example/x) & <b> "that"'
        await self.post(self.bob, answer, parent=first["comment"]["id"], name="Bób\u202e <x>")
        await self.gather()
        (one,) = await self.work()
        self.assertEqual((self.sent[0][0], one["To"], one["From"]), ("Ann@mail.example",) * 2 + ("talk@mail.example",))
        self.assertEqual(one["Subject"], "Bób <x> answered you: X")
        place = self.sql("select max(id) from comment")[0][0]
        self.assertIn(f"https://one.example/x#mc-{place}", self.text(one))
        self.assertIn('    See this & <b> "that"', self.text(one))
        html = Page(self.text(one, "html"))
        self.assertEqual(html.wrong, [])
        self.assertNotIn("evil.example", self.text(one, "html"), "strangers' links are not to be pressed")
        self.assertEqual(one["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")
        self.assertTrue(one["List-Unsubscribe"].startswith(f"<{URL}/notices/1/stop?token="))
        self.assertEqual((one["Auto-Submitted"], one["Content-Language"]), ("auto-generated", "en"))
        await self.post(self.bob, "more")
        await self.post(self.bob, "gone")
        gone = self.sql("select max(id) from comment")[0][0]
        await self.ask("DELETE", f"/api/v1/sites/1/comments/{gone}", authorization=self.bob)
        await self.post(self.bob, "even more")
        await self.gather()
        (two,) = await self.work()
        self.assertEqual(two["Subject"], "2 new comments on One")
        self.assertEqual(two["References"], one["References"], "one conversation in the mail program")
        self.assertNotEqual(two["Message-ID"], one["Message-ID"])
        self.assertEqual([word in self.text(two) for word in ("more", "even more", "gone", "mine")],
                         [True, True, False, False])  # fmt: skip
        self.assertEqual(await self.work(), [])

    async def test_held(self) -> None:
        """A comment that waits is told when a moderator approves it, and one that is a shadow's never."""
        await self.subscribe(self.ann)
        made = await self.post(self.bob, "canary")
        number = int(made["comment"]["id"])
        self.sql("update comment set shadow = true, status = 3, shown = false where id = %s", number)
        await self.gather()
        self.assertEqual(await self.work(), [])

    async def test_stop(self) -> None:
        """One click ends it (RFC 8058), without cookies and without a question; GET asks only."""
        await self.subscribe(self.ann)
        await self.post(self.bob, "one")
        await self.gather()
        (one,) = await self.work()
        link = one["List-Unsubscribe"].strip("<>").removeprefix(URL)
        self.assertEqual((await self.ask("GET", link)).status, 200)
        self.assertEqual((await self.call("GET", "notices/settings", self.ann))["digest"], "soon")
        got = await self.ask(
            "POST", link, b"List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
        )
        self.assertEqual(got.status, 200)
        self.assertEqual((await self.call("GET", "notices/settings", self.ann))["digest"], "off")
        await self.post(self.bob, "two")
        await self.gather()
        self.assertEqual(await self.work(), [])
        self.assertEqual((await self.call("GET", "notices", self.ann))["unread"], 2, "the page still tells")

    async def test_settings_page(self) -> None:
        """The link in a letter opens all settings and what is followed; hostile forms change nothing else."""
        await self.subscribe(self.ann)
        await self.follow(self.ann, "person", self.visitor_of(self.bob))
        await self.post(self.bob, "one", name="Bob <b>")
        await self.gather()
        (one,) = await self.work()
        link = self.link(one, "settings")
        page = Page((await self.ask("GET", link)).body.decode())
        self.assertEqual(page.wrong, [])
        self.assertIn("Bob <b>", page.text)
        form = {"content_type": "application/x-www-form-urlencoded"}
        wanted = {"digest": "daily", "from": "22", "to": "7", "zone": "Asia/Tokyo", "language": "ja"}
        got = await self.ask("POST", link, urlencode(wanted).encode(), **form)
        self.assertEqual(got.status, 200, got)
        settings = await self.call("GET", "notices/settings", self.ann)
        self.assertEqual((settings["digest"], settings["quiet"], settings["zone"], settings["language"],
                          settings["replies"]), ("daily", [22, 7], "Asia/Tokyo", "ja", False))  # fmt: skip
        for wrong, status in (({"zone": "Mars/X"}, 422), ({"zone": "\0"}, 422), ({"from": "99"}, 200),
                              ({"digest": "x", "replies": "x"}, 200), ({"leave": "person:x"}, 200),
                              ({"leave": f"person:{'9' * 4000}"}, 200)):  # fmt: skip
            got = await self.ask("POST", link, urlencode(wrong).encode(), **form)
            self.assertEqual(got.status, status, (wrong, got))
            again = await self.call("GET", "notices/settings", self.ann)
            self.assertEqual(again | {"page": settings["page"]}, settings)
        await self.ask("POST", link, urlencode({"leave": f"person:{self.visitor_of(self.bob)}"}).encode(), **form)
        self.assertEqual(len((await self.call("GET", "follows", self.ann))["follows"]), 1)
        await self.ask("POST", link, b"leave=all", **form)
        self.assertEqual((await self.call("GET", "follows", self.ann))["follows"], [])

    async def test_when(self) -> None:
        """Digests gather, quiet hours and the bound of an hour put off; what was put off is in one letter."""
        await self.subscribe(self.ann)
        self.sql("update follower set digest = 'daily', zone = 'Asia/Tokyo'")
        await self.post(self.bob, "one")
        await self.gather()
        await self.post(self.bob, "two")
        await self.gather()
        ((at, hour),) = self.sql(
            "select next_at > now(), extract(hour from next_at at time zone 'Asia/Tokyo')::int from outbox "
            "where kind = 'notice-mail' and done_at is null"
        )
        self.assertEqual((at, hour), (True, 8))
        (one,) = await self.work(due=False)
        self.assertEqual(one["Subject"], "2 new comments on One")
        for digest in ("soon", "hourly"):
            ((outside,),) = self.sql(
                "select bool_and(extract(hour from next_letter(f) at time zone f.zone)::int = f.quiet_to) from ("
                "  select (jsonb_populate_record(x, jsonb_build_object('digest', %s::text, 'quiet_from', h, "
                "    'quiet_to', (h + 3) %% 24))).* from follower x, ("
                "      select extract(hour from now() at time zone 'Asia/Tokyo' + case when %s = 'hourly' "
                "        then interval '1 hour' else interval '1 minute' end)::int as h) y) f", digest, digest,
            )  # fmt: skip
            self.assertTrue(outside, digest)
        self.sql("update follower set digest = 'soon', hour = now(), mails = 10")
        await self.post(self.bob, "three")
        await self.gather()
        self.assertEqual(await self.work(), [], "ten an hour")
        (late,) = await self.work(due=False) or [None]
        self.assertIsNone(late, "not within the hour")
        self.sql("update follower set hour = now() - interval '61 minutes'")
        self.assertEqual(len(await self.work(due=False)), 1)

    async def test_closed_since(self) -> None:
        """Nothing goes out of a conversation that the reader may no longer read, nor of a private site."""
        await self.subscribe(self.ann)
        for setting, value in (("locks", "pa* read signed-in"), ("private", True)):
            await self.application.sites.change(1, "private", False)
            await self.application.sites.change(1, "locks", "")
            await self.post(self.bob, "canary")
            await self.gather()
            await self.application.sites.change(1, setting, value)
            self.assertEqual(await self.work(), [], setting)

    async def test_returned(self) -> None:
        """A bounce or a complaint that names the letter ends mail to that address; others' reports do nothing."""
        await self.subscribe(self.ann)
        await self.post(self.bob, "one")
        await self.gather()
        (one,) = await self.work()
        name = str(one["Message-ID"])
        forged = name.replace(".n.1.", ".n.2.")
        for raw, count in (
            (dsn(forged), b"0"), (dsn(name, status="4.2.2"), b"0"), (dsn(name, action="delayed"), b"0"), (b"", b"0"),
            (b"\xff\x00" * 100, b"0"), (one.as_bytes(), b"0"), (dsn(name), b"1"),
        ):  # fmt: skip
            got = await self.ask("POST", "/notices/returned", raw, content_type="message/rfc822")
            self.assertEqual((got.status, got.body.strip()), (200, count), raw[:200])
        settings = await self.call("GET", "notices/settings", self.ann)
        self.assertEqual(settings["state"], "bounced")
        await self.post(self.bob, "two")
        await self.gather()
        self.assertEqual(await self.work(), [])
        await self.call("PATCH", "notices/settings", self.bob, {"email": "ann@mail.example"}, 409)
        self.sql("delete from mail_stop")
        self.sql("update follower set email_state = 'confirmed'")
        await self.ask("POST", "/notices/returned", complaint(name), content_type="message/rfc822")
        self.assertEqual((await self.call("GET", "notices/settings", self.ann))["state"], "complained")
        self.assertEqual((await self.ask("GET", "/notices/returned")).status, 405)

    async def test_refused(self) -> None:
        """A server that refuses an address for good is a bounce as well."""
        await self.subscribe(self.ann)
        await self.post(self.bob, "one")
        await self.gather()
        self.refuse = ValueError("550 no such user")
        with self.assertRaises(GiveUp):
            await self.work()
        self.assertEqual((await self.call("GET", "notices/settings", self.ann))["state"], "bounced")


def dsn(name: str, status: str = "5.1.1", action: str = "failed") -> bytes:
    """A delivery status notification about a letter."""
    return (
        "From: MAILER-DAEMON@mx.example\r\nTo: talk@mail.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; ann@mail.example\r\nAction: {action}\r\nStatus: {status}\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {name}\r\nSubject: x\r\n\r\n--b--\r\n"
    ).encode()


def complaint(name: str) -> bytes:
    """A complaint about a letter (RFC 5965)."""
    return (
        "From: fbl@box.example\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nAn abuse report.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {name}\r\nSubject: x\r\n\r\nHello\r\n--b--\r\n"
    ).encode()


class TextTests(SynchronousTestCase):
    def test_every_language(self) -> None:
        """Letters are whole in every language and direction, for one comment and for many."""
        items = [Item("reply", "Ann", "A page", "https://one.example/x#mc-1", "<p>Hello <em>you</em></p>")] * 3
        for language in LANGUAGES:
            words = WORDS.words(language)
            for count, shown in ((1, items[:1]), (2, items[:2]), (30, items)):
                made = letter(words, "The site", shown, count, Links("https://c.example/s", "https://c.example/u"))
                html = made.get_body(("html",))
                text = made.get_body(("plain",))
                assert html is not None and text is not None
                page = Page(html.get_content())
                self.assertEqual(page.wrong, [], language)
                for part in (html.get_content(), text.get_content()):
                    self.assertIn("https://c.example/u", part)
                    self.assertIn("https://one.example/x#mc-1", part)
            made = confirmation(words, "The site", "https://c.example/c")
            for kind in ("plain", "html"):
                part = made.get_body((kind,))
                assert part is not None
                self.assertIn("https://c.example/c", part.get_content())

    def test_hostile(self) -> None:
        """Names, titles and texts of strangers add no header and no markup."""
        bad = "a\r\nBcc: x@y\u202e<script>"
        made = letter(WORDS.words("en"), bad, [Item("person", bad, bad, "", f"<p>{'x' * 5000}</p>")], 1,
                      Links("https://c.example/s", "https://c.example/u"))  # fmt: skip
        self.assertNotIn("Bcc", made.keys())
        html = made.get_body(("html",))
        assert html is not None
        self.assertNotIn("<script", html.get_content())

    def test_reports(self) -> None:
        """Whatever comes, reading it ends and breaks nothing."""
        base = dsn("<cackled.n.1.a.1.0000000000000000.000000000000000000000000@x>")
        for at in range(0, len(base), 7):
            read_report(base[:at])
            read_report(base[:at] + b"\xff\0(;\r\n" + base[at:])
        read_report(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 100_000)
        read_report(b"Content-Type: message/rfc822\r\n\r\n" * 5_000)
        self.assertIsNone(read_report(b"x" * (MOST + 10)))
