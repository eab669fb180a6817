"""Signed links of moderators' mail: GET asks, POST does it once; nothing is told to who has no genuine one."""

from __future__ import annotations

from time import time

import jwt

from cackled.domain.signed_links import Deed
from tests.api.common import ORIGIN, ApiCase


class ModerateTests(ApiCase):
    async def setUp(self) -> None:
        await super().setUp()
        self.author = await self.visitor()
        written = await self.post(self.author, "the canary sings", name="Zygmunt")
        self.comment = int(written["comment"]["id"])

    async def link(self, deed: Deed = "remove", target: int = 0, occasion: int = 1, site: int = 1) -> str:
        """The address of a link."""
        token, _ = await self.application.links.token(site, deed, target or self.comment, occasion)
        return f"/moderate?token={token}"

    def there(self) -> bool:
        return self.sql("select status from comment") == [(1,)]

    async def test_remove(self) -> None:
        """GET and HEAD change nothing, however often; POST removes it, once; pages hear of it."""
        address = await self.link()
        for method in ("GET", "HEAD", "GET"):
            answer = await self.ask(method, address)
            self.assertEqual(answer.status, 200)
            self.assertTrue(self.there())
        body = answer.body.decode()
        self.assertIn('<form method="post">', body)
        self.assertIn(str(self.comment), body)
        for told in ("canary", "Zygmunt", "One", "page"):
            self.assertNotIn(told, body)
        self.assertEqual((await self.bootstrap()).json()["channel"]["comments"], 1)
        answer = await self.ask("POST", address, b"")
        self.assertEqual(answer.status, 200, answer)
        self.assertFalse(self.there())
        self.assertEqual((await self.bootstrap()).json()["channel"]["comments"], 0)
        self.assertEqual((await self.ask("POST", address, b"")).status, 410)
        again = await self.ask("POST", await self.link(occasion=2), b"")
        self.assertEqual(again.status, 404)
        self.assertEqual(self.sql("select count(*) from used_link"), [(1,)], "what was not done is not used")

    async def test_language(self) -> None:
        """The page is in a language that the browser asks for, else in that of the site's mail."""
        address = await self.link()
        for accepted, language, words in (
            ("de-AT,de;q=0.9", "de", "Diesen Kommentar entfernen?"), ("ar", "ar", "إزالة هذا التعليق؟"),
            ("xx", "fr", "Supprimer ce commentaire ?"), (None, "fr", "Supprimer ce commentaire ?"),
        ):  # fmt: skip
            await self.application.sites.change(1, "language", "fr")
            answer = await self.ask("GET", address, accept_language=accepted)
            self.assertEqual((answer.status, answer.headers["content-language"]), (200, language))
            direction = "rtl" if language == "ar" else "ltr"
            self.assertIn(f'<html lang="{language}" dir="{direction}">', answer.body.decode())
            self.assertIn(words, answer.body.decode())
            self.assertIn(str(self.comment), answer.body.decode(), "numbers that are names are not amounts")
        answer = await self.ask("GET", "/moderate?token=x", accept_language="ja")
        self.assertIn("このリンクは使えません", answer.body.decode())

    async def test_ban(self) -> None:
        """The author is banned; the link does not ban again once the ban is lifted."""
        visitor = int(self.visitor_of(self.author))
        address = await self.link("ban", visitor)
        self.assertEqual((await self.ask("GET", address)).status, 200)
        self.assertEqual(self.sql("select count(*) from ban"), [(0,)])
        self.assertEqual((await self.ask("POST", address, b"")).status, 200)
        self.assertEqual(self.sql("select kind, value from ban"), [("visitor", str(visitor))])
        refused = await self.ask("POST", "/api/v1/sites/1/comments", self.comment_body(), authorization=self.author)
        self.assertEqual(refused.slug, "banned")
        self.sql("delete from ban")
        self.assertEqual((await self.ask("POST", address, b"")).status, 410)
        self.assertEqual(self.sql("select count(*) from ban"), [(0,)])

    def comment_body(self) -> object:
        return {"channel": {"key": "page"}, "text": "x", "name": "Ann"}

    async def test_headers(self) -> None:
        """The address is a secret: it is kept nowhere, framed nowhere, sent on to nobody."""
        headers = (await self.ask("GET", await self.link(), origin=ORIGIN)).headers
        self.assertEqual((headers["cache-control"], headers["referrer-policy"]), ("no-store", "no-referrer"))
        self.assertIn("frame-ancestors 'none'", headers["content-security-policy"])
        self.assertIn("default-src 'none'", headers["content-security-policy"])
        self.assertNotIn("access-control-allow-origin", headers)

    async def test_not_genuine(self) -> None:
        """Forged, cut, doubled, run out, of no site, of another kind: one answer for all, and nothing is done."""
        good = (await self.link()).partition("=")[2]
        sub, exp = str(self.comment), int(time()) + 99
        claims = {"aud": "link", "jti": "5", "site": 1, "deed": "remove", "sub": sub, "exp": exp}
        links = self.application.links
        wrong = [
            "", "?token=", "?token=x", f"?token={good[:-3]}", f"?token={good}&token={good}", "?token=%ff%fe",
            "?token=" + jwt.encode(claims, b"x" * 32, algorithm="HS256"),
            "?token=" + jwt.encode(claims, None, algorithm="none"),
            "?token=" + self.author.partition(" ")[2], (await self.link(site=9)).partition("/moderate")[2],
            "?token=" + jwt.encode({**claims, "exp": int(time()) - 1}, links._key, algorithm="HS256"),
            "?token=" + jwt.encode({**claims, "deed": "erase"}, links._key, algorithm="HS256"),
            "?token=" + jwt.encode({**claims, "sub": "x"}, links._key, algorithm="HS256"),
        ]  # fmt: skip
        seen = set()
        for query in wrong:
            for method in ("GET", "POST"):
                answer = await self.ask(method, "/moderate" + query, b"" if method == "POST" else None)
                seen.add((answer.status, answer.body))
        self.assertEqual({status for status, _ in seen}, {410})
        self.assertEqual(len(seen), 1)
        self.assertTrue(self.there())
        self.assertEqual((await self.ask("PUT", "/moderate?token=x", b"")).status, 405)
        self.assertEqual((await self.ask("GET", "/moderate/x")).status, 404)

    async def test_other_site(self) -> None:
        """A link of one site does nothing in another."""
        answer = await self.ask("POST", await self.link(site=2), b"")
        self.assertEqual(answer.status, 404)
        self.assertTrue(self.there())

    async def test_decide(self) -> None:
        """What waits is approved, rejected or answered by links that work once, and not once it is another."""
        self.sql("update comment set status = 0, shown = false")
        for table in ("channel", "comment_channel"):
            self.sql(f"update {table} set n_visible = 0, n_root = 0, n_pending = 1")
        asked = await self.ask("GET", await self.link("answer"))
        self.assertIn('<textarea name="text"', asked.body.decode())
        form = {"content_type": "application/x-www-form-urlencoded"}
        empty = await self.ask("POST", await self.link("answer"), b"text=+", **form)
        self.assertEqual((empty.status, self.there()), (422, False))
        many = await self.ask("POST", await self.link("answer"), b"&".join([b"text=x"] * 9), **form)
        self.assertEqual((many.status, self.there()), (422, False))
        done = await self.ask("POST", await self.link("answer"), b"text=Sch%C3%B6n+gesagt", **form)
        self.assertEqual(done.status, 200, done)
        page = (await self.bootstrap()).json()["page"]["comments"]
        self.assertEqual(page[0]["replies"][0]["author"]["name"], "One")
        self.assertIn("Schön gesagt", page[0]["replies"][0]["html"])
        self.assertEqual((await self.ask("POST", await self.link("answer"), b"text=x", **form)).status, 410)
        token, _ = await self.application.links.token(1, "reject", self.comment, 5, 0)
        self.assertEqual((await self.ask("POST", f"/moderate?token={token}", b"")).status, 409)
        self.assertEqual((await self.ask("POST", await self.link("spam"), b"")).status, 200)
        self.assertEqual((await self.bootstrap()).json()["channel"]["comments"], 1)
