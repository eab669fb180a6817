"""Requests for reviews by mail, their one reminder and their end; and what authors are told."""

from __future__ import annotations

import re
from email.message import EmailMessage
from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.outbox import Work
from cackled.domain.signed_links import SignedLinks
from cackled.languages import LANGUAGES, read_catalogue
from cackled.products.product import OutboxParts
from cackled.products.reviews.mail import FOLDER, REASON_WORDS, ReviewMail
from cackled.products.reviews.reasons import REASONS
from tests.products.reviews import test_orders
from tests.products.reviews.common import REVIEWS, ReviewCase

# From now on: requests are not due yet.
ORDER = {**test_orders.ORDER, "at": ""}
PLACE = re.compile(r"\{(\w+)\}")


class WordTests(SynchronousTestCase):
    """The words of mail."""

    def test_languages(self) -> None:
        """Each language has all words, with the same places; each reason has its words."""
        english = read_catalogue(FOLDER / "en.json")
        self.assertEqual(set(english["reasons"]), {*REASONS, "spam"})
        self.assertEqual(set(english["reasons"]), REASON_WORDS)
        for language in LANGUAGES:
            found = read_catalogue(FOLDER / f"{language}.json")
            for section, words in english.items():
                self.assertEqual(set(found[section]), set(words), language)
                for key, word in words.items():
                    places = [sorted(set(PLACE.findall(str(one)))) for one in (word, found[section][key])]
                    self.assertEqual(places[0], places[1], (language, key))


