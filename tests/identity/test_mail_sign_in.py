"""Signing in by a letter: its link, its figures, and guessing them."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urlsplit

from tests.api.common import Answer
from tests.identity.signing_in import SignInCase
from tests.support.windows import VERIFIER


class MailTests(SignInCase):
    """Signing in by a letter."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.add("mail", "mail")

    def letters(self) -> list[dict[str, str]]:
        """What waits to be sent."""
        import json

        rows = self.sql("select body from outbox where kind = 'sign-in-mail' order by id")
        return [json.loads(body) for (body,) in rows]

    def fields(self, answer: Answer) -> dict[str, str]:
        """The form of a page."""
        pairs = re.findall(r'name="(\w+)" value="([^"]*)"', answer.body.decode())
        return {name: html.unescape(value) for name, value in pairs}

    async def ask_for(self, email: str, name: str = "Mia") -> Answer:
        """Ask for a letter; gives the page with the code's form."""
        first = await self.visit(self.start("mail"))
        return await self.visit("/auth/1/mail/send", {**self.fields(first), "email": email, "name": name})

    async def test_link_and_code(self) -> None:
        """By the link in the same browser, by the figures anywhere."""
        await self.ask_for("mia@people.example")
        link = self.letters()[0]["link"]
        asked = await self.visit(link)
        self.assertEqual(self.sql("select count(*) from person"), [(0,)])
        mine = await self.enter(
            code=self.code_in(await self.visit("/auth/1/mail/link", self.fields(asked))), verifier=VERIFIER
        )
        me = mine.json()["person"]
        self.assertEqual((me["name"], me["email"], me["email_verified"]), ("Mia", "mia@people.example", True))
        self.told(await self.visit("/auth/1/mail/link", self.fields(asked)), 410, "used before")
        self.sql("delete from one_time where kind = 'written'")
        form = await self.ask_for("MIA@people.example", "Other")
        wrong = await self.visit("/auth/1/mail/code", {**self.fields(form), "code": "0000001"})
        self.assertEqual(wrong.status, 422)
        last = await self.visit("/auth/1/mail/code", {**self.fields(wrong), "code": self.letters()[1]["code"]})
        again = await self.enter(code=self.code_in(last), verifier=VERIFIER)
        self.assertEqual((again.json()["visitor"], again.json()["person"]["name"]), (mine.json()["visitor"], "Mia"))

    async def test_any_script(self) -> None:
        """A name of any script is taken from the form, and what is no UTF-8 is no fault of ours."""
        form = await self.ask_for("anna@people.example", "Жанна 鈴木 é")
        done = await self.visit("/auth/1/mail/code", {**self.fields(form), "code": self.letters()[0]["code"]})
        me = (await self.enter(code=self.code_in(done), verifier=VERIFIER)).json()["person"]
        self.assertEqual(me["name"], "Жанна 鈴木 é")

    async def test_elsewhere(self) -> None:
        """Whoever asks with another's address is not signed in by that other's click."""
        await self.ask_for("victim@people.example")
        link = self.letters()[0]["link"]
        self.told(await self.visit(link, cookie="cackled-local-visit=theirs"), 409, "for the browser where you began")
        given = {name: value[0] for name, value in parse_qs(urlsplit(link).query).items()}
        answer = await self.visit("/auth/1/mail/link", given, cookie="")
        self.assertEqual(answer.status, 409)

    async def test_guessing(self) -> None:
        """Five figures are tried; the right ones are worth nothing after that."""
        form = await self.ask_for("mia@people.example")
        right = self.letters()[0]["code"]
        wrong = "000000" if right != "000000" else "111111"
        statuses = [
            (await self.visit("/auth/1/mail/code", {**self.fields(form), "code": code})).status
            for code in (*[wrong] * 5, right)
        ]
        self.assertEqual(statuses, [422, 422, 422, 422, 410, 410])

    async def test_guessing_by_many_letters(self) -> None:
        """Whoever asks for letter after letter has 20 figures a day for one address; its link works all the same."""
        statuses = []
        for _ in range(5):
            form = await self.ask_for("mia@people.example")
            for _ in range(5):
                answer = await self.visit("/auth/1/mail/code", {**self.fields(form), "code": "1234567"})
                statuses.append(answer.status)
        self.assertEqual(statuses, [*[422, 422, 422, 422, 410] * 4, *[410] * 5])
        self.sql("delete from one_time where kind = 'written'")
        form = await self.ask_for("mia@people.example")
        letter = self.letters()[-1]
        late = await self.visit("/auth/1/mail/code", {**self.fields(form), "code": letter["code"]})
        self.assertEqual(late.status, 410)
        asked = await self.visit(letter["link"])
        self.code_in(await self.visit("/auth/1/mail/link", self.fields(asked)))

    async def test_tells_nothing(self) -> None:
        """The answer is the same whether the address is known, and whether it was written to a moment ago."""
        pages = []
        for email in ("new@people.example", "new@people.example", "other@people.example"):
            page = (await self.ask_for(email)).body.decode()
            pages.append(re.sub(r'value="[^"]*"', "", page))
        self.assertEqual(len(set(pages)), 1)
        self.assertEqual([one["to"] for one in self.letters()], ["new@people.example", "other@people.example"])
        answer = await self.ask_for("nonsense")
        self.assertEqual(answer.status, 422)
        self.assertIn('value="nonsense"', answer.body.decode())
        quoted = await self.ask_for('"><script>alert(1)</script>')
        self.assertNotIn("<script>alert", quoted.body.decode())
