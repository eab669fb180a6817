"""What owners say in letters: kept by language, safe whatever is typed, looked at, reset, and nobody else's."""

from __future__ import annotations

from typing import Any

from cackled.domain.mail_templates import Dress, Template
from cackled.features import registry
from cackled.languages import LANGUAGES
from tests.api.common import ApiCase
from tests.support.staff import sign_in

PATH = "/api/v1/sites/1/mail-templates"
WORDS = {"subject": "News of {site}", "intro": "Dear reader,\n\n<b>hello</b>", "footer": "Street 1"}


class MailTemplateTests(ApiCase):
    """Over HTTP."""

    async def setUp(self) -> None:
        await super().setUp()
        self.owner = await sign_in(self)

    async def kinds(self) -> list[Any]:
        """What letters there are."""
        answer = await self.owner.ask("GET", PATH)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["kinds"]

    async def test_life(self) -> None:
        """Kept by kind and language, shown in a sample, listed, reset; every kind in every language has a sample."""
        names = [one["name"] for one in await self.kinds()]
        wanted = [
            "chat-answer", "chat-transcript", "confirm", "moderators", "notices", "review-decided", "review-moderators",
            "review-request", "sign-in",
        ]  # fmt: skip
        self.assertEqual(sorted(names), wanted)
        for name in names:
            for language in LANGUAGES:
                usual = (await self.owner.ask("POST", f"{PATH}/{name}/{language}/preview", {})).json()
                answer = await self.owner.ask("POST", f"{PATH}/{name}/{language}/preview", WORDS)
                self.assertEqual(answer.status, 200, answer)
                shown = answer.json()
                self.assertEqual(shown["subject"], f"News of {self.site.name}")
                self.assertNotEqual(usual["subject"], shown["subject"])
                self.assertTrue(shown["text"].startswith("Dear reader,\n\n<b>hello</b>\n"), shown["text"])
                self.assertIn("Street 1", shown["text"])
                self.assertNotIn("Street 1", usual["text"])
        self.assertEqual((await self.owner.change("PUT", f"{PATH}/notices/de", WORDS)).json(), WORDS)
        kept = int((await self.owner.tag(f"{PATH}/notices/de")).strip('"'))
        self.assertEqual((await self.owner.ask("GET", PATH)).json()["templates"],
                         [{"kind": "notices", "language": "de", "version": kept, "template": WORDS}])  # fmt: skip
        self.assertEqual((await self.owner.ask("DELETE", f"{PATH}/notices/de")).status, 204)
        self.assertEqual((await self.owner.ask("GET", PATH)).json()["templates"], [])
        # An empty one is a reset.
        await self.owner.change("PUT", f"{PATH}/notices/de", WORDS)
        await self.owner.change("PUT", f"{PATH}/notices/de", {"intro": "  "})
        self.assertEqual(self.sql("select count(*) from mail_template"), [(0,)])
        audit = (await self.owner.ask("GET", "/api/v1/sites/1/audit?action=mail")).json()["entries"]
        self.assertEqual({one["action"] for one in audit}, {"mail.changed", "mail.reset"})

    async def test_refused(self) -> None:
        """Unknown placeholders, other braces, what is too long or can't be shown, unknown kinds and languages."""
        for body, field in (
            ({"subject": "{name}"}, "subject"), ({"intro": "{{site}}"}, "intro"), ({"intro": "{site"}, "intro"),
            ({"footer": "{site.__class__}"}, "footer"), ({"footer": "{0}"}, "footer"),
            ({"subject": "x" * 151}, None), ({"intro": "x" * 2001}, None), ({"footer": "x" * 1001}, None),
            ({"intro": "\n".join("x" * 100)}, "intro"), ({"intro": "\x1b[31m"}, "intro"), ({"other": "x"}, None),
            ({"subject": 1}, None),
        ):  # fmt: skip
            for method, path in (("PUT", f"{PATH}/confirm/en"), ("POST", f"{PATH}/confirm/en/preview")):
                answer = await self.owner.change(method, path, body)
                self.assertIn(answer.slug, ("bad-field", "bad-json"), (body, answer))
                if field is not None:
                    self.assertEqual(answer.json()["field"], field)
        self.assertEqual((await self.owner.change("PUT", f"{PATH}/confirm/xx", {})).slug, "bad-field")
        self.assertEqual((await self.owner.change("PUT", f"{PATH}/nothing/en", {})).slug, "not-found")
        self.assertEqual((await self.owner.change("PUT", f"{PATH}/confirm%00/e%00n", {})).status // 100, 4)
        self.assertEqual(self.sql("select count(*) from mail_template"), [(0,)])
        # A line that would end the subject is a blank.
        kept = (await self.owner.change("PUT", f"{PATH}/confirm/en", {"subject": "a\r\nBcc: x@y.example"})).json()
        self.assertEqual(kept["subject"], "a Bcc: x@y.example")

    async def test_others(self) -> None:
        """Nobody below an admin, and nobody of another site, reads or changes them."""
        await self.owner.change("PUT", f"{PATH}/confirm/en", WORDS)
        for who in (await sign_in(self, "moderator"), await sign_in(self, "owner", site=2)):
            for method, path in (("GET", PATH), ("PUT", f"{PATH}/confirm/en"), ("DELETE", f"{PATH}/confirm/en"),
                                 ("POST", f"{PATH}/confirm/en/preview")):  # fmt: skip
                answer = await who.ask(method, path, {} if method in ("PUT", "POST") else None)
                self.assertEqual(answer.status, 403, (method, path, answer))
        self.assertEqual(self.sql("select site_id, subject from mail_template"), [(1, "News of {site}")])

    async def test_dress(self) -> None:
        """What stands for a placeholder is never read as one, is one bounded line, and is escaped in HTML."""
        template = Template("{page} {name}", "{name}\n<i>{page}</i>\n\n{x}", "")
        dress = Dress(template, {"page": "{name}<b>", "name": "a\r\nb\u202e http://evil.example " + "x" * 500})
        subject = dress.subject("usual")
        self.assertTrue(subject.startswith("{name}<b> a b http[:]//evil.example"), subject)
        self.assertLessEqual(len(subject), 200)
        html = dress.intro_html("color:red")
        self.assertIn("&lt;i&gt;{name}&lt;b&gt;&lt;/i&gt;</p>", html)
        self.assertNotIn("<i>", html)
        self.assertEqual(Dress(Template(), {}).subject("usual"), "usual")
        for kind in registry().features:
            for letter in kind.letters:
                self.assertIn("site", letter.places)