class RequestTests(ReviewCase):
    """From the order to the review."""

    async def setUp(self) -> None:
        await super().setUp()
        self.sent: list[tuple[str, EmailMessage]] = []

        async def send(to: str, message: EmailMessage) -> None:
            self.sent.append((to, message))

        async def secret(name: str) -> bytes:
            return b"s" * 32

        self.parts = OutboxParts(
            sites=self.application.sites, database=self.application.parts.database, send=send,
            sender="Reviews <reviews@cackle.example>", links=SignedLinks(secret, lambda: 0.0),
            own_url="https://cackle.example",
        )  # fmt: skip
        await self.setting(requests="customer", request_days=30, reminder_days=5)

    async def deliver(self) -> None:
        """Work on all of the outbox that is about mail of reviews."""
        self.sql("update review_request set due_at = now() returning 1")
        for number, body in self.sql("select id, body from outbox where kind = 'review-mail' order by id"):
            self.sql("delete from outbox where id = %s returning 1", number)
            await ReviewMail(self.parts).deliver(Work(number, 1, "review-mail", body, 1, 1_800_000_000.0))

    def body(self, kind: str = "plain") -> str:
        """The last message as text or HTML."""
        part = self.sent[-1][1].get_body((kind,))
        assert part is not None
        return str(part.get_content())

    async def test_request(self) -> None:
        """It goes once, in the buyer's language, its stars lead to the form; one reminder; none after a review."""
        await self.owner.ask("POST", f"{REVIEWS}/orders", ORDER)
        await self.deliver()
        to, message = self.sent[0]
        self.assertEqual((to, message["To"]), ("Ann@mail.example", "Ann@mail.example"))
        self.assertEqual(message["Subject"], "Wie gefällt Ihnen Mug?")
        self.assertEqual(message["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")
        self.assertLess(len(bytes(message)), 102_000)
        links = re.findall(r"https://one\.example/mug#mc-review=(\S+)&star=(\d)", self.body())
        self.assertEqual([star for _, star in links], ["5", "4", "3", "2", "1"])
        self.assertIn('dir="ltr"', self.body("html"))
        self.assertEqual(self.sql("select state from review_request"), [("sent",)])
        next_at = self.sql("select (next_at - now())::text from outbox where kind = 'review-mail'")[0][0]
        self.assertTrue(next_at.startswith(("4 days", "5 days")), next_at)
        await self.deliver()
        self.assertIn("Erinnerung", self.sent[1][1]["Subject"])
        self.assertEqual(self.sql("select state from review_request"), [("reminded",)])
        await self.deliver()
        self.assertEqual(len(self.sent), 2)
        answer = await self.post(await self.visitor(), 4, order=links[1][0])
        self.assertEqual(answer.json()["review"]["verified"], "order", answer)
        self.assertEqual(self.sql("select state from review_request"), [("answered",)])

    async def test_figures(self) -> None:
        """Sent, opened and answered are of all requests that were sent: who has answered is among the opened, too."""

        async def figures() -> tuple[int, ...]:
            answer = await self.owner.ask("GET", f"{REVIEWS}/requests?state=waiting")
            self.assertEqual(answer.status, 200, answer)
            return tuple(answer.json()["figures"].values())

        async def order(number: int) -> str:
            email = f"buyer{number}@mail.example"
            made = await self.owner.ask("POST", f"{REVIEWS}/orders", {**ORDER, "order": f"A-{number}", "email": email})
            return str(made.json()["token"])

        self.assertEqual(await figures(), (0, 0, 0))
        early = await order(1)
        # Opened and answered before anything was sent: by the link that the site has.
        await self.ask("POST", f"{REVIEWS}/order", {"token": early})
        await self.post(await self.visitor(), 5, order=early)
        await self.deliver()
        self.assertEqual(await figures(), (0, 0, 0))
        opened, silent, direct = [await order(n) for n in (2, 3, 4)]
        await self.deliver()
        self.assertEqual(await figures(), (3, 0, 0))
        for _ in range(2):
            await self.ask("POST", f"{REVIEWS}/order", {"token": opened})
        self.assertEqual(await figures(), (3, 1, 0))
        await self.deliver()
        self.assertEqual(await figures(), (3, 1, 0), "a reminder is the same request")
        await self.post(await self.visitor(), 4, order=direct)
        self.assertEqual(await figures(), (3, 2, 1))
        await self.post(await self.visitor(), 3, order=opened)
        await self.ask("POST", f"{REVIEWS}/order", {"token": silent})
        self.assertEqual(await figures(), (3, 3, 2))
        other = await self.owner.ask("GET", "/api/v1/sites/2/reviews/requests")
        self.assertNotIn("figures", other.json(), "another site's are not told")

    async def test_unsubscribe(self) -> None:
        """Opening the link changes nothing; posting it ends all mail to that address, for other orders too."""
        await self.owner.ask("POST", f"{REVIEWS}/orders", ORDER)
        await self.deliver()
        stop = self.sent[0][1]["List-Unsubscribe"].strip("<>").removeprefix("https://cackle.example")
        page = await self.ask("GET", stop, origin=None)
        self.assertEqual((page.status, page.headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertEqual(self.sql("select count(*) from review_block"), [(0,)])
        done = await self.ask("POST", stop, b"List-Unsubscribe=One-Click", origin=None,
                              content_type="application/x-www-form-urlencoded")  # fmt: skip
        self.assertEqual(done.status, 200, done)
        await self.owner.ask("POST", f"{REVIEWS}/orders", {**ORDER, "order": "A-2"})
        await self.deliver()
        self.assertEqual(len(self.sent), 1)
        self.assertEqual(self.sql("select distinct state from review_request"), [("stopped",)])
        for token in ("", "x", stop.rpartition("=")[2][:-3] + "abc"):
            wrong = await self.ask("POST", f"{REVIEWS}/unsubscribe?stop={token}", origin=None)
            self.assertEqual(wrong.slug, "order-token")

    async def test_turned_off(self) -> None:
        """When the site takes its word on the legal ground back, nothing more goes out."""
        await self.owner.ask("POST", f"{REVIEWS}/orders", ORDER)
        await self.setting(requests="off")
        await self.deliver()
        self.assertEqual((self.sent, self.sql("select state, note from review_request")), ([], [("stopped", "off")]))

    async def test_author_is_told(self) -> None:
        """Who has a known address is written to, with the neutral reason and no other words."""
        ann = await self.visitor()
        review = await self.made(ann, 1, text="terrible")
        visitor = self.sql("select visitor_id from review")[0][0]
        self.sql(
            "insert into person (site_id, visitor_id, name, skeleton, email, email_verified, level, stated_at) "
            "values (1, %s, 'Ann', 'ann', 'ann@mail.example', true, 1, now()) returning 1", visitor,
        )  # fmt: skip
        body = {"items": [f"review:{review}"], "action": "reject", "why": "offtopic: our words"}
        answer = await self.owner.ask("POST", "/api/v1/sites/1/moderation/actions", body)
        self.assertEqual(answer.status, 200, answer)
        await self.deliver()
        self.assertEqual(self.sent[0][0], "ann@mail.example")
        self.assertIn("it is not about the product", self.body())
        self.assertNotIn("our words", self.body())

    async def test_forgotten(self) -> None:
        """Addresses go when they are needed no more, and with a visitor who is forgotten."""
        noted: Any = (await self.owner.ask("POST", f"{REVIEWS}/orders", ORDER)).json()
        ann = await self.visitor()
        await self.post(ann, 5, order=noted["token"])
        visitor = self.sql("select visitor_id from review")[0][0]
        await self.application.erasures.erase(1, visitor)
        self.assertEqual(self.sql("select mail, name, mail_hash from review_order"), [("", "", "")])
        self.assertEqual(self.sql("select author_name, src, status from review"), [("", "", 4)])
        self.assertNotIn("Ann", msgspec.json.encode(self.events()).decode())
        self.counts_agree()
